"""Probes an endpoint, until all is asked or somebody interrupts, and tells what came by then.

Rule: what is said to an endpoint is its own. It is taken out of our command line as soon as it is read, and of all that
is told. No complaint quotes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from harness import session
from harness.cli.arguments import forget
from harness.cli.interrupts import interruptible
from harness.cli.screen import out
from harness.errors import Complaint, InputError, Interrupted, shortened
from harness.model import Method
from harness.probe.asking import Search
from harness.probe.secrets import Secrets
from harness.probe.telling import ProbeReport
from harness.resources import why_no_file

METHODS: tuple[Method, ...] = get_args(Method)
SCHEMES = ("http", "https", "ws", "wss")
MOST_BYTES = 2**24
_HEADER = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\r\n\0]*)")
"""RFC 9110, 5.1 and 5.5."""

Headers = tuple[tuple[str, str], ...]


def probe(
    url: str,
    direct: str | None,
    methods: Sequence[str],
    headers: Sequence[str],
    data: str | None,
    most: int,
    authority: Path | None,
    say: Callable[[str], object],
) -> int:
    """Ask, tell what came, and return the exit status that it calls for. Raises InputError for what cannot be asked."""
    forget([*headers, *([data] if data else [])])
    own, body = _headers(headers), _body(data)
    _check("URL", url)
    if direct is not None:
        _check("--direct", direct)
    endpoint = session.Endpoint(url, direct or "", body, _authority(authority))
    if body is not None and not any(name.lower() == "content-type" for name, _ in own):
        own += (("Content-Type", _content_type(body)),) if endpoint.transport == "http" else ()
    asked_by = _methods(methods, endpoint, direct)
    http2 = endpoint.over_tls and endpoint.transport == "http"
    if http2 and not session.speaks_http2():
        say("HTTP/2 is not tried: pip install 'token-stream-harness[h2]'")
        http2 = False
    search = Search(session.whose(endpoint.transport), own, asked_by, http2, bool(direct), most)
    say(f"Between {min(most, len(search.first))} and {most} requests are made, each of 30 s and 16 MB at most.")
    report = ProbeReport(url, direct or "", search, Secrets(own, body, url, direct or ""))
    try:
        interruptible(session.probe(endpoint, search, say))
    except Interrupted:
        report.stopped = "it was interrupted"
        out.print(report)
        raise
    out.print(report)
    return report.exit_status


def _check(option: str, url: str) -> None:
    """Raise InputError if that is no URL that can be asked."""
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:
        whole = False
    if not whole or parts.scheme not in SCHEMES:
        raise InputError(f"{option}: an absolute URL is needed, as https://host/path; allowed: {', '.join(SCHEMES)}")
    if "@" in parts.netloc:
        raise InputError(f"{option}: a name and a password stand in no URL here: say -H 'Authorization: Basic ...'")


def _methods(given: Sequence[str], endpoint: session.Endpoint, direct: str | None) -> list[Method]:
    """Return by which methods to ask. Raises InputError for what there is not, or what does not go together."""
    for one in given:
        if one not in METHODS:
            raise InputError(f"-X: {shortened(one)} is not allowed; allowed: {', '.join(METHODS)}")
    socket = endpoint.transport == "websocket"
    if direct and (urlsplit(direct).scheme in ("ws", "wss")) is not socket:
        raise InputError("--direct: the endpoint is the same: either both are WebSockets (ws, wss), or neither is")
    if socket and set(given) - {"GET"}:
        raise InputError("-X: a WebSocket is always asked for with GET; -d is what is said first")
    if endpoint.body is not None and not socket and given and "POST" not in given:
        raise InputError("-d: GET has no body; say -X POST, too, or leave -X out")
    chosen: list[Method] = [one for one in METHODS if one in given]
    return chosen or ["POST" if endpoint.body is not None and not socket else "GET"]


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


def _authority(given: Path | None) -> str | None:
    if given is None:
        return None
    if b"-----BEGIN CERTIFICATE-----" not in _read("--cacert", str(given)):
        raise InputError(f"--cacert: there is no certificate in {given}: a PEM file is needed")
    return str(given)


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
