"""Writes the steps of a conversation in short, to be read and compared.

`3` token 3 was granted alone and came, `g3` it was granted, `a3` all up to it came, `hold3 wait9 end9` the other steps.
Three or more of the first kinds in a row are `0-15`, `g1-9`, `a4-9`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from harness.model import Step

SHORT = {"grant": "g", "arrive": "a"}


def record(steps: Iterable[Step]) -> str:
    """Return steps in short."""
    words: list[tuple[str, int]] = []
    arrived = -1
    for step in steps:
        if step.kind == "arrive":
            came_alone = words[-1] == ("g", step.seq) and arrived == step.seq - 1
            arrived = step.seq
            if came_alone:
                words[-1] = ("", step.seq)
                continue
        words.append((SHORT.get(step.kind, step.kind), step.seq))
    return " ".join(_run(kind, [seq for _, seq in run]) for kind, run in itertools.groupby(words, lambda word: word[0]))


def _run(kind: str, seqs: list[int]) -> str:
    if len(seqs) > 2:
        return f"{kind}{seqs[0]}-{seqs[-1]}"
    return " ".join(f"{kind}{seq}" for seq in seqs)
