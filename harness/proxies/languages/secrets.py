"""What of a config is a secret: the values of headers, variables and log-ins whose names say so. Pure.

Rule: a value is one by where it stands, behind such a name, in any of the languages. A path and a variable are none.
"""

from __future__ import annotations

import re

from harness.model import HIDDEN, is_secret

_NAME = r"""["']?(?P<name>(?!key\b)[A-Za-z][\w-]*)["']?"""  # `key` alone is the name of a name
_VALUE = r"""(?P<value>"(?:\\.|[^"\\])*"|'[^']*'|(?:\\.|[^\s,\]{}\["'\\])+)"""
_VERB = r"(?:set|add|append|merge|setenv)"
_VALUED = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"""{_NAME}\s*:\s*(?:\[\s*)?{_VALUE}""",  # YAML, JSON
        rf"""\bkey["']?\s*:\s*{_NAME}\s*,?\s*["']?value["']?\s*:\s*{_VALUE}""",  # Envoy's headers
        rf"""(?:header(?!\s+(?:always|{_VERB})\b)|\b{_VERB})\s+{_NAME}\s+{_VALUE}""",  # HAProxy, Apache, nginx
        rf"""\b(?P<name>stats\s+auth|(?:insecure-)?password)\s+{_VALUE}""",  # HAProxy's log-ins
    )
]


_HASHED = re.compile(r"""(?<=:)(?:\$(?:apr1|2[abxy]?|5|6|y)\$|\{SHA\})[^\s"',\]]+""")
"""A password as htpasswd has it, behind its user."""


def masked(text: str) -> str:
    """Return a config's text without its secrets."""
    text = _HASHED.sub(HIDDEN, text)
    for pattern in _VALUED:
        for found in reversed(list(pattern.finditer(text))):
            value = found["value"]
            if is_secret(found["name"]) and not re.match(r"""["']?[$/%]""", value):
                quote = value[0] if value[0] in "\"'" else ""
                text = f"{text[: found.start('value')]}{quote}{HIDDEN}{quote}{text[found.end('value') :]}"
    return text
