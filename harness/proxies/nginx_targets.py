"""Where an nginx config passes requests on to: its targets, each by all the names that a person may call it. Pure.

Rules: a target is an `upstream`, or the address that a `proxy_pass` has; a variable in it is what the nearest `set`
says; what is only known as requests come (a `map`, a header) is a target that nothing can stand for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.errors import InputError
from harness.proxies import placeholders
from harness.proxies.nginx_language import Directive, Word
from harness.proxies.nginx_serving import Location

PASSES = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass")

_NAMED = r"\$(?!\{|(?:request_uri|uri|document_uri|is_args|args)\b|\d)|\$\{(?!UPSTREAM_PATH\})\w+\}"
_PASS = re.compile(
    rf"""["']?(?:(?P<scheme>[A-Za-z]+|\$\w+|\$\{{\w+\}})://)?"""
    rf"""(?P<address>unix:[^:"']+:?|\[[^\]]*\](?::\d+)?|(?:{_NAMED}|[^/?:"'$])+(?::(?:\d+|(?:{_NAMED})\w*))?)"""
    r"""(?P<rest>.*?)["']?""",
    re.DOTALL,
)
_NO_ADDRESS = re.compile(r":(?!\$)|[^/?$:]")
"""Stands behind what begins like an address without variables, and is none that nginx takes."""
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_OURS = re.compile(rf"\$\{{({'|'.join(placeholders.UPSTREAMS)})\}}")

Sets = Mapping[str, Directive]
"""For each variable the `set` that says it."""


@dataclass(frozen=True, eq=False)
class Span:
    """An address as it stands in a word: from `start` to `end` of the text, with its scheme if it has one.

    `of` is the directive that the word is of, `is_whole` says that the word is nothing else.
    """

    of: Directive
    word: Word
    start: int
    end: int
    scheme: str
    address: str


@dataclass(eq=False)
class Target:
    """Where requests are passed to. `spans` are the addresses that lead there; `schemes` stand before its name.

    `is_marked` says that a placeholder leads to the next hop already, `why_not` why none can.
    """

    name: str
    passes: list[Directive] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    schemes: list[Span] = field(default_factory=list)
    upstream: Directive | None = None
    is_marked: bool = False
    why_not: str = ""

    @property
    def names(self) -> set[str]:
        """All that it may be called: its name, its addresses, and the hosts of these."""
        addresses = {self.name, *(span.address for span in self.spans)}
        return addresses | {host for one in addresses if (host := host_of(one))}

    @property
    def place(self) -> str:
        return (self.upstream or self.passes[0]).place


