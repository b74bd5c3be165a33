"""The bytes of an emission: what is announced as a length is what the pieces come to, and they decode to the tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from harness.backends.emitter import BODIES
from harness.formats import CODECS, TRANSPORTS
from harness.formats.body import EmittedBody
from harness.model import Body, CodecName, Emission, Filler, Workload

LOAD = Workload("w", tokens=3, token_bytes=400)


@pytest.mark.parametrize("padding", [None, Filler(333)])
@pytest.mark.parametrize("prelude", [None, Filler(500, "random")])
@pytest.mark.parametrize("framing", get_args(Body))
@pytest.mark.parametrize("form", get_args(CodecName))
def test_the_pieces_come_to_the_length_and_decode_to_the_tokens(
    form: CodecName, framing: Body, prelude: Filler | None, padding: Filler | None
) -> None:
    body = EmittedBody(Emission(LOAD, format=form, body=framing, prelude=prelude, padding=padding, announced_tokens=4))
    pieces = [body.opening(), *(body.token(seq, 10**9 + seq) for seq in range(4)), body.closing()]
    assert body.size_bytes == (sum(map(len, pieces)) if framing == "length" else None)
    decoder = CODECS[form].decoder()
    lines = [piece.splitlines(keepends=True) for piece in pieces]  # each a message of a WebSocket
    found = [[token.seq for line in piece for token in decoder.feed(line)] for piece in lines]
    assert found == [[], [0], [1], [2], [3], []]
    decoder.finish()


@pytest.mark.parametrize(
    ("fixed", "most"),
    [
        ({}, None),
        ({"body": "close"}, None),
        ({"pace": "paced", "announced_tokens": 9}, 3),
        ({"body": "length"}, 3),
        ({"body": "length", "announced_tokens": 9}, 9),
        ({"body": "length", "announced_tokens": 9, "workload": replace(LOAD, exact=True)}, 3),
        ({"workload": replace(LOAD, exact=True)}, 3),
    ],
)
def test_what_fixes_the_length_says_how_many_tokens_may_go_at_most(fixed: dict[str, Any], most: int | None) -> None:
    told = Emission(**{"workload": LOAD} | fixed)
    body = EmittedBody(told)
    assert told.most_tokens == most
    assert body.within(100) == (100 if most is None else most - 1)
    assert body.within(1) == 1
    assert [sent for sent in range(12) if body.may_end_after(sent)] == [*range(most or LOAD.tokens, 12)]


def test_each_transport_has_something_as_what_a_stream_leaves() -> None:
    assert BODIES.keys() == TRANSPORTS.keys()
