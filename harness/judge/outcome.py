"""From two assessments to an effect, and from an effect and what was expected to an outcome. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from harness.judge.facts import AROUND
from harness.judge.rules import ALIKE
from harness.judge.verdict import Assessment
from harness.model import MANNERS, VERDICTS, Effect, Expectation, Outcome, Shows, TurnedAway, Verdict, streams

SEVERITY: dict[Verdict, int] = {verdict: place for place, verdict in enumerate(VERDICTS)}
SHORTER = 2.0
"""A mitigation that changes no verdict reduces (or harms) when it halves (or doubles) how long tokens wait."""


def effect(mitigated: Assessment, baseline: Assessment) -> Effect | None:
    """Return what a mitigation did to the layer whose baseline is given. The first line that fits holds:

    - it is broken with it and without: None, as there is nothing to compare
    - without it, it streamed and showed so: `not needed`, or `harms` if it does no more
    - with it, it streams and shows so: `defeats`
    - the stream as asked shows better: `reduces`; worse: `harms`
    - the verdict is milder: `reduces`; worse: `harms`
    - tokens wait half as long or less: `reduces`; twice as long or more: `harms`
    - else: `no effect`

    What is shown comes before the verdict, as it is what a person has of a mitigation. Who is broken shows nothing,
    and what an earlier harness did not tell decides nothing. Nor does what is only computed, where bytes were found
    to let go on one side and a timer on the other: of a hop that has both, either may come first. How long tokens
    wait is compared within `delayed`, by the median lateness; within `coalesced`, by `wait_ms` of what releases them;
    within `streamed`, of which the start is held, in the stream as asked. Who is `buffered` waits for the end,
    however much passed at the start; but one that sent less in all, as delayed tokens do, than let go without the
    mitigation is no worse for it. Where a hop lets go as chance has it, from one hold to the next, the median of the
    holds has to say the same as the last one, and a step of what is only computed of holds that are as long is none.
    """
    after, before = SEVERITY[mitigated.judgement.verdict], SEVERITY[baseline.judgement.verdict]
    if after == before == SEVERITY["broken"]:
        return None
    if streams(baseline.judgement.verdict, baseline.shows):
        return "not needed" if streams(mitigated.judgement.verdict, mitigated.shows) else "harms"
    if streams(mitigated.judgement.verdict, mitigated.shows):
        return "defeats"
    if mitigated.shows and baseline.shows and (mitigated.shows.seen or _computed_alike(mitigated, baseline)):
        shown, was_shown = _shown(mitigated.shows), _shown(baseline.shows)
        alike = _held_alike(mitigated, baseline) or _started_alike(mitigated, baseline)
        by_chance = 1 if not mitigated.shows.seen and alike else 0
        if abs(shown - was_shown) > by_chance:
            return "reduces" if shown < was_shown else "harms"
    if after != before:
        return "reduces" if after < before else "no effect" if _sent_less(mitigated, baseline) else "harms"
    wait_ms, was_ms = _waits_ms(mitigated, baseline), _waits_ms(baseline, mitigated)
    if wait_ms is None or was_ms is None or wait_ms == was_ms or _held_alike(mitigated, baseline):
        return "no effect"
    if _started_alike(mitigated, baseline):
        return "no effect"
    if wait_ms * SHORTER <= was_ms:
        return "reduces"
    return "harms" if wait_ms >= was_ms * SHORTER else "no effect"


def _sent_less(mitigated: Assessment, baseline: Assessment) -> bool:
    """Tell whether a stream is only held to its end as less was sent than lets a token go without the mitigation."""
    release, start = baseline.judgement.release, baseline.judgement.start
    by_bytes = release.after_bytes if release and release.by == "bytes" else 0
    most = max(by_bytes, start.held_bytes if start else 0)
    return mitigated.judgement.verdict == "buffered" and mitigated.metrics.emitted_bytes < most


def _computed_alike(mitigated: Assessment, baseline: Assessment) -> bool:
    """Tell whether what both show, as nobody saw it, was computed of the same kind of hop."""
    releases = (one.judgement.release for one in (mitigated, baseline) if one.judgement.verdict != "buffered")
    return len({release.by for release in releases if release}) < 2


def _shown(shows: Shows) -> int:
    return list(MANNERS).index(shows.manner)


def _waits_ms(of: Assessment, beside: Assessment) -> float | None:
    """Return how long tokens wait in one of two streams through the same layer.

    A timer that shows beside it is at work in this one too: where bytes let go after 800 ms here and a timer after
    500 ms there, nobody waits for more than 500 ms.
    """
    if of.judgement.verdict == "streamed":
        return of.shows.wait_ms if of.shows else None
    if of.judgement.verdict == "delayed":
        return of.metrics.over_control_ms
    release, other = of.judgement.release, beside.judgement.release
    if of.judgement.verdict != "coalesced" or not release or not other:
        return None
    if release.by == "bytes" and other.by != "bytes":
        return min(release.wait_ms, other.wait_ms)
    return release.wait_ms


def _held_alike(mitigated: Assessment, baseline: Assessment) -> bool:
    """Tell whether bytes let go in both, and tokens usually waited about as long."""
    wait_ms, was_ms = _usually_held_ms(mitigated), _usually_held_ms(baseline)
    return wait_ms is not None and was_ms is not None and max(wait_ms, was_ms) < SHORTER * min(wait_ms, was_ms)


def _started_alike(mitigated: Assessment, baseline: Assessment) -> bool:
    """Tell whether both held a start of tokens of a size, and as much of it as far as that is known: to a step of the
    probe, which is late where whoever lets go takes its time.
    """
    sizes = [one.metrics.emitted_bytes / one.metrics.tokens_expected for one in (mitigated, baseline)]
    if max(sizes) > min(sizes) * (1 + ALIKE):
        return False
    starts = [one.judgement.start for one in (mitigated, baseline)]
    held = [(start.held_bytes, start.resolution_bytes) for start in starts if start and start.held_bytes]
    if len(held) < 2:
        return False
    least, (most, within) = min(held)[0], max(held)
    return most - least <= within


def _usually_held_ms(of: Assessment) -> float | None:
    release = of.judgement.release
    if of.judgement.verdict != "coalesced" or not release or release.by != "bytes":
        return None
    return release.wait_ms * (of.held_tokens or release.after_tokens) / release.after_tokens


def as_in_lockstep(paced: Assessment, twin: Assessment) -> Assessment:
    """Return what a paced cell comes to: its own figures and what it shows, and the verdict of its lockstep twin.

    A paced stream that is itself broken is broken. What turned the twin away, or was beside it, is in its verdict.
    """
    if paced.judgement.verdict == "broken":
        return paced
    around = {name: getattr(twin.facts, name) for name in AROUND}
    return replace(
        paced,
        judgement=twin.judgement,
        unstable=twin.unstable,
        too_short=twin.too_short,
        facts=replace(
            paced.facts,
            turned_away=paced.facts.turned_away or twin.facts.turned_away,
            beside_others=twin.facts.beside_others,
            **around,
        ),
    )


def expected(cell_id: str, expectations: Sequence[Expectation]) -> Expectation | None:
    """Return the expectation for a cell: the last whose glob matches, so that a file reads from general to special."""
    return next((row for row in reversed(expectations) if fnmatchcase(cell_id, row.cells)), None)


def outcome(
    verdict: Verdict,
    shows: Shows | None,
    effect: Effect | None,
    expectation: Expectation | None,
    mitigated: bool = False,
    head_held: bool = False,
) -> tuple[Outcome, str | None]:
    """Hold a verdict, what is shown, an effect and the head against an expectation; the sentence says what did not fit.

    That a cell streams is only met if it shows so: a start that is held can swallow the stream as asked. Nothing can be
    measured through a layer that is broken as it is, so it fails where nobody expects that.
    """
    if expectation is None:
        return "fail" if verdict == "broken" and not mitigated else "observed", None
    if expectation.verdict and verdict not in expectation.verdict:
        return "fail", _misfit("", expectation.verdict, verdict, expectation)
    manner = shows.manner if shows else None
    manners = expectation.shows
    if not manners and verdict == "streamed" and expectation.verdict:
        manners = ("one by one",) if shows else ()
    if manners and manner not in manners:
        return "fail", _misfit("to show ", manners, manner, expectation)
    if expectation.effect and effect not in expectation.effect:
        return "fail", _misfit("effect ", expectation.effect, effect, expectation)
    if expectation.head_held not in (None, head_held):
        wanted, got = ("held", "passed") if expectation.head_held else ("passed", "held")
        return "fail", _misfit("the head ", [wanted], got, expectation)
    return "pass", None


def _misfit(of: str, wanted: Sequence[str], got: str | None, expectation: Expectation) -> str:
    return f"expected {of}{' or '.join(wanted)}, got {got or 'none'}: {expectation.why}"


def conclude(
    assessed: Assessment,
    control: Assessment | str | None,
    baseline: Assessment | str | None,
    expectation: Expectation | None,
) -> tuple[Outcome, str, Effect | None]:
    """Return outcome, reason and effect of a cell.

    `control` is that of its direct control, a sentence if that could not be measured, or None if the cell is one.
    `baseline` is that of the same cell without mitigation, likewise. Without a sure baseline there is no effect; an
    expected one is then blocked, not failed. A hop that turns away whatever is asked for blocks the cell, unless that
    is what somebody expects.
    """
    fault = _fault(control)
    if fault and not (assessed.too_short and isinstance(control, Assessment) and control.too_short):
        return "blocked", fault, None
    if assessed.unstable:
        return "unstable", assessed.unstable, None
    if assessed.too_short:
        return "too short", assessed.too_short, None
    judgement, away = assessed.judgement, assessed.facts.turned_away
    if away and away.let_through == "nothing" and not (expectation and "broken" in expectation.verdict):
        return "blocked", _refused(assessed, away, beside=baseline is not None), None
    unsure = baseline.unsure if isinstance(baseline, Assessment) else baseline
    change = effect(assessed, baseline) if isinstance(baseline, Assessment) and not unsure else None
    if unsure and expectation and expectation.effect:
        return "blocked", f"its baseline is not known: {unsure}", None
    ending, misfit = outcome(
        judgement.verdict, assessed.shows, change, expectation, baseline is not None, assessed.facts.head_held
    )
    reason = misfit or judgement.reason
    if isinstance(baseline, Assessment) and judgement.verdict == baseline.judgement.verdict == "broken":
        reason += "; without the mitigation it is broken, too"
    return ending, reason, change


def unsaid(assessed: Assessment, reason: str) -> str | None:
    """Return what a cell's streams showed, if its reason does not say so."""
    return None if not assessed.verdict or reason.startswith(assessed.judgement.reason) else assessed.judgement.reason


def _fault(control: Assessment | str | None) -> str | None:
    if control is None or isinstance(control, str):
        return control
    if control.unstable:
        return f"its direct control is unstable: {control.unstable}"
    if control.too_short:
        return f"its direct control is too short: {control.too_short}"
    judgement = control.judgement
    if judgement.verdict == "streamed":
        return None
    return f"its direct control is {judgement.verdict}: {judgement.reason}"


def _refused(assessed: Assessment, away: TurnedAway, beside: bool) -> str:
    """Return why a cell cannot be measured of which a hop never let all streams through that it takes."""
    judgement, it = assessed.judgement, "it and its baseline were" if beside else "it was"
    what = judgement.reason if judgement.verdict == "broken" else f"nothing confirms that it is {judgement.verdict}"
    said = f"; the log says: {away.words}" if away.words else ""
    return f"{what}: a hop's own answer, also when {it} asked again, alone and slowly{said}"
