"""Environments of applications: who needs which, and that one is whole or not there. Played by a quick pip."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from harness import resources
from harness.documents.hops import read as hop
from harness.errors import InputError, Unavailable
from harness.proxies import environments
from harness.proxies.application_options import ASGI, WSGI, Interface, serving
from harness.proxies.asgi import Asgi
from harness.proxies.environments import Environment, needed
from harness.session import variants

PLAIN = resources.configs() / "asgi" / "plain.py"
GZIP = resources.configs() / "asgi" / "gzip-middleware.py"

PYTHON = f"""#!/bin/sh
case "$*" in *janitor.py*) exec "{sys.executable}" "$@" ;; esac
echo "$@" >> "$CALLS"
case "$*" in
*venv*) mkdir -p bin && cp "$0" bin/python ;;
*freeze*) cat wanted.txt ;;
*install*) if [ -n "$BREAK" ]; then echo "ERROR: no such version"; exit 1; fi ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python that takes no time, and an empty cache; returns where it writes down how it was called."""
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def app(tmp_path: Path, dependencies: str | None) -> Path:
    """Write an app that names its dependencies, or does not."""
    block = "" if dependencies is None else f"# /// script\n# dependencies = {dependencies}\n# ///\n"
    file = tmp_path / "app.py"
    file.write_text(f'"""Mine."""\n\n{block}\napp = None\n')
    return file


def wanted(environment: Environment) -> dict[str, str]:
    return {line.partition("==")[0]: line.partition("==")[2] for line in environment.wanted}


# ---------------------------------------------------------------- who needs which


@pytest.mark.parametrize("interface", [ASGI, WSGI], ids=lambda one: one.name)
def test_every_shipped_app_runs_on_what_requirements_txt_pins(interface: Interface, tmp_path: Path) -> None:
    whole = needed(app(tmp_path, None), {}, "", interface)
    named = wanted(whole)
    assert set(interface.serving) <= named.keys()
    assert all(named.values()), "everything is pinned"
    for file in variants(interface.name).values():
        environment = needed(file, {}, "", interface)
        assert set(environment.constraints) == set(whole.wanted)
        assert set(interface.serving) <= wanted(environment).keys() <= named.keys()


def test_a_pin_takes_the_place_of_what_was_wanted() -> None:
    environment = needed(GZIP, {"starlette": "0.45.3"}, "", ASGI)
    assert "starlette==0.45.3" in environment.wanted
    assert not [line for line in environment.constraints if line.startswith("starlette==")]
    assert "fastapi" not in wanted(environment)


def test_a_pin_of_what_nobody_wanted_is_installed_too(tmp_path: Path) -> None:
    assert "anyio==4.1" in needed(app(tmp_path, '["httpx"]'), {"anyio": "4.1"}, "", ASGI).wanted


def test_extras_stay_with_a_pin(tmp_path: Path) -> None:
    assert "httpx[http2]==0.28.1" in needed(app(tmp_path, '["httpx[http2]"]'), {"httpx": "0.28.1"}, "", ASGI).wanted


def test_an_app_without_a_block_has_what_the_shipped_ones_have(tmp_path: Path) -> None:
    assert needed(app(tmp_path, None), {}, "", ASGI).wanted == needed(PLAIN, {}, "", ASGI).wanted


def test_who_names_packages_only_gets_our_versions_and_who_says_versions_gets_pip_s(tmp_path: Path) -> None:
    assert needed(app(tmp_path, '["fastapi"]'), {}, "", ASGI).constraints
    assert not needed(app(tmp_path, '["fastapi<0.120", "httpx"]'), {}, "", ASGI).constraints


@pytest.mark.parametrize("dependencies", ["fastapi", '"fastapi"', "[1]", '["=="]'])
def test_a_block_that_cannot_be_read_is_told(tmp_path: Path, dependencies: str) -> None:
    with pytest.raises(InputError, match=r"app\.py: .*`# /// script`"):
        needed(app(tmp_path, dependencies), {}, "", ASGI)


# ---------------------------------------------------------------- whole or not there


OWN_PIP = (["-I", "-m", "venv", "."], ["-I", "-m", "pip", "install"], ["-I", "-m", "pip", "freeze"])
OUR_PIP = (
    ["-I", "-m", "venv", "--without-pip", "."],
    ["-P", "-m", "pip", "--python", "bin/python", "install"],
    ["-P", "-m", "pip", "--python", "bin/python", "freeze"],
)


@pytest.fixture(params=[None, "22.3"], ids=["no pip", "pip"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The running Python has a pip that installs into another environment, or none."""
    _has_pip(request.param, monkeypatch)


