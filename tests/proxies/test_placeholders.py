"""What configs, commands and environments may ask for, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model import Endpoint
from harness.proxies.placeholders import asked, filled, values

VALUES = values(8080, Endpoint(9090, "/api", host="10.0.0.2"), Path("/tmp/f"))


@pytest.mark.parametrize(
    ("placeholder", "value"),
    [
        ("LISTEN", "127.0.0.1:8080"),
        ("PORT", "8080"),
        ("UPSTREAM", "http://10.0.0.2:9090/api"),
        ("UPSTREAM_ADDRESS", "10.0.0.2:9090"),
        ("UPSTREAM_HOST", "10.0.0.2"),
        ("UPSTREAM_PORT", "9090"),
        ("UPSTREAM_PATH", "/api"),
        ("FOLDER", "/tmp/f"),
    ],
)
def test_a_placeholder_stands_for_a_value(placeholder: str, value: str) -> None:
    assert filled(f"a ${{{placeholder}}}/b", VALUES) == f"a {value}/b"


@pytest.mark.parametrize("text", ["$LISTEN", "${LISTENER}", "${listen}", "${HOME}", "$${", "\\1 \\g<0>", "${ LISTEN }"])
def test_what_merely_looks_like_one_is_left_alone(text: str) -> None:
    assert filled(text, VALUES) == text
    assert asked([text]) == set()


def test_a_value_is_put_in_as_it_is() -> None:
    assert filled("${FOLDER}", {"FOLDER": "\\1${PORT}"}) == "\\1${PORT}"


def test_what_texts_ask_for_is_known() -> None:
    assert asked(["--port=${PORT}", "${CERTIFICATE} ${PORT}", "none"]) == {"PORT", "CERTIFICATE"}
