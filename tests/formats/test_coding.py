"""Content codings: everything comes, as early as it can, and nothing wrong passes."""

from __future__ import annotations

import contextlib
import itertools
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StreamError
from harness.formats.coding import decoder

Encode = Callable[[list[bytes]], list[bytes]]
"""Codes parts into as many pieces, each flushed; the last holds the end of the body."""


def _zlib(wbits: int) -> Encode:
    def encode(parts: list[bytes]) -> list[bytes]:
        compressor = zlib.compressobj(wbits=wbits)
        pieces = [compressor.compress(part) + compressor.flush(zlib.Z_SYNC_FLUSH) for part in parts]
        return [*pieces[:-1], pieces[-1] + compressor.flush()]

    return encode


def _brotli(parts: list[bytes]) -> list[bytes]:
    compressor = brotli.Compressor()
    pieces: list[bytes] = [compressor.process(part) + compressor.flush() for part in parts]
    return [*pieces[:-1], pieces[-1] + compressor.finish()]


def _zstd(parts: list[bytes]) -> list[bytes]:
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    pieces = [compressor.compress(part) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for part in parts]
    return [*pieces[:-1], pieces[-1] + compressor.flush()]


CODINGS: dict[str, tuple[str, Encode]] = {
    "identity": ("identity", list),
    "gzip": ("gzip", _zlib(31)),
    "x-gzip": ("X-GZip", _zlib(31)),
    "deflate": ("deflate", _zlib(15)),
    "deflate, raw": ("deflate", _zlib(-15)),
    "br": ("br", _brotli),
    "zstd": ("zstd", _zstd),
    "gzip, then br": ("gzip, br", lambda parts: _brotli(_zlib(31)(parts))),
    "three": ("zstd , , identity,deflate", lambda parts: _zlib(15)(_zstd(parts))),
}
PARTS = [b"data: one\n\n", "data: é two two two\n\n".encode(), b"data: three\n\n"]

each_coding = pytest.mark.parametrize(("name", "encode"), CODINGS.values(), ids=CODINGS)
each_real_coding = pytest.mark.parametrize(
    ("name", "encode"),
    [value for key, value in CODINGS.items() if key != "identity"],
    ids=[key for key in CODINGS if key != "identity"],
)


def decode(name: str | None, reads: list[bytes]) -> bytes:
    coding = decoder(name)
    return b"".join(map(coding.feed, reads)) + coding.finish()


@each_coding
def test_flushed_part_comes_at_once(name: str, encode: Encode) -> None:
    coding = decoder(name)
    assert [coding.feed(piece) for piece in encode(PARTS)] == PARTS
    assert coding.finish() == b""


@each_coding
def test_flushed_part_comes_with_its_last_byte(name: str, encode: Encode) -> None:
    coding = decoder(name)
    for piece, part in zip(encode(PARTS), PARTS, strict=True):
        assert b"".join(coding.feed(piece[at : at + 1]) for at in range(len(piece))) == part


@each_coding
def test_cut_anywhere_changes_nothing(name: str, encode: Encode) -> None:
    coded = b"".join(encode(PARTS))
    for at in range(len(coded)):
        assert decode(name, [coded[:at], b"", coded[at:]]) == b"".join(PARTS)


@given(
    st.sampled_from(list(CODINGS.values())),
    st.lists(st.binary(max_size=300), min_size=1, max_size=5),
    st.lists(st.integers(0, 600), max_size=10),
)
def test_any_body_in_any_reads(coding: tuple[str, Encode], parts: list[bytes], cuts: list[int]) -> None:
    name, encode = coding
    coded = b"".join(encode(parts))
    bounds = [0, *sorted(cuts), len(coded)]
    reads = [coded[start:end] for start, end in itertools.pairwise(bounds)]
    assert decode(name, reads) == b"".join(parts)


@each_coding
def test_a_read_may_grow_to_any_size(name: str, encode: Encode) -> None:
    assert decode(name, encode([b"x" * 1_000_000])) == b"x" * 1_000_000


@each_real_coding
def test_truncated_body_is_the_stream_s_fault(name: str, encode: Encode) -> None:
    coded = b"".join(encode(PARTS))
    for size_bytes in range(1, len(coded)):
        with pytest.raises(StreamError, match="cut short"):
            decode(name, [coded[:size_bytes]])


@each_real_coding
def test_body_of_another_coding_is_the_stream_s_fault(name: str, encode: Encode) -> None:
    with pytest.raises(StreamError, match=r"corrupt .* at or after byte 0"):
        decode(name, [b"data: one\n\n" * 20])


@each_real_coding
def test_bytes_after_the_end_are_the_stream_s_fault(name: str, encode: Encode) -> None:
    coded = b"".join(encode(PARTS))
    for reads in ([coded, b"data: more\n\n"], [coded + b"data: more\n\n"]):
        with pytest.raises(StreamError, match=f"byte {len(coded)}|corrupt"):
            decode(name, reads)


@pytest.mark.parametrize("key", ["gzip", "zstd"])
def test_flipped_bit_is_noticed(key: str) -> None:
    name, encode = CODINGS[key]
    coded = bytearray(b"".join(encode(PARTS)))
    coded[-2] ^= 1  # in both, the checksum
    with pytest.raises(StreamError, match="corrupt"):
        decode(name, [bytes(coded)])


@given(st.sampled_from([name for name, _ in CODINGS.values()]), st.binary(max_size=60))
def test_no_bytes_raise_anything_else(name: str, noise: bytes) -> None:
    with contextlib.suppress(StreamError):
        decode(name, [noise])


@pytest.mark.parametrize("key", ["gzip", "zstd"])
def test_several_members_are_one_body(key: str) -> None:
    name, encode = CODINGS[key]
    members = [b"".join(encode([part])) for part in PARTS]
    coding = decoder(name)
    assert [coding.feed(member) for member in members] == PARTS
    coded = b"".join(members)
    for at in range(len(coded)):
        assert decode(name, [coded[:at], coded[at:]]) == b"".join(PARTS)


def test_zstd_skippable_frame_holds_nothing() -> None:
    skippable = bytes.fromhex("502a4d18 03000000") + b"abc"
    assert decode("zstd", [skippable + b"".join(_zstd(PARTS)) + skippable]) == b"".join(PARTS)


def test_zstd_window_beyond_rfc_9659_is_the_stream_s_fault() -> None:
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=24)
    compressor = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    with pytest.raises(StreamError, match="memory"):
        decode("zstd", [compressor.compress(b"x") + compressor.flush()])


@pytest.mark.parametrize("name", [None, "", "identity", "none", "None", " , "])
def test_no_coding(name: str | None) -> None:
    assert decode(name, PARTS) == b"".join(PARTS)


@each_coding
def test_empty_body(name: str, encode: Encode) -> None:
    assert decode(name, []) == b""
    assert decode(name, encode([b""])) == b""


@pytest.mark.parametrize("name", ["compress", "gzip, snappy", "utf-8"])
def test_unknown_coding_is_named(name: str) -> None:
    with pytest.raises(StreamError, match=f"unknown content coding '{name.split()[-1]}'"):
        decoder(name)
