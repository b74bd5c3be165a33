"""The streams of one cell: asked for beside others, or alone after a rest, and each on disk as a take of its own.

Rules: a stream runs on a lease of all that it needs, and so do those that follow up on it; a broken one through a proxy
that died says so, whichever of them it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from harness.clients.base import Client
from harness.errors import ProxyError
from harness.judge.counted import counted, turned_away
from harness.judge.reading import Hold
from harness.judge.steady import as_late, begins_alike
from harness.judge.verdict import Assessment, assess_one, combined, follow_up
from harness.launchers.process import until
from harness.measure.announced import whole_tokens
from harness.measure.bench import StartedChain
from harness.measure.limits import DEATH_S
from harness.measure.schedule import Alone, Schedule, Told, needed_by
from harness.model import Cell, Chain, HeaderChange, LetThrough, Metrics, Plan, Trace, Verdict
from harness.store.runs import Run

TAKES = 4
"""How many streams are asked for at once at most: one that was too short twice, and one without pulses."""


class TraceSource(Protocol):
    """Where traces come from: a bench on which programs run, or one that plays what others have recorded."""

    @property
    def schedule(self) -> Schedule:
        """What grants the leases on which streams run here."""

    def client(self, name: str) -> Client: ...

    async def entry(self, chain: Chain) -> StartedChain:
        """Return the started chain. Raises Unavailable, ProxyError or InputError, each time the same."""

    async def needs(self, chains: Iterable[Chain]) -> None:
        """Hear through which chains cells will still go: what serves no other may end."""

    async def start_all(self, plans: Iterable[Plan]) -> None:
        """Start all that these plans need, so that nothing starts beside them."""

    async def rest(self, rest_s: float) -> None:
        """Let so much time pass in which whoever holds a lease asks for nothing."""

    async def record(
        self,
        cell_id: str,
        plan: Plan,
        quiet: bool = False,
        brief: bool = False,
        on_hold: Callable[[], object] = lambda: None,
    ) -> tuple[Trace, StartedChain]:
        """Return the trace of one stream, and the chain that it went through; tell of holds. Raises HarnessError."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How streams are asked for: beside others or alone, after how long a rest, and whether without pulses.

    A `brief` one ends with its first hold, or after a few late tokens.
    """

    alone: Alone | None = None
    rest_s: float = 0.0
    quiet: bool = False
    brief: bool = False


@dataclass(frozen=True, slots=True)
class Take:
    """One stream of a cell, and what it says."""

    trace: Trace
    said: Assessment


def concluded(takes: Sequence[Take]) -> Assessment:
    """Return what streams of one cell say together."""
    count = counted([take.trace for take in takes])
    return combined([take.said for take in takes if any(take.trace is one for one in count)])


class Streams:
    """Asks for the streams of one cell. `control` has the figures of its control, if there are any; `on_hold` is told
    whenever a token of its own streams is held, or nearly was.

    `entry` is the chain that its last own stream went through, `words` what the hops' logs last said of one that was
    asked for alone; `started_at` is when the first was asked for, and `took_ms` how long all took, waits for their
    turns not counted.
    """

    def __init__(
        self,
        source: TraceSource,
        run: Run,
        cell: Cell,
        plan: Plan,
        entry: StartedChain,
        control: Metrics | None,
        on_hold: Callable[[], object],
    ) -> None:
        self.plan = plan
        self.entry = entry
        self.words: str | None = None
        self.started_at = ""
        self.took_ms = 0.0
        self._source = source
        self._run = run
        self._cell = cell
        self._control = control
        self._on_hold = on_hold
        self._takes = 0

    async def ask(self, terms: Terms) -> list[Take]:
        """Return one stream and those that follow up on it. Raises HarnessError."""
        async with self._lease(self.plan, terms) as told:
            log = Logs(self.entry)
            takes = [await self._take(self.plan, terms)]
            told(_late_ms(takes[0].trace))
            while len(takes) < TAKES and not turned_away(takes[-1].trace):
                more = follow_up([take.trace for take in takes], concluded(takes))
                quiet = terms.quiet or bool(more and more.quiet)
                longer = self._roomy(more.plan, takes[-1].trace.plan, quiet) if more else None
                if longer is None:
                    break
                takes.append(await self._take(longer, replace(terms, quiet=quiet)))
            self.words = log.last_line() if terms.alone else None
            return takes

    def _roomy(self, wanted: Plan, before: Plan, quiet: bool) -> Plan | None:
        """Return what is wanted after another stream: with room for all that is announced, where silences are. None if
        that had it already, and told no more.
        """
        guard = self.entry.guard.quietly() if quiet else self.entry.guard
        emission = wanted.emission
        if not guard.silences or emission.body != "length" or emission.workload.exact:
            return wanted
        needed = whole_tokens(emission)
        if before != wanted and (before.emission.announced_tokens or 0) >= needed:
            return None
        longer = max(needed, emission.announced_tokens or 0)
        return replace(wanted, emission=replace(emission, announced_tokens=longer))

    async def begins_alike_alone(self) -> bool:
        """Tell whether a stream of the cell begins alone in its chain as its first one did. Raises HarnessError."""
        terms = Terms("in its chain", brief=True)
        async with self._lease(self.plan, terms):
            trace, entry = await self._recorded(self.plan, terms)
            await self._keep(trace, entry)
        before = await asyncio.to_thread(self._run.first_trace, self._cell)
        first, brief = [await asyncio.to_thread(assess_one, one, self._control) for one in (before, trace)]
        verdicts = {first.judgement.verdict, brief.judgement.verdict}
        if "broken" in verdicts:
            return False
        if first.judgement.verdict == "delayed" and brief.turns_late and as_late(first.seen, brief.seen):
            return True  # though one of many was so late beside others that it counts as held
        held = any(isinstance(one, Hold) for one in brief.seen)
        return begins_alike(first.seen, brief.seen) and (held or len(verdicts) == 1)

    async def ask_beside(self, baseline: Cell, plan: Plan, terms: Terms) -> Trace:
        """Return a stream of the cell's baseline, which is kept as a take of this cell. Raises HarnessError."""
        async with self._lease(plan, terms):
            trace, entry = await self._recorded(plan, terms)
            return await self._keep(replace(trace, cell_id=baseline.id), entry)

    async def _take(self, plan: Plan, terms: Terms) -> Take:
        trace, self.entry = await self._recorded(plan, terms, self._on_hold)
        await self._keep(trace, self.entry)
        said = await asyncio.to_thread(assess_one, trace, self._control)
        if said.judgement.verdict == "broken" and (death := await _death(self.entry)):
            raise ProxyError(f"in mid-stream, {death}")
        return Take(trace, said)

    async def _recorded(
        self, plan: Plan, terms: Terms, on_hold: Callable[[], object] = lambda: None
    ) -> tuple[Trace, StartedChain]:
        await self._source.rest(terms.rest_s)
        trace, entry = await self._source.record(self._cell.id, plan, terms.quiet, terms.brief, on_hold)
        return replace(trace, alone=bool(terms.alone)), entry

    async def _keep(self, trace: Trace, entry: StartedChain) -> Trace:
        self._takes += 1
        _link(await asyncio.to_thread(self._run.save_trace, trace, self._cell, self._takes), entry)
        return trace

    @asynccontextmanager
    async def _lease(self, plan: Plan, terms: Terms) -> AsyncIterator[Told]:
        """Hold all that streams of a plan need; what this yields is told how late the machine was."""
        entry = await self._source.entry(plan.chain)  # before the lease: a slow start must not keep others waiting
        need = needed_by(plan, entry.serial, self._source.client(plan.client))
        async with self._source.schedule.lease(need, terms.alone) as told:
            self.started_at = self.started_at or datetime.now(UTC).isoformat(timespec="milliseconds")
            began = time.monotonic()
            yield told
            self.took_ms += (time.monotonic() - began) * 1e3


