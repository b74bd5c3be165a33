"""Which location a request to nginx begins in, and where it may be moved to from there, by nginx' rules. Pure.

    rewrite     to a path; within a location only without `break`, which stays there; never behind a `return`; one of
                the server's own before a location is looked for, and again where one of the two below leads to a path
    try_files   to the last that it names, where no `return` answers; one of the server's own only where no location is
                found
    error_page  to a path or a name; the nearest one outwards counts, up to what is said of all servers

An answer that sends the client elsewhere moves nothing, as of a target that begins with `$scheme`, and `$uri` as a
whole target leads to where the request is.
Sources: nginx/nginx, src/http/modules/ngx_http_rewrite_module.c, `ngx_http_rewrite`; ngx_http_try_files_module.c;
src/http/ngx_http_special_response.c, `ngx_http_send_error_page`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property

from harness.proxies.nginx_language import Directive
from harness.proxies.nginx_serving import (
    PREFIXES,
    REGEXES,
    Location,
    every_location,
    find,
    locations,
    may_answer,
    searched,
)

_QUERY = re.compile(r"\?|\$is_args\b|\$\{is_args\}")
"""Begins the query of a target: what is behind it leads to no other location. `$args` alone is of the path."""
_ELSEWHERE = ("http://", "https://", "$scheme")
_SAME = re.compile(rf"\$(\{{(document_)?uri\}}|(document_)?uri(?!\w))(({_QUERY.pattern}).*)?", re.DOTALL)
"""Is the request's own path, which is the one that led to where it is, unless that was rewritten there."""
_ALL = re.compile(r"\^?/?(\.\*|\(\.\*\))\$?|\^?/?")
_MOST = 64
"""So many paths are followed that a request may have by what `if`s it meets, and more are as what a variable says."""
_OF_PATH = re.compile(r"\( ?\$(?P<of>uri|document_uri|request_uri) (?P<how>!?(=|~\*?)) (?P<value>.*?) ?\)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\d)|([A-Za-z_]\w*))")


