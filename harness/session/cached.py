"""What the cache holds, and how it is emptied: only what the harness itself put there, whoever else has files in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import resources
from harness.errors import InputError, allowed
from harness.launchers import leftovers
from harness.launchers.installation import Installation, size_of

PLACES = ("programs/*/*", "asgi/*", "wsgi/*", "nextjs-*")
"""Where installations lie in it; beside each lies its lock, NAME.lock, which stays: somebody may be waiting for it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One installation: `what` it is for, as `harness setup` calls it."""

    what: str
    folder: Path
    bytes: int


def in_cache() -> list[Kept]:
    """Return what the cache holds, in the order of its names. Looks at every file."""
    return sorted(_found(resources.cache()), key=lambda one: (one.what, one.folder.name))


def chosen(names: Sequence[str], found: Sequence[Kept]) -> list[Kept]:
    """Return what is kept for these names; with none, all. Raises InputError for a name for which nothing is."""
    there = {one.what for one in found}
    for name in names:
        if name not in there:
            raise InputError(f"nothing is kept for {name!r}; {allowed(name, sorted(there))}")
    return [one for one in found if not names or one.what in names]


def emptied(names: Sequence[str], found: Sequence[Kept]) -> Iterator[Kept]:
    """Remove what is chosen likewise; yield each as it is gone. A run that uses one loses it.

    What somebody is setting up at the time stays, and is not yielded.
    """
    for one in chosen(names, found):
        if Installation(one.folder, one.what, one.what, "", "").remove():
            yield one


def reaped() -> list[str]:
    """Remove what runs that were killed have left in an engine, or what is known of that where none answers any more;
    return what that was, in words. Blocks.
    """
    return leftovers.reap(forgetting=True)


def _found(cache: Path) -> Iterator[Kept]:
    for place in PLACES:
        for folder in cache.glob(place):
            if folder.is_dir() and not folder.is_symlink():
                what = folder.parent.name if "/" in place else place.removesuffix("-*")
                yield Kept(what, folder, size_of(folder))
