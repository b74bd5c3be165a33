"""A real emitter, asked over plain sockets: what it sends, whom it answers, and what it forgets."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from typing import Any, get_args

import psutil
import pytest

from harness.backends.control import Control, dump_emission
from harness.backends.emitter import OPENING_BYTES
from harness.errors import BackendError
from harness.formats import CODECS
from harness.model import (
    ASKED_QUERY,
    EMITTER_HEADER,
    NO_STREAM_MARK,
    PULSE_MARK,
    Body,
    CodecName,
    Emission,
    Endpoint,
    Filler,
    Heartbeat,
    Sent,
)
from tests.backends.emitting import SECRET, Emitter, all_granted, emission, emitter, expected_body, whole
from tests.recorded import load, recording
from tests.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

DEADLINE_S = 20.0
FORMATS = get_args(CodecName)
BODIES = get_args(Body)


# ---------------------------------------------------------------- what is sent


@pytest.mark.parametrize("pace", ["lockstep", "paced"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("form", FORMATS)
async def test_every_token_is_sent_to_the_byte(
    running: Emitter, form: CodecName, body: Body, method: str, pace: str
) -> None:
    answer, _ = await whole(running, emission(format=form, body=body, pace=pace), method)
    assert answer.status == 200


@pytest.mark.parametrize("fill", ["spaces", "random"])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("form", FORMATS)
async def test_prelude_and_padding_are_exact(running: Emitter, form: CodecName, body: Body, fill: Any) -> None:
    told = emission(format=form, body=body, prelude=Filler(2048, fill), padding=Filler(333, fill))
    answer, sent = await whole(running, told)
    frame = len(CODECS[form].opening()) + len(CODECS[form].closing())
    assert len(sent) == frame + 2048 + 5 * (told.workload.token_bytes + 333)
    if body == "length":
        assert answer.headers["content-length"] == str(len(sent))


async def test_chunked_means_chunked_on_the_wire(running: Emitter) -> None:
    answer, _ = await whole(running, emission())
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.headers


async def test_length_is_announced_and_token_by_token_all_the_same(running: Emitter) -> None:
    told = emission(body="length")
    control = await running.announce(told)
    control.grant(0)
    answer = await running.ask(f"/stream/{control.stream_id}")
    assert answer.headers["content-length"] == "500"
    assert "transfer-encoding" not in answer.headers
    await answer.read(100)
    assert [sent.seq for sent in (await control.log()).sent] == [0]
    all_granted(control, told)
    assert len(await answer.read(400)) == 400
    control.close()
    answer.leave()


@pytest.mark.parametrize(("body", "version"), [("close", "1.1"), ("close", "1.0"), ("chunked", "1.0")])
async def test_close_delimited_is_bare_on_the_wire_and_ends_with_the_connection(
    running: Emitter, body: Body, version: str
) -> None:
    """An HTTP/1.0 client knows no chunks and gets none."""
    answer, sent = await whole(running, emission(body=body), version=version)
    assert "transfer-encoding" not in answer.headers
    assert "content-length" not in answer.headers
    assert answer.headers.get("connection", "close") == "close"
    assert len(sent) == 500


async def test_headers_and_content_type_are_the_cells(running: Emitter) -> None:
    told = emission(content_type="text/x-odd", headers=(("X-Accel-Buffering", "no"), ("Cache-Control", "no-cache")))
    answer, _ = await whole(running, told)
    assert answer.headers["content-type"] == "text/x-odd"
    assert (answer.headers["x-accel-buffering"], answer.headers["cache-control"]) == ("no", "no-cache")


@pytest.mark.parametrize("form", ["sse", "ndjson"])
async def test_heartbeats_come_between_whole_tokens_and_are_logged_as_bytes_that_left(
    running: Emitter, form: CodecName
) -> None:
    told = emission(format=form, pace="paced", interval_ms=20, heartbeat_ms=2)
    control = await running.announce(told)
    answer = await running.ask(f"/stream/{control.stream_id}")
    chunks = []
    while chunk := await answer.chunk():
        chunks.append(chunk)
    log = await control.log()
    assert 0 < len(log.heartbeats) == chunks.count(CODECS[form].heartbeat() or b"")
    assert b"".join(chunks) == expected_body(told, log)
    left: list[Sent | Heartbeat] = sorted([*log.sent, *log.heartbeats], key=lambda one: one.at_ns)
    assert [one.end_bytes for one in left] == list(itertools.accumulate(map(len, chunks)))
    control.close()
    answer.leave()


# ---------------------------------------------------------------- what it answers to


async def test_an_unknown_stream_is_not_found(running: Emitter) -> None:
    answer = await running.ask("/stream/0")
    assert (answer.status, await answer.body()) == (404, b"no such stream was announced; asked for /stream/0\n")


HEX_ID = re.compile(r"[0-9a-f]{32}")


async def test_ids_cannot_be_guessed_and_are_all_alike_in_shape(running: Emitter) -> None:
    controls = [await running.announce(emission()) for _ in range(20)]
    assert len({control.stream_id for control in controls}) == len(controls)
    assert all(HEX_ID.fullmatch(control.stream_id) for control in controls)
    for control in controls:
        control.close()


OPENING = dump_emission(emission())
STRANGERS = {
    "no secret": b"open " + OPENING + b"\n",
    "another secret": b"open " + SECRET.encode()[:-1] + b" " + OPENING + b"\n",
    "the secret without a verb": SECRET.encode() + b"\n",
    "a grant": b"grant 1000\n",
    "the log": b"log\n",
    "an empty line": b"\n",
    "no UTF-8": b"open \xff\xfe\x00\n",
    "a browser's request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a line without end": b"open" + b"x" * (OPENING_BYTES + 2**16),
}


@pytest.mark.parametrize("said", STRANGERS.values(), ids=STRANGERS)
async def test_a_stranger_at_the_control_port_is_hung_up_on_and_disturbs_nothing(running: Emitter, said: bytes) -> None:
    told = emission()
    control = await running.announce(told)
    answer = await running.ask(f"/stream/{control.stream_id}")
    reader, writer = await asyncio.open_connection("127.0.0.1", running.control_port)
    writer.write(said)
    heard = b""
    with contextlib.suppress(ConnectionError):
        heard = await asyncio.wait_for(reader.read(), DEADLINE_S)
    writer.close()
    assert heard == b""
    assert (await running.ask("/stream/1")).status == 404
    all_granted(control, told)
    assert len(await answer.body()) == 500
    assert (await control.log()).requests == 1
    control.close()


async def test_who_knows_the_secret_may_announce_a_recording_of_any_size(running: Emitter) -> None:
    writes = [b"data: a\n\n", b"data: b\n\n", b"data: %b\n\n" % (b"x" * 2 * OPENING_BYTES)]
    control = await running.announce(Emission(load(recording(writes))))
    answer = await running.ask(f"/stream/{control.stream_id}")
    control.grant(1)
    control.end()
    assert await answer.body() == b"".join(writes)
    control.close()


async def test_no_command_line_has_the_secret(running: Emitter) -> None:
    assert SECRET not in " ".join(psutil.Process(running.process.pid).cmdline())


@pytest.mark.parametrize("path", ["/", "/api/stream/1", "/stream/", "/stream/1/", "//stream/1", "/v1/pulse?a=b"])
async def test_a_path_that_was_changed_on_the_way_is_told_with_those_that_are_answered(
    running: Emitter, path: str
) -> None:
    answer = await running.ask(path)
    told = f"a proxy has to pass /stream/N and /pulse on unchanged; asked for {path}\n"
    assert (answer.status, (await answer.body()).decode()) == (404, told)


async def test_a_second_request_for_a_stream_is_refused_and_counted(running: Emitter) -> None:
    told = emission()
    control = await running.announce(told)
    first = await running.ask(f"/stream/{control.stream_id}")
    second = await running.ask(f"/stream/{control.stream_id}")
    assert second.status == 409
    all_granted(control, told)
    assert len(await first.body()) == 500, "the first is served all the same"
    log = await control.log()
    assert (log.requests, log.failure) == (2, None)
    control.close()


async def test_a_pulse_is_answered_at_once_and_is_not_to_be_stored(running: Emitter) -> None:
    answer = await running.ask("/pulse")
    assert await answer.body() == b"pulse\n"
    assert answer.headers["cache-control"] == "no-store"


async def test_an_apps_own_path_asks_for_a_stream_or_the_pulse_by_its_query(running: Emitter) -> None:
    told = emission()
    control = await running.announce(told)
    all_granted(control, told)
    there = Endpoint(1, asked="/v1/chat?model=x")
    paths = [url.removeprefix(there.url) for url in (there.stream_url(control.stream_id), there.pulse_url)]
    assert paths == [f"/v1/chat?model=x&{ASKED_QUERY}={control.stream_id}", f"/v1/chat?model=x&{ASKED_QUERY}=pulse"]
    stream, pulse, other = [await running.ask(path) for path in (*paths, f"/v1/chat?{ASKED_QUERY}=0")]
    assert [answer.status for answer in (stream, pulse, other)] == [200, 200, 404]
    assert (len(await stream.body()), await pulse.body()) == (500, b"pulse\n")
    marks = [answer.headers[EMITTER_HEADER.lower()] for answer in (stream, pulse, other)]
    assert marks == [control.stream_id, PULSE_MARK, NO_STREAM_MARK]
    control.close()


async def test_every_answer_bears_the_emitters_mark_which_says_to_what_it_is_one(running: Emitter) -> None:
    told = emission()
    control = await running.announce(told)
    stream = f"/stream/{control.stream_id}"
    answers = {
        path: await running.ask(path) for path in (stream, f"{stream}?again", "/pulse", "/stream/0", "/elsewhere")
    }
    assert [answer.status for answer in answers.values()] == [200, 409, 200, 404, 404]
    marks = [answer.headers[EMITTER_HEADER.lower()] for answer in answers.values()]
    assert marks == [control.stream_id, control.stream_id, PULSE_MARK, NO_STREAM_MARK, NO_STREAM_MARK]
    control.close()


@pytest.mark.parametrize("transport", ["http", "websocket"])
async def test_a_connection_outlives_the_stream_it_carried_or_refused(running: Emitter, transport: Any) -> None:
    """Proxies keep upstream connections; the next request on one may be another stream's."""
    told = emission(transport=transport)  # whose handshake is refused: nothing here asks for a WebSocket
    control = await running.announce(told)
    all_granted(control, told)
    answer = await running.ask(f"/stream/{control.stream_id}")
    await answer.body()
    assert (await control.log()).failure is None or transport == "websocket"
    control.close()
    await _forgotten(running, control)
    await answer.ask("/pulse")
    assert await answer.body() == b"pulse\n"


