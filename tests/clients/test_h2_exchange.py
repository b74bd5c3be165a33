"""One exchange in HTTP/2, every fault of a server included, in memory: no socket, no clock."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from h2.errors import ErrorCodes
from h2.events import StreamEnded, WindowUpdated
from hyperframe.frame import GoAwayFrame, PingFrame

from harness.clients.base import Request
from harness.errors import StreamError
from tests.clients.http2_peer import OK, URL, Peer

GARBAGE = random.Random(1).randbytes(400)


def goaway(last_stream: int, code: ErrorCodes = ErrorCodes.NO_ERROR, words: bytes = b"") -> bytes:
    return GoAwayFrame(0, last_stream_id=last_stream, error_code=code, additional_data=words).serialize()


def failure(peer: Peer) -> str:
    with pytest.raises(StreamError) as told:
        peer.exchange.done.result()
    return str(told.value)


# ---------------------------------------------------------------- the request


async def test_a_request_is_sent_in_lower_case_without_what_belongs_to_one_connection() -> None:
    given = (("User-Agent", "curl"), ("Connection", "keep-alive"), ("TE", "trailers"), ("Host", "chat.example"))
    peer = Peer(Request(URL, headers=given))
    assert list(peer.asked().items()) == [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "chat.example"),
        (":path", "/stream/7?x=1"),
        ("user-agent", "curl"),
    ]
    assert dict(peer.seen.asked) == peer.asked(), "what is recorded is what was sent"
    assert any(isinstance(event, StreamEnded) for event in peer.events)


async def test_a_body_is_posted_as_fast_as_the_server_gives_credit_for_it() -> None:
    body = GARBAGE * 300
    peer = Peer(Request(URL, method="POST", body=body))
    assert peer.asked()["content-length"] == str(len(body))
    assert len(peer.body()) == 65_535, "as much as the protocol lets one send unasked"
    for _ in range(len(body) // 30_000):
        peer.http2.acknowledge_received_data(30_000, 1)
        peer.hand_over()
    assert peer.body() == body
    assert isinstance(peer.events[-1], StreamEnded)


async def test_a_server_that_gives_no_credit_gets_no_more_and_its_answer_still_counts() -> None:
    peer = Peer(Request(URL, method="POST", body=GARBAGE * 300))
    peer.head().data(b"refused", end=True).hand_over()
    peer.exchange.done.result()
    assert peer.seen.reads == [b"refused"]


async def test_a_request_that_http2_does_not_allow_is_told() -> None:
    assert "HTTP/2 does not allow this request" in failure(Peer(Request(URL, headers=((":odd", "x"),))))


# ---------------------------------------------------------------- the response


async def test_all_frames_of_one_receive_are_one_read_and_the_next_receive_is_another() -> None:
    peer = Peer()
    peer.head().data(b"one ").data(b"two ").hand_over()
    peer.data(b"three").hand_over()
    assert peer.seen.reads == [b"one two ", b"three"]
    assert (peer.seen.status, peer.seen.headers) == (200, [("content-type", "text/event-stream")])
    assert not peer.exchange.done.done()
    peer.data(b"", end=True).hand_over()
    peer.exchange.done.result()
    assert peer.seen.reads == [b"one two ", b"three"], "an empty frame is no read"


async def test_wherever_a_response_is_cut_it_is_the_same() -> None:
    def whole(peer: Peer) -> bytes:
        return peer.head((":status", "103")).head().data(b"one ", 9).data(b"two").head(("x-sum", "1"), end=True).said()

    for cut in range(1, len(whole(Peer()))):
        peer = Peer()
        words = whole(peer)
        peer.exchange.data_received(words[:cut])
        peer.exchange.data_received(words[cut:])
        peer.exchange.done.result()
        assert (peer.seen.status, b"".join(peer.seen.reads)) == (200, b"one two"), cut


async def test_a_response_that_comes_byte_by_byte_is_read_frame_by_frame() -> None:
    peer = Peer()
    for byte in peer.head().data(b"one ").data(b"two", end=True).said():
        peer.exchange.data_received(bytes([byte]))
    peer.exchange.done.result()
    assert peer.seen.reads == [b"one ", b"two"]


async def test_informational_responses_and_trailers_are_no_part_of_the_body() -> None:
    peer = Peer()
    peer.head((":status", "103"), ("link", "</a>")).head().data(b"body").head(("x-sum", "1"), end=True).hand_over()
    peer.exchange.done.result()
    assert (peer.seen.status, peer.seen.reads) == (200, [b"body"])
    assert "link" not in dict(peer.seen.headers)


@pytest.mark.parametrize("padding", [None, 200])
async def test_a_body_larger_than_the_window_never_waits_for_credit_padding_included(padding: int | None) -> None:
    peer = Peer(window_bytes=65_535)
    peer.head()
    left = size_bytes = 10_000_000 if padding is None else 300_000
    while left:
        now = min(left, 16_000 if padding is None else 100)
        assert peer.http2.local_flow_control_window(1) > now + 256, "the client holds"
        peer.data(bytes(now), padding, end=now == left).hand_over()
        left -= now
    peer.exchange.done.result()
    assert sum(map(len, peer.seen.reads)) == size_bytes
    assert any(isinstance(event, WindowUpdated) for event in peer.events)


async def test_a_server_that_never_sends_its_settings_is_read_all_the_same() -> None:
    peer = Peer()
    peer.said()
    peer.head().data(b"body", end=True).hand_over()
    peer.exchange.done.result()
    assert peer.seen.reads == [b"body"]


async def test_a_ping_is_answered() -> None:
    peer = Peer()
    peer.hand_over(PingFrame(0, opaque_data=b"8 bytes.").serialize())
    assert "PingAckReceived" in [type(event).__name__ for event in peer.events]


# ---------------------------------------------------------------- goodbyes and breaks


async def test_a_server_that_says_goodbye_may_finish_the_stream() -> None:
    """As nginx does that reloads, or that has served its keepalive_requests."""
    peer = Peer()
    peer.head().data(b"one ").hand_over(goaway(1))
    peer.data(b"two ").hand_over(goaway(2**31 - 1))
    peer.data(b"three", end=True).hand_over()
    peer.exchange.done.result()
    assert b"".join(peer.seen.reads) == b"one two three"


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (goaway(1, ErrorCodes.ENHANCE_YOUR_CALM, b"too much"), "GOAWAY, ENHANCE_YOUR_CALM, too much"),
        (goaway(0), "GOAWAY, NO_ERROR"),
    ],
)
async def test_a_goodbye_with_an_error_or_without_us_ends_the_stream(frame: bytes, says: str) -> None:
    peer = Peer()
    peer.head().data(b"one ").hand_over(frame)
    assert failure(peer) == f"the server ended the connection: {says}"
    assert peer.seen.reads == [b"one "], "what came before still counts"


async def test_a_reset_in_mid_stream_is_told_with_its_code() -> None:
    peer = Peer()
    peer.head().data(b"one ")
    peer.http2.reset_stream(1, ErrorCodes.INTERNAL_ERROR)
    peer.hand_over()
    assert failure(peer) == "the server reset the stream: INTERNAL_ERROR"
    assert peer.seen.reads == [b"one "]


async def test_a_reset_after_the_end_only_spares_us_the_rest_of_our_body() -> None:
    peer = Peer(Request(URL, method="POST", body=GARBAGE * 300))
    peer.head().data(b"enough", end=True)
    peer.http2.reset_stream(1, ErrorCodes.NO_ERROR)
    peer.hand_over()
    peer.exchange.done.result()
    assert peer.seen.reads == [b"enough"]


@pytest.mark.parametrize(
    ("say", "when"),
    [
        (lambda peer: None, "before a response"),
        (lambda peer: peer.head().data(b"one ").hand_over(), "in mid-stream"),
    ],
)
async def test_a_lost_connection_is_told(say: Callable[[Peer], None], when: str) -> None:
    peer = Peer()
    say(peer)
    peer.exchange.connection_lost(ConnectionResetError("reset by peer"))
    assert failure(peer) == f"the connection closed {when}: reset by peer"


async def test_an_answer_in_http_1_is_told_as_such() -> None:
    peer = Peer()
    peer.exchange.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert failure(peer) == "the server answers in HTTP/1.1, not in HTTP/2"


@pytest.mark.parametrize(
    "words",
    [b"\0\0\4\0\0\0\0\0\3abcd", b"\0\0\1\0\x08\0\0\0\1\xff", b"\xff\xff\xff\0\0\0\0\0\1"],
    ids=["a stream nobody opened", "padding longer than its frame", "a frame that is too long"],
)
async def test_what_is_no_http2_is_told(words: bytes) -> None:
    peer = Peer()
    peer.exchange.data_received(peer.head().data(b"one ").said() + words)
    assert failure(peer).startswith("the server broke HTTP/2: ")
    assert peer.seen.reads == [b"one "]


async def test_more_than_the_window_is_the_servers_fault() -> None:
    peer = Peer(window_bytes=1000)
    peer.hand_over()
    peer.http2.remote_settings.initial_window_size = 60_000
    peer.head()
    peer.http2.streams[1].outbound_flow_control_window = 60_000
    peer.data(bytes(5000)).exchange.data_received(peer.said())
    assert failure(peer).startswith("the server broke HTTP/2: ")


async def test_a_sink_that_has_enough_is_heeded_whatever_else_came_with_it() -> None:
    for more in (b"", b"\xff\xff\xff\0\0\0\0\0\1", goaway(0)):
        peer = Peer()
        peer.seen.wanted = 1
        peer.exchange.data_received(peer.head(*OK).data(b"one ").said() + more)
        peer.exchange.data_received(peer.data(b"two ").said())
        peer.exchange.done.result()
        assert peer.seen.reads == [b"one "]


async def test_a_status_that_is_no_number_is_the_servers_fault() -> None:
    peer = Peer()
    peer.head((":status", "fine")).hand_over()
    assert failure(peer) == "the server answered with a status that is none: 'fine'"
