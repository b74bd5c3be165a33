"""Where messages begin and end, wherever a body is cut."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.formats import CODECS
from harness.formats.boundaries import Boundaries, events, lines, objects
from harness.model import Filler, Workload

LOAD = Workload("w", tokens=4, token_bytes=300)
NAMES = sorted(CODECS)
SILENT = Filler(20, "spaces")


def written(name: str) -> list[tuple[bytes, bool]]:
    """Return a stream in pieces, and of each whether it is one message: tokens, between them all that says nothing."""
    codec = CODECS[name]
    quiet = codec.filling(SILENT, "x") + (codec.heartbeat() or b"")
    tokens = [(codec.token(LOAD, seq, 10**18 + seq), True) for seq in range(LOAD.tokens)]
    return [(quiet, False), *itertools.chain.from_iterable((token, (quiet, False)) for token in tokens), tokens[0]]


def followed(boundaries: Boundaries, pieces: Sequence[bytes]) -> list[tuple[int, bool]]:
    return [(boundaries.feed(piece), boundaries.open) for piece in pieces]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
@pytest.mark.parametrize("name", NAMES)
def test_a_cut_anywhere_is_inside_a_message_or_not(name: str, end: bytes) -> None:
    stream = [(piece.replace(b"\n", end), message) for piece, message in written(name)]
    whole = b"".join(piece for piece, _ in stream)
    inside, at = set(), 0
    for piece, message in stream:
        done = len(piece) - (1 if end == b"\r\n" else 0)  # the first byte of a line end ends the line
        inside |= set(range(at + 1, at + done)) if message else set()
        at += len(piece)
    for cut in range(len(whole) + 1):
        (_, opened), (_, left) = followed(CODECS[name].boundaries(), (whole[:cut], whole[cut:]))
        assert opened == (cut in inside), f"{whole[max(0, cut - 20) : cut]!r} | {whole[cut : cut + 20]!r}"
        assert not left


@given(st.sampled_from(NAMES), st.sampled_from([b"\n", b"\r", b"\r\n"]), st.lists(st.integers(0, 1600), max_size=30))
def test_each_message_begins_once_however_often_it_is_cut(name: str, end: bytes, cuts: list[int]) -> None:
    stream = written(name)
    whole = b"".join(piece for piece, _ in stream).replace(b"\n", end)
    at = [0, *sorted(cuts), len(whole)]
    told = followed(CODECS[name].boundaries(), [whole[a:b] for a, b in itertools.pairwise(at)])
    assert sum(begun for begun, _ in told) == sum(message for _, message in stream)


@pytest.mark.parametrize(
    ("make", "data", "begun", "left_open"),
    [
        (events, b"event: ping\n", 1, True),
        (events, b"event: ping\ndata: 1\n\n", 1, False),
        (events, b": ping\n\ndata: 1\n: within\n\n: after\n", 1, False),
        (events, b"data: 1\n\ndata: 2\n\nd", 3, True),
        (events, b":", 0, False),
        (objects, b'{"a": 1}\n   \n{"b": 2}', 2, True),
        (objects, b' \t {"a": 1}\n', 1, False),
        (objects, b"  ", 0, False),
        (lines, b"1 2 x\n\tfilling\n\n3 4 y\tmore\n", 2, False),
        (lines, b" x", 1, True),
    ],
)
def test_what_is_a_message(make: object, data: bytes, begun: int, left_open: bool) -> None:
    assert callable(make)
    assert followed(make(), [data]) == [(begun, left_open)]


def test_what_closes_an_openai_stream_is_two_messages() -> None:
    assert followed(CODECS["openai"].boundaries(), [CODECS["openai"].closing()]) == [(2, False)]