def _has_pip(version: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(name: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", told)


@pytest.mark.proxies
@pytest.mark.parametrize(
    ("pip", "calling"),
    [(None, OWN_PIP), ("22.2.2", OWN_PIP), ("9.0", OWN_PIP), ("22.3", OUR_PIP), ("24.1b1", OUR_PIP), ("26", OUR_PIP)],
)
def test_it_is_made_once(
    calls: Path, monkeypatch: pytest.MonkeyPatch, pip: str | None, calling: tuple[list[str], ...]
) -> None:
    _has_pip(pip, monkeypatch)
    with pytest.raises(Unavailable, match=r"requirements\.txt is not installed \(harness setup asgi\)"):
        Asgi().version()
    said: list[str] = []
    Asgi().install(said.append)
    Asgi().install(said.append)
    assert said == ["making the environment with asgi's requirements.txt"]
    called = [line.split(" --disable-pip-version-check")[0].split() for line in calls.read_text().splitlines()]
    assert called == list(calling)
    assert Asgi().version().startswith("uvicorn ")


@pytest.mark.proxies
@pytest.mark.usefixtures("calls", "either_way")
def test_a_failed_one_is_not_there_and_pip_s_words_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = Asgi(serving(hop("asgi:plain@starlette==0.0.1"), ASGI))
    monkeypatch.setenv("BREAK", "yes")
    with pytest.raises(Unavailable, match=r"ERROR: no such version\n.*harness setup asgi:gzip-middleware@starlette==0"):
        pinned.install_for(GZIP, lambda _: None)
    with pytest.raises(Unavailable, match=r"starlette==0\.0\.1, uvicorn is not installed"):
        pinned._environment(GZIP).frozen()
    monkeypatch.delenv("BREAK")
    pinned.install_for(GZIP, lambda _: None)
    assert pinned._environment(GZIP).versions()["starlette"] == "0.0.1"


@pytest.mark.proxies
@pytest.mark.usefixtures("calls")
def test_equal_needs_share_one_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    Asgi().install(lambda _: None)
    Asgi(serving(hop("asgi:plain@hypercorn,uvloop,PAUSE_S=1"), ASGI)).install(lambda _: None)
    folders = resources.cache() / "asgi"
    assert len(list(folders.glob("*/"))) == 1
    Asgi(serving(hop("asgi:plain@anyio==4.1.0"), ASGI)).install(lambda _: None)
    assert len(list(folders.glob("*/"))) == 2
    monkeypatch.setattr(environments, "_python", lambda: "another Python")
    with pytest.raises(Unavailable):
        Asgi().version()


@pytest.mark.proxies
@pytest.mark.usefixtures("calls")
def test_one_whose_python_is_gone_is_told() -> None:
    Asgi().install(lambda _: None)
    (python,) = (resources.cache() / "asgi").glob("*/bin/python")
    python.unlink()
    with pytest.raises(Unavailable, match="the Python it was made with is gone"):
        _ = Asgi()._environment(PLAIN).python


def test_a_cache_that_is_no_folder_is_told_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    for ask in (Asgi().version, lambda: Asgi().install(lambda _: None)):
        with pytest.raises(Unavailable, match=r"Not a directory.*\(set HARNESS_CACHE to a folder where you may write"):
            ask()
