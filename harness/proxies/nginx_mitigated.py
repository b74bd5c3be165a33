"""What a mitigation changes in an nginx config: at the location that answers, at the token.

A directive of which one counts stands in that block; of those that go beside each other, the ones that the block only
inherits come along, for nginx inherits them where the block has none of its own, and one with the same first argument
is replaced. A line is inserted behind a neighbour, with its indentation and its end of line, or beside it where that
shares its line. What nginx does by itself counts as said. Levels and how they merge: nginx.org/en/docs/http/
ngx_http_proxy_module.html, proxy_set_header; nginx/nginx, src/http/ngx_http_upstream.c,
`ngx_http_upstream_hide_headers_hash`. Pure, but for the files that are included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.proxies.languages.base import Change, Wanted
from harness.proxies.nginx_deployed import Deployed
from harness.proxies.nginx_language import Directive, parse
from harness.proxies.source_text import Source

DEFAULTS = {"gzip": ["off"], "proxy_buffering": ["on"], "proxy_cache": ["off"], "proxy_request_buffering": ["on"]}
"""What nginx does where nothing is said, of what somebody may set to that: nginx.org/en/docs/dirindex.html."""
INDENT = "    "


def change(deployed: Deployed, wanted: Wanted) -> Change | None:
    """Return the file that changes so that a line is in effect where a config answers; None if none need change."""
    (directive,) = parse(Source(Path(), f"{wanted.line};"))
    return _Levels.of(deployed).changed(wanted.verb, directive)


def in_effect(deployed: Deployed, name: str) -> list[str]:
    """Return the arguments of the directive of a name that counts where a config answers: none, if none says any."""
    there = _Levels.of(deployed).in_effect(name)
    return there[-1].arguments if there else []


def _says(directive: Directive) -> str:
    """Return a directive as it is written, with its end."""
    return directive.source.text[directive.start : directive.end]


class _Levels:
    """The blocks that are in effect where a config answers, the innermost first: of nothing, if no location does."""

    def __init__(self, blocks: Sequence[Directive]) -> None:
        self._blocks = blocks

    @classmethod
    def of(cls, deployed: Deployed) -> _Levels:
        if deployed.answering is None:
            return cls([])
        inner = _way_to(deployed.answering.directive, [deployed.server.directive])
        outer = _way_to(deployed.server.directive, deployed.config.top)
        return cls([*reversed(inner), *reversed(outer[:-1])])

    def changed(self, verb: str, wanted: Directive) -> Change | None:
        """Return the file that changes so that a directive is in effect as is wanted, with its text."""
        if not self._blocks:
            return None
        return {"set": self._set, "add": self._add, "drop": self._drop}[verb](wanted)

    def _set(self, wanted: Directive) -> Change | None:
        there = self.in_effect(wanted.name)
        now = there[-1].arguments if there else DEFAULTS.get(wanted.name)
        if now == wanted.arguments:
            return None
        if own := self._own(wanted.name):
            return _with_arguments(own[-1], wanted)
        return self._inserted([_says(wanted)], [])

    def _add(self, wanted: Directive) -> Change | None:
        there = self.in_effect(wanted.name)
        alike = [one for one in there if one.argument.lower() == wanted.argument.lower()]
        if any(one.arguments == wanted.arguments for one in alike[-1:]):
            return None
        if own := self._own(wanted.name):
            return _with_arguments(alike[-1], wanted) if alike else self._inserted([_says(wanted)], own)
        return self._inserted([*(_says(one) for one in there if one not in alike), _says(wanted)], [])

    def _drop(self, wanted: Directive) -> Change | None:
        out = {argument.lower() for argument in wanted.arguments}
        for one in self.in_effect(wanted.name):
            stay = [word.raw for word in one.words[1:] if word.said.lower() not in out] if out else []
            if not stay:
                return one.source, one.source.without(one.start, one.close)
            if len(stay) < len(one.words) - 1:
                return one.source, one.source.replaced(one.words[1].start, one.words[-1].end, " ".join(stay))
        return None

    def _own(self, name: str) -> list[Directive]:
        return list(self._blocks[0].children(name))

    def in_effect(self, name: str) -> list[Directive]:
        """Return the directives of a name at the innermost level that has any."""
        return next((found for block in self._blocks if (found := list(block.children(name)))), [])

    def _inserted(self, lines: Sequence[str], beside: Sequence[Directive]) -> Change | None:
        """Return the block's file with lines behind the last of what stands there, or of what they are like."""
        block = self._blocks[0]
        there = [one for one in block.inner if one.source is block.source and not one.opens_block]
        alike = [one for one in beside if one in there] or [one for one in there if one.name.startswith("proxy_")]
        neighbour = next(reversed(alike or there), None)
        source, at = block.source, (neighbour or block).end
        text = source.text
        rest = text[at : (text.find("\n", at) + 1) or len(text)]
        begins = text[text.rfind("\n", 0, (neighbour or block).start) + 1 : (neighbour or block).start]
        if not re.fullmatch(r"[ \t]*(#[^\n]*)?\r?\n", rest) or (neighbour and begins.strip()):
            return source, source.replaced(at, at, "".join(f" {line}" for line in lines))
        blank = source.indent(neighbour.start) if neighbour else _deeper(block)
        return source, source.with_lines(at, [f"{blank}{line}" for line in lines])


def _deeper(block: Directive) -> str:
    """Return the indentation of what stands in a block that has nothing yet."""
    blank = block.source.indent(block.start)
    return blank + ("\t" if blank.endswith("\t") else INDENT)


def _way_to(block: Directive, there: Iterable[Directive]) -> list[Directive]:
    """Return the blocks around a block, from the outermost, and itself; an include's are where it stands."""
    for one in there:
        if one is block:
            return [one]
        if below := _way_to(block, one.inner):
            return [one, *below] if one.opens_block else below
    return []


def _with_arguments(there: Directive, wanted: Directive) -> Change:
    said = " ".join(word.raw for word in wanted.words[1:])
    return there.source, there.source.replaced(there.words[1].start, there.words[-1].end, said)
