"""What there is: rows of text for `harness list` and `harness doctor`. The first row is the head."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Literal

from harness import session
from harness.clients import CLIENTS
from harness.clients.base import Client
from harness.errors import Unavailable
from harness.formats import CODECS
from harness.proxies import PROXIES

What = Literal["proxies", "mitigations", "profiles", "formats", "clients", "cells"]
Rows = list[tuple[str, ...]]


def rows(what: What) -> Rows:
    """Return the table of one kind of thing."""
    return LISTS[what]()


def health() -> Rows:
    """Return what can run here: name, state, version or reason, way out."""
    table: Rows = [("", "", "version", "way out")]
    table.append(("harness", "ok", version("token-stream-harness"), ""))
    table.append(("python", "ok", platform.python_version(), ""))
    checks = {name: client().version for name, client in CLIENTS.items()}
    checks |= {name: proxy.version for name, proxy in PROXIES.items()}
    for name, check in checks.items():
        try:
            table.append((name, "ok", check(), ""))
        except Unavailable as error:
            table.append((name, "missing", error.reason, error.remedy))
    return table


def _proxies() -> Rows:
    return [("hop", "what it is"), *_variants(emulated=None)]


def _profiles() -> Rows:
    return [("profile", "whose claim it plays"), *_variants(emulated=True)]


def _variants(emulated: bool | None) -> Rows:
    return [
        (f"{name}:{variant}", proxy.describe(path))
        for name, proxy in PROXIES.items()
        if emulated is None or proxy.emulated is emulated
        for variant, path in session.variants(name).items()
    ]


def _mitigations() -> Rows:
    catalogue = session.catalogue().values()
    return [("mitigation", "cost", "claim", "source"), *((m.name, m.cost, m.claim, m.source) for m in catalogue)]


def _formats() -> Rows:
    return [("format", "content type"), *((name, codec.content_type) for name, codec in CODECS.items())]


def _clients() -> Rows:
    return [("client", "version"), *((name, _version(client())) for name, client in CLIENTS.items())]


def _version(client: Client) -> str:
    try:
        return client.version()
    except Unavailable as error:
        return f"missing: {error}"


LISTS: Mapping[What, Callable[[], Rows]] = {
    "proxies": _proxies,
    "profiles": _profiles,
    "mitigations": _mitigations,
    "formats": _formats,
    "clients": _clients,
}
