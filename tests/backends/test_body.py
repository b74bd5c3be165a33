"""The bytes of an emission: what is announced as a length is what the pieces come to, and they decode to the tokens."""

from __future__ import annotations

from typing import get_args

import pytest

from harness.backends.body import EmittedBody
from harness.backends.emitter import BODIES
from harness.formats import CODECS, TRANSPORTS
from harness.model import CodecName, Emission, Filler, Workload

LOAD = Workload("w", tokens=3, token_bytes=400)


@pytest.mark.parametrize("padding", [None, Filler(333)])
@pytest.mark.parametrize("prelude", [None, Filler(500, "random")])
@pytest.mark.parametrize("form", get_args(CodecName))
def test_the_pieces_come_to_the_length_and_decode_to_the_tokens(
    form: CodecName, prelude: Filler | None, padding: Filler | None
) -> None:
    body = EmittedBody(Emission(LOAD, format=form, prelude=prelude, padding=padding))
    pieces = [body.opening(), *(body.token(seq, 10**9 + seq) for seq in range(LOAD.tokens))]
    assert sum(map(len, pieces)) == body.size_bytes
    decoder = CODECS[form].decoder()
    lines = [piece.splitlines(keepends=True) for piece in pieces]  # each a message of a WebSocket
    found = [[token.seq for line in piece for token in decoder.feed(line)] for piece in lines]
    assert found == [[], [0], [1], [2]]


def test_each_transport_has_something_as_what_a_stream_leaves() -> None:
    assert BODIES.keys() == TRANSPORTS.keys()
