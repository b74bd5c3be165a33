"""What a mitigation changes in an nginx config: at the location that answers, at the token; all else stays as it is.

    set    a directive of which one counts: in its place in that block, else on a line of its own in it
    add    one that goes beside others of its name: those that the block only inherits come along, for nginx inherits
           them where the block has none of its own; one with the same first argument is replaced
    drop   arguments are taken out wherever they are in effect from, and with the last of them the directive

Rules: what is in effect already, be it by nginx' default, is left alone; a line is inserted behind a neighbour, with
its indentation and its end of line, or beside it where that shares its line; one change follows the other, on the text
as it is by then. Levels and how they merge: nginx.org/en/docs/http/ngx_http_proxy_module.html, proxy_set_header; nginx/
nginx, src/http/ngx_http_upstream.c, `ngx_http_upstream_hide_headers_hash`. Pure, but for the files that are included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.model import Edit
from harness.proxies import nginx_diff
from harness.proxies.diffs import unified
from harness.proxies.nginx_deployed import Deployed
from harness.proxies.nginx_language import Directive, parse
from harness.proxies.source_text import Source

DEFAULTS = {"gzip": ["off"], "proxy_buffering": ["on"], "proxy_cache": ["off"], "proxy_request_buffering": ["on"]}
"""What nginx does where nothing is said, of what somebody may set to that: nginx.org/en/docs/dirindex.html."""
INDENT = "    "

Texts = Mapping[Path, str]
"""Files as they are to be, by where they lie."""


@dataclass(frozen=True)
class Mitigated:
    """A config with edits applied: the texts of the files that changed, as they were and as they are now.

    `was` is what it came from, `deployed` what has become of it.
    """

    was: Deployed
    deployed: Deployed
    before: Texts
    after: Texts

    def diff(self) -> str:
        """Return what changed, as a unified diff that patches the user's files."""
        return "".join(unified(path, self.before[path], text) for path, text in self.after.items())

    def told(self) -> str:
        """Return the same without any secret."""
        return "".join(nginx_diff.told(path, self.before[path], text) for path, text in self.after.items())


def mitigated(was: Deployed, edits: Iterable[Edit], again: Callable[[Texts], Deployed]) -> Mitigated:
    """Return a config with edits applied where it answers; `again` reads it with some of its files changed."""
    deployed = was
    before: dict[Path, str] = {}
    after: dict[Path, str] = {}
    for verb, wanted in [one for edit in edits for one in _wanted(edit)]:
        while changed := _Levels.of(deployed).changed(verb, wanted):  # behind one that goes, an outer one may come
            source, text = changed
            before.setdefault(source.path, source.text)
            after[source.path] = text
            deployed = again(after)
            if verb != "drop":
                break
    return Mitigated(was, deployed, before, after)


def in_effect(deployed: Deployed, name: str) -> list[str]:
    """Return the arguments of the directive of a name that counts where a config answers: none, if none says any."""
    there = _Levels.of(deployed).in_effect(name)
    return there[-1].arguments if there else []


Changed = tuple[Source, str] | None
"""A file with what it is to say; None if nothing is to change."""


def _wanted(edit: Edit) -> Iterator[tuple[str, Directive]]:
    for verb, lines in (("set", edit.set), ("add", edit.add), ("drop", edit.drop)):
        yield from ((verb, _directive(line)) for line in lines)


