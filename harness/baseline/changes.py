"""What two measurements of one cell differ in, and which way: every pair of values has its place in a table. Pure.

    =  the same     <  worse     >  better     o  other, which is neither     -  not known, which is no change

Rules: a difference is worse if a person waits longer, or gets less; releases and starts are compared only where the
verdict is the same, and differ if they do by more than was resolved. How late comes what is `delayed`, by a lag or a
short timer, is of its day: it is another if twice as late, and worse or better if several times. The start of what is
held is not compared by itself, as on a busy machine it could not be told from the rest: it only tells whether what is
shown need not be another.

What is shown is computed from the start and the release, or, of what is `delayed`, from how late it is. Where all of
these are what they were, as far as was resolved, a step from one manner to the next is no change; two steps, from `one
by one` to `at the end`, are more than that makes. An effect is no change if it goes with such a step, of the cell or of
the same without its mitigations, or if it compares two lags. Neither worse nor better is what follows from something
else: an effect, where the cell without the mitigations has changed; and another manner of a cell that lags still.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from harness.baseline.addresses import without_mitigations
from harness.judge.rules import LATE_MS
from harness.model import MANNERS, Kept, KeptRelease

Turn = Literal["worse", "better", "other"]
UNKNOWN = "-"
TURNS: Mapping[str, Turn | None] = {"=": None, "<": "worse", ">": "better", "o": "other"}

LATER, MUCH_LATER = 2, 4
"""So many times as late is neither worse nor better, as a very busy machine may make that, and so many times it is."""
LEAST_MS = 2 * LATE_MS
"""What is less late counts as this, as a busy machine makes one of the other; a baseline keeps no lag below 300 ms."""

TOO_SHORT: Literal["too short"] = "too short"
"""Stands for the verdict of a stream of a fixed length that does not tell any."""
NONE = "none"
IDLE: Literal["idle timer"] = "idle timer"
"""A timer that a stream without pauses keeps from running out."""

VERDICT_TURNS = """\
was \\ is     streamed  delayed  coalesced  buffered  broken  too short
streamed     =         <        <          <         <       -
delayed      >         =        <          <         <       -
coalesced    >         >        =          <         <       -
buffered     >         >        >          =         <       -
broken       >         >        >          >         =       -
too short    >         o        o          o         <       =
"""
SHOWS_TURNS = """\
was \\ is      one by one  in bursts  at the end  none
one by one    =           <          <           o
in bursts     >           =          <           o
at the end    >           >          =           o
none          o           o          o           =
"""
EFFECT_TURNS = """\
was \\ is      defeats  reduces  no effect  not needed  harms  none
defeats       =        <        <          o           <      o
reduces       >        =        <          o           <      o
no effect     >        >        =          o           <      o
not needed    o        <        <          =           <      o
harms         >        >        >          >           =      o
none          o        o        o          o           o      =
"""
RELEASE_TURNS = """\
was \\ is    bytes  timer  idle timer  end  unknown  none
bytes       =      o      o           <    o        o
timer       o      =      <           <    o        o
idle timer  o      >      =           <    o        o
end         >      >      >           =    o        o
unknown     o      o      o           o    =        o
none        o      o      o           o    o        =
"""
HEAD_TURNS = """\
was \\ is  passed  held
passed    =       <
held      >       =
"""


def table(said: str) -> Mapping[tuple[str, str], Turn | None]:
    """Return what a table says of each pair: what was, and what is."""
    head, *rows = ([cell.strip() for cell in row.split("  ") if cell.strip()] for row in said.splitlines())
    signs = {(was, now): sign for was, *told in rows for now, sign in zip(head[1:], told, strict=True)}
    return {pair: TURNS[sign] for pair, sign in signs.items() if sign != UNKNOWN}


VERDICTS = table(VERDICT_TURNS)
SHOWS = table(SHOWS_TURNS)
EFFECTS = table(EFFECT_TURNS)
RELEASES = table(RELEASE_TURNS)
HEADS = table(HEAD_TURNS)


@dataclass(frozen=True, slots=True)
class Difference:
    """What is another than it was, and which way."""

    turn: Turn
    was: str
    now: str
    of: str = ""

    def __str__(self) -> str:
        return f"{self.of} {self.now}, was {self.was}".lstrip()


Pair = tuple[Kept | None, Kept | None]
"""What was kept of a cell, and what is; None: nothing."""


def differences(cell_id: str, was: Mapping[str, Kept], now: Mapping[str, Kept]) -> list[Difference]:
    """Return in what a cell that both have differs from what was kept of it, by id; what is worse first."""
    beside = without_mitigations(cell_id)
    found = list(_found(was[cell_id], now[cell_id], (was.get(beside), now.get(beside))))
    return sorted(found, key=lambda one: get_args(Turn).index(one.turn))


def _found(was: Kept, now: Kept, beside: Pair) -> Iterator[Difference]:
    """Yield what differs; `beside` is the same of the cell without its mitigations. Of what is too short to
    tell by now nothing is known.
    """
    if was.verdict and not now.verdict:
        return
    yield from _of(VERDICTS, was.verdict or TOO_SHORT, now.verdict or TOO_SHORT)
    for one in _of(SHOWS, was.shows or NONE, now.shows or NONE, "shows"):
        if not _is_unresolved(was, now):
            yield replace(one, turn="other") if _lags(was, now) else one
    for one in _of(EFFECTS, was.effect or NONE, now.effect or NONE, "effect"):
        follows = _is_unresolved(was, now) or _is_unresolved(*beside)
        if not (follows or (_lags(was, now) and _lags(*beside))):
            yield replace(one, turn="other") if _moved(*beside) else one
    if was.verdict == now.verdict:
        if not (is_unknown_delay(was) or is_unknown_delay(now)):
            yield from _releases(was, now)
        yield from _starts(was, now) if was.verdict in ("streamed", "delayed") else ()
        was_head, head = ("held" if one.head_held else "passed" for one in (was, now))
        yield from _of(HEADS, was_head, head, "head")


def _moved(was: Kept | None, now: Kept | None) -> bool:
    """Tell whether a cell without mitigations is another than it was, or not there to be held against, or not known."""
    if was is None or now is None:
        return was is not now
    return bool(was.verdict and not now.verdict) or any(_found(was, now, (None, None)))


def is_unknown_delay(one: Kept) -> bool:
    """Tell whether a cell is delayed and nothing says by what, as an earlier harness did not write it down."""
    return one.verdict == "delayed" and not one.release and one.lag_ms is None


def _lags(*both: Kept | None) -> bool:
    return all(one is not None and one.verdict == "delayed" and not one.release for one in both)


def _is_unresolved(was: Kept | None, now: Kept | None) -> bool:
    """Tell whether a cell shows one step more or less than it did, and need not, as what that is computed from is what
    it was as far as it is known.
    """
    if was is None or now is None or was.verdict != now.verdict or not was.shows or not now.shows:
        return False
    was_place, now_place = (list(MANNERS).index(one) for one in (was.shows, now.shows))
    if abs(was_place - now_place) != 1:
        return False
    starts = [(one.held_bytes, one.passed_bytes) for one in (was, now)]
    if not all(_is_near(was, now, *figures) for figures in zip(*starts, strict=True)):
        return False
    if _is_one_release(was, now):
        return True
    return was.release == now.release and starts[0] != starts[1]  # what has not moved explains nothing


def _is_near(was: Kept, now: Kept, was_bytes: int, now_bytes: int) -> bool:
    """Tell whether two figures of starts may be one's: each is as many bytes or fewer, by a step of the probe at most.

    So the larger may be as small as the other, to the byte: whoever takes its time to let go is found a step later.
    """
    return abs(was_bytes - now_bytes) <= (was if was_bytes > now_bytes else now).within_bytes


def _is_one_release(was: Kept, now: Kept) -> bool:
    """Tell whether a release is what it was as far as it is known. Its figure is rounded: it may have moved unseen."""
    one, other = was.release, now.release
    if RELEASES[_way(one, other), _way(other, one)]:
        return False
    if _late_ms(was, now):
        return not any(_lagging(was, now))
    if not one or not other or one.by not in ("bytes", "timer"):
        return _lags(was, now)
    return abs(one.after - other.after) <= one.within + other.within


def _releases(was: Kept, now: Kept) -> Iterator[Difference]:
    told = [_released(one.release) for one in (was, now)]
    if turn := RELEASES[_way(was.release, now.release), _way(now.release, was.release)]:
        yield Difference(turn, told[0], told[1], "released")
    elif _late_ms(was, now):
        yield from _lagging(was, now)
    elif was.release and now.release and not _is_one_release(was, now):
        yield from _amounts(was.release.after, now.release.after, "released", told)


def _way(release: KeptRelease | None, other: KeptRelease | None) -> str:
    """Return what a release is in its table, beside another: not idle if the other one is not known to be or not."""
    if release is None:
        return NONE
    is_known = release.by == "timer" and (other is None or other.by != "timer" or other.idle is not None)
    return IDLE if is_known and release.idle else release.by


def _late_ms(*both: Kept) -> list[int]:
    """Return how late comes what is delayed, by a lag or by a timer; nothing if one of them is not, or nobody knows."""
    late = [one.release.after if one.release else one.lag_ms for one in both]
    by_time = all(one.verdict == "delayed" and (not one.release or one.release.by == "timer") for one in both)
    return [ms for ms in late if ms is not None] if by_time and None not in late else []


def _lagging(was: Kept, now: Kept) -> Iterator[Difference]:
    if not (late_ms := _late_ms(was, now)):
        return
    before, after = (max(ms, LEAST_MS) for ms in late_ms)
    times = max(before, after) / min(before, after)
    if times >= LATER:
        turn: Turn = "other" if times < MUCH_LATER else "worse" if after > before else "better"
        was_told, now_told = (f"of {ms} ms" for ms in late_ms)
        yield Difference(turn, was_told, now_told, "lag")


def _starts(was: Kept, now: Kept) -> Iterator[Difference]:
    if not _is_near(was, now, was.held_bytes, now.held_bytes):
        held = [f"{one.held_bytes} bytes" for one in (was, now)]
        yield from _amounts(was.held_bytes, now.held_bytes, "held at the start", held)
    if not _is_near(was, now, was.passed_bytes, now.passed_bytes):
        passed = [f"{one.passed_bytes} bytes" for one in (was, now)]
        yield Difference("other", passed[0], passed[1], "passed at the start")


def _amounts(was: int, now: int, of: str, told: Sequence[str]) -> Iterator[Difference]:
    """Yield how much longer or shorter a wait is."""
    if was != now:
        yield Difference("worse" if now > was else "better", told[0], told[1], of)


def _released(release: KeptRelease | None) -> str:
    match release:
        case KeptRelease("bytes", after):
            return f"by {after} more bytes"
        case KeptRelease("timer", after, idle=idle):
            return f"by {'an idle' if idle else 'a'} timer of {after} ms"
        case KeptRelease("end"):
            return "by the end"
        case KeptRelease():
            return "by bytes or a timer"
    return "by nothing"


def _of(turns: Mapping[tuple[str, str], Turn | None], was: str, now: str, of: str = "") -> Iterator[Difference]:
    if turn := turns[was, now]:
        yield Difference(turn, was, now, of)
