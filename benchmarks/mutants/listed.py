"""The mutants that no test has to catch, each with the reason. Pure but for reading their file.

Rules:

1. An entry names a mutant by its file, what it is in, and its lines before and after, so that it stays true where lines
   move, and applies no more when they change.
2. It is of one of two kinds: an `equivalent` does what the original does, and no test can catch it; a `tuned` figure
   could be another as well, and a test of it would only repeat it. Only a module's own number can be tuned.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from benchmarks.mutants.operators import Mutant

KEYS = ("file", "in", "was", "becomes", "why")
Key = tuple[str, str, str, str]
Kind = Literal["equivalent", "tuned"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FIGURE = re.compile(r"[A-Z_]+ = [\d_.]+")


def key(mutant: Mutant) -> Key:
    """Return what names a mutant."""
    return mutant.path, mutant.where, mutant.was, mutant.becomes


def listed(path: Path) -> Mapping[Key, Kind]:
    """Return of which kind each entry of a file is. Raises ValueError if one is not as it has to be, or there twice."""
    read = yaml.safe_load(path.read_text()) or {}
    if not _holds(read, list) or not read.keys() <= set(KINDS):
        raise ValueError(f"{path}: has to have lists for {' and '.join(KINDS)}, and no more")
    found: dict[Key, Kind] = {}
    for kind in KINDS:
        for number, entry in enumerate(read.get(kind, []), 1):
            told = f"{path}: entry {number} of {kind}"
            if not _holds(entry, str) or entry.keys() != set(KEYS):
                raise ValueError(f"{told}: has to have text for each of {', '.join(KEYS)}, and no more")
            one = (_, where, was, _) = entry["file"], entry["in"], entry["was"], entry["becomes"]
            if kind == "tuned" and (where or not FIGURE.fullmatch(was)):
                raise ValueError(f"{told}: is no number that stands by itself in a module: {was}")
            if one in found:
                raise ValueError(f"{told} is there twice: {was}")
            found[one] = kind
    return found


def entry(mutant: Mutant) -> str:
    """Return an entry for a mutant, to be given a reason."""
    told = dict(zip(KEYS, (*key(mutant), ""), strict=True))
    return yaml.safe_dump([told], sort_keys=False, allow_unicode=True, width=1000)


def idle(entries: Iterable[Key], possible: Iterable[Mutant], caught: Iterable[Mutant]) -> Mapping[Key, str]:
    """Return the entries of the files of `possible` mutants that do not apply, each with why."""
    known, refuted = {key(mutant) for mutant in possible}, {key(mutant) for mutant in caught}
    files = {path for path, *_ in known}
    found = {}
    for one in entries:
        if one in refuted:
            found[one] = "a test catches it"
        elif one[0] in files and one not in known:
            found[one] = "there is no such line, or no such mutant of it"
    return found


def _holds(read: Any, values: type) -> bool:
    return isinstance(read, dict) and all(isinstance(value, values) for value in read.values())