class Moves:
    """How a server moves requests; `errors` are those `error_page` that are said of all servers, `beside` what is asked
    beside a request, where none is taken to end but by words that name it.
    """

    def __init__(self, server: Directive, errors: Sequence[Directive], beside: Collection[Location] = ()) -> None:
        self._server = server
        self._beside = beside
        self._rewriting = _Rewriting(server, is_location=False)
        self._catches_all = any(one.how in PREFIXES and one.path == "/" for one in locations(server))
        self._errors: dict[Directive, list[Directive]] = {}
        self._note_errors(server, errors)

    def begins(self, uri: str) -> list[Location | None]:
        """Return the locations that requests of clients for a path may begin in, by what the server rewrites: the first
        if no `if` holds but by the path, unless such are answered. None is the server itself, which answers, or moves
        by a variable.
        """
        return self._begins(uri, uri)

    def _begins(self, uri: str, asked: str) -> list[Location | None]:
        left, over = _paths(self._server, [(uri, True)], asked)
        paths = [path for path, _ in sorted([*left, *over], key=lambda one: not one[1])]
        return [find(self._server, path) if path else None for path in paths] or [None]

    @cached_property
    def answers_all(self) -> bool:
        """Whether the server answers whatever is asked, so that no request of a client begins in a location."""
        for one in self._server.children("rewrite", "if", "break", "return"):
            if one.name == "return" or (one.name == "rewrite" and _is_answer(one) and _ALL.fullmatch(one.argument)):
                return True
            inner = one.children("rewrite", "break") if one.name == "if" else [one]
            if any(each.name == "break" or not _is_answer(each) for each in inner):
                return False
        return False

    def ends(
        self, begins: Iterable[Location | None], *, by_errors: bool = True, by_name: bool = False
    ) -> list[Location]:
        """Return the locations that requests may end in which begin in some (None is the server itself), in the order
        of the file: what a variable alone says may lead anywhere.

        Unless `by_errors`, without error pages but those of what a location itself returns; if `by_name`, only by the
        names of locations (`@app`).
        """
        found: set[Location | None] = set()
        ahead = list(begins)
        while ahead:
            location = ahead.pop()
            if location not in found:
                found.add(location)
                for target, is_anew in self._targets(location, by_errors):
                    if not by_name or target.startswith("@"):
                        ahead += self._meant(*_start(target), is_anew)
        return [one for one in every_location(self._server) if one in found]

    def ways(self, begins: Sequence[Location | None]) -> Iterator[list[Location]]:
        """Yield the same by more each time: the first of them itself; by what moves requests; by error pages, too."""
        yield list(filter(None, begins[:1]))
        yield self.ends(begins, by_errors=False)
        yield self.ends(begins)

    def _note_errors(self, scope: Directive, outer: Sequence[Directive]) -> None:
        """Take note of each `error_page` that is in effect in a block, and in those within."""
        here = list(scope.children("error_page")) or list(outer)
        self._errors[scope] = [*here, *(one for each in scope.children("if") for one in each.children("error_page"))]
        for location in locations(scope):
            self._note_errors(location.directive, here)

    def _targets(self, location: Location | None, by_errors: bool) -> Iterator[tuple[str, bool]]:
        """Yield what moves a request on from a location, each by where that leads, and whether it begins anew there."""
        scope = location.directive if location else self._server
        rewriting = _Rewriting(scope, is_location=True) if location else self._rewriting
        yield from ((one, False) for one in rewriting.moves)
        is_left = location is not None or not self._catches_all  # where one is always found, the server does no more
        tried = scope.children("try_files") if rewriting.is_left and is_left else ()
        by_any = by_errors and is_left
        errors = [one for one in self._errors[scope] if by_any or rewriting.returned & {*one.arguments[:-1]}]
        for one in (*tried, *errors):
            for target in one.arguments[1:][-1:]:
                stays = (*self._rewriting.stays, *rewriting.stays)
                yield from ((one, True) for one in (stays if _SAME.fullmatch(target) else (target,)))

    def _meant(self, start: str, is_whole: bool, is_anew: bool) -> list[Location | None]:
        """Return what a target may mean that begins so, or is no more than that."""
        if not is_whole:
            named = [one for one in self._beside if one.how not in REGEXES and start.startswith(one.path)]
            meant = {each for one in named for each in (one, *every_location(one.directive))}
            there = [one for one in may_answer(self._server, start) if one not in self._beside or one in meant]
            return [*there, *([None] if is_anew and self._rewriting.moves else [])]
        if start.startswith("@"):
            return [one for one in locations(self._server) if one.path == start]
        if not start:
            return []
        return self._begins(start, "") if is_anew else [find(self._server, start)]


def _start(target: str) -> tuple[str, bool]:
    """Return what a target begins with before any variable, and whether that is all; nothing of what is elsewhere, or
    where the request is.
    """
    start, variable, _ = _QUERY.split(target, maxsplit=1)[0].partition("$")
    if target.startswith(_ELSEWHERE) or _SAME.fullmatch(target) or (start and start[0] not in "/@"):
        return "", True
    return ("", False) if variable and start[:1] == "@" else (start, not variable)


