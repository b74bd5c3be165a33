"""A Caddyfile as it is deployed, by the JSON that Caddy makes of it: who answers, and the edit by which it runs here.

The text itself is not edited: what a site listens at and whether it has TLS follows from its name, global options can
only be given on lines of their own, and what is imported, a snippet or a variable, stands elsewhere. `caddy adapt` has
settled all that; the diff is of its JSON. A config that is JSON (`*.json`) is taken as it is.

Rules:
- of the sites the one that is asked stays, by whatever name, at our address, with a throw-away certificate for TLS;
- all handlers that pass requests on to what is mapped do so to the next hop, all others to nobody; active health checks
  are taken out, as the next hop does not answer them;
- who else would be asked whether a request may pass (`forward_auth`) is taken out, as he is not here;
- certificates, their authorities, storage, the admin endpoint, logs and all apps but `http` (`layer4`) are taken out.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from harness.errors import Complaint, InputError
from harness.launchers import commands
from harness.proxies.languages.base import Change, Fitted, Standing, Texts, Wanted, looked_in
from harness.proxies.languages.caddy_mitigated import MARK, change
from harness.proxies.languages.caddy_routes import UNKNOWN, Asked, Json, answering, asks_leave, every, leaves, said, way
from harness.proxies.languages.caddyfile import in_one, patterns, texts
from harness.proxies.languages.choice import LOCAL, NOBODY, OWN_PATH, Chosen, Config, Route, Server, Target
from harness.proxies.languages.secrets import masked, masked_tree
from harness.proxies.source_text import Source, Token

_RUN = ("${PROGRAM}", "run", "--config", "${CONFIG}")
_TEST = ("${PROGRAM}", "validate", "--config", "${CONFIG}")
_GONE = ("logging", "storage")
_DEEPEST = 150
_TOO_DEEP = f"nested deeper than {_DEEPEST} levels"
_GIVEN = "/dev/stdin"
_CERTIFICATE = {"certificate": "${CERTIFICATE}", "key": "${CERTIFICATE_KEY}"}


def fitted(config: Path, standing: Standing) -> Fitted:
    """Return a config as it can stand in a chain. Raises InputError for what cannot be taken over."""
    adapted = _adapted(config, standing)
    source = Source(config.with_name(f"{config.name}.json"), _printed(adapted))
    given = list(texts(config, standing.read))
    found = _Reading(config, adapted, standing)
    chosen = Chosen(found.config, standing.said, standing.behind.knows_streams_only)
    return Fitted(
        {source: _printed(_edited(adapted, found, chosen, standing.scheme))},
        {source: PurePath(source.path.name)},
        chosen.asked,
        chosen.host,
        chosen.server.tls,
        chosen.served_by(),
        command=_RUN,
        explains=_TEST,
        quote=lambda path: json.dumps(path)[1:-1],
        masked=_masked,
        change=partial(_change, config, standing),
        files=[one.path for one in given],
        folders=looked_in(patterns(given)),
    )


def _change(config: Path, standing: Standing, wanted: Wanted) -> Change | None:
    """Return what changes in a Caddyfile, or what it imports, if what answers is known."""
    if config.suffix == ".json" or not (met := _met(config, standing)):
        return None
    return change(texts(config, standing.read), wanted, _Caddy(config, standing, met))


@dataclass(frozen=True)
class _Caddy:
    """Caddy, asked what becomes of a request, which has `met` some handlers, if files say something else."""

    config: Path
    standing: Standing
    met: list[Json]

    def mark(self, texts: Texts) -> str:
        met = self._now(texts)
        marks = [one[MARK] for one in every(met[-1:], lambda one: MARK in one)]
        return "".join(marks[0]) if marks else ""

    def is_another_way(self, texts: Texts) -> bool:
        return self._now(texts) != self.met

    def _now(self, texts: Texts) -> list[Json]:
        return _met(self.config, replace(self.standing, texts={**self.standing.texts, **texts}))


def _met(config: Path, standing: Standing) -> list[Json]:
    """Return the handlers that what is asked for meets, in their order; none if that is not known."""
    adapted = _adapted(config, standing)
    found = _Reading(config, adapted, standing)
    chosen = Chosen(found.config, standing.said, standing.behind.knows_streams_only)
    if chosen.route is None:
        return []
    routes = adapted["apps"]["http"]["servers"][found.of[chosen.server]]["routes"]
    return way(routes, Asked(chosen.host or LOCAL, chosen.asked or OWN_PATH, chosen.server.tls))


def _adapted(config: Path, standing: Standing) -> Json:
    """Return what Caddy makes of a Caddyfile. Raises InputError with its words if it refuses it."""
    source = standing.read(config)
    if config.suffix == ".json":
        return _loaded(source.in_utf8().text, str(config))
    installed = standing.installed()
    given = in_one(source, standing.read) if standing.texts else ""
    argv = [str(installed.program), "adapt", "--config", _GIVEN if given else str(config.absolute())]
    told = commands.asked([*argv, "--adapter", "caddyfile"], "", installed.env, given=given)
    if told.returncode:
        read = {str(one.path.absolute()): (one.text, one.text) for one in texts(config, standing.read)}
        complaints = replace(standing.complaints, given=read, masked=masked)
        words = complaints.found(told.stderr) or [Complaint(complaints.told(told.stderr.strip()))]
        by_line = [one for one in words if one.file and one.file != _GIVEN]
        raise InputError(*(by_line or [Complaint(one.message, file=str(config)) for one in words]))
    return _loaded(told.stdout, str(config))


def _masked(text: str) -> str:
    """Return a Caddyfile, or Caddy's JSON, without its secrets."""
    return masked_tree(text) if text.startswith('{\n\t"') else masked(text)


