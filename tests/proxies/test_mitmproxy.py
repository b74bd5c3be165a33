"""mitmproxy: it listens on this machine only, is gone with its folder, and a mistake in a script leads to its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.catalog import PROXIES
from harness.resources import configs
from tests.processes import process
from tests.proxies.serving import WORDS, asked, labels, listening, started, upstream, variants, whole
from tests.sandbox import missing

SHIPPED = variants("mitmproxy")


@pytest.mark.parametrize(("name", "config"), SHIPPED, ids=labels(SHIPPED))
def test_a_shipped_script_says_in_its_first_line_what_it_stands_for(name: str, config: Path) -> None:
    assert PROXIES[name].describe(config).endswith(".")
    PROXIES[name].check(config)


@pytest.mark.proxies
async def test_it_serves_on_this_machine_only_and_is_gone(tmp_path: Path) -> None:
    if why := missing("mitmproxy"):
        pytest.skip(why)
    async with upstream() as behind, Launcher() as launcher:
        running = await started("mitmproxy", configs() / "mitmproxy/default.py", behind, tmp_path, launcher)
        assert await asked(running, "/any") == (200, WORDS)
        processes = whole(process(running).pid)
        assert listening(processes) == {"127.0.0.1"}
    assert not [each for each in processes if each.is_running()]


@pytest.mark.proxies
async def test_a_broken_script_is_told_in_its_own_words_and_led_back_to_the_users_line(tmp_path: Path) -> None:
    if why := missing("mitmproxy"):
        pytest.skip(why)
    mine = tmp_path / "mine.py"
    mine.write_text('"""Mine."""\n\nimport nothing_of_that_name\n')
    async with Launcher() as launcher:
        with pytest.raises(
            InputError, match=r"mine\.py:3: ModuleNotFoundError: No module named 'nothing_of_that_name'"
        ):
            await started("mitmproxy", mine, Endpoint(1), tmp_path, launcher)
