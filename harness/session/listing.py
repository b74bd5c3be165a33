"""What there is: rows of text for `harness list` and `harness doctor`. The first row is the head."""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

import yaml

from harness import resources
from harness.clients import CLIENTS
from harness.clients.base import Client
from harness.errors import ProxyError, Unavailable
from harness.formats import FORMATS
from harness.launchers.containers import EMITTER_IMAGE
from harness.launchers.docker import BUILD
from harness.launchers.engine import WAY_OUT, chosen, connected
from harness.matrix import reading
from harness.model import Filler, HopKind, Mitigation
from harness.proxies.base import Fetched
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described
from harness.session import shipped
from harness.session.lists import What
from harness.store.runs import unwritable_because

Rows = list[tuple[str, ...]]

LOOK_S = 2.0
"""How long a look may wait for an engine that hangs: nobody asked for a container yet."""

CLAIMED = ("name", "claim", "source", "cost", "apply")
"""What a catalogue entry says of itself; all else in it is what it changes."""


def rows(what: What) -> Rows:
    """Return the table of one kind of thing."""
    return LISTS[what]()


def schema() -> str:
    """Return the JSON Schema of matrix files, for editors."""
    return json.dumps(reading.schema(), indent=2) + "\n"


def health(runs: Path) -> Rows:
    """Return what can run here, with runs kept in that folder: name, state, version or reason, way out."""
    table: Rows = [("", "", "version", "way out")]
    table.append(("harness", "ok", version("token-stream-harness"), ""))
    table.append(("python", "ok", platform.python_version(), ""))
    for name, folder, remedy in (
        ("runs", runs, "--runs FOLDER in which you may write"),
        ("cache", resources.cache(), "HARNESS_CACHE=FOLDER in which you may write: `harness setup` needs it"),
    ):
        why = unwritable_because(folder)
        table.append((name, "unwritable", why, remedy) if why else (name, "ok", f"{folder} can be written", ""))
    table += _containers()
    checks = {name: client().version for name, client in CLIENTS.items()}
    checks |= {name: proxy.version for name, proxy in PROXIES.items()}
    for name, check in checks.items():
        proxy = PROXIES.get(name)
        offered = proxy.offered() if isinstance(proxy, Fetched) else ""
        try:
            table.append((name, "ok", "; ".join(filter(None, [check(), offered and f"there is {offered}"])), ""))
        except Unavailable as error:
            state, what = ("to fetch", f"on first use: {offered}") if offered else ("missing", error.reason)
            table.append((name, state, what, error.remedy))
    return table


def _containers() -> Rows:
    """Return which engine hops would have for containers, and which of the images that are pinned are here."""
    try:
        _, by = chosen()
        with contextlib.closing(connected(timeout_s=LOOK_S, hello_s=LOOK_S)) as engine:
            words = f"{engine.words()}{by and f' ({by})'}"
            wanted = (EMITTER_IMAGE, *_pinned())
            lacking = [image for image in wanted if not engine.image(image)]
    except Unavailable as error:
        return [("containers", "none", error.reason, f"for hops in images: {error.remedy}")]
    except ProxyError as error:
        return [("containers", "none", str(error), f"for hops in images: {WAY_OUT}")]
    here = ", ".join(image for image in wanted if image not in lacking) or "none"
    pulled = ", ".join(image for image in lacking if image != EMITTER_IMAGE)
    told = f"here: {here}{pulled and f'; pulled when a hop first names them: {pulled}'}"
    images = ("images", "lacking", f"{EMITTER_IMAGE} is not built; {told}", BUILD)
    return [("containers", "ok", words, ""), images if EMITTER_IMAGE in lacking else ("images", "ok", told, "")]


def _pinned() -> list[str]:
    """Return the images that the compose file pins and hops run in; none where there is no such file, or another."""
    try:
        pinned = yaml.safe_load(resources.compose().read_text(encoding="utf-8"))["x-images"].values()
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return []
    described = (proxy.said.sources.docker for proxy in PROXIES.values() if isinstance(proxy, Described))
    of_hops = {docker.image for docker in described if docker}
    return [image for image in map(str, pinned) if image.rpartition(":")[0] in of_hops]


def _proxies() -> Rows:
    return [("hop", "what it is"), *_variants(), *_programs()]


def _programs() -> Iterator[tuple[str, str]]:
    """Yield the programs that can be had in versions, as a hop names one, and which there are."""
    for name, proxy in PROXIES.items():
        if isinstance(proxy, Fetched):
            yield f"{name}:...@VERSION", proxy.offered() or "no source has it here"


def _profiles() -> Rows:
    return [("profile", "whose claim it plays"), *_variants("emulator")]


def _variants(kind: HopKind | None = None) -> Rows:
    return [
        (f"{name}:{variant}", proxy.describe(path))
        for name, proxy in PROXIES.items()
        if kind in (None, proxy.kind)
        for variant, path in shipped.variants(name).items()
    ]


def _mitigations() -> Rows:
    catalogue = shipped.catalogue().values()
    entries = ((one.name, one.cost, one.claim, ", ".join(_changes(one)), one.source) for one in catalogue)
    return [("mitigation", "cost", "claim", "changes", "source"), *entries]


def _changes(one: Mitigation) -> Iterator[str]:
    """Yield what a mitigation changes, by the keys of the catalogue."""
    for field in fields(one):
        value = getattr(one, field.name)
        if field.name in CLAIMED or not value:
            continue
        match value:
            case Mapping():
                yield from (f"{field.name} {key}: {'removed' if to is None else to}" for key, to in value.items())
            case Filler():
                yield f"{field.name} {value.bytes} bytes ({value.fill})"
            case float():
                yield f"{field.name} {value:g}"
            case _:
                yield f"{field.name} {value}"


def _requests() -> Rows:
    profiles = shipped.requests().values()
    said = ((one.name, "\n".join(f"{name}: {value}" for name, value in one.headers)) for one in profiles)
    return [("request", "headers"), *said]


def _formats() -> Rows:
    return [("format", "content type"), *((name, codec.content_type) for name, (_, codec) in FORMATS.items())]


def _clients() -> Rows:
    return [("client", "version"), *((name, _version(client())) for name, client in CLIENTS.items())]


def _matrices() -> Rows:
    shipped_ones = shipped.shipped_matrices().items()
    return [("matrix", "title"), *((name, reading.title(shipped.read_text(path))) for name, path in shipped_ones)]


def _version(client: Client) -> str:
    try:
        return client.version()
    except Unavailable as error:
        return f"missing: {error}"


LISTS: Mapping[What, Callable[[], Rows]] = {
    "proxies": _proxies,
    "profiles": _profiles,
    "mitigations": _mitigations,
    "requests": _requests,
    "formats": _formats,
    "clients": _clients,
    "matrices": _matrices,
}
