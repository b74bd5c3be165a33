"""What is said to somebody's endpoint, read out of options: by all commands that ask one, in one way.

Rule: what is said to an endpoint is its own. It is taken out of our command line as soon as it is read, and no
complaint quotes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from harness import session
from harness.cli.arguments import Typed
from harness.errors import Complaint, InputError, shortened
from harness.model import Method
from harness.resources import why_no_file

METHODS: tuple[Method, ...] = get_args(Method)
MOST_BYTES = 2**24
_HEADER = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\r\n\0]*)")
"""RFC 9110, 5.1 and 5.5."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What options say to an endpoint: headers, a body, and by which methods, in the order of METHODS."""

    headers: Headers = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    methods: tuple[Method, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.headers or self.body is not None or self.methods)

    @property
    def typed(self) -> Headers:
        """The headers, with what the body seems to be, unless they say it."""
        if self.body is None or any(name.lower() == "content-type" for name, _ in self.headers):
            return self.headers
        return (*self.headers, ("Content-Type", _content_type(self.body)))


def spoken(typed: Typed, methods: Sequence[str], headers: Sequence[str], data: str | None) -> Spoken:
    """Read what is said, and forget what was `typed` of it. Raises InputError."""
    typed.forget("header", "data")
    for one in methods:
        if one not in METHODS:
            raise InputError(f"-X: {shortened(one)} is not allowed; allowed: {', '.join(METHODS)}")
    return Spoken(_headers(headers), _body(data), tuple(one for one in METHODS if one in methods))


def check_url(option: str, url: str, schemes: Sequence[str]) -> None:
    """Raise InputError if that is no URL that can be asked."""
    session.url_of(option, url, schemes, instead="say -H 'Authorization: Basic ...'")


def authority_of(given: Path | None, *urls: str) -> str | None:
    """Return the file of --cacert, with which these are asked. Raises InputError if it is of no use."""
    return None if given is None else session.trusted("--cacert", given, urls)


def _headers(given: Sequence[str]) -> Headers:
    """Return the headers that options give, or files that they name. Raises InputError; no value is in it."""
    headers: list[tuple[str, str]] = []
    for option in given:
        lines = _read("-H", option[1:]).decode("utf-8", "replace").splitlines() if option[:1] == "@" else [option]
        for number, line in enumerate(lines, 1):
            if not line.strip() and option[:1] == "@":
                continue
            if not (found := _HEADER.fullmatch(line)):
                file, at = (option[1:], number) if option[:1] == "@" else ("", None)
                raise InputError(Complaint("-H: a header is NAME: VALUE, in one line", file=file, line=at))
            headers.append((found["name"], found["value"].rstrip()))
    return tuple(headers)


def _body(given: str | None) -> bytes | None:
    if given is None:
        return None
    return _read("-d", given[1:]) if given[:1] == "@" else given.encode("utf-8", "surrogateescape")


def _content_type(body: bytes) -> str:
    """Return what a body seems to be: JSON, or what curl says of any."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return "application/x-www-form-urlencoded"
    return "application/json"


def _read(option: str, name: str) -> bytes:
    """Return what a file has in it. Raises InputError if it cannot be read, or not as a whole."""
    try:
        if not name or (why := why_no_file(Path(name))):
            raise InputError(f"{option}: {why if name else 'a file is needed behind the @'}")
        with Path(name).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{option}: {name!r} cannot be read: {error}") from error
    if len(data) > MOST_BYTES:
        raise InputError(f"{option}: {name} is too long: at most {MOST_BYTES} bytes are sent")
    return data
