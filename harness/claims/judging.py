"""A field report's claims, judged from the cells of a run. Pure: results in, judgements out.

Rules:
- A claim's cells are those whose ids match one of its globs. A rule about effects looks at those with mitigations,
  a rule about readers at streams that several clients have read.
- Only what was judged counts. A cell that was unavailable, blocked, unstable or an error, or lacks the figure that is
  asked for, speaks neither for a claim nor against it; it is named with its reason. Nor does a cell that streamed
  without its mitigations, where the rule is about their effect: unless it asks for `not needed` itself.
- `confirmed`: the condition holds in every cell that counts; `refuted`: in none; `depends`: in some, and
  `separation` tells which axes decide; `not testable here`: no cell counts, or the claim says so itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.claims.separation import Separation, separation
from harness.matrix.globs import matches
from harness.model import (
    REFERENCES,
    Cell,
    Claim,
    ClaimJudgement,
    FactRule,
    Facts,
    FieldReport,
    Limit,
    Metrics,
    Result,
)
from harness.reports import words

JUDGED = frozenset({"pass", "fail", "observed"})
NOT_NEEDED = "it streamed without it"
SINCE_ANSWERS_ARE_MARKED = {"answered_by", "refusal"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric of a cell; `other` is what it is compared with, as `Limit.of` says."""

    metric: str
    value: float
    of: str | None = None
    other: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one cell shows of a claim, or all readers of one stream; then the cell's client is `*`."""

    cell: Cell
    results: tuple[Result, ...]
    holds: bool
    figures: tuple[Figure, ...] = ()

    @property
    def emulated(self) -> bool:
        """Whether a hop plays what somebody claims of it."""
        result, *_ = self.results  # whoever else reads its stream does so through the same hops
        return bool(result.facts.emulates)


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A cell that says nothing about a claim, and why; `emulated` if a hop of it plays what somebody claims."""

    id: str
    why: str
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim with its judgement and everything that it rests on."""

    claim: Claim
    kind: ClaimJudgement
    findings: tuple[Finding, ...] = ()
    unjudged: tuple[Unjudged, ...] = ()
    separation: Separation | None = None

    @property
    def because(self) -> str | None:
        """What the report's file says about a judgement of this kind."""
        return self.claim.because.get(self.kind)

    def findings_that(self, hold: bool) -> tuple[Finding, ...]:
        """Return those in which the claim holds, or those in which it does not."""
        return tuple(finding for finding in self.findings if finding.holds is hold)


def judge(report: FieldReport, results: Sequence[Result]) -> tuple[Judged, ...]:
    """Return the judgement of every claim of a report, in its order."""
    by_id = {result.id: result for result in _in_order(results)}
    return tuple(_judged(claim, by_id) for claim in report.claims)


def looked_at(globs: Sequence[str], results: Sequence[Result]) -> tuple[list[Result], list[Unjudged]]:
    """Return the results of some cells that have a verdict to go by, and those that have none."""
    matching = [result for result in _in_order(results) if matches(result.id, globs)]
    counting = [result for result in matching if _counts(result)]
    return counting, [_unjudged(result) for result in matching if not _counts(result)]


def figure(metrics: Metrics | None, name: str) -> float | None:
    """Return a figure by the name of its field; None where there is none, as of a metric that is gone."""
    value: float | None = getattr(metrics, name, None)
    return value


def is_fact(facts: Facts, name: str) -> bool:
    """Tell whether something is a fact, by the name of its field; 0 is one, too."""
    value = getattr(facts, name)
    return value is not None and value is not False and value != ()


def _in_order(results: Sequence[Result]) -> list[Result]:
    """Return results by id, for the order in which cells finished is another one in every run."""
    return sorted(results, key=lambda result: result.id)


def _judged(claim: Claim, by_id: Mapping[str, Result]) -> Judged:
    if claim.untestable:
        return Judged(claim, "not testable here")
    results = [r for r in by_id.values() if matches(r.id, claim.cells) and claim.concerns(r.cell)]
    seen = list(_read_streams(claim, results) if claim.readers else _cells(claim, results, by_id))
    findings = tuple(one for one in seen if isinstance(one, Finding))
    unjudged = tuple(one for one in seen if isinstance(one, Unjudged))
    holding = [finding.cell for finding in findings if finding.holds]
    others = [finding.cell for finding in findings if not finding.holds]
    if not findings:
        return Judged(claim, "not testable here", unjudged=unjudged)
    if holding and others:
        return Judged(claim, "depends", findings, unjudged, separation(holding, others))
    return Judged(claim, "confirmed" if holding else "refuted", findings, unjudged)


def _cells(claim: Claim, results: Sequence[Result], by_id: Mapping[str, Result]) -> Iterator[Finding | Unjudged]:
    check = next(check for kind, check in CHECKS.items() if getattr(claim, kind))
    for result in results:
        yield check(claim, result, by_id) if _counts(result) else _unjudged(result)


