"""Probes an endpoint, until all is asked or somebody interrupts, and tells what came by then.

Rule: what is said to an endpoint is its own, and is taken out of all that is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from harness import session
from harness.cli.arguments import Typed
from harness.cli.asking import authority_of, check_url, spoken
from harness.cli.finishing import outputs_of, people, write
from harness.cli.interrupts import interruptible
from harness.errors import InputError, Interrupted
from harness.model import Method
from harness.probe import document
from harness.probe.asking import Search
from harness.probe.secrets import Secrets
from harness.probe.telling import ProbeReport

SCHEMES = ("http", "https", "ws", "wss")


def probe(
    typed: Typed,
    url: str,
    direct: str | None,
    methods: Sequence[str],
    headers: Sequence[str],
    data: str | None,
    most: int,
    budget_s: float | None,
    authority: Path | None,
    say: Callable[[str], object],
    to_json: Path | None = None,
) -> int:
    """Ask, tell what came, to programs `to_json` too, and return the exit status that it calls for.

    Raises InputError for what cannot be asked, or written.
    """
    outputs = outputs_of(to_json)
    typed.forget_queries("url", "direct")
    said = spoken(typed, methods, headers, data)
    check_url("URL", url, SCHEMES)
    if direct is not None:
        check_url("--direct", direct, SCHEMES)
    endpoint = session.Endpoint(url, direct or "", said.body, authority_of(authority, url, direct or ""))
    own = said.typed if endpoint.transport == "http" else said.headers
    asked_by = _methods(said.methods, endpoint, direct)
    http2 = endpoint.over_tls and endpoint.transport == "http"
    if http2 and not session.speaks_http2():
        say("HTTP/2 is not tried: pip install 'token-stream-harness[h2]'")
        http2 = False
    search = Search(session.whose(endpoint.transport), own, asked_by, http2, bool(direct), most)
    budget_s = session.TOTAL_S if budget_s is None else budget_s
    each = f"each of {session.TAKE_S:g} s and 16 MB at most, all within {budget_s:g} s"
    say(f"Between {min(most, len(search.first))} and {most} requests are made, {each}.")
    report = ProbeReport(url, direct or "", search, Secrets(own, said.body, url, direct or ""))
    try:
        interruptible(session.probe(endpoint, search, say, budget_s))
    except Interrupted:
        report.stopped = "it was interrupted"
        _tell(report, outputs)
        raise
    _tell(report, outputs)
    return report.exit_status


def _tell(report: ProbeReport, outputs: Mapping[str, Path]) -> None:
    for path in outputs.values():
        write(path, document.pieces(report))
    people(outputs).print(report)


def _methods(given: Sequence[Method], endpoint: session.Endpoint, direct: str | None) -> list[Method]:
    """Return by which methods to ask. Raises InputError for what does not go together."""
    socket = endpoint.transport == "websocket"
    if direct and (urlsplit(direct).scheme in ("ws", "wss")) is not socket:
        raise InputError("--direct: the endpoint is the same: either both are WebSockets (ws, wss), or neither is")
    if socket and set(given) - {"GET"}:
        raise InputError("-X: a WebSocket is always asked for with GET; -d is what is said first")
    if endpoint.body is not None and not socket and given and "POST" not in given:
        raise InputError("-d: GET has no body; say -X POST, too, or leave -X out")
    return [*given] or ["POST" if endpoint.body is not None and not socket else "GET"]
