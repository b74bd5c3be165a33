"""Apache as Debian packages it: every shipped config serves, faults are told in its own words, nothing is left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.resources import configs
from tests.processes import process
from tests.proxies.serving import WORDS, asked, labels, listening, started, upstream, variants, whole
from tests.sampling import some_of

SHIPPED = variants("apache")
PLAIN = configs() / "apache/plain.conf"

pytestmark = [
    pytest.mark.proxies,
    pytest.mark.needs("apache"),
]


@some_of(("name", "config"), SHIPPED, each=3, ids=labels(SHIPPED))
async def test_a_shipped_config_passes_requests_on_and_is_gone_with_all_its_children(
    name: str, config: Path, tmp_path: Path
) -> None:
    async with upstream() as behind, Launcher() as launcher:
        running = await started(name, config, behind, tmp_path, launcher)
        assert await asked(running, "/any") == (200, WORDS)
        assert (await asked(running, "/gone"))[0] == 418
        processes = whole(process(running).pid)
        assert len(processes) > 1
        assert listening(processes) == {"127.0.0.1"}
    assert not [each for each in processes if each.is_running()]
    assert re.search(r"apache2'? .*-D FOREGROUND", (tmp_path / "evidence/command.txt").read_text())


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (("Listen ", "Lisen "), r"my\.conf:3: Invalid command 'Lisen'"),
        (("ProxyPass ", "ProxyPass nonsense://x "), r"my\.conf:16: Invalid ProxyPass"),
        (("mod_proxy_http.so", "mod_proxy_htttp.so"), r"my\.conf:14: Cannot load modules/mod_proxy_htttp\.so"),
    ],
)
async def test_a_broken_config_is_told_in_its_own_words_and_led_back(
    broken: tuple[str, str], words: str, tmp_path: Path
) -> None:
    mine = tmp_path / "my.conf"
    mine.write_text(PLAIN.read_text().replace(*broken))
    async with Launcher() as launcher:
        with pytest.raises(InputError, match=words):
            await started("apache", mine, Endpoint(1), tmp_path, launcher)