def _loaded(text: str, file: str) -> Json:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise InputError(Complaint(f"not JSON: {error}", file=file, line=getattr(error, "lineno", None))) from error
    except RecursionError as error:
        raise InputError(Complaint(_TOO_DEEP, file=file)) from error
    if _depth(config) > _DEEPEST:
        raise InputError(Complaint(_TOO_DEEP, file=file))
    if not isinstance(config, dict) or not isinstance(config.get("apps"), dict):
        raise InputError(Complaint("has no `apps`, as a config of Caddy's has", file=file))
    if odd := next(_odd(config["apps"]), ""):
        raise InputError(Complaint(f"{odd}, as a config of Caddy's has", file=file))
    return config


def _odd(apps: Json) -> Iterator[str]:
    """Yield what is not shaped as Caddy has it, of what is read here."""
    http = apps.get("http", {})
    servers = http.get("servers", {}) if isinstance(http, dict) else None
    if not isinstance(servers, dict) or not all(isinstance(one, dict) for one in servers.values()):
        yield "`http.servers` holds no servers by name"
        return
    for mapping in every(servers, lambda one: True):
        for key in mapping.keys() & _SHAPES.keys():
            what, fits = _SHAPES[key]
            if not fits(mapping[key]):
                yield f"`{key}` is no {what}"
        if "handle" in mapping and not _is_of_mappings(mapping.get("match", [])):
            yield "`match` of a route is no list of mappings"
        if "handle" in mapping and not _is_text(mapping.get("group", "")):
            yield "`group` of a route is no text"
        for policy in mapping.get("tls_connection_policies", ()):
            match = policy.get("match", {})
            if not isinstance(match, dict) or not _is_of_texts(match.get("sni", [])):
                yield "`match` of a policy is no mapping with a list of names"


def _is_of_mappings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _is_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict)


_SHAPES: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    **dict.fromkeys(
        ("routes", "handle", "upstreams", "tls_connection_policies"), ("list of mappings", _is_of_mappings)
    ),
    **dict.fromkeys(("listen", "versions", "skip"), ("list of texts", _is_of_texts)),
    **dict.fromkeys(("dial", "handler", "strip_path_prefix"), ("text", _is_text)),
    **dict.fromkeys(("transport", "health_checks", "automatic_https"), ("mapping", _is_mapping)),
}
"""What is read here of a config, and what it has to be."""


