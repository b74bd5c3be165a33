"""How claims are said, on a terminal and on a page alike: their rules, their judgements and what shows them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.claims.judging import NOT_NEEDED, Figure, Finding, Judged, Unjudged, figure, is_fact
from harness.claims.separation import Separation
from harness.model import FACTS, REFERENCES, Claim, ClaimJudgement, Fact, FactRule, Facts, Limit, Metrics
from harness.reports import words
from harness.reports.notes import notes

KINDS: tuple[ClaimJudgement, ...] = ("confirmed", "refuted", "depends", "not testable here")
VALUES_SHOWN = 6
OURS = " (ours)"
EMULATED = " (emulator)"


def rule(claim: Claim) -> str:
    """Return what has to hold in a claim's cells, in words; their globs are told beside it."""
    said = [
        f"the verdict is {either(claim.verdict)}" if claim.verdict else "",
        f"the stream as asked shows {either(claim.shows)}" if claim.shows else "",
        f"the mitigation's effect is {either(claim.effect)}" if claim.effect else "",
        f"what was held is released by {either(claim.released_by)}" if claim.released_by else "",
        "; ".join(map(_limit, claim.limits)),
        f"the readers of a stream {claim.readers} on its verdict" if claim.readers else "",
        "; ".join(map(_fact_rule, claim.facts)),
    ]
    return next(filter(None, said), "")


def judgement(judged: Judged) -> str:
    """Return the judgement with what it depends on, or why there is none."""
    if judged.kind == "depends":
        return depends(judged)
    if judged.claim.untestable:
        return f"{judged.kind}: {judged.claim.untestable}"
    if judged.unjudged and not judged.findings and {cell.why for cell in judged.unjudged} == {NOT_NEEDED}:
        return f"{judged.kind}: {NOT_NEEDED} in every cell"
    if judged.kind == "not testable here":
        return f"{judged.kind}: {unjudged(judged.unjudged) or 'none of its cells was measured'}"
    return judged.kind


def depends(judged: Judged) -> str:
    """Return what decides in which cells a claim holds."""
    found = judged.separation
    if not found:
        some, every = len(judged.findings_that(True)), len(judged.findings)
        return f"depends on more than two axes, or on none: holds in {some} of {words.counted(every, 'cell')}"
    if found.together:
        on = f"{' and '.join(found.axes)} together"
    else:
        on = " or ".join(found.axes) + (", which change together here" if len(found.axes) > 1 else "")
    return f"depends on {on}: holds with {_combined(found, True)}, not with {_combined(found, False)}"


def shown(claim: Claim, finding: Finding) -> str:
    """Return what a cell shows of a claim: that of its verdict, effect, figures and so on which the claim turns on."""
    (result, *others), verdicts = finding.results, [result.verdict for result in finding.results]
    if claim.readers:
        return "; ".join(f"{read.cell.client}: {read.verdict}" for read in (result, *others))
    if claim.shows:
        return f"{verdicts[0]}, shows {words.manner(result.shows)}" if result.shows else str(verdicts[0])
    if claim.effect:
        return f"{result.effect} ({verdicts[0]})"
    if claim.limits:
        return ", ".join(map(_figure, finding.figures))
    if claim.released_by:
        return f"{verdicts[0]}, released by {result.release.by}" if result.release else f"{verdicts[0]}, nothing held"
    if claim.facts:
        return "; ".join(_fact(rule, result.facts) for rule in claim.facts)
    return str(verdicts[0])


def mark(claim: Claim) -> str:
    """Return what follows a claim that the report itself does not make."""
    return OURS if claim.ours else ""


def emulated(is_emulated: object) -> str:
    """Return what follows the id of a cell in which a hop is emulated."""
    return EMULATED if is_emulated else ""


def unjudged(cells: Sequence[Unjudged]) -> str:
    """Return why cells were not judged; cells with the same reason are told together."""
    reasons = Counter(cell.why for cell in cells)
    return "; ".join(why if number == 1 else f"{why} ({number} cells)" for why, number in reasons.items())


