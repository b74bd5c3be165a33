"""LiteLLM: both configs serve and pass requests on, faults are told in its own words, nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError, ProxyError
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.catalog import PROXIES
from harness.proxies.program_file import read_program
from harness.resources import configs
from tests.processes import process
from tests.proxies.serving import WORDS, asked, labels, listening, started, upstream, variants, whole
from tests.sampling import some_of
from tests.sandbox import missing

SHIPPED = variants("litellm")


@pytest.mark.parametrize(("name", "config"), SHIPPED, ids=labels(SHIPPED))
def test_a_shipped_config_says_in_its_first_line_what_it_stands_for(name: str, config: Path) -> None:
    assert PROXIES[name].describe(config).endswith(".")
    PROXIES[name].check(config)


@pytest.mark.parametrize("wheel", ["package: a", "package: a, program: bin/a, requirements: r.txt"])
def test_a_wheel_has_its_program_in_it_or_requirements(wheel: str, tmp_path: Path) -> None:
    file = tmp_path / "program.yaml"
    file.write_text(f"about: A.\nsources:\n  wheel: {{{wheel}}}\ncommand: [a]\n")
    with pytest.raises(
        InputError, match=r"program\.yaml:3: sources\.wheel: must have either `program`.*`requirements`"
    ):
        read_program(file)


@pytest.mark.proxies
@pytest.mark.needs("litellm")
@some_of(("name", "config"), SHIPPED, each=len(SHIPPED), ids=labels(SHIPPED))
async def test_a_shipped_config_serves_and_is_gone_with_all_its_children(
    name: str, config: Path, tmp_path: Path
) -> None:
    if why := missing(name):
        pytest.skip(why)
    async with upstream() as behind, Launcher() as launcher:
        running = await started(name, config, behind, tmp_path, launcher)
        assert await asked(running, "/pulse") == (200, WORDS)
        processes = whole(process(running).pid)
        assert listening(processes) == {"127.0.0.1"}
    assert not [each for each in processes if each.is_running()]


@pytest.mark.proxies
async def test_a_broken_config_is_told_in_its_own_words(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text((configs() / "litellm/chat.yaml").read_text().replace("hooks.anyone", "hooks.nobody"))
    async with Launcher() as launcher:
        with pytest.raises(ProxyError, match=r"litellm did not start:\n.*nobody"):
            await started("litellm", mine, Endpoint(1), tmp_path, launcher)
