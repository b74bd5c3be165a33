"""What a program has written, as it is matched and told: without what it does to a terminal; and how it died."""

from __future__ import annotations

import pytest

from harness.launchers.commands import uncoloured
from harness.proxies.at import OfOthers


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('\x1b[90m2026\x1b[0m \x1b[31mERR\x1b[0m error=\x1b[38;5;9m"no"\x1b[K', '2026 ERR error="no"'),
        ("\x1b]8;;file:///a\x1b\\a.conf:3\x1b]8;;\x07", "a.conf:3"),
        ("\x1bMup", "up"),
        ("[error] a[0m] \\x1b[0m", "[error] a[0m] \\x1b[0m"),
    ],
)
def test_escape_codes_are_no_words(written: str, told: str) -> None:
    assert uncoloured(written) == told


@pytest.mark.parametrize(("status", "told"), [(-9, "killed by SIGKILL"), (-40, "killed by signal 40"), (3, "status 3")])
def test_however_it_died_it_can_be_told(status: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most real-time signals have no name."""
    monkeypatch.setattr(OfOthers, "returncode", status)
    assert str(OfOthers("it").death()).endswith(told)
