"""The format `openai`, read by those it is for: the openai package and httpx-sse, through real proxies.

Each is put in the client's place and hands on what it made of the stream, event by event. So the verdict `streamed`
says that every token came out of it before the next was sent, and with the very text.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

import httpx
import httpx_sse
import pytest

from harness.backends.base import Log
from harness.clients import CLIENTS
from harness.clients.base import Client, Request, Sink
from harness.documents.hops import read as hop
from harness.measure.bench import Bench
from harness.model import Cell, HttpVersion, Trace, TransportName, Verdict, Workload
from harness.session import catalogue
from tests.backends.emitting import expected_body
from tests.factories import figures, judged
from tests.planning import plan
from tests.sampling import some_of
from tests.sandbox import missing

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

LOAD = Workload("chat", tokens=8, token_bytes=300)


class Reader:
    """What the two have in common."""

    name = "theirs"
    http: tuple[HttpVersion, ...] = ("1.1",)
    transports: tuple[TransportName, ...] = ("http",)
    lacks: Mapping[TransportName, str] = {}
    asks_within_s = 10.0

    def version(self) -> str:
        return "installed"

    async def close(self) -> None:
        """Nothing is left open."""


class Sdk(Reader):
    """AsyncOpenAI, with the stream's own URL for a base URL. A chunk that it yields is written anew."""

    async def stream(self, request: Request, sink: Sink) -> None:
        import openai  # takes a second, which tests that are only collected need not wait for

        base_url = request.url.removesuffix("/chat/completions")
        async with openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
            chunks = await client.chat.completions.create(**json.loads(request.body or b""))
            sink.head(200, tuple(chunks.response.headers.items()), time.monotonic_ns(), decoded=True)
            async for chunk in chunks:
                event = f"data: {chunk.model_dump_json(exclude_unset=True)}\n\n"
                if not sink.read(event.encode(), time.monotonic_ns()):
                    return
            sink.read(b"data: [DONE]\n\n", time.monotonic_ns())


class HttpxSse(Reader):
    """httpx-sse, asking as the harness would."""

    async def stream(self, request: Request, sink: Sink) -> None:
        asked = {"headers": dict(request.headers), "content": request.body}
        async with (
            httpx.AsyncClient(trust_env=False, timeout=None) as client,
            httpx_sse.aconnect_sse(client, request.method, request.url, **asked) as source,
        ):
            sink.head(source.response.status_code, source.response.headers.multi_items(), time.monotonic_ns(), True)
            async for event in source.aiter_sse():
                if not sink.read(f"data: {event.data}\n\n".encode(), time.monotonic_ns()):
                    return


async def read_by(
    reader: Callable[[], Client], bench: Bench, chain: str, monkeypatch: pytest.MonkeyPatch, *applied: str
) -> Trace:
    if chain and (why := missing(chain.split(":")[0])):
        pytest.skip(why)
    monkeypatch.setitem(CLIENTS, reader.__name__, reader)
    hops = (hop(chain),) if chain else ()
    cell = Cell(hops, LOAD, format="openai", client=reader.__name__, mitigations=applied)
    trace, _ = await bench.record(cell.id, plan(cell, catalogue()))
    return trace


@pytest.mark.parametrize("reader", [Sdk, HttpxSse])
@some_of(
    ("chain", "applied", "verdict"),
    [
        ("", (), "streamed"),
        ("nginx:buffering-off", (), "streamed"),
        ("nginx:http10", (), "coalesced"),
        ("nextjs:prod", (), "buffered"),  # httpx, which both are made of, asks for gzip unless told otherwise
        ("nextjs:prod", ("no-transform",), "streamed"),
    ],
    each=2,
)
async def test_every_token_comes_out_of_them_as_it_was_emitted(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    reader: Callable[[], Client],
    chain: str,
    applied: tuple[str, ...],
    verdict: Verdict,
) -> None:
    trace = await read_by(reader, bench, chain, monkeypatch, *applied)
    assert judged(trace).verdict == verdict, judged(trace).reason
    assert figures(trace).tokens_received == len(trace.sent) >= LOAD.tokens


async def test_the_sdk_knows_who_speaks_and_why_it_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = await read_by(Sdk, bench, "", monkeypatch)
    events = trace.body.decode().split("\n\n")
    first, *_, last = (json.loads(event.removeprefix("data: "))["choices"][0] for event in events[:-2])
    assert first["delta"] == {"role": "assistant", "content": ""}
    assert last["finish_reason"] == "stop"


async def test_what_httpx_sse_reads_is_what_was_emitted_to_the_byte(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = await read_by(HttpxSse, bench, "", monkeypatch)
    assert trace.body == expected_body(trace.plan.emission, Log(sent=list(trace.sent), ended_ns=trace.ended_ns))
