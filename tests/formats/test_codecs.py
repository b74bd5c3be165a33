"""Every format: sizes to the byte, and what was written is read back, wherever the bytes are cut."""

from __future__ import annotations

import contextlib
import itertools
import json
import zlib
from collections.abc import Iterable
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError, StreamError
from harness.formats import CODECS
from harness.formats.base import Codec, Token
from harness.formats.payload import filling, matches, text
from harness.model import CodecName, Fill, Filler, Payload, Workload

CODEC_NAMES = sorted(CODECS)
FILLS = get_args(Fill)
PAYLOADS = get_args(Payload)
TOKENS = 5

codecs = st.sampled_from([CODECS[name] for name in CODEC_NAMES])
seqs = st.integers(0, 10**7 - 1)
instants = st.integers(0, 2**63 - 1)
fillers = st.builds(Filler, bytes=st.integers(1, 300), fill=st.sampled_from(FILLS))


@pytest.fixture(params=CODEC_NAMES)
def codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]


def workload(token_bytes: int = 80, payload: Payload = "repetitive", seed: int = 1) -> Workload:
    return Workload("w", tokens=3, token_bytes=token_bytes, payload=payload, seed=seed)


def decode(codec: Codec, reads: Iterable[bytes]) -> list[Token]:
    """Read a stream back, closed as the codec closes it."""
    decoder = codec.decoder()
    tokens = [token for read in (*reads, codec.closing()) for token in decoder.feed(read)]
    return tokens + list(decoder.finish())


def one_event(codec: Codec, seq: int = 0, payload: Payload = "repetitive") -> bytes:
    """Return a token of 80 bytes, or of as many as it takes."""
    return codec.token(workload(max(80, codec.min_token_bytes + 20), payload), seq, 10**9 + seq)


def everything(codec: Codec, payload: Payload = "repetitive") -> bytes:
    """Return a stream with all that a codec can write: `TOKENS` tokens, each with other filling, and heartbeats."""
    fillings = [codec.filling(Filler(size, fill), "x") for fill in FILLS for size in (2, 20)]
    tokens = [one_event(codec, seq, payload) + (codec.heartbeat() or b"") for seq in range(TOKENS)]
    return fillings[-1] + b"".join(map(b"".join, itertools.zip_longest(tokens, fillings, fillvalue=b"")))


def test_registry_holds_every_codec_under_its_name() -> None:
    assert {name: codec.name for name, codec in CODECS.items()} == {name: name for name in get_args(CodecName)}


# ---------------------------------------------------------------- sizes and round trip


@given(codecs, seqs, instants, st.integers(0, 400), st.sampled_from(PAYLOADS))
def test_event_has_its_exact_size_and_is_read_back(
    codec: Codec, seq: int, at_ns: int, extra_bytes: int, payload: Payload
) -> None:
    load = workload(codec.min_token_bytes + extra_bytes, payload)
    event = codec.token(load, seq, at_ns)
    assert len(event) == load.token_bytes
    (token,) = decode(codec, [event])
    assert (token.seq, token.emitted_ns) == (seq, at_ns)
    assert matches(token, load)


def test_smallest_event_leaves_one_character_to_the_largest_numbers(codec: Codec) -> None:
    load = workload(codec.min_token_bytes)
    (token,) = decode(codec, [codec.token(load, 10**7 - 1, 2**63 - 1)])
    assert len(token.text) == 1


def test_event_without_room_for_text_is_an_input_error(codec: Codec) -> None:
    with pytest.raises(InputError, match="token_bytes 20"):
        codec.token(workload(20), 10**6, 10**12)


@given(codecs, fillers)
def test_filling_has_its_size_and_is_no_token(codec: Codec, filler: Filler) -> None:
    filling = codec.filling(filler, "key")
    assert len(filling) == filler.bytes
    assert decode(codec, [filling]) == []


def test_heartbeat_is_no_token(codec: Codec) -> None:
    assert decode(codec, [codec.heartbeat() or b""]) == []


def test_only_plain_text_has_no_heartbeat() -> None:
    assert [name for name in CODEC_NAMES if CODECS[name].heartbeat() is None] == ["text"]


def test_json_formats_are_what_others_can_read() -> None:
    event = CODECS["sse"].token(workload(), 12, 1234)
    line = CODECS["ndjson"].token(workload(), 12, 1234)
    assert event.startswith(b'data: {"n":12,"t":1234,"d":"')
    assert json.loads(line).keys() == {"n", "t", "d"}
    assert json.loads(CODECS["ndjson"].filling(Filler(30, "random"), "x")).keys() == {"p"}


# ---------------------------------------------------------------- cuts


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_cut_anywhere_changes_nothing(codec: Codec, payload: Payload, line_end: bytes, bom: bytes) -> None:
    body = bom + everything(codec, payload).replace(b"\n", line_end)
    whole = decode(codec, [body])
    assert [token.seq for token in whole] == list(range(TOKENS))
    assert all(matches(token, workload(payload=payload)) for token in whole)
    assert decode(codec, (body[at : at + 1] for at in range(len(body)))) == whole
    for at in range(len(body)):
        assert decode(codec, [body[:at], b"", body[at:]]) == whole