@dataclass(frozen=True, slots=True)
class Measured:
    """What a cell's streams said, as far as others are held against it: traces and what they show are on disk.

    `streams` asks for more of them; `beside` says that others may have run beside them.
    """

    assessment: Assessment
    header_changes: tuple[HeaderChange, ...]
    versions: Mapping[str, str]
    streams: Streams
    beside: bool

    @property
    def verdict(self) -> Verdict | None:
        return self.assessment.verdict

    @property
    def let_through(self) -> LetThrough:
        """Who was let through, in the end, by hops that may turn streams away."""
        away = self.assessment.facts.turned_away
        return away.let_through if away else "it"


class Logs:
    """What the hops of a chain write to their logs from now on."""

    def __init__(self, entry: StartedChain) -> None:
        paths = (path for folder in entry.evidence for path in sorted(folder.glob("*.log")))
        self._sizes = {path: path.stat().st_size for path in paths}

    def last_line(self) -> str | None:
        """Return the last line that was written since; of several hops that of the one nearest to the client."""
        for path, size in self._sizes.items():
            if said := path.read_bytes()[size:].decode(errors="replace").strip():
                return said.splitlines()[-1]
        return None


def _late_ms(trace: Trace) -> float:
    """Return by how much a round trip beside a stream took longer than one does at least."""
    return (trace.guard_ms or 0.0) - (trace.distance_ms or 0.0)


def _link(folder: Path, entry: StartedChain) -> None:
    """Point from a cell's evidence to that of the proxies it went through."""
    for number, evidence in enumerate(entry.evidence):
        link = folder / f"hop-{number + 1}"
        with suppress(FileExistsError):
            link.symlink_to(Path("../..") / evidence.parent.name / evidence.name)


async def _death(entry: StartedChain) -> str | None:
    """Return how a proxy of the chain died; one that is dying may take a moment to be dead."""
    await until(entry.death, DEATH_S)
    return entry.death()
