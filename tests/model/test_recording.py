"""The tokens of a recording: the first writes as they are, then those that can be repeated, without an end."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.model import Recording, Write


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    number = draw(st.integers(2, 8))
    closing = draw(st.integers(1, number - 1))
    one = st.builds(Write, st.floats(0, 500), st.binary(min_size=1, max_size=30), st.booleans())
    gaps = draw(st.lists(one, min_size=number, max_size=number))
    instants = itertools.accumulate(write.at_ms for write in gaps)
    writes = tuple(replace(write, at_ms=at_ms) for write, at_ms in zip(gaps, instants, strict=True))
    again = draw(st.integers(0, closing - 1))
    return Recording("d", "app", "GET", "text", "chunked", "", writes=writes, again=again, closing=closing)


@given(recordings(), st.integers(0, 60))
def test_what_is_counted_without_looking_is_what_the_writes_come_to(one: Recording, seq: int) -> None:
    sent = [one.write(at) for at in range(seq + 1)]
    assert one.bytes_through(seq) == sum(len(write.data) for write in sent)
    assert one.wholes_through(seq) == sum(write.whole for write in sent)


@given(recordings())
def test_the_first_writes_are_those_that_were_recorded_and_the_last_the_end(one: Recording) -> None:
    before = b"".join(one.write(seq).data for seq in range(one.closing))
    assert before + one.end == b"".join(write.data for write in one.writes)


@given(recordings(), st.integers(1, 60))
def test_no_token_leaves_before_the_one_before_it(one: Recording, seq: int) -> None:
    assert one.at_ms(seq) >= one.at_ms(seq - 1) - 1e-6
    assert one.at_ms(0) == 0


def test_two_are_one_if_their_digests_are() -> None:
    one = Recording("d", "app", "GET", "text", "chunked", "", writes=(Write(0, b"a"), Write(1, b"b")), closing=1)
    named = Recording("d", "app", "GET", "text", "chunked", "")
    assert one == named
    assert hash(one) == hash(named)
    assert one != Recording("e", "app", "GET", "text", "chunked", "")
    assert one != "d"
