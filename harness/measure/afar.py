"""Guards a backend that is elsewhere: nothing goes round that nobody waits for, as it may be what lets a token go.

Rules: a short request is asked for before the first token, which tells how far away the backend is, and once a token
has outwaited its time; those are told of in the record, as the pulses of a chain are. Where there is another way in,
they go that way, and the chain is guarded as any.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

from harness.backends.base import Distant
from harness.errors import BackendError
from harness.measure.guard import CONTROL_TRIPS, PULSE_TRIPS, QUIET_MS, Guard, Pulse, Trips
from harness.measure.limits import TRIPS_S

FRESH_TRIPS = 3
"""So many tell how far away the backend is by now."""


class OnDemand(Trips):
    """Trips that only go when somebody waits for them."""

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        yield

    async def after(self, trips: int) -> None:
        try:
            async with asyncio.timeout(TRIPS_S):
                for _ in range(trips):
                    began = time.monotonic_ns()
                    await self._trip()
                    ended = time.monotonic_ns()
                    self._durations_ns.append((ended, ended - began))
        except TimeoutError:
            raise BackendError(f"nothing has gone round for {TRIPS_S:g} s: {self._stands_still}") from None


class Requests:
    """The control of a backend elsewhere: short requests."""

    def __init__(self, backend: Distant) -> None:
        self.trips: Trips = OnDemand(backend.trip, "the emitter does not answer")

    async def close(self) -> None:
        """Nothing is left open."""


class FarGuard(Guard):
    """Says when a silence means something in a chain that ends elsewhere."""

    def __init__(self, control: Requests, pulse: Pulse, backend: Distant, quiet: bool = False) -> None:
        super().__init__(control, pulse, quiet)
        self._backend = backend

    def quietly(self) -> Guard:
        assert isinstance(self.control, Requests)
        return FarGuard(self.control, self.pulse, self._backend, quiet=True)

    @property
    def silences(self) -> bool:
        return not self._backend.has_own_way and (self._quiet or self._backend.serial)

    async def distance_ms(self) -> float:
        await self.control.trips.after(FRESH_TRIPS)
        return self.control.trips.least_ms or 0.0

    async def witnessed(self) -> None:
        if self._backend.has_own_way:
            await self.control.trips.after(CONTROL_TRIPS)

    async def witnessed_by_chain(self) -> None:
        if self._backend.has_own_way:
            await super().witnessed_by_chain()
        else:
            await self.control.trips.after(PULSE_TRIPS)

    async def barrier(self) -> None:
        if self._backend.has_own_way:
            await super().barrier()
        else:
            await asyncio.sleep(max(QUIET_MS, 2 * (self.control.trips.least_ms or 0.0)) / 1e3)
