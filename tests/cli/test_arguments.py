"""What was typed and is nobody else's to read is in no list of our arguments, which a run keeps."""

from __future__ import annotations

import sys

import pytest

from harness.cli.arguments import forget
from harness.model import HIDDEN


def test_what_is_forgotten_goes_wherever_it_stands_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ["run", "-d", "abc", "-dabc", "--data=abc", "http://h/?abc", "http://h/abc", "xabc", "--chain", "abcd"]
    monkeypatch.setattr(sys, "argv", ["harness", *said])
    forget(["abc", ""])
    hidden = [HIDDEN, f"-d{HIDDEN}", f"--data={HIDDEN}", f"http://h/?{HIDDEN}"]
    assert sys.argv == ["harness", "run", "-d", *hidden, "http://h/abc", "xabc", "--chain", "abcd"]
