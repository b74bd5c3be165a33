"""The fixture `harness`: calls the command line in this process; `no_nginx`, `no_apt`: on a machine without one.

`conftest.py` hands them to all tests.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from typer.main import get_command

from harness.cli import commands as cli
from harness.cli import screen
from harness.errors import Unavailable
from harness.launchers import apt
from harness.proxies.catalog import PROXIES
from tests.sandbox import Said

Harness = Callable[..., Said]

WIDTH = 400
COMMAND = get_command(cli.app)  # which each call would make anew


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Harness:
    """Call `harness` in an empty folder, on a screen so wide that no sentence is broken."""
    monkeypatch.chdir(tmp_path)
    for name in ("CI", "HARNESS_REQUIRE", "HARNESS_ALLOW_UNAVAILABLE", "HARNESS_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setattr(cli, "app", COMMAND)
    monkeypatch.setattr(screen.out, "width", WIDTH)
    monkeypatch.setattr(screen.err, "width", WIDTH)

    def call(*argv: str | Path) -> Said:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in argv])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, said.out, said.err)

    return call


@pytest.fixture
def no_nginx(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without nginx, on which no source has it."""

    def missing(*_: object) -> NoReturn:
        raise Unavailable("nginx is not installed", "install it: apt-get install nginx")

    for verb in ("version", "start", "fetch", "installed"):
        monkeypatch.setattr(type(PROXIES["nginx"]), verb, missing)
    monkeypatch.setattr(type(PROXIES["nginx"]), "offered", lambda self: "")


@pytest.fixture
def no_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without apt, which thinks of each package for half a second where its cache is not kept."""
    monkeypatch.setattr(apt, "_candidate", lambda package, lists: "")
