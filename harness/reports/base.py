"""What a renderer is: a function from a run to a document. Pure; whoever calls it writes the file.

Rule: a document comes in pieces, so that of one as long as a large run only a piece is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from harness.model import Result, RunInfo


class Renderer(Protocol):
    """One way to tell a run."""

    def __call__(self, run: RunInfo, results: Sequence[Result], /) -> Iterator[str]: ...