class Targets:
    """All targets of a config's servers, and which of them each location passes requests on to."""

    def __init__(self, servers: Iterable[Directive], upstreams: Iterable[Directive]) -> None:
        self._upstreams = {one.argument: one for one in upstreams}
        self._by_name: dict[str, Target] = {}
        self._of_scope: dict[int, list[Target]] = {}
        for server in servers:
            self._look_into(server, server, {})
        for name, upstream in self._upstreams.items():
            self._by_name.setdefault(name, self._of_upstream(name, upstream))

    def all(self) -> list[Target]:
        """Return every target, those of no location too, in the order of the file."""
        return list(self._by_name.values())

    def of(self, location: Location | None) -> list[Target]:
        """Return where a location itself passes requests on to; None, a server without one, passes none on."""
        return list(dict.fromkeys(self._of_scope.get(id(location.directive), ()))) if location else []

    def _look_into(self, scope: Directive, location: Directive, sets: Sets) -> None:
        """Take note of what is passed on in a block; what is in an `if` belongs to the location around it."""
        own = {one.argument[1:]: one for one in scope.children("set") if len(one.arguments) == 2}
        sets = {**sets, **own}
        for one in scope.children():
            if one.name in PASSES and one.arguments:
                self._of_scope.setdefault(id(location), []).append(self._target(one, sets))
            elif one.opens_block:
                self._look_into(one, one if one.name == "location" else location, sets)

    def _target(self, directive: Directive, sets: Sets) -> Target:
        span, rest = span_of(directive, directive.words[1])
        address, why_not = span.address, ""
        if "$" not in address and not address.startswith("unix:") and _NO_ADDRESS.match(rest):
            raise InputError(
                directive.reject(
                    "names no address that nginx takes: HOST or HOST:PORT, and a path; who logs in there says so by"
                    " `proxy_set_header Authorization`"
                )
            )
        if _OURS.search(address):
            target = self._by_name.setdefault(directive.argument, Target(directive.argument, is_marked=True))
        elif placeholders.asked([directive.argument]) or "$" not in span.scheme + address:
            target = self._known(address, span)
        elif (value := _value(f"{span.scheme}://{address}" if span.scheme else address, sets)) is None:
            why_not = "is only known as requests come: write the address itself, or `${UPSTREAM_ADDRESS}`"
            target = self._by_name.setdefault(address, Target(address, why_not=why_not))
        else:
            target = self._varying(directive, span, rest, value, sets)
        if directive.name != "proxy_pass":
            target.why_not = (
                f"is spoken to by {directive.name}, which is no HTTP/1.1 as the emitter and other hops have it"
            )
        if directive not in target.passes:
            target.passes.append(directive)
        return target

    def _known(self, address: str, span: Span) -> Target:
        """Return the target of a literal address: an upstream, or itself."""
        if address in self._upstreams:
            target = self._by_name.setdefault(address, self._of_upstream(address, self._upstreams[address]))
            target.schemes += [span] if span.scheme else []
            return target
        target = self._by_name.setdefault(address, Target(address))
        if all(span.word is not one.word for one in target.spans):
            target.spans.append(span)
        return target

    def _varying(self, directive: Directive, span: Span, rest: str, value: str, sets: Sets) -> Target:
        """Return the target of an address with variables. One that is a variable alone is edited where that is set."""
        variable = _VARIABLE.fullmatch(span.address)
        said = sets[variable[1] or variable[2]] if variable and "$" not in span.scheme else None
        if said and "$" not in said.arguments[1]:
            inner, _ = span_of(said, said.words[2])
            return self._known(inner.address, inner)
        address = value.partition("://")[2] or value
        target = self._known(address, span)
        if rest and "$" not in rest:
            target.why_not = (
                "has variables before a path, which mean another path without them: write `${UPSTREAM_ADDRESS}`"
            )
        return target

    def _of_upstream(self, name: str, block: Directive) -> Target:
        servers = [one for one in block.children("server") if one.arguments]
        spans = [Span(one, one.words[1], one.words[1].start, one.words[1].end, "", one.argument) for one in servers]
        return Target(name, spans=spans, upstream=block, is_marked=any(_OURS.search(one.argument) for one in servers))


def span_of(directive: Directive, word: Word) -> tuple[Span, str]:
    """Return the address in a word that passes requests on, and what follows it there."""
    found = _PASS.fullmatch(word.raw)
    if found is None:
        return Span(directive, word, word.start, word.end, "", word.said), ""
    start, end = found.start("scheme" if found["scheme"] else "address"), found.end("address")
    address = found["address"].rstrip(":")
    return Span(directive, word, word.start + start, word.start + end, found["scheme"] or "", address), found["rest"]


def host_of(address: str) -> str:
    """Return an address without its port; nothing of a socket's."""
    return "" if address.startswith("unix:") else re.sub(r":\w+$", "", address)


def _value(text: str, sets: Sets, depth: int = 0) -> str | None:
    """Return a text with its variables as they are set; None if one is not, or not for certain."""
    for found in _VARIABLE.finditer(text):
        said = sets.get(found[1] or found[2])
        inner = _value(said.arguments[1], sets, depth + 1) if said and depth < 8 else None
        if inner is None:
            return None
        text = text.replace(found[0], inner)
    return text
