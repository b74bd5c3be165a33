"""A bench on which nothing runs: the streams of a cell go as others did before. For tests of what is made of traces.

run = Run.open(folder)
async with Runner(Replay.of(run), other_run, catalogue) as runner: ...
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Self

from harness.backends.fake import Fake
from harness.clients import fake
from harness.clients.base import Client, Request
from harness.errors import BackendError, HarnessError, Unavailable
from harness.launchers.fake import FakeProgram
from harness.measure.bench import StartedChain
from harness.measure.guard import ControlStream, Guard, Pulse
from harness.measure.schedule import Schedule
from harness.model import Chain, HopKind, Plan, Trace, chain_text
from harness.proxies.base import Running
from harness.store.runs import Run, load_traces

Take = Trace | HarnessError
VERSION = "replayed"


class Replay:
    """Plays, for every cell id, one trace after another, or raises what is there in its place.

    What is Unavailable is so when the chain starts, all else when a stream is recorded. `end` is the exit status with
    which the proxies of all chains have died, `mute` that no chain answers a pulse, `serial` are programs that serve
    one stream at a time.
    """

    def __init__(
        self,
        takes: Mapping[str, Sequence[Take]],
        schedule: Schedule | None = None,
        *,
        end: int | None = None,
        mute: bool = False,
        serial: frozenset[Chain] = frozenset(),
    ) -> None:
        self.schedule = schedule or Schedule()
        self._takes = {cell_id: [*played] for cell_id, played in takes.items()}
        self._missing = {
            cell_id.split("/")[0]: played[0]
            for cell_id, played in takes.items()
            if played and isinstance(played[0], Unavailable)
        }
        self._backend = Fake()
        self._end = end
        self._mute = mute
        self._serial = serial

    @classmethod
    def of(cls, run: Run, schedule: Schedule | None = None) -> Self:
        """Return one that plays what a run has recorded. Raises InputError if a trace of it is damaged or missing."""
        kept = [result for result in run.results if result.evidence]
        return cls({one.id: load_traces(run.folder / str(one.evidence)) for one in kept}, schedule)

    def client(self, name: str) -> Client:
        return fake.Fake(_nothing, name)

    async def entry(self, chain: Chain) -> StartedChain:
        if missing := self._missing.get(chain_text(chain)):
            raise missing
        endpoint, reader = self._backend.endpoint, self.client("pulse")
        guard = Guard(ControlStream(reader, self._backend), Pulse(reader, endpoint))
        guard.pulse.lost = self._mute
        hops = tuple(Running(hop.proxy, endpoint, self._program(hop.proxy), VERSION) for hop in chain)
        programs = {chain[start:] for start in range(len(chain))}
        return StartedChain(endpoint, hops, self._kinds(chain), (), guard, self._serial & programs)

    def _kinds(self, chain: Chain) -> tuple[HopKind, ...]:
        return tuple("application" if chain[at:] in self._serial else "proxy" for at in range(len(chain)))

    def _program(self, name: str) -> FakeProgram:
        program = FakeProgram(name, "its last words")
        if self._end is not None:
            program.dies(self._end)
        return program

    async def needs(self, chains: Iterable[Chain]) -> None:
        """Nothing has to end."""

    async def start_all(self, plans: Iterable[Plan]) -> None:
        """Nothing has to start."""

    async def rest(self, rest_s: float) -> None:
        """Nothing gets tired."""

    async def record(
        self,
        cell_id: str,
        plan: Plan,
        quiet: bool = False,
        brief: bool = False,
        on_hold: Callable[[], object] = lambda: None,
    ) -> tuple[Trace, StartedChain]:
        entry = await self.entry(plan.chain)
        left = self._takes.get(cell_id)
        take = left.pop(0) if left else BackendError(f"{cell_id}: no other stream of it was recorded")
        if isinstance(take, HarnessError):
            raise take
        return take, entry


async def _nothing(request: Request) -> AsyncGenerator[bytes]:
    return
    yield b""