def _depth(value: object) -> int:
    """Return how deeply data is nested, as far as that may be."""
    level: list[object] = [value]
    for depth in range(_DEEPEST + 1):
        inner = [[*one.values()] if isinstance(one, dict) else one for one in level]
        level = [each for one in inner if isinstance(one, list) for each in one]
        if not level:
            return depth
    return _DEEPEST + 1


def _printed(adapted: Json) -> str:
    return json.dumps(adapted, indent="\t", ensure_ascii=False) + "\n"


class _Reading:
    """The sites and the targets of a config. `of` are the keys of their servers in the JSON, `sites` their hosts."""

    def __init__(self, config: Path, adapted: Json, standing: Standing) -> None:
        self.of: dict[Server, str] = {}
        self.sites: dict[Server, tuple[str, ...]] = {}
        self._sources = list(texts(config, standing.read))
        self._targets: dict[tuple[str, ...], Target] = {}
        http = adapted.get("apps", {}).get("http", {})
        for key, server in http.get("servers", {}).items():
            for address in server.get("listen", ()):
                self._sites(key, server, _port(address), http)
        self.config = Config(config, list(self.of), list(self._targets.values()))

    def target(self, handler: Json) -> Target:
        """Return what a handler passes requests on to; each set of addresses is one."""
        dials = _dials(handler)
        if dials not in self._targets:
            transport = handler.get("transport", {})
            why = ""
            if transport.get("protocol", "http") != "http":
                why = f"is spoken to by {transport['protocol']}, which is no HTTP/1.1 as other hops have it"
            elif transport.get("versions") and "1.1" not in transport["versions"]:
                why = "is spoken to by HTTP/2 only, which the next hop does not know"
            at = self._found(r"\b(?:reverse_proxy|php_fastcgi|forward_auth|to)\b[^\n]*?", dials[0] if dials else "")
            self._targets[dials] = Target(dials[0] if dials else "nobody", at, dials, why)
        return self._targets[dials]

    def _sites(self, key: str, server: Json, port: str, http: Json) -> None:
        """Take note of the sites at an address: each route at the top that is for hosts, or all that are for any."""
        tls = _has_tls(server, port, http)
        routes = server.get("routes", [])
        sites: dict[tuple[str, ...], list[Json]] = {}
        for route in routes:
            sites.setdefault(_hosts(route), []).append(route)
        for hosts, own in sites.items():
            name = hosts[0] if hosts else ""
            at = (
                self._found(r"^(?![\s#])[^\n]*?(?<![\w.@-])", name) if name else self._found(r"^(?![\s#])[^\n]*:", port)
            )
            site = Server(name, port, tls, f"site {name}".strip(), at)
            site.routes = [
                Route(
                    _shown(leaf.handler, leaf.paths),
                    self.target(leaf.handler).at,
                    [self.target(leaf.handler)],
                    partial(_takes, routes, leaf.handler, tls),
                    leaf.hosts,
                    leaf.candidates,
                )
                for leaf in leaves(own)
            ]
            self.of[site], self.sites[site] = key, hosts

    def _found(self, before: str, words: str) -> Token:
        """Return where some words stand in the Caddyfile, after others; somewhere in it, if they do not as they are."""
        for source in self._sources:
            for written in filter(None, (words, re.sub(r":\d+$", "", words))):
                if found := re.search(rf"{before}(?P<words>{re.escape(written)})(?![\w.-])", source.text, re.MULTILINE):
                    return Token(source, found.start("words"), found.end("words"), written)
        return Token(self._sources[0], -1, -1, words)


def _dials(handler: Json) -> tuple[str, ...]:
    """Return the addresses that a handler passes requests on to, those that it looks up included."""
    fixed = [one.get("dial", "") for one in handler.get("upstreams", ())]
    sources = every(handler.get("dynamic_upstreams"), lambda one: "name" in one)
    looked_up = [f"{one['name']}:{one['port']}" if "port" in one else str(one["name"]) for one in sources]
    return tuple(dict.fromkeys([*fixed, *looked_up]))


