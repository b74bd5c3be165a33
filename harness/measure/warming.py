"""Starts what reads before time is the question: each client is asked for streams as its paced cells will ask it.

Rules: it is asked on the direct entry, by the request of a plan that it does not refuse; as many streams at once as its
cells will read, and none ends before all have been asked for, so that a browser has opened its pages by then. What a
client refuses, the cell that asks so hears of itself; what fails otherwise is returned: who is cold is not to be timed.
A client that cannot ask the emitter, which speaks HTTP/1.1, starts with its cells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from harness.backends.base import Announced, Backend
from harness.clients.base import Client, Unheard
from harness.clients.declared import need
from harness.errors import ClientError, HarnessError, StreamError, Unavailable
from harness.formats import CODECS
from harness.measure.conversation import request_of
from harness.measure.limits import REACHED_S
from harness.measure.schedule import Schedule, needed_by
from harness.model import Emission, Plan, Workload


async def warm_up(
    plans: Iterable[Plan], client: Callable[[str], Client], backend: Backend, schedule: Schedule
) -> Mapping[str, HarnessError]:
    """Let the clients of these plans read, one after the other; return, by its name, how one failed."""
    of_client: dict[str, list[Plan]] = {}
    for plan in plans:
        of_client.setdefault(plan.client, []).append(plan)
    cold = {}
    for name, own in of_client.items():
        try:
            await _warm(client(name), own, backend, schedule)
        except (HarnessError, StreamError) as error:
            cold[name] = ClientError(f"client {name} failed before its first paced stream: {error}")
    return cold


async def _warm(client: Client, plans: Sequence[Plan], backend: Backend, schedule: Schedule) -> None:
    wanted = needed_by(plans[0], (), client)
    number = min(len(plans), schedule.most(wanted)) if wanted.core else 1
    requests = {(plan.request_headers, plan.emission.transport, plan.emission.format): plan for plan in plans}
    for plan in requests.values():
        with suppress(Unavailable):
            need(client, plan.emission.transport, "the emitter", backend.endpoint.http)
            await _read(client, plan, number, backend)
            break


async def _read(client: Client, plan: Plan, number: int, backend: Backend) -> None:
    """Let a client read so many plain streams of one token at once. Raises what it raises."""
    told = plan.emission
    codec = CODECS[told.format]
    load = Workload("warming", tokens=1, token_bytes=max(told.workload.token_bytes, codec.min_token_bytes))
    plain = Emission(load, told.transport, told.format, content_type=codec.content_type)
    streams = [await backend.open(plain) for _ in range(number)]
    asking = (client.stream(request_of(plan, backend.endpoint, stream.stream_id), Unheard()) for stream in streams)
    readings = [asyncio.create_task(reading) for reading in asking]
    within_s = client.asks_within_s + REACHED_S
    try:
        async with asyncio.timeout(within_s):
            await asyncio.gather(*map(_asked, streams, readings))
            for stream in streams:
                stream.grant(0)
                stream.end()
            await asyncio.gather(*readings)
    except TimeoutError:
        raise ClientError(f"it has not read a stream within {within_s:g} s") from None
    finally:
        for reading in readings:
            reading.cancel()
        await asyncio.gather(*readings, return_exceptions=True)
        for stream in streams:
            stream.close()


async def _asked(stream: Announced, reading: asyncio.Task[None]) -> None:
    """Wait until a stream has been asked for. Raises what its reading raises before."""
    await asyncio.wait({stream.asked, reading}, return_when=asyncio.FIRST_COMPLETED)
    if not stream.asked.done():
        reading.result()
        raise ClientError("it returned without having asked for the stream")