def counts(judged: Sequence[Judged]) -> dict[ClaimJudgement, int]:
    """Return how many claims of the report came to each kind of judgement, the kinds that do not occur included."""
    found = Counter(claim.kind for claim in judged if not claim.claim.ours)
    return {kind: found[kind] for kind in KINDS}


def counted(judged: Sequence[Judged]) -> str:
    """Return the judgements of a report in one line."""
    found = counts(judged)
    theirs = sum(found.values())
    said = ", ".join(f"{number} {kind}" for kind, number in found.items() if number)
    beside = f"; beside them {words.counted(len(judged) - theirs, 'question')} of ours" if theirs < len(judged) else ""
    return words.counted(theirs, "claim") + (f": {said}" if said else "") + beside


def either(choices: Iterable[str]) -> str:
    """Return `a, b or c`."""
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last


def amount(metric: str, value: float) -> str:
    """Return a figure with the unit that its name tells."""
    if metric.endswith("_ms"):
        return words.duration(value)
    if metric.endswith("_bytes"):
        return words.size(round(value))
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def named(metric: str) -> str:
    """Return a metric's name as people say it: `ttft`, `first read`, `burst tokens max`."""
    return metric.removesuffix("_ms").removesuffix("_bytes").replace("_", " ")


def figure_text(metric: str, metrics: Metrics) -> str:
    """Return a figure of a stream, or a dash where it has none."""
    value = figure(metrics, metric)
    return "–" if value is None else amount(metric, value)


def _figure(one: Figure) -> str:
    said = f"{one.metric} {amount(one.metric, one.value)}"
    if one.of is None or one.other is None:
        return said
    if one.of not in REFERENCES:
        return f"{said}, {_percent(one.value / one.other)} of {one.of} {amount(one.of, one.other)}"
    times = f"{one.value / one.other:.3g} times " if one.other > 0 else "against "
    return f"{said}, {times}the {one.of}'s {amount(one.metric, one.other)}"


def _limit(limit: Limit) -> str:
    bounds = [
        f"at most {amount(limit.metric, limit.at_most)}" if limit.at_most is not None else "",
        f"at least {amount(limit.metric, limit.at_least)}" if limit.at_least is not None else "",
        f"at most {limit.at_most_times:g} times the {limit.of}'s" if limit.at_most_times is not None else "",
        f"at least {limit.at_least_times:g} times the {limit.of}'s" if limit.at_least_times is not None else "",
        f"at most {_percent(limit.at_most_share)} of {limit.of}" if limit.at_most_share is not None else "",
        f"at least {_percent(limit.at_least_share)} of {limit.of}" if limit.at_least_share is not None else "",
    ]
    return f"{limit.metric} is {' and '.join(filter(None, bounds))}"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _fact_rule(rule: FactRule) -> str:
    fact = FACTS[rule.fact]
    return either(map(fact.values.__getitem__, rule.answerers)) if rule.answerers else _so_or_not(fact, rule.is_so)


def _fact(rule: FactRule, facts: Facts) -> str:
    """Return one fact: in the sentence that every report has for it, or whether it is so."""
    value, fact = getattr(facts, rule.fact), FACTS[rule.fact]
    if rule.answerers:
        return fact.values[value]
    sentences = notes(replace(Facts(), **{rule.fact: value}))
    return "; ".join(sentences) or _so_or_not(fact, is_fact(facts, rule.fact))


def _so_or_not(fact: Fact, is_so: bool) -> str:
    return fact.about if is_so else fact.denied


def _combined(found: Separation, holding: bool) -> str:
    """Return the values of one side, the first ones of many."""
    every = [" and ".join(values) for values in (found.holding if holding else found.others)]
    more = [f"{len(every) - VALUES_SHOWN} more"] if len(every) > VALUES_SHOWN else []
    return either([*every[:VALUES_SHOWN], *more])
