"""Where clients that read the same stream through the same chain came to different verdicts. Pure.

Only what was judged is compared: a reader that was unavailable, unstable or blocked disagrees with nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.model import Cell, Result, Verdict
from harness.reports import words

JUDGED = frozenset({"pass", "fail", "observed"})


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One stream that its readers judge differently. `cell` is the first reader's.

    `clients` has who came to each verdict, `reasons` why the first of them did.
    """

    cell: Cell
    clients: Mapping[Verdict, tuple[str, ...]]
    reasons: Mapping[Verdict, str]

    @property
    def stream(self) -> str:
        """The cell's id with `*` for the client: a glob that matches all of its readers."""
        return replace(self.cell, client="*").id

    @property
    def sentence(self) -> str:
        """Return who says what, and why: `aiohttp, curl: streamed (...); chromium: broken (...)`."""
        return "; ".join(
            f"{', '.join(who)}: {verdict} ({self.reasons[verdict]})" for verdict, who in self.clients.items()
        )


def disagreements(results: Sequence[Result]) -> list[Disagreement]:
    """Return the streams on whose verdict their readers differ, in the order of the run."""
    return [_disagreement(read) for read in _streams(results) if len({result.verdict for result in read}) > 1]


def line(results: Sequence[Result]) -> str | None:
    """Return how far readers agree in one line; None if no stream had several."""
    differ, several = len(disagreements(results)), sum(len(read) > 1 for read in _streams(results))
    if not several:
        return None
    agree = "agree on all of them" if not differ else f"disagree on {differ}"
    return f"Readers: {words.counted(several, 'stream')} had several; they {agree}."


def _streams(results: Sequence[Result]) -> Iterable[Sequence[Result]]:
    streams: dict[Cell, list[Result]] = {}
    for result in results:
        if result.verdict and result.outcome in JUDGED:
            streams.setdefault(replace(result.cell, client="*"), []).append(result)
    return streams.values()


def _disagreement(results: Sequence[Result]) -> Disagreement:
    clients: dict[Verdict, tuple[str, ...]] = {}
    reasons: dict[Verdict, str] = {}
    for result in results:
        assert result.verdict is not None
        clients[result.verdict] = (*clients.get(result.verdict, ()), result.cell.client)
        reasons.setdefault(result.verdict, words.reason(result))
    return Disagreement(results[0].cell, clients, reasons)
