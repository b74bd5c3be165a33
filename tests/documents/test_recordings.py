"""Recordings as files: read back exactly, and refused with the key that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.documents import recordings
from harness.errors import InputError
from harness.model import Write
from tests.recorded import recording

TEXT = recordings.dump(recording())


@given(st.lists(st.builds(Write, st.floats(0, 1e6), st.binary(min_size=1), st.booleans()), min_size=2, max_size=8))
def test_what_was_written_is_read_back_exactly(writes: list[Write]) -> None:
    one = replace(
        recording(), writes=tuple(writes), again=0, closing=len(writes) - 1, coding="gzip", chunks_http10=True
    )
    again = recordings.load(recordings.dump(one), "f")
    assert again == one
    assert asdict(again) == asdict(one)


def test_a_person_can_read_it() -> None:
    assert '"text": "data: [DONE]\\n\\n"' in TEXT
    assert len(TEXT.splitlines()) > 22, "a write a line"


def changed(change: Callable[[Any], object]) -> str:
    data = json.loads(TEXT)
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f: is no recording: it is no JSON"),
        ("[" * 100_000, "f: is no recording: it is no JSON"),
        ("[]", "f: is no recording: `harness run --backend URL` makes one"),
        ('{"title": "a matrix"}', "f: is no recording: `harness run"),
        (changed(lambda data: data.update(recording=2)), "f: recording: Input should be 1"),
        (changed(lambda data: data.pop("body")), "f: body: Field required"),
        (changed(lambda data: data.update(body="gzip")), "f: body: Input should be 'chunked', 'length' or 'close'"),
        (changed(lambda data: data["writes"].clear()), "f: writes: List should have at least 2"),
        (changed(lambda data: data["writes"][3].pop("text")), "f: writes[3]: give either text or base64"),
        (changed(lambda data: data["writes"][3].update(text="")), "f: writes[3]: a write has at least one byte"),
        (changed(lambda data: data["writes"][3].update(at_ms=-1)), "f: writes[3].at_ms: Input should be greater"),
        (changed(lambda data: data["writes"].__setitem__(1, {"at_ms": 1, "base64": "?"})), "f: writes[1]: "),
        (changed(lambda data: data.update(closing=99)), "f: again < closing < 22, the number of writes, is not so"),
        (changed(lambda data: data.update(more=1)), "f: more: Extra inputs are not permitted"),
    ],
)
def test_what_is_no_recording_is_told_with_its_key(text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        recordings.load(text, "f")
    assert str(caught.value).startswith(told)
