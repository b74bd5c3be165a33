"""What a diff of a config in any language shows of secrets: nothing. Pure.

Rule: rather too much is hidden than too little: whatever follows a name that says it is a secret counts as its value,
be it behind a blank, a colon or an equals sign, in quotes or in a list, on the same line or the next.
"""

from __future__ import annotations

import re

from harness.model import HIDDEN, is_secret

NAMING = ("key",)
"""What says that a name follows."""

_VALUED = re.compile(
    r"""(?P<name>[\w-]+)["']?\s*(?:[:=,]\s*|\s)(?:["']?value["']?\s*:\s*)?(?:[\[({]\s*)?(?:[-+]\s+)?"""
    r"""(?P<value>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:\\.|[^\s;,}\])\\])+)""",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return a text with `(redacted)` for what follows a name of a secret; quotes stay."""
    at = 0
    while found := _VALUED.search(text, at):
        if is_secret(found["name"]) and found["name"].lower() not in NAMING:
            value = found["value"]
            hidden = f"{value[0]}{HIDDEN}{value[0]}" if value[0] in "\"'" else HIDDEN
            text = f"{text[: found.start('value')]}{hidden}{text[found.end('value') :]}"
            at = found.start("value") + len(hidden)
        else:
            at = found.end("name")
    return text