async def test_a_control_port_without_emitter_is_ours_to_blame() -> None:
    with pytest.raises(BackendError, match="control port 1 does not answer"):
        await Control.open(("127.0.0.1", 1), SECRET, emission(), DEADLINE_S)


# ---------------------------------------------------------------- what it forgets


async def _forgotten(running: Emitter, control: Control) -> None:
    """Wait until the emitter knows the stream no more."""

    async def status() -> int:
        answer = await running.ask(f"/stream/{control.stream_id}")
        answer.leave()
        return answer.status

    async with asyncio.timeout(DEADLINE_S):
        while await status() != 404:
            pass


async def _leaves(running: Emitter) -> None:
    control = await running.announce(emission())
    control.grant(0)
    answer = await running.ask(f"/stream/{control.stream_id}")
    await answer.chunk()
    answer.leave()
    async with asyncio.timeout(DEADLINE_S):
        while (log := await control.log()).failure is None:
            pass
    assert log.failure == "the reader left before the end"
    control.close()
    await _forgotten(running, control)


async def _loses_control(running: Emitter, body: Body = "chunked") -> None:
    control = await running.announce(emission(body=body))
    control.grant(0)
    answer = await running.ask(f"/stream/{control.stream_id}")
    await answer.read(100)
    control.close()
    with pytest.raises(ConnectionResetError):
        await answer.rest()
    await _forgotten(running, control)


