"""The bench: the backend, the guard, the clients, and the proxies that were asked for so far.

Rules: a proxy starts once per variant and upstream, when a chain first needs it, and serves every cell after that;
one that died is started anew for the next cell; what failed to start is remembered, not tried again. While memory is
short, those end that no cell will go through any more. Leaving the bench ends everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from harness.backends.base import Backend, Distant
from harness.backends.contained import Contained
from harness.backends.local import Local
from harness.clients import CLIENTS
from harness.clients.aiohttp_reader import AiohttpReader
from harness.clients.base import Client, Launching
from harness.clients.h2_reader import H2Reader
from harness.errors import HarnessError, InputError, NoRoom, ProxyError, Unavailable, unwritable
from harness.launchers.process import Launcher
from harness.measure import memory
from harness.measure.afar import FarGuard, Requests
from harness.measure.conversation import record
from harness.measure.guard import Beside, Control, ControlStream, Guard, Pulse
from harness.measure.limits import EMITTER
from harness.measure.schedule import Schedule
from harness.measure.warming import warm_up
from harness.model import (
    Chain,
    Deployment,
    Endpoint,
    Hop,
    HopKind,
    HttpVersion,
    Mitigation,
    Plan,
    Trace,
    chain_text,
    without_query,
)
from harness.proxies.at import At
from harness.proxies.base import Deployable, Editable, Optioned, Proxy, Running
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described
from harness.resources import configs, own_folder, why_no_file
from harness.store.runs import fitting

SERIAL: frozenset[HopKind] = frozenset({"application"})
"""Kinds of hops that may stand still for all while they serve one: each is asked for one stream at a time."""


@dataclass(frozen=True, slots=True)
class StartedChain:
    """The client side of a started chain, and what it is made of.

    `serial` are those of its programs that serve one stream at a time, each as the chain that begins with it.
    """

    endpoint: Endpoint
    hops: tuple[Running, ...]
    kinds: tuple[HopKind, ...]
    evidence: tuple[Path, ...]
    guard: Guard
    serial: frozenset[Chain] = frozenset()

    def death(self) -> str | None:
        """Return how the first dead proxy of the chain died, with its last words; None if all live."""
        for hop in self.hops:
            if death := hop.program.death():
                return f"{death}\n{hop.program.log_tail()}".strip()
        return None


def variant_file(hop: Hop, own: Mapping[Hop, Path], proxies: Mapping[str, Proxy] = PROXIES) -> Path:
    """Return the config file behind a hop, the folder of one that reads none. Raises InputError if there is none."""
    proxy = proxies[hop.proxy]
    if isinstance(proxy, Described) and not proxy.said.has_config:
        return proxy.folder
    if isinstance(proxy, At):
        return Path()
    path = own.get(hop.bare) or configs() / hop.proxy / f"{hop.variant}{proxy.suffix}"
    why = why_no_file(path)
    if why and not (isinstance(proxy, Described) and proxy.reads_folders and path.is_dir()):
        raise InputError(f"{hop}: {why}")
    return path


def adapter(
    hop: Hop,
    proxies: Mapping[str, Proxy] = PROXIES,
    deployed: Mapping[Hop, Deployment] = MappingProxyType({}),
    mitigations: Mapping[str, Mitigation] = MappingProxyType({}),
) -> Proxy:
    """Return what runs a hop of a cell's plan, whose config stands in the chain as is said and mitigations edit it.

    Raises InputError if it cannot run so.
    """
    proxy = proxies[hop.proxy]
    if deployment := deployed.get(hop.bare):
        if not isinstance(proxy, Deployable):
            able = ", ".join(name for name, one in proxies.items() if isinstance(one, Deployable))
            raise InputError(f"{hop.bare}: map, server and path are for configs of {able}, which are taken as deployed")
        proxy = proxy.deployed(deployment)
    if hop.edits:
        assert isinstance(proxy, Editable), f"{hop}: no mitigation edits configs of a proxy that cannot have it"
        proxy, hop = proxy.edited([mitigations[name].edit[hop.proxy] for name in hop.edits]), hop.unedited
    if hop == hop.bare:
        return proxy
    assert isinstance(proxy, Optioned), f"{hop}: no chain is read that gives options to a proxy without any"
    return proxy.with_options(hop)


def _in_front(endpoint: Endpoint, upstream: Endpoint, kind: HopKind) -> Endpoint:
    """Return the endpoint of a hop, which is asked for what those behind it are, unless it has a path of its own.

    Raises InputError if an application would be asked for that.
    """
    asked = endpoint.asked or upstream.asked
    if asked and upstream.knows_streams_only:
        why = "an application behind it knows streams as /stream/N only, which has to reach it unchanged: say no path"
        raise InputError(f"{without_query(asked)} is asked for, and {why}")
    only = upstream.knows_streams_only or kind == "application"
    return replace(endpoint, asked=asked, knows_streams_only=only)


def _has_started(task: asyncio.Task[StartedChain]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


class Bench:
    """Everything that runs. `own` maps hops to configs of the user's, which stand in chains as `deployed` says;
    evidence goes to `folder`.

    `proxies` are all that there are; `missing` says why a hop's program could not be fetched; `mitigations` has what is
    edited in configs of the user's.

    Who measures on it takes leases of its `schedule`. Streams come from `backend`, which is closed by whoever gives it,
    or else from an emitter of its own, in a container if that is where hops are to reach it.
    `is_short` tells whether memory is.
    """

    def __init__(
        self,
        launcher: Launcher,
        folder: Path,
        own: Mapping[Hop, Path] | None = None,
        schedule: Schedule | None = None,
        backend: Backend | None = None,
        proxies: Mapping[str, Proxy] = PROXIES,
        missing: Mapping[Hop, HarnessError] | None = None,
        deployed: Mapping[Hop, Deployment] | None = None,
        mitigations: Mapping[str, Mitigation] = MappingProxyType({}),
        in_container: bool = False,
        is_short: Callable[[], bool] = memory.is_short,
    ) -> None:
        self.schedule = schedule or Schedule()
        self.backend = backend or (Contained if in_container else Local)(launcher, folder, EMITTER)
        self._owns_backend = backend is None
        self._launcher = launcher
        self._folder = folder
        self._own = own or {}
        self._proxies = proxies
        self._missing = missing or {}
        self._deployed = deployed or {}
        self._mitigations = mitigations
        self._is_short = is_short
        self._needed: Collection[Chain] = ()
        self._clients: dict[str, Client] = {}
        self._control: Control = ControlStream(self.client("aiohttp"), self.backend)
        if isinstance(self.backend, Distant):
            self._control = Requests(self.backend)
        self._carriers: Mapping[HttpVersion, Client] = {
            "1.1": AiohttpReader(keep_alive=True),
            "2": H2Reader(),
        }
        self._starting: dict[Chain, asyncio.Task[StartedChain]] = {}
        self._cold: dict[str, HarnessError] = {}

    async def __aenter__(self) -> Self:
        own_folder(self._folder)
        try:
            await self.backend.ready()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for task in self._starting.values():
            task.cancel()
        for entry in await asyncio.gather(*self._starting.values(), return_exceptions=True):
            if isinstance(entry, StartedChain):
                await entry.guard.pulse.trips.close()
        await self._control.close()
        for client in (*self._clients.values(), *self._carriers.values()):
            await client.close()
        if self._owns_backend:
            await self.backend.close()

    def client(self, name: str) -> Client:
        """Return the client of that name, made on first use."""
        if name not in self._clients:
            client = self._clients[name] = CLIENTS[name]()
            if isinstance(client, Launching):
                client.equip(self._launcher, self._folder)
        return self._clients[name]

    async def entry(self, chain: Chain) -> StartedChain:
        """Return the started chain. Raises Unavailable, ProxyError or InputError, each time the same."""
        task = self._starting.get(chain)
        if task and task.done() and not task.exception() and task.result().death():
            task = None
        if task is None:
            task = self._starting[chain] = asyncio.create_task(self._start(chain))
        return await asyncio.shield(task)

    async def needs(self, chains: Iterable[Chain]) -> None:
        """Hear through which chains cells will still go. What ends for that is started anew if it is needed again."""
        self._needed = {chain[start:] for chain in chains for start in range(len(chain))}
        await self._spare_memory()

    async def start_all(self, plans: Iterable[Plan]) -> None:
        """Start the chains and clients of these plans, so that none starts beside them. What fails tells its cells."""
        plans = list(plans)
        starting = (self.entry(chain) for chain in {plan.chain for plan in plans})
        await asyncio.gather(*starting, return_exceptions=True)
        self._cold |= await warm_up(plans, self.client, self.backend, self.schedule)

    async def rest(self, rest_s: float) -> None:
        """Let time pass. Limits of a proxy are by its clock, so this is a time and no guess at one."""
        await asyncio.sleep(rest_s)

    async def record(
        self,
        cell_id: str,
        plan: Plan,
        quiet: bool = False,
        brief: bool = False,
        on_hold: Callable[[], object] = lambda: None,
    ) -> tuple[Trace, StartedChain]:
        """Run one stream through the plan's chain, without pulses or only up to its first hold if asked.

        `on_hold` is told whenever a token of it is held, or nearly was.

        Raises what `entry` raises, BackendError, or ClientError for a paced one whose client could not be warmed up.
        """
        if plan.emission.pace == "paced" and (error := self._cold.get(plan.client)):
            raise error
        await self.backend.ready()  # before a program that starts wants to hear from it
        entry = await self.entry(plan.chain)
        entry.guard.pulse.try_again()
        guard = entry.guard.quietly() if quiet else entry.guard
        beside = Beside(self._carrier(entry.endpoint), entry.endpoint)
        asks = entry.serial and plan.emission.pace == "paced"  # in lockstep, nobody's time is the question
        asking = asyncio.create_task(beside.ask()) if asks else None
        try:
            client = self.client(plan.client)
            trace = await record(cell_id, plan, entry.endpoint, self.backend, client, guard, brief, on_hold)
        finally:
            if asking:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
        return replace(trace, beside_ns=tuple(beside.durations_ns), hops=entry.kinds), entry

    async def _spare_memory(self) -> None:
        """End what is not needed any more, the client's side first, if memory is short."""
        if not self._needed:
            return
        over = [chain for chain, task in self._starting.items() if chain and _has_started(task)]
        over = [chain for chain in over if chain not in self._needed]
        if over and self._is_short():
            entries = [self._starting.pop(chain).result() for chain in sorted(over, key=len, reverse=True)]
            for entry in entries:
                await entry.guard.pulse.trips.close()
                await entry.hops[0].program.stop()

    async def _start(self, chain: Chain) -> StartedChain:
        if not chain:
            endpoint = self.backend.endpoint
            return StartedChain(endpoint, (), (), (), self._guard(endpoint))
        hop, rest = chain[0], chain[1:]
        upstream = await self.entry(rest)
        if "1.1" not in upstream.endpoint.http:
            raise Unavailable(
                f"{hop} passes requests on in HTTP/1.1, and {rest[0]} behind it only answers in HTTP/2",
                "choose a variant that answers in both: nginx:h2-tls",
            )
        if why := self._missing.get(hop):
            raise why
        await self._spare_memory()
        config = variant_file(hop, self._own, self._proxies)
        evidence = self._evidence(chain)
        proxy = adapter(hop, self._proxies, self._deployed, self._mitigations)
        try:
            async with self.schedule.start():
                running = await proxy.start(config, upstream.endpoint, evidence, self._launcher)
        except OSError as error:
            if unwritable(error) is NoRoom:
                raise
            raise ProxyError(f"{hop} cannot be started: {error}") from error
        running = replace(running, endpoint=_in_front(running.endpoint, upstream.endpoint, proxy.kind))
        serial = upstream.serial | ({chain} if proxy.kind in SERIAL else set())
        return StartedChain(
            running.endpoint,
            (running, *upstream.hops),
            (proxy.kind, *upstream.kinds),
            (evidence, *upstream.evidence),
            self._guard(running.endpoint, serial=bool(serial)),
            serial,
        )

    def _guard(self, endpoint: Endpoint, serial: bool = False) -> Guard:
        """Return the guard of a chain; its pulse is carried by a client that speaks what the chain answers in."""
        far = isinstance(self.backend, Distant)
        pulse = Pulse(self._carrier(endpoint), endpoint, serial or far)  # who knows what is there
        if isinstance(self.backend, Distant) and isinstance(self._control, Requests):
            return FarGuard(self._control, pulse, self.backend)
        return Guard(self._control, pulse)

    def _carrier(self, endpoint: Endpoint) -> Client:
        return self._carriers["1.1" if "1.1" in endpoint.http else "2"]

    def _evidence(self, chain: Chain) -> Path:
        name = fitting(chain_text(chain).replace(">", "--").replace(":", ".").replace("/", "_"))
        for number in range(1, 1000):
            folder = self._folder / (name if number == 1 else f"{name}.{number}")
            if not folder.exists():
                own_folder(folder)
                return folder
        raise AssertionError("a chain that died a thousand times")