def _directive(line: str) -> Directive:
    (directive,) = parse(Source(Path(), f"{line};"))
    return directive


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

    def changed(self, verb: str, wanted: Directive) -> Changed:
        """Return the file that changes so that a directive is in effect as is wanted, with its text."""
        if not self._blocks:
            return None
        return {"set": self._set, "add": self._add, "drop": self._drop}[verb](wanted)

    def _set(self, wanted: Directive) -> Changed:
        there = self.in_effect(wanted.name)
        now = there[-1].arguments if there else DEFAULTS.get(wanted.name)
        if now == wanted.arguments:
            return None
        if own := self._own(wanted.name):
            return _with_arguments(own[-1], wanted)
        return self._inserted([_says(wanted)], [])

    def _add(self, wanted: Directive) -> Changed:
        there = self.in_effect(wanted.name)
        alike = [one for one in there if one.argument.lower() == wanted.argument.lower()]
        if any(one.arguments == wanted.arguments for one in alike[-1:]):
            return None
        if own := self._own(wanted.name):
            return _with_arguments(alike[-1], wanted) if alike else self._inserted([_says(wanted)], own)
        return self._inserted([*(_says(one) for one in there if one not in alike), _says(wanted)], [])

    def _drop(self, wanted: Directive) -> Changed:
        out = {argument.lower() for argument in wanted.arguments}
        for one in self.in_effect(wanted.name):
            stay = [word.raw for word in one.words[1:] if word.said.lower() not in out]
            if len(stay) == len(one.words) - 1:
                continue
            if stay:
                return one.source, _replaced(one.source.text, one.words[1].start, one.words[-1].end, " ".join(stay))
            return one.source, _without(one)
        return None

    def _own(self, name: str) -> list[Directive]:
        return list(self._blocks[0].children(name))

    def in_effect(self, name: str) -> list[Directive]:
        """Return the directives of a name at the innermost level that has any."""
        return next((found for block in self._blocks if (found := list(block.children(name)))), [])

    def _inserted(self, lines: Sequence[str], beside: Sequence[Directive]) -> Changed:
        """Return the block's file with lines behind the last of what stands there, or of what they are like."""
        block = self._blocks[0]
        there = [one for one in block.inner if one.source is block.source and not one.opens_block]
        alike = [one for one in beside if one in there] or [one for one in there if one.name.startswith("proxy_")]
        neighbour = next(reversed(alike or there), None)
        text, at = block.source.text, (neighbour or block).end
        rest = text[at : (text.find("\n", at) + 1) or len(text)]
        begins = text[text.rfind("\n", 0, (neighbour or block).start) + 1 : (neighbour or block).start]
        if not re.fullmatch(r"[ \t]*(#[^\n]*)?\r?\n", rest) or (neighbour and begins.strip()):
            return block.source, _replaced(text, at, at, "".join(f" {line}" for line in lines))
        end = "\r\n" if rest.endswith("\r\n") else "\n"
        blank = re.match(r"[ \t]*", begins)[0] if neighbour else _deeper(text, block)  # type: ignore[index]
        behind = at + len(rest)
        return block.source, _replaced(text, behind, behind, "".join(f"{blank}{line}{end}" for line in lines))


def _deeper(text: str, block: Directive) -> str:
    """Return the indentation of what stands in a block that has nothing yet."""
    begins = text[text.rfind("\n", 0, block.start) + 1 : block.start]
    blank = begins[: len(begins) - len(begins.lstrip(" \t"))]
    return blank + ("\t" if blank.endswith("\t") else INDENT)


def _way_to(block: Directive, there: Iterable[Directive]) -> list[Directive]:
    """Return the blocks around a block, from the outermost, and itself; an include's are where it stands."""
    for one in there:
        if one is block:
            return [one]
        if below := _way_to(block, one.inner):
            return [one, *below] if one.opens_block else below
    return []


def _with_arguments(there: Directive, wanted: Directive) -> Changed:
    said = " ".join(word.raw for word in wanted.words[1:])
    return there.source, _replaced(there.source.text, there.words[1].start, there.words[-1].end, said)


def _replaced(text: str, start: int, end: int, by: str) -> str:
    return text[:start] + by + text[end:]


def _without(directive: Directive) -> str:
    """Return a text without a directive, and without its line if nothing else is on it."""
    text, start, end = directive.source.text, directive.start, directive.end
    first = text.rfind("\n", 0, start) + 1
    behind = text.find("\n", end) + 1 or len(text)
    if not text[first:start].strip() and not text[end:behind].strip():
        return _replaced(text, first, behind, "")
    if text[first:start].strip():
        return _replaced(text, len(text[:start].rstrip(" \t")), end, "")
    return _replaced(text, start, len(text) - len(text[end:].lstrip(" \t")), "")