def _read_streams(claim: Claim, results: Sequence[Result]) -> Iterator[Finding | Unjudged]:
    streams: dict[Cell, list[Result]] = {}
    for result in results:
        if _counts(result):
            streams.setdefault(replace(result.cell, client="*"), []).append(result)
        else:
            yield _unjudged(result)
    for stream, read in streams.items():
        first, *others = read
        if not others:
            yield _silent(first, "no other client's reading of it was judged")
        else:
            agree = len({result.verdict for result in read}) == 1
            yield Finding(stream, tuple(read), agree is (claim.readers == "agree"))


def _verdict(claim: Claim, result: Result, by_id: Mapping[str, Result]) -> Finding | Unjudged:
    return Finding(result.cell, (result,), result.verdict in claim.verdict)


def _shows(claim: Claim, result: Result, by_id: Mapping[str, Result]) -> Finding | Unjudged:
    if result.shows is None and result.verdict != "broken":
        return _silent(result, "an earlier harness did not tell what the stream as asked shows")
    return Finding(result.cell, (result,), result.shows is not None and result.shows.manner in claim.shows)


def _effect(claim: Claim, result: Result, by_id: Mapping[str, Result]) -> Finding | Unjudged:
    if not result.effect:
        baseline = by_id.get(result.baseline_id or "")
        why = words.reason(result) if baseline and _counts(baseline) else _fate(baseline, "baseline")
        return _silent(result, f"no effect is known: {why}")
    if result.effect == "not needed" and result.effect not in claim.effect:
        return _silent(result, NOT_NEEDED)
    return Finding(result.cell, (result,), result.effect in claim.effect)


def _released_by(claim: Claim, result: Result, by_id: Mapping[str, Result]) -> Finding | Unjudged:
    return Finding(result.cell, (result,), result.release is not None and result.release.by in claim.released_by)


def _facts(claim: Claim, result: Result, by_id: Mapping[str, Result]) -> Finding | Unjudged:
    asked = {rule.fact for rule in claim.facts}
    if asked & SINCE_ANSWERS_ARE_MARKED and result.facts.answered_by is None:
        return _silent(result, "an earlier harness took no note whose answer it was")
    return Finding(result.cell, (result,), all(_is_so(rule, result.facts) for rule in claim.facts))


def _is_so(rule: FactRule, facts: Facts) -> bool:
    if rule.answerers:
        return facts.answered_by in rule.answerers
    return is_fact(facts, rule.fact) is rule.is_so


def _limits(claim: Claim, result: Result, by_id: Mapping[str, Result]) -> Finding | Unjudged:
    figures: list[Figure] = []
    for limit in claim.limits:
        value = figure(result.metrics, limit.metric)
        if value is None:
            return _silent(result, f"{result.verdict}, without {limit.metric}")
        other = _other(limit.metric, limit.of, result, by_id) if limit.of else None
        if isinstance(other, str):
            return _silent(result, other)
        figures.append(Figure(limit.metric, value, limit.of, other))
    kept = all(_kept(limit, shown) for limit, shown in zip(claim.limits, figures, strict=True))
    return Finding(result.cell, (result,), kept, tuple(figures))


def _other(metric: str, of: str, result: Result, by_id: Mapping[str, Result]) -> float | str:
    """Return what a limited figure is compared with, or why there is nothing."""
    if of not in REFERENCES:
        whole = figure(result.metrics, of)
        if whole is None:
            return f"{result.verdict}, without {of}"
        return whole or f"no share of {of} can be told: it is 0"
    beside = by_id.get((result.baseline_id if of == "baseline" else result.control_id) or "")
    other = figure(beside.metrics, metric) if beside is not None and _counts(beside) else None
    return f"no {metric} to compare with: {_fate(beside, of)}" if other is None else other


def _kept(limit: Limit, shown: Figure) -> bool:
    most = [limit.at_most, *(_part(factor, shown) for factor in (limit.at_most_times, limit.at_most_share))]
    least = [limit.at_least, *(_part(factor, shown) for factor in (limit.at_least_times, limit.at_least_share))]
    below = all(shown.value <= bound for bound in most if bound is not None)
    return below and all(shown.value >= bound for bound in least if bound is not None)


def _part(factor: float | None, shown: Figure) -> float | None:
    return None if factor is None or shown.other is None else factor * shown.other


Check = Callable[[Claim, Result, Mapping[str, Result]], Finding | Unjudged]

CHECKS: Mapping[str, Check] = {
    "verdict": _verdict,
    "shows": _shows,
    "effect": _effect,
    "released_by": _released_by,
    "limits": _limits,
    "facts": _facts,
}
"""What decides for each kind of condition; `readers` looks at several cells at once."""


def _counts(result: Result) -> bool:
    return result.outcome in JUDGED and result.verdict is not None


def _unjudged(result: Result) -> Unjudged:
    return _silent(result, f"{result.outcome}: {words.reason(result)}")


def _silent(result: Result, why: str) -> Unjudged:
    return Unjudged(result.id, why, bool(result.facts.emulates))


def _fate(result: Result | None, what: str) -> str:
    """Say why a cell's baseline or control cannot serve."""
    if result is None:
        return f"its {what} was not measured"
    return f"its {what} has none" if _counts(result) else f"its {what} was {result.outcome}: {words.reason(result)}"
