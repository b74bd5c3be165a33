"""What the lockstep machine grants, and what it waits for meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal


class Phase(Enum):
    """What is waited for: the head, a pause to pass, a grant to be over before it counts, all that was sent, a step
    while a token is held, time for what was let go or sent in a stretch to come, the next token of a flow, time to let
    go, or nothing more."""

    HEAD = auto()
    PAUSE = auto()
    LEAD = auto()
    ARRIVAL = auto()
    TRYING = auto()
    SETTLING = auto()
    FLOW = auto()
    SILENCE = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to send tokens up to and including `through`, and to end the stream after them if `end`.

    One that is `later` lets them leave when it is over, and `every_ms` apart.
    """

    through: int
    end: bool = False
    later: bool = False
    every_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Due:
    """What the driver waits for, unless something arrives before.

    `told`: that the last grant is heard; then `heard`.
    `silence`: that nothing has come for `ns` since `progress_ns`, on a machine that is awake; then `outwaited`.
    `barrier`: `ns` since `progress_ns`, before which not all can be sent, then until all up to `granted` is, and then
    the time it takes to arrive; then `stepped`.
    `pause`: `ns` since `progress_ns`; then `stepped`. Less than nothing is over at once, as nothing is.
    """

    what: Literal["told", "silence", "barrier", "pause", "nothing"]
    ns: int = 0