def _shown(handler: Json, paths: tuple[str, ...]) -> str:
    to = " ".join(_dials(handler))
    return f"reverse_proxy {to}" + (f" of {' '.join(dict.fromkeys(paths))}" if paths else "")


def _hosts(route: Json) -> tuple[str, ...]:
    return said(route, "host")


def _for_any_host(route: Json) -> Json:
    """Return a route that whoever asks is led to: a hop in front may ask by another name."""
    sets = [_without(one, "host") for one in route.get("match") or ()]
    return {**_without(route, "match"), **({"match": sets} if all(sets) and sets else {})}


def _port(address: str) -> str:
    return address.rpartition(":")[2].partition("-")[0]


def _has_tls(server: Json, port: str, http: Json) -> bool:
    """Tell whether a server has TLS, by Caddy's rules for automatic HTTPS (modules/caddyhttp/autohttps.go)."""
    automatic = server.get("automatic_https", {})
    if server.get("tls_connection_policies"):
        return True
    if automatic.get("disable") or port == str(http.get("http_port", 80)):
        return False
    hosts = {host for one in every(server.get("routes"), lambda one: "host" in one) for host in _list(one["host"])}
    return bool(hosts - set(automatic.get("skip", ()))) or port == str(http.get("https_port", 443))


def _list(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _takes(routes: list[Json], handler: Json, tls: bool, host: str, path: str) -> bool | None:
    found = answering(routes, Asked(host, path, tls))
    return None if found is UNKNOWN else found is handler


def _edited(adapted: Json, found: _Reading, chosen: Chosen, scheme: str) -> Json:
    made = copy.deepcopy({key: value for key, value in adapted.items() if key not in _GONE})
    made["admin"] = {"disabled": True, "config": {"persist": False}}
    apps = made["apps"] = {"http": made["apps"]["http"]}
    key = found.of[chosen.server]
    server = apps["http"]["servers"][key]
    apps["http"]["servers"] = {key: server}
    server["listen"] = ["${LISTEN}"]
    server["automatic_https"] = {"disable": True}
    hosts = found.sites[chosen.server]
    server["routes"] = [_for_any_host(route) for route in server["routes"] if _hosts(route) == hosts]
    server.pop("logs", None)
    if chosen.server.tls:
        policies = [one for one in server.get("tls_connection_policies") or () if _is_of(one, hosts)]
        server["tls_connection_policies"] = [_without((*policies, {})[0], "match", "certificate_selection")]
        apps["tls"] = {"certificates": {"load_files": [_CERTIFICATE]}}
    for route in every(server, lambda one: "handle" in one):
        route["handle"] = [one for one in route["handle"] if not asks_leave(one)]
    for handler in every(server, lambda one: one.get("handler") == "reverse_proxy"):
        _lead(handler, found.target(handler) in chosen.targets, scheme)
    return made


def _is_of(policy: Json, hosts: tuple[str, ...]) -> bool:
    """Tell whether connections to one of some hosts have a policy; one that asks for nothing is everybody's."""
    names = policy.get("match", {}).get("sni")
    return "match" not in policy or bool(set(names or ()) & set(hosts))


def _lead(handler: Json, stands: bool, scheme: str) -> None:
    """Have a handler pass requests on to the next hop, if that is what it stands for; to nobody else."""
    count = max(1, len(handler.get("upstreams", ())))
    for key in ("dynamic_upstreams", "upstreams"):
        handler.pop(key, None)
    handler["upstreams"] = [{"dial": "${UPSTREAM_ADDRESS}" if stands else NOBODY}] * count
    if "health_checks" in handler:
        handler["health_checks"].pop("active", None)
    transport: dict[str, Any] = handler.get("transport", {})
    transport.pop("tls", None)
    transport.pop("resolver", None)
    if stands and scheme == "https":
        handler["transport"] = {"protocol": "http", **transport, "tls": {"insecure_skip_verify": True}}


def _without(value: Json, *keys: str) -> Json:
    return {key: inner for key, inner in value.items() if key not in keys}
