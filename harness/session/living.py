"""Watches an application's own stream come through a chain, where a replay of it would be something else.

Rules: the chain is started in front of our emitter, as ever; one request is led to the application, once for each of
whose requests are looked at. What is said to it goes through the chain, for that is what is measured, and no further.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.errors import InputError, ProxyError
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.model import Chain, Endpoint, HttpVersion, chain_text
from harness.probe.asking import with_own
from harness.probe.live import Live, live
from harness.probe.messages import Messages
from harness.probe.secrets import Secrets
from harness.probe.takes import Asking, Take
from harness.recordings.answer import Answer
from harness.session import probing
from harness.session.jobs import Job
from harness.session.recording import Application, Say, listens_at
from harness.session.relaying import MARK, Relay

MOST_BYTES = 2**26


class Led:
    """A backend whose chains end somewhere else: at what leads one request away from it."""

    def __init__(self, backend: Any, endpoint: Endpoint) -> None:
        self._backend = backend
        self.endpoint = endpoint

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


async def watch(job: Job, asked: Application, requests: Sequence[str], folder: Path, say: Say) -> list[Live]:
    """Return what the application's stream is to whoever asks through the job's chain. Raises HarnessError."""
    chain = job.matrix.asked[0].chain
    secrets = Secrets(asked.headers, asked.body, asked.url or f"http://any{asked.target}")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        launcher = await enter(Launcher())
        try:
            application = await listens_at(asked, launcher)
        except (ProxyError, InputError) as error:
            raise InputError(f"{asked.source} did not start: {secrets.hidden(str(error))}") from None
        plain = await enter(Bench(launcher, folder))
        relay = Relay(application, _context(asked), urlsplit(asked.url).netloc)
        led: Any = Led(plain.backend, await enter(relay.listening(plain.backend.endpoint)))
        bench = Bench(
            launcher, folder, job.own, backend=led, proxies=job.proxies, missing=job.missing, deployed=job.deployed
        )
        await enter(bench)
        entry = (await bench.entry(chain)).endpoint
        try:
            return [await _watched(chain, who, entry, relay, asked, say) for who in requests]
        except InputError as error:
            raised = await asked.served.why_it_failed() if asked.served else ""
            told = f"{error}; the application raised {raised}" if raised else str(error)
            raise InputError(secrets.hidden(told)) from None


async def _watched(chain: Chain, who: str, entry: Endpoint, relay: Relay, asked: Application, say: Say) -> Live:
    """Ask once, as somebody does, and judge what came of it."""
    relay.asks.clear()
    said = ((MARK, relay.secret), *((("Host", entry.name),) if entry.name else ()), *asked.headers)
    http: HttpVersion = "1.1" if "1.1" in entry.http else "2"
    asking = Asking(who, with_own(probing.whose("http")[who], said), asked.method, http)
    there = probing.Endpoint(f"{entry.url}{asked.target}", body=asked.body, authority=entry.authority)
    say(f"{asked.source} is asked through {chain_text(chain)} as {who} asks, for {probing.TAKE_S:g} s at most ...")
    takes = list[Take]()
    begun_ns = time.monotonic_ns()
    await probing.ask(there, asking, takes, say)
    take = takes[0]
    through = f"asked through {chain_text(chain)} as {who}"
    last = relay.asks[-1] if relay.asks else None
    again = f"a hop asked it {len(relay.asks)} times" if len(relay.asks) > 1 else ""
    if not last or last.answer.status is None:
        came = "; ".join(filter(None, [take.fault or (f"status {take.status}" if take.status else take.cut), again]))
        raise InputError(f"{asked.source}: no answer of it came, {through}: {came}")
    if any(one.beside_others for one in relay.asks):
        raise InputError(f"{asked.source}, {through}: {again}, before its answer was over: which one came is not known")
    if last.answer.status != 200:
        raise InputError(f"{asked.source} answers with status {last.answer.status} instead of a stream")
    left_ms = _left_ms(last.answer, begun_ns)
    if fault := last.broken or take.fault:
        raise InputError(f"{asked.source}, {through}: {fault}")
    found = live(chain_text(chain), who, left_ms, take.messages_ms, take.stood_still_ms)
    return replace(found, reason=f"{found.reason}; {again}, and the last answer counts") if again else found


def _left_ms(answer: Answer, begun_ns: int) -> list[float]:
    """Return when each message left the application, in ms since it was asked."""
    messages, left_ms = Messages(answer.headers), list[float]()
    for at_ns, data in answer.writes:
        left_ms += [(at_ns - begun_ns) / 1e6] * messages.feed(data, MOST_BYTES)
    if answer.is_whole and messages.end():
        left_ms.append((answer.writes[-1][0] - begun_ns) / 1e6)
    return left_ms


def _context(asked: Application) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=asked.authority) if asked.url.startswith("https://") else None
