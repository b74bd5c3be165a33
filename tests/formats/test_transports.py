"""What carries a format: all that its codec writes arrives, and what is no message is told."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import get_args

import pytest

from harness.errors import StreamError
from harness.formats import CODECS, FORMATS, TRANSPORTS
from harness.formats.base import Codec, Token, Transport
from harness.model import Fill, Filler, Format, TransportName, Workload

LOAD = Workload("w", tokens=5, token_bytes=320)
FILLINGS = [Filler(size, fill) for fill in get_args(Fill) for size in (1, 2, 40)]

each_format = pytest.mark.parametrize(("transport", "codec"), FORMATS.values(), ids=FORMATS)


def decode(transport: Transport, codec: Codec, reads: Iterable[bytes]) -> list[Token]:
    decoder = transport.framed(codec.decoder())
    return [token for read in reads for token in decoder.feed(read)] + list(decoder.finish())


def written(codec: Codec) -> list[bytes]:
    """Return a stream in pieces, as they are put on the wire: with heartbeats, and all kinds of filling."""
    events = []
    for seq in range(LOAD.tokens):
        padding = codec.filling(FILLINGS[seq % len(FILLINGS)], f"{seq}")
        events += [codec.token(LOAD, seq, 10**9 + seq) + padding, codec.heartbeat() or b""]
    prelude = b"".join(codec.filling(filler, "x") for filler in FILLINGS)
    return [codec.opening() + prelude, *events[:-1], events[-1] + codec.closing()]


def test_the_tables_hold_every_name() -> None:
    assert set(FORMATS) == set(get_args(Format))
    assert {name: transport.name for name, transport in TRANSPORTS.items()} == {
        name: name for name in get_args(TransportName)
    }


@pytest.mark.parametrize("transport", TRANSPORTS.values(), ids=TRANSPORTS)
def test_a_refusal_is_an_error_of_who_asked_and_no_answer_that_went_well(transport: Transport) -> None:
    assert transport.refusals
    assert transport.status < 400 <= min(transport.refusals) <= max(transport.refusals) < 500


@each_format
def test_all_that_is_written_is_carried_and_read_back(transport: Transport, codec: Codec) -> None:
    pieces = [piece for piece in written(codec) if piece]
    messages = [message for piece in pieces for message in transport.messages(piece)]
    assert b"".join(messages) == b"".join(pieces), "nothing is added and nothing lost"
    assert [token.seq for token in decode(transport, codec, messages)] == list(range(LOAD.tokens))


@each_format
def test_a_token_leaves_as_one_message(transport: Transport, codec: Codec) -> None:
    token = codec.token(LOAD, 3, 1)
    assert list(transport.messages(token)) == [token]


@pytest.mark.parametrize(
    ("messages", "offset"),
    [
        ([b'{"n":0,"t":1,"d":"x"}'], 0),
        ([b'{"n":0,"t":1,"d":"x"}\n{"n":1,"t":1,"d":"x"}\n'], 0),
        ([b'{"n":0,"t":1,', b'"d":"x"}\n'], 0),
        ([b"\n", b"what?\n"], 1),
        ([b"\n", b"\xff\n"], 1),
    ],
    ids=["without its end", "two in one", "one in two", "no token", "not UTF-8"],
)
def test_a_message_of_a_websocket_that_is_not_one_line_is_the_stream_s_fault(
    messages: list[bytes], offset: int
) -> None:
    with pytest.raises(StreamError, match=f"at byte {offset}"):
        decode(TRANSPORTS["websocket"], CODECS["ndjson"], messages)


def test_over_http_the_same_lines_may_be_cut_anywhere() -> None:
    body = b"".join(CODECS["ndjson"].token(LOAD, seq, 1) for seq in range(LOAD.tokens))
    cuts = [body[a:b] for a, b in itertools.pairwise(range(0, len(body) + 7, 7))]
    assert len(decode(TRANSPORTS["http"], CODECS["ndjson"], cuts)) == LOAD.tokens


def test_messages_that_are_no_tokens_are_not_for_us() -> None:
    codec = CODECS["ndjson"]
    filling = [codec.filling(filler, "x") for filler in FILLINGS]
    reads = [*filling, codec.heartbeat() or b"", codec.token(LOAD, 0, 1), b""]
    assert [token.seq for token in decode(TRANSPORTS["websocket"], codec, reads)] == [0]
