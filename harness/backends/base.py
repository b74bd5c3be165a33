"""What a backend is: something that emits streams as it is told, here or elsewhere. Protocols, and what they speak of.

Nothing here is about connections, ports or processes. A backend may be far away: its clock need not be ours, and
nobody has to stay connected for as long as a stream lasts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from harness.model import Clock, Emission, Endpoint, Heartbeat, Sent, Turn


@dataclass(slots=True)
class Log:
    """What a backend says of one stream, by its own clock. `requests` above 1 means that the chain asked twice."""

    sent: list[Sent] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    requests: int = 0
    head_ns: int | None = None
    ended_ns: int | None = None
    failure: str | None = None


class Announced(Protocol):
    """One stream that a backend knows of. The chain asks for it at `/stream/ID` below the backend's endpoint."""

    @property
    def stream_id(self) -> str: ...

    @property
    def asked(self) -> asyncio.Future[None]:
        """Done once the request has come through the chain."""

    @property
    def lost(self) -> asyncio.Future[str]:
        """Done once the backend can neither be told nor asked anything of this stream; the result says why."""

    def grant(self, through: int) -> None:
        """Let all tokens up to `through` be sent, be it more than the workload's; none beyond `Emission.most_tokens`.

        Returns at once: every microsecond of a lockstep trip counts.
        """

    def end(self) -> None:
        """Let the stream end once all that was granted is sent, which the workload's tokens are to be at least."""

    async def sent(self, through: int) -> None:
        """Return once all tokens up to `through` have left, which a delay or a chain that takes no more may put off.

        Nobody else may wait for that meanwhile.
        """

    async def log(self) -> Log:
        """Return what is known of the stream so far. Raises BackendError if it is lost."""

    def forget(self) -> None:
        """Drop what is logged of tokens: a stream that lasts as long as a run would else fill the memory."""

    def close(self) -> None:
        """Break the stream off if it still runs, and forget it wholly. From then on its loss is no news."""


class Backend(Protocol):
    """Emits streams at one endpoint, which stays the same for life even if what emits has to be started anew."""

    @property
    def endpoint(self) -> Endpoint:
        """Where chains end. Besides streams it answers `/pulse`, briefly."""

    @property
    def clock(self) -> Clock:
        """Whose clock the instants in its logs are of."""

    async def ready(self) -> None:
        """Return once it emits; start what is not there, or has died. Raises BackendError if that fails."""

    async def open(self, emission: Emission) -> Announced:
        """Announce a stream to a backend that is ready. Raises BackendError if that cannot be had."""

    async def close(self) -> None:
        """Let go of everything."""


class Forewarned(Announced, Protocol):
    """A stream whose grants are requests, mostly through the chain as it is: to be over before a token leaves."""

    def grant_later(self, through: int, every_ms: float = 0.0) -> None:
        """Let tokens up to `through` be sent `Distant.lead_ms` after this has arrived, so far apart."""

    async def heard(self) -> None:
        """Return once the emitter has answered all that it was told by now, or is lost."""


@runtime_checkable
class Distant(Protocol):
    """A backend that can only be told and asked by short requests, whose streams are `Forewarned`.

    `has_own_way` says that these go another way than the chain's, so that nothing leaves later for them: `lead_ms` is
    0. `serial`: they are not answered while a stream is under way.
    """

    has_own_way: bool
    lead_ms: float
    serial: bool

    async def trip(self) -> None:
        """Let one short request go round. Raises BackendError if it cannot."""

    async def announce(self, emission: Emission, turns: Sequence[Turn]) -> Announced:
        """Announce a stream that takes these turns by itself, and of which nothing is asked before its log."""

    def recognise(self, headers: Iterable[tuple[str, str]]) -> None:
        """Look at the answer to a stream that is open. Raises BackendError if another emitter gave it."""
