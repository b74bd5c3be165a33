"""What was said to an endpoint, taken out of what is told of it: an answer may repeat it. Pure.

Rules: every value of a header of the user's counts, unless its name has words of its own (PLAIN), and the body with
each text in it if it is JSON; so do the values in a URL's query, and all of these as JSON writes them. Who says `Bearer
abc` has said `abc`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from harness.model import spellings, without_said
from harness.probe.takes import Headers

PLAIN = frozenset(
    (
        *("accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection"),
        *("content-type", "pragma", "priority", "te", "upgrade-insecure-requests", "x-accel-buffering"),
    )
)
"""Headers whose values are words of a protocol, and no secrets: an answer that has them, too, says them by itself."""


class Secrets:
    """Hides in texts what was said."""

    def __init__(self, headers: Headers, body: bytes | None, *urls: str) -> None:
        said = [word for name, value in headers if name.lower() not in PLAIN for word in (value, *value.split())]
        said += [value for url in urls for _, value in parse_qsl(urlsplit(url).query)]
        said += list(_texts(body.decode("utf-8", "replace"))) if body else []
        self._said = spellings(said)

    def hidden(self, text: str) -> str:
        """Return a text without what was said."""
        return without_said(text, self._said)

    def blanked(self, data: bytes) -> bytes:
        """Return a body in which what was said is as many `x`; how a field of an event is called stays."""
        if not self._said:
            return data
        words = b"|".join(re.escape(one.encode("utf-8", "surrogateescape")) for one in self._said)
        return re.sub(rb"^(?:data|event|id|retry)(?=:)|(" + words + b")", _blank, data, flags=re.MULTILINE)


def shown_url(url: str) -> str:
    """Return a URL as it is told: without who asks, and without what is in its query."""
    parts = urlsplit(url)
    query = "..." if parts.query else ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment="").geturl()


def _blank(found: re.Match[bytes]) -> bytes:
    return b"x" * len(found[0]) if found[1] is not None else found[0]


def _texts(body: str) -> Iterator[str]:
    """Yield a body, and every text in it."""
    yield body
    try:
        todo = [json.loads(body)]
    except (ValueError, RecursionError):
        return
    while todo:
        match todo.pop():
            case str(text):
                yield text
            case list(several):
                todo += several
            case dict(members):
                todo += members.values()
