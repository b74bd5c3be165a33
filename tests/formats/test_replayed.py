"""Tokens of a replayed recording, found by what has to come: wherever reads, chunks and codings cut them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StreamError
from harness.formats.body import EmittedBody
from harness.formats.coding import decoder
from harness.formats.replayed import ReplayedDecoder, decoder_of
from harness.model import Body, Emission, Filler
from tests.recorded import EVENTS, load, recording

EMISSION = Emission(load())
TOKENS = len(EVENTS) - 1

Emissions = st.builds(
    Emission,
    st.sampled_from([load(), load(recording([b"data: same\n\n"] * 5)), load(recording([b"data: a\n", b"\n"] * 6))]),
    prelude=st.sampled_from([None, Filler(64), Filler(100, "random")]),
    padding=st.sampled_from([None, Filler(16), Filler(70, "random")]),
    body=st.sampled_from(["chunked", "length"]),
    announced_tokens=st.sampled_from([None, 30]),
)


def whole(emission: Emission, tokens: int) -> list[bytes]:
    """Return what leaves the emitter, piece by piece."""
    body = EmittedBody(emission)
    return [body.opening(), *(body.token(seq, 7) for seq in range(tokens)), body.closing()]


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    """Yield the data, cut at these places, as far as it goes."""
    ends = sorted({min(place, len(data)) for place in places} | {len(data)})
    for start, end in zip([0, *ends], ends, strict=False):
        yield data[start:end]


@given(Emissions, st.lists(st.integers(0, 4000), max_size=30))
def test_each_token_is_there_with_its_last_byte_and_before_its_padding_wherever_it_was_cut(
    emission: Emission, places: list[int]
) -> None:
    tokens = emission.most_tokens or 2 * TOKENS
    pieces = whole(emission, tokens)
    data = b"".join(pieces)
    event = EmittedBody(emission).event
    ends = [len(b"".join(pieces[: seq + 1])) + len(event(seq, 7)) for seq in range(tokens)]
    finding, taken, found = ReplayedDecoder(EmittedBody(emission), tokens), 0, 0
    for read in cut(data, places):
        taken += len(read)
        new = [token.seq for token in finding.feed(read)]
        assert new == list(range(found, found + len(new)))
        found += len(new)
        assert found == sum(end <= taken for end in ends)
    finding.finish()


@given(Emissions, st.lists(st.integers(0, 600), max_size=30), st.sampled_from([zlib.Z_SYNC_FLUSH, zlib.Z_NO_FLUSH]))
def test_a_coding_that_is_taken_off_first_changes_nothing(emission: Emission, places: list[int], flush: int) -> None:
    tokens = emission.most_tokens or TOKENS
    packing = zlib.compressobj(wbits=31)
    packed = [packing.compress(piece) + packing.flush(flush) for piece in whole(emission, tokens)]
    content, finding = decoder("gzip"), decoder_of(emission, tokens)
    reads = cut(b"".join([*packed, packing.flush()]), places)
    found = [token.seq for read in reads for token in finding.feed(content.feed(read))]
    assert found == list(range(tokens))


def test_while_a_stream_goes_on_the_next_write_may_come_or_the_end() -> None:
    for tokens in (TOKENS, TOKENS + 1, 3 * TOKENS):
        finding = decoder_of(EMISSION)
        assert [token.seq for piece in whole(EMISSION, tokens) for token in finding.feed(piece)] == list(range(tokens))


def test_an_end_like_a_token_is_none_once_it_is_known_how_many_were_sent() -> None:
    emission = Emission(load(recording([b"data: same\n\n"] * 5)))
    data = b"".join(whole(emission, 4))
    assert len(decoder_of(emission).feed(data)) == 5, "while it goes on nobody can tell"
    assert len(decoder_of(emission, 4).feed(data)) == 4


@pytest.mark.parametrize("body", ["chunked", "length"])
def test_what_was_altered_is_told_with_its_place(body: Body) -> None:
    data = bytearray(b"".join(whole(replace(EMISSION, body=body), TOKENS)))
    data[40] ^= 1
    with pytest.raises(StreamError, match=r"altered on the way at byte 40: b'.*' instead of b'"):
        decoder_of(replace(EMISSION, body=body), TOKENS).feed(bytes(data))


def test_what_comes_twice_is_lost_or_comes_after_the_end_is_no_stream_of_ours() -> None:
    pieces = whole(EMISSION, TOKENS)
    for wrong in ([*pieces[:3], pieces[2], *pieces[3:]], [*pieces[:2], *pieces[3:]], [*pieces, b"more"]):
        with pytest.raises(StreamError, match=r"altered on the way|where nothing more was sent"):
            decoder_of(EMISSION, TOKENS).feed(b"".join(wrong))


def test_a_write_is_padded_only_where_no_message_goes_on() -> None:
    emission = Emission(load(recording([b"data: a\n", b"\n"] * 6)), padding=Filler(16))
    body = EmittedBody(emission)
    assert body.token(0, 0) == b"data: a\n"
    assert body.token(1, 0).startswith(b"\n:")
    assert emission.bytes_through(3) == len(b"".join(body.token(seq, 0) for seq in range(4)))
    assert emission.largest_bytes >= len(body.token(1, 0))
