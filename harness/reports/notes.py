"""Makes sentences of a result's facts, the same in every report: what to know of it, and where to look. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.model import Facts, HopKind, LetThrough, Remark, Result, StandIn, TransportName, TurnedAway

READS: Mapping[bool | None, str] = {
    True: "keeps a line until more has come",
    False: "hands over every line",
    None: "reads as it does",
}
WITHOUT: Mapping[TransportName, str] = {
    "http": "only serves a WebSocket answers so: ask it with `--format websocket`",
    "websocket": "serves no WebSocket answers so: ask it for another format, or asgi:websocket for this",
}
"""Of an application that does not serve a transport, how it answers and what to do."""

THROUGH: Mapping[LetThrough, str] = {
    "it": "one through, which counts",
    "only its baseline": "the baseline through, and never this",
    "nothing": "nothing through",
}


def emulator(claim: str) -> str:
    """Return what is to be known of an emulated hop: whose claim it plays."""
    return f"emulator: plays {claim}"


def served(facts: Facts) -> Iterator[str]:
    """Yield which location of each config of the user's answers, and which others could have and are not measured."""
    for one in facts.served_by:
        if one.location:
            moved = f", to which {one.begins} moves it," if one.begins else ""
            yield f"{one.hop}: {one.path} is served by {one.location}{moved} of {one.server}"
        else:
            begins = one.begins or "no location"
            yield f"{one.hop}: {one.path} begins in {begins} of {one.server}; which location passes it on is not known"
        if one.others:
            others = ", ".join(map(str, one.others))
            yield f"{one.hop}: no path was said; these pass requests on, too, and are not measured: {others} (--path)"


def notes(facts: Facts) -> tuple[str, ...]:
    """Return what a person has to know beside the verdict, a sentence for each fact that is one."""
    return tuple(_notes(facts))


def of_application(result: Result) -> str:
    """Return what an application does that compresses the answer itself of which this replays another; or nothing."""
    if not (recording := result.cell.workload.recording) or not recording.coding:
        return ""
    told = f"application: {recording.source} {recording.compresses}, and only its answer without is measured"
    return ": ".join(filter(None, (told, recording.to_mend)))


def of_applications(results: Iterable[Result]) -> tuple[str, ...]:
    """Return that of all results; each once."""
    return tuple(dict.fromkeys(filter(None, map(of_application, results))))


def way_out(facts: Facts) -> str:
    """Return what to do about an answer that is no stream: where its author can be asked, or what to ask it for.

    Empty if it is a stream, or the emitter's own refusal, which says all itself.
    """
    if not facts.refusal or not facts.hops or facts.answered_by == "emitter":
        return ""
    if facts.refusal.not_served:
        return f"an application that {WITHOUT[facts.refusal.not_served]}"
    if facts.answered_by is None:
        return f"nobody took note whose answer this is; if it is not the emitter's, {_logs(facts.hops)}"
    plain = "the path that is asked for (/stream/N, unchanged, if none was given) has to reach"
    reaches = f"{facts.served_by[0].path} has to lead to" if facts.served_by else plain
    return f"this is not the emitter's answer, which {reaches}: {_logs(facts.hops)}"


def _notes(facts: Facts) -> Iterator[str]:
    yield from map(emulator, facts.emulates)
    yield from (f"application, not a proxy: {about}" for about in facts.applications)
    yield from served(facts)
    if "deployed" in facts.hops:
        yield "afar: what makes all requests wait alike, those of the control, too, cannot be told from the distance"
    if facts.turned_away:
        yield _turned_away(facts.turned_away)
    if facts.beside_others:
        yield f"load: measured alone; beside other streams through its chain it was {facts.beside_others}"
    if facts.remark:
        yield _remark(facts.remark)
    if facts.clock_uncertainty_ms is not None:
        yield f"clock: what the reader saw may be told up to {facts.clock_uncertainty_ms:.1f} ms late"
    if screen := facts.screen:
        yield f"screen: {screen.tokens} tokens that came over {screen.over_ms:.0f} ms were painted together"
    if facts.stand_in:
        yield _stand_in(facts.stand_in)
    if facts.unguarded:
        yield "guard: the chain answered no pulse; only the direct control stream guarded the patience"
    if facts.sampled_after is not None:
        yield f"lockstep: time was up after {facts.sampled_after} tokens; the rest was sent without waiting"
    yield from around(facts)


def around(facts: Facts) -> Iterator[str]:
    """Yield what happened before, beside and after the steady state."""
    if facts.head_held:
        yield "head: it was held until tokens had been sent"
    if facts.start and facts.start.held_bytes:
        yield f"start: {facts.start.held_bytes} bytes had been sent when the first token came; fewer may have done"
    if facts.start and facts.start.passed_bytes:
        yield f"start: {facts.start.passed_bytes} bytes passed before anything was held"
    if facts.late_tokens:
        yield f"lateness: {_tokens(facts.late_tokens)} came late"
    if facts.tail_tokens:
        yield f"end: {_tokens(facts.tail_tokens)} came only with it"


def _tokens(number: int) -> str:
    return "1 token" if number == 1 else f"{number} tokens"


def _turned_away(away: TurnedAway) -> str:
    times = "a stream" if away.times == 1 else f"{away.times} streams"
    how = "without an answer" if away.status is None else f"with status {away.status}"
    return (
        f"refusal: a hop turned {times} away {how}; asked again, alone and slowly, it let {THROUGH[away.let_through]}"
    )


def _remark(remark: Remark) -> str:
    if remark.rewritten:
        return f"{remark.reader} shows no bytes: its events were written anew as SSE, and padding is not counted"
    return f"reader: what {remark.reader} has printed counts, and {remark.printed_by} {READS[remark.keeps_lines]}"


def _stand_in(stand_in: StandIn) -> str:
    why = f"{stand_in.holder} may hold lines itself" if stand_in.holder else "the emitter speaks HTTP/1.1 only"
    return f"control: read by {stand_in.reader}, as {why}"


def _logs(hops: Sequence[HopKind]) -> str:
    """Return where the hops' logs are."""
    if len(hops) == 1:
        return f"hop-1 in the cell's folder has the {'application' if hops[0] == 'application' else 'proxy'}'s log"
    apps = (f", hop-{number} an application's" for number, kind in enumerate(hops, 1) if kind == "application")
    return f"hop-1 to hop-{len(hops)} in the cell's folder have the proxies' logs{''.join(apps)}"
