"""What somebody reports of a stream that came in lumps: the story, and claims that can be put to the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from harness.model.axes import Cell
from harness.model.judged import Effect, Manner, Metrics, ReleasedBy, Verdict
from harness.model.recorded import Answerer

ClaimJudgement = Literal["confirmed", "refuted", "depends", "not testable here"]
Reference = Literal["baseline", "control"]
Readers = Literal["agree", "disagree"]

REFERENCES: tuple[str, ...] = get_args(Reference)
METRICS: tuple[str, ...] = tuple(one.name for one in fields(Metrics))


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure of a cell has to keep within.

    `*_times` are multiples of the same figure of the cell that `of` names (a `Reference`), `*_share` are shares, from
    0 to 1, of another figure of the same cell, whose name `of` is then.
    """

    metric: str
    at_most: float | None = None
    at_least: float | None = None
    at_most_times: float | None = None
    at_least_times: float | None = None
    at_most_share: float | None = None
    at_least_share: float | None = None
    of: str | None = None


@dataclass(frozen=True, slots=True)
class FactRule:
    """What has to be so of one of a result's facts: that it is one or that it is none, or whose answer it was.

    `fact` is one of `FACTS`. Of `answered_by`, `answerers` lists who may have answered; of any other `is_so` says
    whether it has to be a fact, or must not be one.
    """

    fact: str
    is_so: bool = True
    answerers: tuple[Answerer, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of a report, and what must be found in which cells for it to hold there.

    One kind of condition is given, or `untestable` says why there is none. `where` is the heading in the report;
    `because` explains a judgement, by its kind. `ours`: the report does not ask it, its words raise it.
    """

    claim: str
    where: str = ""
    cells: tuple[str, ...] = ()
    verdict: tuple[Verdict, ...] = ()
    shows: tuple[Manner, ...] = ()
    effect: tuple[Effect, ...] = ()
    released_by: tuple[ReleasedBy, ...] = ()
    limits: tuple[Limit, ...] = ()
    readers: Readers | None = None
    facts: tuple[FactRule, ...] = ()
    untestable: str | None = None
    because: Mapping[ClaimJudgement, str] = field(default_factory=dict)
    ours: bool = False

    def concerns(self, cell: Cell) -> bool:
        """Tell whether a cell that the globs match can show what the condition asks for."""
        return bool(cell.mitigations) or not (self.effect or any(limit.of == "baseline" for limit in self.limits))


@dataclass(frozen=True, slots=True)
class Part:
    """One link of the report's chain, alone."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FieldReport:
    """What somebody reports: the story, the cells that show it, its chain taken apart, and what it claims."""

    source: str
    story: str
    symptom: tuple[str, ...]
    claims: tuple[Claim, ...]
    parts: tuple[Part, ...] = ()
    scale: str | None = None
