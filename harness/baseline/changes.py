"""What two measurements of one cell differ in, and which way: every pair of values has its place in a table. Pure.

    =  the same     <  worse     >  better     o  other, which is neither     -  not known, which is no change

Rules: a difference is worse if a person waits longer, or gets less; releases and starts are compared only where the
verdict is the same, and differ if they do by more than was resolved; what is held has no start that could be told from
the rest on a busy machine. Nothing is told that lies within what was resolved: what is shown, and its effect, of a cell
whose start is as long as far as that is known, held ones included, that is released by as much, or that is `delayed`
still, for lags are of their day. Neither worse nor better is what follows from something else: an effect, where the
cell without the mitigation has changed; and of a cell that is `delayed` still, that all its tokens come at the end by
now, or no more, which no day's lag makes of one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from harness.model import Kept, KeptRelease

Turn = Literal["worse", "better", "other"]
UNKNOWN = "-"
TURNS: Mapping[str, Turn | None] = {"=": None, "<": "worse", ">": "better", "o": "other"}

TOO_SHORT: Literal["too short"] = "too short"
"""Stands for the verdict of a stream of a fixed length that does not tell any."""
NONE = "none"

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
was \\ is   bytes  timer  end  unknown  none
bytes      =      o      <    o        o
timer      o      =      <    o        o
end        >      >      =    o        o
unknown    o      o      o    =        o
none       o      o      o    o        =
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


def differences(was: Kept, now: Kept, baseline_changed: bool = False) -> list[Difference]:
    """Return in what a cell differs from what was kept of it, what is worse first.

    `baseline_changed`: so does the cell without its mitigations.
    """
    found = list(_found(was, now, baseline_changed))
    return sorted(found, key=lambda one: get_args(Turn).index(one.turn))


def _found(was: Kept, now: Kept, baseline_changed: bool) -> Iterator[Difference]:
    yield from _of(VERDICTS, was.verdict or TOO_SHORT, now.verdict or TOO_SHORT)
    off = max(abs(was.held_bytes - now.held_bytes), abs(was.passed_bytes - now.passed_bytes))
    lags = was.verdict == now.verdict == "delayed"
    unresolved = 0 < off <= was.within_bytes + now.within_bytes or _is_one(was.release, now.release)
    for one in _of(SHOWS, was.shows or NONE, now.shows or NONE, "shows"):
        if not (unresolved or (lags and "in bursts" in (was.shows, now.shows))):
            yield replace(one, turn="other") if lags else one
    for one in _of(EFFECTS, was.effect or NONE, now.effect or NONE, "effect"):
        if not (unresolved or lags):
            yield replace(one, turn="other") if baseline_changed else one
    if was.verdict == now.verdict:
        yield from _releases(was.release, now.release)
        yield from _starts(was, now) if was.verdict in ("streamed", "delayed") else ()
        was_head, head = ("held" if one.head_held else "passed" for one in (was, now))
        yield from _of(HEADS, was_head, head, "head")


def _is_one(was: KeptRelease | None, now: KeptRelease | None) -> bool:
    """Tell whether a figure was measured twice that need not be what it was: what is shown is computed from it."""
    if not was or not now or was.by != now.by or was.by not in ("bytes", "timer"):
        return False
    return abs(was.after - now.after) <= was.within + now.within


def _releases(was: KeptRelease | None, now: KeptRelease | None) -> Iterator[Difference]:
    told = [_released(one) for one in (was, now)]
    if was and now and was.by == now.by:
        yield from _amounts(was.after, now.after, was.within + now.within, "released", told)
    else:
        turn = RELEASES[was.by if was else NONE, now.by if now else NONE]
        if turn:
            yield Difference(turn, told[0], told[1], "released")


def _starts(was: Kept, now: Kept) -> Iterator[Difference]:
    within = was.within_bytes + now.within_bytes
    held = [f"{one.held_bytes} bytes" for one in (was, now)]
    yield from _amounts(was.held_bytes, now.held_bytes, within, "held at the start", held)
    if abs(was.passed_bytes - now.passed_bytes) > within:
        passed = [f"{one.passed_bytes} bytes" for one in (was, now)]
        yield Difference("other", passed[0], passed[1], "passed at the start")


def _amounts(was: int, now: int, within: int, of: str, told: Sequence[str]) -> Iterator[Difference]:
    """Yield how much longer or shorter a wait is, if that is more than two measurements differ by."""
    if abs(was - now) > within:
        yield Difference("worse" if now > was else "better", told[0], told[1], of)


def _released(release: KeptRelease | None) -> str:
    match release:
        case KeptRelease("bytes", after):
            return f"by {after} more bytes"
        case KeptRelease("timer", after):
            return f"by a timer of {after} ms"
        case KeptRelease("end"):
            return "by the end"
        case KeptRelease():
            return "by bytes or a timer"
    return "by nothing"


def _of(turns: Mapping[tuple[str, str], Turn | None], was: str, now: str, of: str = "") -> Iterator[Difference]:
    if turn := turns[was, now]:
        yield Difference(turn, was, now, of)
