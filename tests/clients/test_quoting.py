"""What is left of a library's words about an answer: names, and no value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clients.quoting import unquoted


@given(st.binary(min_size=4) | st.text(min_size=4))
def test_nothing_that_python_quotes_is_left(value: bytes | str) -> None:
    assert unquoted(f"Transfer-Encoding can't hold {value!r}: it's in it") == (
        "Transfer-Encoding can't hold ...: it's in it"
    )


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("Got more than 8190 bytes when reading: b'sid=x'.", "Got more than 8190 bytes when reading: ...."),
        ("Duplicate 'Content-Length' header found.", "Duplicate ... header found."),
        ("Illegal character '\n' in header value: b'sid\\n'", "Illegal character ... in header value: ..."),
        ("Invalid value for TE header: b'sid'", "Invalid value for TE header: ..."),
        (
            "curl: (92) Invalid HTTP header field was received: frame type: 1, name: [cookie], value: [s]id]",
            "curl: (92) Invalid HTTP header field was received: frame type: 1, name: [cookie], value: ...",
        ),
    ],
)
def test_values_are_left_out(words: str, left: str) -> None:
    assert unquoted(words) == left


@pytest.mark.parametrize(
    "words",
    [
        "Received uppercase header name b'Set-Cookie'.",
        "Connection-specific header field present: b'connection'.",
        "Received pseudo-header field out of sequence: b':path'",
        "curl: (18) transfer closed with outstanding read data remaining",
        "Transfer-Encoding can't be present with Content-Length",
    ],
)
def test_names_and_all_else_are_kept(words: str) -> None:
    assert unquoted(words) == words
