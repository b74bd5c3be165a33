"""Who answers a request by Caddy's JSON: its routes, followed as Caddy follows them. Pure.

Rules (caddyserver.com/docs/json/apps/http/servers/routes): routes are taken in order; a route's matcher sets are
alternatives, all matchers of a set have to hold; of those in one group only the first that fits is taken; what answers
ends it. Paths are compared without case, and `*` stands at an end or at both. What a rewrite makes of a path is only
known where it takes off a prefix.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

Json = dict[str, Any]

ANSWERS = ("reverse_proxy", "static_response", "error", "file_server", "acme_server", "metrics")
"""Handlers that end a request. A `file_server` that passes on what it has not is another."""


@dataclass(frozen=True)
class Asked:
    """What a request is known to be; a path of None was rewritten to something unknown."""

    host: str
    path: str | None
    tls: bool


UNKNOWN = object()
"""What answers if only the request decides."""


def answering(routes: Sequence[Json], asked: Asked) -> object:
    """Return the handler that answers, None if nothing does, UNKNOWN if that cannot be known before a request comes."""
    return _followed(routes, asked, [])[0]


def way(routes: Sequence[Json], asked: Asked) -> list[Json]:
    """Return the handlers that a request meets, in their order, up to the one that answers; none if that is unknown."""
    met: list[Json] = []
    return [] if _followed(routes, asked, met)[0] is UNKNOWN else met


def _followed(routes: Sequence[Json], asked: Asked, met: list[Json]) -> tuple[object, Asked]:
    taken: set[str] = set()
    for route in routes:
        group = route.get("group", "")
        fits = not (group and group in taken) and _fits(route.get("match"), asked)
        if fits is None:
            return UNKNOWN, asked
        if not fits:
            continue
        taken |= {group} if group else set()
        for handler in route.get("handle", ()):
            kind = handler.get("handler")
            if kind == "subroute":
                found, asked = _followed(handler.get("routes", ()), asked, met)
                if found is not None:
                    return found, asked
                continue
            met.append(handler)
            if kind == "rewrite":
                asked = replace(asked, path=_rewritten(handler, asked.path))
            elif kind in ANSWERS and not handler.get("pass_thru") and not asks_leave(handler):
                return handler, asked
        if route.get("terminal"):
            break
    return None, asked


def asks_leave(handler: Json) -> bool:
    """Tell whether a handler only asks whether a request may pass: what `forward_auth` is adapted to.

    (caddyserver/caddy, modules/caddyhttp/reverseproxy/forwardauth/caddyfile.go: a GET whose 2xx lets it go on.)
    """
    answers = handler.get("handle_response")
    if handler.get("handler") != "reverse_proxy" or not isinstance(answers, list):
        return False
    asks = next(every(handler.get("rewrite"), lambda one: one.get("method") == "GET"), None)
    goes_on = next(every(answers, lambda one: one.get("status_code") == [2]), None)
    return asks is not None and goes_on is not None and not any(every(answers, _is_proxy))


def _is_proxy(handler: Json) -> bool:
    return handler.get("handler") == "reverse_proxy"


def _rewritten(handler: Json, path: str | None) -> str | None:
    if path is not None and set(handler) == {"handler", "strip_path_prefix"}:
        return path.removeprefix(handler["strip_path_prefix"]) or "/"
    return path if set(handler) <= {"handler", "method"} else None


def _fits(sets: Sequence[Json] | None, asked: Asked) -> bool | None:
    """Tell whether one of some matcher sets holds; none at all always does."""
    return _any(_all(_holds(name, said, asked) for name, said in one.items()) for one in sets) if sets else True


def _holds(name: str, value: Any, asked: Asked) -> bool | None:
    match name:
        case "host" if isinstance(value, list):
            return any(fnmatchcase(asked.host.lower(), str(one).lower()) for one in value)
        case "path" if isinstance(value, list) and asked.path is not None:
            path = asked.path.lower()
            return any(fnmatchcase(path, re.sub(r"([\[?])", r"[\1]", str(one).lower())) for one in value)
        case "path_regexp" if isinstance(value, dict) and asked.path is not None:
            try:
                return re.search(str(value.get("pattern", "")), asked.path) is not None
            except re.error:
                return None
        case "protocol" if value in ("http", "https"):
            return asked.tls is (value == "https")
        case "not" if isinstance(value, list):
            found = _fits(value, asked)
            return None if found is None else not found
        case _:
            return None


@dataclass(frozen=True)
class Leaf:
    """A handler that passes requests on, and what those matchers say that lead to it: hosts and paths."""

    handler: Json
    hosts: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def candidates(self) -> list[str]:
        """Paths that may lead there: what is before or after a `*`."""
        found = (one.removesuffix("*") if not one.startswith("*") else f"/{one.lstrip('*/')}" for one in self.paths)
        return list(dict.fromkeys(found)) or ["/"]


def leaves(routes: Sequence[Json], hosts: tuple[str, ...] = (), paths: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Yield all handlers below some routes that pass requests on, in their order."""
    for route in routes:
        own_hosts, own_paths = said(route, "host"), said(route, "path")
        for handler in route.get("handle", ()):
            if handler.get("handler") == "subroute":
                yield from leaves(handler.get("routes", ()), own_hosts or hosts, own_paths or paths)
            elif _is_proxy(handler) and not asks_leave(handler):
                yield Leaf(handler, own_hosts or hosts, own_paths or paths)


def said(route: Json, name: str) -> tuple[str, ...]:
    """Return what the matchers of a name say in a route."""
    lists = (one.get(name) for one in route.get("match") or ())
    return tuple(str(each) for one in lists if isinstance(one, list) for each in one)


def every(value: object, wanted: Callable[[Json], bool]) -> Iterator[Json]:
    """Yield all mappings in some data that are wanted, wherever they are."""
    if isinstance(value, Mapping):
        if wanted(dict(value)):
            yield value  # type: ignore[misc]  # what json reads are dicts
        for inner in value.values():
            yield from every(inner, wanted)
    elif isinstance(value, list):
        for inner in value:
            yield from every(inner, wanted)


def _any(values: Iterator[bool | None]) -> bool | None:
    there = list(values)
    return True if True in there else None if None in there else False


def _all(values: Iterator[bool | None]) -> bool | None:
    there = list(values)
    return False if False in there else None if None in there else True
