"""Which server and which location of an nginx config answer a request, by nginx' rules. Pure.

    server     of those that listen at the address: the exact name, else the longest *.name, else the longest name.*,
               else the first regular expression, else the default server, which is the first unless one says so
    location   `=` at once; else the longest prefix, and within it the same again; then, unless that prefix is `^~`, the
               first regular expression, and within it the same again; else the prefix

Sources: nginx.org/en/docs/http/request_processing.html and server_names.html; nginx/nginx,
src/http/ngx_http_core_module.c, `ngx_http_core_find_location`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from harness.proxies.nginx_language import Directive

PREFIXES = ("", "^~")
REGEXES = ("~", "~*")
SUBREQUESTS = ("auth_request", "mirror")
"""Directives that ask somebody beside who answers a request."""


@dataclass(frozen=True)
class Location:
    """A location: how it is matched (`=`, `^~`, `~`, `~*`, `@` by its name, or nothing) against what."""

    directive: Directive
    how: str
    path: str

    @classmethod
    def of(cls, directive: Directive) -> Location:
        *how, path = directive.arguments or ["/"]
        if how:
            return cls(directive, how[0], path)
        if glued := re.match(r"(=|\^~|~\*|~|@)(?=.)", path):
            return cls(directive, glued[1], path if glued[1] == "@" else path[glued.end() :])
        return cls(directive, "", path)


def searched(pattern: str, text: str, ignores_case: bool = False) -> re.Match[str] | None:
    """Return where a regular expression is found in a text; one that only PCRE understands is not."""
    try:
        return re.search(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern), text, re.I if ignores_case else 0)
    except re.error:
        return None


def locations(scope: Directive) -> list[Location]:
    """Return the locations right below a server or a location, in the order of the file."""
    return [Location.of(one) for one in scope.children("location")]


def every_location(scope: Directive) -> Iterator[Location]:
    """Yield all locations below a server, nested ones too."""
    for location in locations(scope):
        yield location
        yield from every_location(location.directive)


def internal(scope: Directive) -> Iterator[Location]:
    """Yield the locations below a server that nginx lets no client to, and all within them. Named ones (`@app`) are not
    among them, with `internal` or without: they are there for what clients ask for and is moved.
    """
    return _within(scope, lambda one: one.how != "@" and any(one.directive.children("internal")))


def beside(scope: Directive, paths: Collection[str]) -> Iterator[Location]:
    """Yield the locations below a server at paths that are asked beside a request, those that no client gets to and
    that answer such a path, and all within them.
    """
    for_them = {find(scope, path) for path in paths}.intersection(internal(scope))
    return _within(
        scope, lambda one: one in for_them or (one.how in ("=", *PREFIXES) and one.path.rstrip("/") in paths)
    )


def _within(scope: Directive, holds: Callable[[Location], bool]) -> Iterator[Location]:
    for location in locations(scope):
        if holds(location):
            yield location
            yield from every_location(location.directive)
        else:
            yield from _within(location.directive, holds)


def paths_beside(scopes: Iterable[Directive]) -> set[str]:
    """Return the paths of the subrequests of some blocks and all that is in them, without slashes at their ends."""
    said = (one.argument for scope in scopes for one, _ in scope.walk() if one.name in SUBREQUESTS)
    return {re.split(r"[?$]", path, maxsplit=1)[0].rstrip("/") for path in said}


def reached(scope: Directive) -> Iterator[Location]:
    """Yield those that a request may end in, as far as their words tell: not what another always comes before."""
    there = locations(scope)
    for location in there:
        is_hidden = _is_hidden(location, there)
        if not is_hidden:
            yield location
        if not is_hidden or location.how not in REGEXES:  # an exact one within a prefix comes before all
            yield from reached(location.directive)


def _is_hidden(location: Location, there: Sequence[Location]) -> bool:
    """Tell whether all that a location could take is taken before by another one beside it."""
    start, _ = _start(location)
    regexes = [one for one in there if one.how in REGEXES]
    earlier = regexes[: regexes.index(location)] if location in regexes else regexes
    before = [found for one in earlier if (found := _start(one))[1]]
    if location.how in ("", *REGEXES) and any(start.startswith(words) for words, _ in before if words):
        return True
    if location.how not in REGEXES:
        return False
    prefixes = [one for one in there if one.how in PREFIXES]
    best = max((one for one in prefixes if start.startswith(one.path)), key=lambda one: len(one.path), default=None)
    longer = (one for one in prefixes if one.path.startswith(start) and len(one.path) > len(start))
    return best is not None and best.how == "^~" and all(one.how == "^~" for one in longer)


def _start(location: Location) -> tuple[str, bool]:
    """Return what all that a location takes begins with, and whether all that begins so is taken."""
    if location.how not in REGEXES:
        return location.path, location.how in PREFIXES
    found = re.match(r"\^((?:[\w/~,;:@!%&-]|\\[./-])*)", location.path)
    if found is None or "|" in re.sub(r"\([^()]*\)", "", location.path):
        return "", False
    words, rest = found[1].replace("\\", ""), location.path[found.end() :]
    start = words[:-1] if rest[:1] in ("?", "*", "+", "{") else words  # which is said of the last letter
    if location.how == "~*":  # a prefix is in one case
        start = re.split("[A-Za-z]", start, maxsplit=1)[0]
    return start, start == words and rest in ("", ".*", ".*$")


def uri_of(path: str) -> str:
    """Return the path of a request as locations see it: decoded, without query, slashes merged, no dots left."""
    parts: list[str] = []
    whole = unquote(re.split(r"[?#]", path, maxsplit=1)[0])
    for part in re.sub(r"/+", "/", whole).split("/")[1:]:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/" + "/".join(parts)


def find(scope: Directive, uri: str) -> Location | None:
    """Return the location of a server that answers a URI; None if there is none, so that the server itself does."""
    return _find(scope, uri)[0]


def _find(scope: Directive, uri: str) -> tuple[Location | None, bool]:
    """Return it, and whether that is settled, so that no regular expression further out can take its place."""
    there = locations(scope)
    best: Location | None = None
    for location in there:
        if location.how == "=" and location.path == uri:
            return location, True
        if location.how in PREFIXES and uri.startswith(location.path):
            best = location if best is None or len(location.path) > len(best.path) else best
    nested, settled = _find(best.directive, uri) if best else (None, False)
    if settled:
        return nested, True
    if best is None or best.how != "^~":
        for location in there:
            if location.how in REGEXES and searched(location.path, uri, location.how == "~*"):
                return _find(location.directive, uri)[0] or location, True
    return nested or best, False


def may_answer(scope: Directive, start: str) -> Iterator[Location]:
    """Yield the locations that may answer a URI of which only the beginning is known."""
    there = locations(scope)
    shorter = [one for one in there if one.how in PREFIXES and start.startswith(one.path)]
    best = max(shorter, key=lambda one: len(one.path), default=None)
    for location in there:
        words, _ = _start(location)
        may_be = words.startswith(start) or (location.how in REGEXES and start.startswith(words))
        if location is best or may_be:
            yield location
            yield from may_answer(location.directive, start)


@dataclass(frozen=True)
class Server:
    """A server and the names that it has; `directive` is its block."""

    directive: Directive

    @property
    def names(self) -> list[str]:
        said = [name.lower() for one in self.directive.children("server_name") for name in one.arguments]
        return said or [""]

    @property
    def shown(self) -> str:
        """What it is called, as a message names it; nothing if it has no name."""
        return next((name for name in self.names if name not in ("", "_")), "")


def named(servers: Sequence[Server], host: str) -> Server | None:
    """Return the one of the servers at an address that has a name; None if only the default server is left."""
    host = host.lower().rstrip(".")
    ranked = [(rank, order, server) for order, server in enumerate(servers) if (rank := _rank(server, host))]
    return min(ranked, key=lambda one: one[:2])[2] if ranked else None


def _rank(server: Server, host: str) -> tuple[int, int] | None:
    """Return how well the best of a server's names fits, the best is the least; None if none does."""
    ranks = [rank for name in server.names if (rank := _fits(name, host))]
    return min(ranks, default=None)


def _fits(name: str, host: str) -> tuple[int, int] | None:
    if name == host or (name.startswith(".") and name[1:] == host):
        return 0, 0
    if name.startswith((".", "*.")) and host.endswith(name.removeprefix("*")):
        return 1, -len(name.removeprefix("*"))
    if name.endswith(".*") and host.startswith(name[:-1]):
        return 2, -len(name)
    if name.startswith("~") and searched(name[1:], host, ignores_case=True):
        return 3, 0
    return None