def _paths(
    block: Directive, paths: list[tuple[str, bool]], asked: str
) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Return the paths that requests may have behind a block, and those with which they leave it before its end; each
    with whether that is certain. What is answered is not among them, what a variable says is empty.

    `asked` is the path that the client asks for, empty if it is not known.
    """
    over: list[tuple[str, bool]] = []
    for one in block.children("rewrite", "if", "break", "return"):
        if one.name == "if":
            held = [(path, is_sure, _holds(one, path, asked)) for path, is_sure in paths]
            inside = [(path, is_sure and holds is True) for path, is_sure, holds in held if holds is not False]
            left, out = _paths(one, inside, asked)
            there = [(path, is_sure) for path, is_sure, holds in held if holds is not True]
            paths, over = list(dict.fromkeys([*there, *left])), list(dict.fromkeys([*over, *out]))
            if len(paths) > _MOST:
                paths, over = [one for one in paths if one[1]], [*over, ("", False)]
        elif one.name != "rewrite":
            return [], [*over, *(paths if one.name == "break" else ())]
        else:
            pattern, target, flag = [*one.arguments, "", ""][:3]
            there, paths = paths, []
            for path, is_sure in there:
                if (found := searched(pattern, path)) is None:
                    paths.append((path, is_sure))
                elif not _is_answer(one):
                    moved = _filled(target, path, found)
                    (over if flag or not moved else paths).append((moved, is_sure))
    return paths, over


def _holds(condition: Directive, path: str, asked: str) -> bool | None:
    """Tell whether an `if` holds for a path; None if that is not known, as of anything but the path."""
    found = _OF_PATH.fullmatch(" ".join(condition.arguments))
    if found is None or (found["of"] == "request_uri" and not re.fullmatch(r"[\w/.~-]+", asked)):
        return None
    how, value = found["how"].removeprefix("!"), found["value"]
    texts = [asked, f"{asked}?x"] if found["of"] == "request_uri" else [path]  # with a query that we do not know
    fits = {text == value if how == "=" else searched(value, text, how == "~*") is not None for text in texts}
    return None if len(fits) > 1 else fits.pop() != found["how"].startswith("!")


def _is_answer(rewrite: Directive) -> bool:
    """Tell whether a rewrite sends the client elsewhere."""
    _, target, flag = [*rewrite.arguments, "", "", ""][:3]
    return flag in ("redirect", "permanent") or target.startswith(_ELSEWHERE)


def _filled(target: str, path: str, found: re.Match[str]) -> str:
    """Return the path of a target with what its rewrite found; empty if it has another variable."""
    known = {"uri": path, "document_uri": path, **found.groupdict("")}
    known |= {str(at): text for at, text in enumerate(found.groups(""), start=1)}
    text = _QUERY.split(target, maxsplit=1)[0]
    names = [next(filter(None, groups)) for groups in _VARIABLE.findall(text)]
    return _VARIABLE.sub(lambda one: known[one[one.lastindex or 0]], text) if known.keys() >= {*names} else ""


class _Rewriting:
    """What the directives of a block that rewrite do to a request.

    `moves` are the targets that it may be moved to, `stays` those that its path may become without that: a location
    keeps it at a `break`, and a `return` answers, with a status that is `returned`. `is_left` tells whether it may be
    left to the block's `try_files`, which is not in effect in an `if`.
    """

    def __init__(self, block: Directive, is_location: bool) -> None:
        self._block = block
        self._is_location = is_location
        self.moves: list[str] = []
        self.stays: list[str] = []
        self.returned: set[str] = set()
        self.is_left = not any(block.children("return"))
        self.moves += self._read(block, [])

    def _read(self, block: Directive, before: Sequence[str]) -> list[str]:
        """Take note of a block, before which some may have rewritten; return what in it may have at its end."""
        mine: list[str] = []
        for one in block.children("rewrite", "if", "break", "return"):
            if one.name == "if":
                mine += self._read(one, [*before, *mine])
            elif one.name == "rewrite":
                target, flag = [*one.arguments[1:], "", ""][:2]
                if flag == "last":
                    self.moves.append(target)
                elif flag == "break":
                    self._break(block, [target])
                elif not flag:
                    mine.append(target)
            else:
                if one.name == "break":
                    self._break(block, [*before, *mine])
                else:
                    self.stays += [*before, *mine]
                    self.returned.update(one.arguments[:1])
                return []  # none behind it is read
        return mine

    def _break(self, block: Directive, rewritten: Sequence[str]) -> None:
        self.is_left = self.is_left or block is self._block
        (self.stays if self._is_location else self.moves).extend(rewritten)
