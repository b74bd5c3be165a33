"""What page and network stack tell is put together: no read before its head, none kept, the best words at the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.clients import chromium_reading
from harness.clients.base import Headers, Unheard
from harness.clients.chromium_reading import Reading
from harness.errors import ClientError, StreamError

URL = "http://127.0.0.1:1/stream/1"
OTHER = "http://127.0.0.1:1/other"
MIME = 'EventSource\'s response has a MIME type ("text/plain") that is not "text/event-stream".'


class Kept(Unheard):
    """Keeps what came, in order."""

    def __init__(self) -> None:
        self.goes_on = True
        self.came: list[Any] = []

    def request(self, headers: Headers) -> None:
        self.came.append(("request", *headers))

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> bool:
        assert decoded
        self.came.append((status, *headers))
        return self.goes_on

    def read(self, data: bytes, at_ns: int) -> bool:
        self.came.append((data, at_ns))
        return self.goes_on

    def painted(self, reads: int, at_ns: int) -> None:
        self.came.append((reads, at_ns))


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def reading(kept: Kept) -> Reading:
    return Reading(URL, 200, kept)


def asks(reading: Reading, request: str = "1", url: str = URL) -> None:
    reading.told("Network.requestWillBeSentExtraInfo", {"requestId": request, "headers": {"A": request}})
    reading.told("Network.requestWillBeSent", {"requestId": request, "request": {"url": url}})


def answers(reading: Reading, request: str = "1", **headers: str) -> None:
    told = {"requestId": request, "statusCode": 200, "headers": headers}
    reading.told("Network.responseReceivedExtraInfo", told)


def fails(reading: Reading, text: str) -> None:
    reading.told("Network.loadingFailed", {"requestId": "1", "errorText": text})


HEAD = [("request", ("A", "1")), (200, ("B", "2"))]


@pytest.mark.parametrize("page_first", [True, False])
async def test_reads_wait_for_the_head_whoever_is_first_and_then_for_nothing(
    reading: Reading, kept: Kept, page_first: bool
) -> None:
    asks(reading)
    if page_first:
        reading.heard("open", 5, {})
        reading.heard_read(b"one", 6)
        assert kept.came == []
        answers(reading, B="2")
    else:
        answers(reading, B="2")
        assert kept.came == []
        reading.heard("open", 5, {})
        reading.heard_read(b"one", 6)
    assert kept.came == [*HEAD, (b"one", 6)]
    reading.heard_read(b"two", 7)
    assert kept.came == [*HEAD, (b"one", 6), (b"two", 7)]


async def test_a_head_is_lacking_from_when_the_page_has_seen_it_until_the_network_stack_tells_of_it(
    reading: Reading,
) -> None:
    asks(reading)
    assert not reading.lacks_head
    reading.heard("open", 5, {})
    assert reading.lacks_head
    answers(reading)
    assert not reading.lacks_head


async def test_the_head_of_another_request_is_not_ours(reading: Reading, kept: Kept) -> None:
    asks(reading, "0", OTHER)
    answers(reading, "0", B="wrong")
    reading.heard("open", 5, {})
    assert kept.came == []
    asks(reading)
    answers(reading, B="2")
    assert kept.came == HEAD


async def test_header_fields_that_were_repeated_come_one_by_one(reading: Reading, kept: Kept) -> None:
    asks(reading)
    answers(reading, B="2\n3")
    reading.heard("open", 5, {})
    assert kept.came[1] == (200, ("B", "2"), ("B", "3"))


async def test_a_stream_ends_well_when_page_and_network_stack_say_so_and_it_is_painted(
    reading: Reading, kept: Kept
) -> None:
    asks(reading)
    answers(reading)
    reading.heard("open", 5, {})
    reading.heard_read(b"one", 6)
    reading.heard("painted", 7, {"reads": 1})
    reading.heard("end", 8, {})
    reading.told("Network.loadingFinished", {"requestId": "1"})
    assert await reading.ended()
    assert kept.came[-1] == (1, 7)


@pytest.mark.parametrize(("status", "over"), [(299, True), (200, False)])
async def test_of_messages_only_the_answers_status_tells_the_network_stacks_view_of_the_end(
    kept: Kept, status: int, over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chromium_reading, "ANSWER_S", 0.01)
    reading = Reading(URL, 299, kept)
    reading.told("Network.webSocketCreated", {"requestId": "1", "url": URL.replace("http", "ws", 1)})
    told = {"requestId": "1", "response": {"status": status, "headers": {}}}
    reading.told("Network.webSocketHandshakeResponseReceived", told)
    reading.heard("open", 5, {})
    reading.heard("end", 8, {})
    if over:
        assert await reading.ended()
    else:
        with pytest.raises(StreamError, match="did not tell how the stream ended"):
            await reading.ended()


async def test_a_head_that_is_told_after_the_end_is_waited_for_and_no_read_is_lost(
    reading: Reading, kept: Kept
) -> None:
    asks(reading)
    reading.heard("open", 5, {})
    reading.heard_read(b"one", 6)
    reading.heard("painted", 7, {"reads": 1})
    reading.heard("end", 8, {})
    reading.told("Network.loadingFinished", {"requestId": "1"})
    ending = asyncio.ensure_future(reading.ended())
    await asyncio.sleep(0)
    assert not ending.done()
    answers(reading, B="2")
    assert await ending
    assert kept.came[-1] == (b"one", 6)


async def test_reads_whose_head_is_never_told_are_the_browsers_fault_and_not_the_streams(
    reading: Reading, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chromium_reading, "ANSWER_S", 0.01)
    asks(reading)
    reading.heard("open", 5, {})
    reading.heard_read(b"one", 6)
    reading.heard("end", 8, {})
    reading.told("Network.loadingFinished", {"requestId": "1"})
    with pytest.raises(ClientError, match="did not tell of the response's head"):
        await reading.ended()


async def test_a_screen_that_never_shows_the_last_read_does_not_hold_the_end(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chromium_reading, "LAST_FRAME_S", 0.01)
    asks(reading)
    answers(reading)
    reading.heard("open", 5, {})
    reading.heard_read(b"one", 6)
    reading.heard("end", 8, {})
    reading.told("Network.loadingFinished", {"requestId": "1"})
    assert not await reading.ended()


@pytest.mark.parametrize(
    ("fault", "logged", "page", "said"),
    [
        ("net::ERR_CONNECTION_RESET", None, "network error", "net::ERR_CONNECTION_RESET"),
        ("net::ERR_INCOMPLETE_CHUNKED_ENCODING", None, None, "net::ERR_INCOMPLETE_CHUNKED_ENCODING"),
        ("net::ERR_ABORTED", MIME, None, MIME),
        ("net::ERR_ABORTED", None, "it is unwell", "it is unwell"),
        ("net::ERR_ABORTED", None, None, "net::ERR_ABORTED"),
    ],
)
async def test_of_several_reasons_the_browsers_own_words_count(
    reading: Reading, fault: str, logged: str | None, page: str | None, said: str
) -> None:
    asks(reading)
    if logged:
        reading.told("Log.entryAdded", {"entry": {"text": logged}})
    reading.heard(*(("failed", 5, {"why": page}) if page else ("end", 5, {})))
    fails(reading, fault)
    with pytest.raises(StreamError) as told:
        await reading.ended()
    assert str(told.value) == said


async def test_a_head_that_no_page_opened_is_handed_on_at_the_end(reading: Reading, kept: Kept) -> None:
    asks(reading)
    answers(reading, B="2")
    reading.heard("end", 5, {})
    fails(reading, "net::ERR_ABORTED")
    with pytest.raises(StreamError):
        await reading.ended()
    assert kept.came == HEAD


@pytest.mark.parametrize("enough", ["head", "read"])
async def test_a_sink_that_has_enough_ends_the_stream_and_is_told_nothing_more(
    reading: Reading, kept: Kept, enough: str
) -> None:
    asks(reading)
    kept.goes_on = enough != "head"
    answers(reading, B="2")
    reading.heard("open", 5, {})
    kept.goes_on = False
    reading.heard_read(b"one", 6)
    reading.heard_read(b"two", 7)
    reading.heard("painted", 8, {"reads": 1})
    assert not await reading.ended()
    assert kept.came == (HEAD if enough == "head" else [*HEAD, (b"one", 6)])


async def test_a_sink_that_has_enough_of_what_waited_for_its_head_is_heeded_at_once(
    reading: Reading, kept: Kept
) -> None:
    asks(reading)
    reading.heard("open", 5, {})
    reading.heard_read(b"one", 6)
    reading.heard("end", 7, {})
    ending = asyncio.ensure_future(reading.ended())
    await asyncio.sleep(0)
    kept.goes_on = False
    answers(reading, B="2")
    assert not await ending
    assert kept.came == HEAD


async def test_a_page_that_goes_is_no_fault_of_the_stream(reading: Reading) -> None:
    asks(reading)
    reading.heard_end()
    with pytest.raises(ClientError, match="the page of the browser has gone"):
        await reading.ended()