@given(codecs, st.lists(st.integers(0, 1200), max_size=20))
def test_cut_in_many_places_changes_nothing(codec: Codec, cuts: list[int]) -> None:
    body = everything(codec)
    bounds = [0, *sorted(cuts), len(body)]
    reads = [body[start:end] for start, end in itertools.pairwise(bounds)]
    assert decode(codec, reads) == decode(codec, [body])


def test_token_comes_with_the_last_byte_of_its_event(codec: Codec) -> None:
    decoder = codec.decoder()
    for seq in range(3):
        whole = one_event(codec, seq)
        assert decoder.feed(whole[:-1]) == []
        assert [token.seq for token in decoder.feed(whole[-1:])] == [seq]


def test_bare_cr_ends_an_event_at_once(codec: Codec) -> None:
    decoder = codec.decoder()
    ended = one_event(codec).replace(b"\n", b"\r")
    assert [token.seq for token in decoder.feed(ended)] == [0]
    assert decoder.feed(b"\n" + ended)[0].seq == 0


def test_unfinished_event_is_not_given_out(codec: Codec) -> None:
    decoder = codec.decoder()
    assert decoder.feed(one_event(codec)[:-1]) == []
    with contextlib.suppress(StreamError):  # some formats say when they are at their end
        assert decoder.finish() == ()


# ---------------------------------------------------------------- the text


@given(st.sampled_from(PAYLOADS), st.integers(), seqs, st.integers(1, 500))
def test_text_is_a_function_of_its_arguments(payload: Payload, seed: int, seq: int, size_bytes: int) -> None:
    load = workload(payload=payload, seed=seed)
    made = text(load, seq, size_bytes)
    assert made == text(load, seq, size_bytes)
    assert len(made.encode()) == size_bytes
    assert (not made.isascii()) == (size_bytes > 1)


def test_payloads_compress_as_they_should() -> None:
    def ratio(payload: Payload) -> float:
        body = "".join(text(workload(payload=payload), seq, 1000) for seq in range(100)).encode()
        return len(zlib.compress(body, 9)) / len(body)

    assert ratio("repetitive") < 0.03
    assert ratio("random") > 0.74


def test_random_filling_differs_by_key_and_does_not_compress() -> None:
    body = "".join(filling("random", 2048, key) for key in ("a", "b")).encode()
    assert len(body) == 4096
    assert len(zlib.compress(body, 9)) > 3000


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize(
    "alter",
    [
        lambda sent: Token(sent.seq + 1, 0, sent.text),
        lambda sent: Token(sent.seq, 0, sent.text[:-1]),
        lambda sent: Token(sent.seq, 0, sent.text + " "),
        lambda sent: Token(sent.seq, 0, sent.text.encode().decode("latin-1")),
        lambda sent: Token(sent.seq, 0, sent.text.replace("é", "e")),
        lambda sent: Token(sent.seq, 0, sent.text.replace("é", "\ud800")),
        lambda sent: Token(sent.seq, 0, ""),
    ],
    ids=["other number", "shortened", "lengthened", "charset", "accent", "surrogate", "empty"],
)
def test_altered_text_does_not_match(payload: Payload, alter: object) -> None:
    load = workload(payload=payload)
    sent = Token(5, 0, text(load, 5, 40))
    assert matches(sent, load)
    assert callable(alter)
    assert not matches(alter(sent), load)


# ---------------------------------------------------------------- what cannot be accepted

TOKENLIKE = [
    b"what?",
    b"[]",
    b'{"n":1}',
    b'{"n":"1","t":2,"d":"x"}',
    b'{"n":true,"t":2,"d":"x"}',
    b'{"n":1,"t":2,"d":"x"',
    b'{"n":' + b"9" * 5000 + b',"t":2,"d":"x"}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("line", TOKENLIKE, ids=range(len(TOKENLIKE)))
def test_line_that_is_no_token_is_the_stream_s_fault(codec: Codec, line: bytes) -> None:
    prelude = codec.filling(Filler(50), "x")
    body = b"data: " + line + b"\n\n" if codec.content_type == "text/event-stream" else line + b"\n"
    with pytest.raises(StreamError, match=f"at byte {len(prelude)}"):
        decode(codec, [prelude[:10], prelude[10:] + body])


@pytest.mark.parametrize("name", ["ndjson", "text"])
def test_line_that_is_not_utf_8_is_the_stream_s_fault(name: str) -> None:
    codec = CODECS[name]
    event = codec.token(workload(), 0, 10**9)
    with pytest.raises(StreamError, match=f"not UTF-8 at byte {80 + event.index(0xC3)}"):
        decode(codec, [event + event.replace(b"\xc3\xa9", b"\xc3e")])


def test_sse_message_without_a_number_is_the_stream_s_fault() -> None:
    with pytest.raises(StreamError, match="not a token at byte 0"):
        decode(CODECS["sse"], [b'data: {"p":1}\n\n'])


def test_sse_event_of_another_type_is_not_for_us() -> None:
    assert decode(CODECS["sse"], [b"event: ping\ndata: what?\n\n"]) == []


def test_ndjson_object_without_a_number_is_not_for_us() -> None:
    assert decode(CODECS["ndjson"], [b'{"p":1}\r\n \t\n']) == []


@given(codecs, st.binary(max_size=60))
def test_no_bytes_raise_anything_else(codec: Codec, noise: bytes) -> None:
    with contextlib.suppress(StreamError):
        decode(codec, [noise + b"\n", noise, b"\n\n"])
