"""The mutants that are equivalent: no test can catch them, each for a reason. Pure but for reading their file.

An entry names a mutant by its file, what it is in, and its lines before and after, so that it stays true where lines
move, and applies no more when they change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from benchmarks.mutants.operators import Mutant

KEYS = ("file", "in", "was", "becomes", "why")
Key = tuple[str, str, str, str]


def key(mutant: Mutant) -> Key:
    """Return what names a mutant."""
    return mutant.path, mutant.where, mutant.was, mutant.becomes


def listed(path: Path) -> Mapping[Key, str]:
    """Return the reasons in a file. Raises ValueError if an entry lacks a key, or is there twice."""
    found: dict[Key, str] = {}
    for number, entry in enumerate(yaml.safe_load(path.read_text()) or [], 1):
        if not isinstance(entry, dict) or set(entry) != set(KEYS) or not all(isinstance(entry[k], str) for k in KEYS):
            raise ValueError(f"{path}: entry {number}: has to have text for each of {', '.join(KEYS)}, and no more")
        file, where, was, becomes, why = (entry[name] for name in KEYS)
        if (file, where, was, becomes) in found:
            raise ValueError(f"{path}: entry {number} is there twice: {was}")
        found[file, where, was, becomes] = why
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