async def _is_never_asked_for(running: Emitter) -> None:
    control = await running.announce(emission())
    control.close()
    await _forgotten(running, control)


async def test_a_reader_that_leaves_is_told_in_the_log(running: Emitter) -> None:
    await _leaves(running)


@pytest.mark.parametrize("body", BODIES)
async def test_a_lost_control_connection_resets_the_stream_whatever_its_framing(running: Emitter, body: Body) -> None:
    """A close-delimited body would else seem to have ended well."""
    await _loses_control(running, body)


async def test_nothing_is_left_open_of_streams_that_ended_badly(running: Emitter) -> None:
    await whole(running, emission())
    before = running.open_files()
    for _ in range(5):
        await _leaves(running)
        await _loses_control(running)
        await _is_never_asked_for(running)
    await eventually(running.open_files, lambda now: now <= before)
    await whole(running, emission())


async def test_a_stream_nobody_grants_is_given_up_and_another_works(tmp_path: Any) -> None:
    async with emitter(tmp_path, abandoned_s=0.2) as short:
        before = short.open_files()
        control = await short.announce(emission())
        control.grant(1)
        answer = await short.ask(f"/stream/{control.stream_id}")
        with pytest.raises(ConnectionResetError):
            await answer.rest()
        assert (await control.log()).failure == "nobody granted anything for 0.2 s"
        control.close()
        await _forgotten(short, control)
        await eventually(short.open_files, lambda now: now <= before)
        await whole(short, emission())
