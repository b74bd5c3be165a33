"""Every way in which a proxy can treat a stream comes out with its verdict; all but the proxy is real."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import product

import aiohttp
import pytest
import pytest_asyncio

from harness.judge.metrics import header_changes
from harness.judge.rules import HOLD_MS
from harness.model import EMITTER_HEADER, NO_STREAM_MARK, PULSE_MARK, Filler, Read, Start, Verdict, Workload
from tests.factories import broken_as, figures, judged
from tests.misbehaving import (
    Answer,
    Behaviour,
    Misbehaving,
    Shared,
    after,
    codes,
    collects,
    events,
    flushes,
    lags,
    passes,
    rewrites,
)
from tests.recording import LOAD, Rig, rig
from tests.sampling import some_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

EARLY = "the response ended before the emitter ended it"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with rig(tmp_path_factory.mktemp("rig")) as running:
        yield running


async def verdict(bench: Rig, behave: Behaviour, says: str | None = None) -> Verdict:
    told = judged(await bench.record_through(behave))
    if says is not None:
        assert says in told.reason
    return told.verdict


# ---------------------------------------------------------------- what holds and what does not


async def test_passing_every_read_is_streamed(bench: Rig) -> None:
    assert await verdict(bench, passes) == "streamed"


async def test_splitting_at_every_byte_is_streamed(bench: Rig) -> None:
    async def splits(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head()
        async for data in response.content.iter_any():
            for at in range(len(data)):
                answer.chunk(data[at : at + 1])
                await answer.flush()
        answer.end()

    trace = await bench.record_through(splits)
    assert judged(trace).verdict == "streamed"
    whole = replace(trace, reads=tuple(Read(trace.reads[0].at_ns, 1) for _ in trace.body))
    assert figures(whole).tokens_received == len(trace.sent) >= LOAD.tokens


async def test_holding_everything_to_the_end_is_buffered(bench: Rig) -> None:
    told = judged(await bench.record_through(collects(10**9)))
    assert told.verdict == "buffered"
    assert told.reason.startswith("token 0 was held while ")
    assert told.reason.endswith("; the end let it go")


async def test_holding_the_head_too_is_buffered(bench: Rig) -> None:
    async def stores(response: aiohttp.ClientResponse, answer: Answer) -> None:
        body = await response.read()
        answer.head(200, f"Content-Length: {len(body)}")
        answer.raw(body)

    trace = await bench.record_through(stores)
    assert judged(trace).verdict == "buffered"
    assert "content-length" in [change.name for change in header_changes(trace)]


async def test_coalescing_4096_bytes_is_coalesced_and_the_size_is_found(bench: Rig) -> None:
    trace = await bench.record_through(collects(4096), replace(LOAD, tokens=128, token_bytes=128))
    told = judged(trace)
    assert told.verdict == "coalesced"
    assert told.release is not None
    assert told.release.by == "bytes"
    held_bytes = told.release.after_bytes + 128
    assert 4096 <= held_bytes <= 4096 + 2 * told.release.resolution_bytes


async def test_padding_beyond_the_buffer_defeats_it(bench: Rig) -> None:
    trace = await bench.record_through(collects(4096), padding=Filler(4096))
    assert judged(trace).verdict == "streamed"


async def test_a_start_buffer_is_told_beside_what_comes_after_it(bench: Rig) -> None:
    async def sniffs(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head()
        held, sniffed = b"", False
        async for data in response.content.iter_any():
            held += data
            sniffed = sniffed or len(held) >= 350
            if sniffed:
                answer.chunk(held)
                held = b""
        answer.end()

    told = judged(await bench.record_through(sniffs))
    steps_that_double = Start(held_bytes=500, resolution_bytes=200)
    assert (told.verdict, told.start) == ("streamed", steps_that_double)


async def test_passing_the_first_bytes_and_holding_the_rest_is_buffered(bench: Rig) -> None:
    async def passes_first(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head()
        number, held = 0, b""
        async for event in events(response):
            if number < 3:
                answer.chunk(event)
            else:
                held += event
            number += 1
        answer.chunk(held)
        answer.end()

    assert await verdict(bench, passes_first, "token 3 was held while ") == "buffered"


async def test_letting_go_60_ms_later_is_delayed(bench: Rig) -> None:
    trace = await bench.record_through(lags(lambda number: 0.06), LOAD)
    assert judged(trace).verdict == "delayed"


TIMERS = {
    "lag": lambda late_s: lags(lambda number: late_s),
    "after the first byte": lambda late_s: flushes(late_s, periodic=False),
    "periodic": lambda late_s: flushes(late_s, periodic=True),
}
LATE = [(0.2, (24, 112)), (0.45, (24, 112)), (0.6, (24, 112)), (0.45, (320, 512))]


@some_of(("timer", "late_s", "size"), ((timer, *late) for timer, late in product(TIMERS, LATE)), each=5)
async def test_a_timer_is_told_by_how_long_it_takes_and_a_lag_is_late_however_long(
    bench: Rig, timer: str, late_s: float, size: tuple[int, int]
) -> None:
    told = await bench.assess_through(Misbehaving(bench.direct, TIMERS[timer](late_s)), Workload("w", *size))
    late = timer == "lag" or late_s < HOLD_MS / 1e3
    assert (told.judgement.verdict, told.unstable) == ("delayed" if late else "coalesced", None), told
    by = told.judgement.release and told.judgement.release.by
    assert by == (None if timer == "lag" else "timer"), told


async def test_one_stall_is_a_late_token_and_no_hold(bench: Rig) -> None:
    stalls = lags(lambda number: 0.18 if number == 10 else 0)
    told = await bench.assess_through(Misbehaving(bench.direct, stalls), Workload("w", 24, 112))
    assert (told.judgement.verdict, told.unstable) == ("streamed", None), told
    assert told.facts.late_tokens


async def test_a_size_is_told_as_bytes(bench: Rig) -> None:
    told = await bench.assess_through(Misbehaving(bench.direct, collects(4096)), Workload("w", 128, 128))
    assert told.judgement.verdict == "coalesced"
    assert told.judgement.release
    assert told.judgement.release.by == "bytes"


@pytest.mark.parametrize("tokens", [24, 320])
async def test_what_only_other_requests_let_go_is_not_streamed(bench: Rig, tokens: int) -> None:
    told = await bench.assess_through(Shared(bench.direct), Workload("w", tokens, 112))
    assert told.judgement.verdict == "buffered", told
    assert told.judgement.reason.endswith("in a first stream, other requests through the chain let tokens go")


async def test_what_heartbeats_push_out_of_a_buffer_is_not_said_to_have_come_by_itself(bench: Rig) -> None:
    """It takes eight of them to fill the buffer up, and so at least seven times their period."""
    load = replace(LOAD, tokens=2)
    told = judged(await bench.record_through(collects(200), load, heartbeat_ms=20))
    assert told.verdict == "delayed"
    assert "each after a heartbeat" in told.reason


# ---------------------------------------------------------------- content coding


async def test_gzip_flushed_at_every_read_is_streamed(bench: Rig) -> None:
    assert await verdict(bench, codes(zlib.Z_SYNC_FLUSH)) == "streamed"


async def test_deflate_flushed_at_every_read_is_streamed(bench: Rig) -> None:
    assert await verdict(bench, codes(zlib.Z_SYNC_FLUSH, "deflate", 15)) == "streamed"


async def test_gzip_without_flush_is_buffered(bench: Rig) -> None:
    assert await verdict(bench, codes(zlib.Z_NO_FLUSH)) == "buffered"


async def test_a_body_that_only_claims_to_be_gzip_is_broken(bench: Rig) -> None:
    async def lies(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head(200, "Transfer-Encoding: chunked", "Content-Encoding: gzip")
        async for data in response.content.iter_any():
            answer.chunk(data)
        answer.end()

    assert await verdict(bench, lies, "gzip body is corrupt") == "broken"


async def test_a_gzipped_body_that_does_not_say_so_is_broken(bench: Rig) -> None:
    assert await verdict(bench, codes(zlib.Z_SYNC_FLUSH, "identity")) == "broken"


async def test_another_coding_than_the_one_claimed_is_broken(bench: Rig) -> None:
    assert await verdict(bench, codes(zlib.Z_SYNC_FLUSH, "br"), "br body is corrupt") == "broken"


async def test_a_coding_nobody_knows_is_broken(bench: Rig) -> None:
    assert await verdict(bench, codes(zlib.Z_SYNC_FLUSH, "sdch"), "unknown content coding 'sdch'") == "broken"


async def test_gzip_that_is_never_finished_is_broken(bench: Rig) -> None:
    async def unfinished(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head(200, "Transfer-Encoding: chunked", "Content-Encoding: gzip")
        coder = zlib.compressobj(wbits=31)
        async for data in response.content.iter_any():
            answer.chunk(coder.compress(data) + coder.flush(zlib.Z_SYNC_FLUSH))
        answer.end()

    assert await verdict(bench, unfinished, "gzip body is cut short") == "broken"


# ---------------------------------------------------------------- tokens


async def test_dropping_a_token_is_broken(bench: Rig) -> None:
    drops = rewrites(lambda number, event: [] if number == 4 else [event])
    assert await verdict(bench, drops, "token 5 came after token 3") == "broken"


async def test_dropping_the_last_token_is_broken(bench: Rig) -> None:
    drops = rewrites(lambda number, event: [] if number == 11 else [event])
    told = judged(await bench.record_through(drops, replace(LOAD, exact=True)))
    assert (told.verdict, told.reason) == ("broken", "the last 1 of 12 tokens never came")


async def test_repeating_a_token_is_broken(bench: Rig) -> None:
    repeats = rewrites(lambda number, event: [event, event] if number == 4 else [event])
    assert await verdict(bench, repeats, "token 4 came after token 4") == "broken"


async def test_swapping_tokens_is_broken(bench: Rig) -> None:
    kept: list[bytes] = []

    def swap(number: int, event: bytes) -> list[bytes]:
        kept.append(event)
        return [] if number == 4 else [event, kept[4]] if number == 5 else [event]

    assert await verdict(bench, rewrites(swap), "token 5 came after token 3") == "broken"


async def test_altering_a_letter_is_broken(bench: Rig) -> None:
    alters = rewrites(lambda number, event: [event.replace(b"e same", b"E same")])
    assert await verdict(bench, alters, "altered on the way") == "broken"


async def test_converting_the_character_set_is_broken(bench: Rig) -> None:
    converts = rewrites(lambda number, event: [event.decode().encode("latin-1")])
    assert await verdict(bench, converts, "altered on the way") == "broken"


async def test_replaying_another_streams_answer_is_broken(bench: Rig) -> None:
    earlier = (await bench.record_through(passes)).body

    async def replays(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head(200, f"Content-Length: {len(earlier)}")
        answer.raw(earlier)
        await response.read()

    assert await verdict(bench, replays) == "broken"


async def test_adding_comments_of_its_own_alters_nothing(bench: Rig) -> None:
    assert await verdict(bench, rewrites(lambda number, event: [b": kept alive\n\n", event])) == "streamed"


# ---------------------------------------------------------------- responses that end badly


async def test_a_reset_in_mid_stream_is_broken(bench: Rig) -> None:
    assert await verdict(bench, after(3, Answer.reset), "the body broke off") == "broken"


async def test_a_chunked_body_without_its_last_chunk_is_broken(bench: Rig) -> None:
    assert await verdict(bench, after(3, lambda answer: None), "the body broke off") == "broken"


async def test_a_body_shorter_than_its_length_is_broken(bench: Rig) -> None:
    told = await verdict(bench, after(3, lambda answer: None, "Content-Length: 1200"), "the body broke off")
    assert told == "broken"


async def test_a_length_that_cuts_the_body_is_broken(bench: Rig) -> None:
    assert await verdict(bench, after(12, lambda answer: None, "Content-Length: 1150"), EARLY) == "broken"


async def test_a_clean_end_before_the_emitters_is_broken(bench: Rig) -> None:
    assert await verdict(bench, after(3, Answer.end), EARLY) == "broken"


async def test_a_close_delimited_body_that_is_cut_is_broken(bench: Rig) -> None:
    assert await verdict(bench, after(3, lambda answer: None, "Connection: close"), EARLY) == "broken"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (b"what?\r\n\r\n", "Invalid character in chunk size"),
        (b"f" * 17 + b"\r\n", "Chunk size overflow"),
        (b"5\r\nhelloXX", "Expected LF after chunk data"),
    ],
)
async def test_a_chunk_that_is_none_is_broken_and_noticed_at_once(bench: Rig, words: bytes, complaint: str) -> None:
    async def babbles(response: aiohttp.ClientResponse, answer: Answer) -> None:
        await after(3, lambda answer: answer.raw(words))(response, answer)
        await asyncio.Event().wait()  # the proxy itself does not close

    assert await verdict(bench, babbles, f"the body broke off: {complaint}") == "broken"


@pytest.mark.parametrize(
    "words", [b"", b"HTTP/1.1 two hundred\r\n\r\n", b"\x16\x03\x01", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99_999]
)
async def test_what_is_no_response_is_broken(bench: Rig, words: bytes) -> None:
    async def babbles(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.raw(words)
        await answer.flush()

    assert await verdict(bench, babbles) == "broken"


@pytest.mark.parametrize("status", [204, 206, 302, 404, 502])
async def test_another_status_is_broken_and_shows_the_proxys_words(bench: Rig, status: int) -> None:
    async def refuses(response: aiohttp.ClientResponse, answer: Answer) -> None:
        body = b"" if status == 204 else b"<h1>out of order</h1>"
        answer.head(status, f"Content-Length: {len(body)}" if body else "", "Location: /elsewhere")
        answer.raw(body)

    says = f"status {status} instead of 200: " + ("" if status == 204 else "out of order")
    assert await verdict(bench, refuses, says) == "broken"


async def test_hanging_up_instead_of_an_answer_is_told_and_not_tried_again(bench: Rig) -> None:
    async def hangs_up(response: aiohttp.ClientResponse, answer: Answer) -> None:
        """Do nothing: what follows is that the connection is closed."""

    assert await verdict(bench, hangs_up, "the connection closed before a response") == "broken"


async def test_asking_twice_is_told(bench: Rig) -> None:
    """What a proxy does that tries its next upstream."""

    async def asks_again(response: aiohttp.ClientResponse, answer: Answer) -> None:
        async with aiohttp.ClientSession() as session, session.get(response.url) as second:
            assert second.status == 409
        await passes(response, answer)

    assert await verdict(bench, asks_again, "the chain asked 2 times for one stream") == "broken"


async def test_a_port_where_nobody_listens_is_broken_not_buffered(bench: Rig) -> None:
    trace = await bench.record(entry=replace(bench.direct, port=1))
    assert (broken_as(trace) or "").startswith("cannot connect")
    assert trace.answered_by == "nobody"


async def test_whose_answer_it_was_the_emitters_mark_tells_not_the_status(bench: Rig) -> None:
    async def refuses(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head(404, "Content-Length: 0")

    async def passes_on(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head(404, "Content-Length: 0", f"{EMITTER_HEADER.lower()}: {response.headers[EMITTER_HEADER]}")

    assert [(await bench.record_through(behave)).answered_by for behave in (refuses, passes_on)] == ["hop", "emitter"]


async def test_an_answer_to_another_stream_that_a_hop_gives_again_is_the_hops(bench: Rig) -> None:
    kept: list[tuple[str, bytes]] = []

    async def remembers(response: aiohttp.ClientResponse, answer: Answer) -> None:
        """Answer everybody with the first answer, as a cache does that takes no note of the path."""
        kept.append((response.headers[EMITTER_HEADER], await response.read()))
        answer.head(200, "Content-Type: text/event-stream", f"{EMITTER_HEADER}: {kept[0][0]}")
        answer.chunk(kept[0][1])
        answer.end()

    first, second = [await bench.record_through(remembers, pace="paced") for _ in range(2)]
    assert (first.answered_by, second.answered_by) == ("emitter", "hop")
    assert "is not the one that was sent (replayed?)" in (broken_as(second) or "")
    assert len({mark for mark, _ in kept}) == 2, "each stream has a mark of its own"


@pytest.mark.parametrize(("mark", "by"), [(NO_STREAM_MARK, "emitter"), (PULSE_MARK, "hop")])
async def test_that_there_is_no_stream_is_for_the_emitter_to_say_and_a_pulse_answers_nobody_else(
    bench: Rig, mark: str, by: str
) -> None:
    async def bears(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head(404, "Content-Length: 0", f"{EMITTER_HEADER}: {mark}")

    assert (await bench.record_through(bears)).answered_by == by
