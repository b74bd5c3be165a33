"""Recordings as files: read back exactly, and refused with the key that is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.documents import recordings
from harness.errors import InputError
from harness.model import Write, digest_of
from tests.recorded import recording

TEXT = recordings.dump(recording())


@given(st.lists(st.builds(Write, st.floats(0, 1e6), st.binary(min_size=1), st.booleans()), min_size=2, max_size=8))
def test_what_was_written_is_read_back_exactly(writes: list[Write]) -> None:
    writes = sorted(writes, key=attrgetter("at_ms"))
    one = replace(
        recording(), writes=tuple(writes), again=0, closing=len(writes) - 1, coding="gzip", chunks_http10=True
    )
    one = replace(one, digest=digest_of(one))
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
        (changed(lambda data: data["writes"][3].update(at_ms=1)), "f: at_ms of the writes falls"),
        (changed(lambda data: data.update(digest="../../../escaped")), "f: digest: String should match pattern"),
        (changed(lambda data: data.update(digest=f"{data['digest']}\n")), "f: digest: String should match pattern"),
        (changed(lambda data: data.update(headers=[["X Y", "1"]])), "f: headers[0][0]: String should match pattern"),
        (changed(lambda data: data.update(headers=[["X", "1\r\nY: 2"]])), "f: headers[0][1]: String should match"),
        (changed(lambda data: data.update(headers=[["X", "1\n"]])), "f: headers[0][1]: String should match"),
        (changed(lambda data: data.update(content_type="a\nb")), "f: content_type: String should match pattern"),
        (changed(lambda data: data.update(more=1)), "f: more: Extra inputs are not permitted"),
    ],
)
def test_what_is_no_recording_is_told_with_its_key(text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        recordings.load(text, "f")
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["writes"][3].update(text="data: another\n\n"),
        lambda data: data["writes"][3].update(whole=False),
        lambda data: data["writes"].pop(3) and data.update(closing=data["closing"] - 1),
        lambda data: data.update(again=data["again"] + 1),
        lambda data: data.update(headers=[["X-Accel-Buffering", "no"]]),
        lambda data: data.update(body="close"),
        lambda data: data.update(chunks_http10=True),
        lambda data: data.update(digest="0123456789abcdef"),
    ],
)
def test_a_file_that_was_changed_is_refused_and_says_how_it_is_taken(change: Callable[[Any], object]) -> None:
    with pytest.raises(InputError, match=r"f: digest: .* write ([0-9a-f]{16}) if that is meant") as caught:
        recordings.load(changed(change), "f")
    said = re.search(r"write (\w+)", str(caught.value))
    assert said
    meant = recordings.load(changed(lambda data: (change(data), data.update(digest=said[1]))), "f")
    assert (meant == recording()) is (said[1] == recording().digest)


def test_when_it_was_recorded_and_of_what_may_be_changed() -> None:
    text = changed(lambda data: (data["writes"][-1].update(at_ms=99_999), data.update(source="GET http://another/")))
    assert recordings.load(text, "f") == recording()


def test_the_digest_is_the_same_on_every_machine_and_in_every_version() -> None:
    """What is kept of runs names recordings by it."""
    assert recording().digest == "b6c837c039ee18d7"
