"""What a mitigation changes in a haproxy.cfg: in the backend that answers, or where it has that from. Pure.

    set    a line of a keyword that is there once (`fullconn 10`)
    add    a line of a keyword and what it is about (`option http-no-delay`), which stands beside others of the keyword
    drop   all lines that begin with some words; of the types to compress, those that are named

Rules: a section has what its `defaults` say unless it says so itself, and `no` before a line is that line, too; what a
backend does not say, its frontend may (docs.haproxy.org/2.8/configuration.html#4: most keywords are of both). The types
to compress add up, from the defaults on, and mean nothing where nothing is compressed; where none is said, all are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.proxies.languages.base import Change, Wanted
from harness.proxies.languages.haproxy_lines import Line, Section
from harness.proxies.source_text import Source

_TYPES, _ALGORITHM = ["compression", "type"], ["compression", "algo"]
_LAST = ("server", "server-template", "use-server")
_INDENT = "    "


def change(back: Sequence[Section], front: Sequence[Section], wanted: Wanted) -> Change | None:
    """Return the file that changes so that a line is in effect; None if it is.

    `back` is the backend with its defaults, if it has any, `front` the frontend with its own.
    """
    every = [*back, *front]
    if wanted.words[:2] == _TYPES:
        return _with_types(every, wanted)
    if wanted.verb == "drop":
        return next(_without(wanted.words, every), None)
    words = wanted.words[: 1 if wanted.verb == "set" else 2]
    own, inherited = _of(words, back[:1]), _counting(words, back) or _counting(words, front)
    if inherited and _written(inherited[-1]) == wanted.words:
        return None
    if own:
        first, last, source = own[-1][0], own[-1][-1], own[-1][0].source
        return source, source.replaced(first.start, last.end, wanted.line)
    return _with_line(back[0], wanted)


def _of(words: Sequence[str], sections: Sequence[Section]) -> list[Line]:
    """Return the lines of some sections that begin with some words, be they said to be not so."""
    lines = (line for section in sections for line in section.lines)
    return [line for line in lines if _begins(line, words)]


def _begins(line: Line, words: Sequence[str]) -> bool:
    said = [word.said for word in line]
    return words == (said[1:] if said[0] == "no" else said)[: len(words)]


def _counting(words: Sequence[str], levels: Sequence[Section]) -> list[Line]:
    """Return the lines that begin so of the first level that has any."""
    return next((found for section in levels if (found := _of(list(words), [section]))), [])


def _written(line: Line) -> list[str]:
    return [word.raw for word in line]


def _without(words: Sequence[str], sections: Sequence[Section]) -> Iterator[Change]:
    for line in _of(words, sections):
        if line[0].said != "no":
            source = line[0].source
            yield source, source.without(line[0].start, line[-1].end)


def _with_types(sections: Sequence[Section], wanted: Wanted) -> Change | None:
    """Return what changes so that types are said where none are, or that some of them are not."""
    there = _of(_TYPES, sections)
    if wanted.verb != "drop":
        return None if there or not _of(_ALGORITHM, sections) else _with_line(sections[0], wanted)
    for line in there:
        stay = [word.raw for word in line[2:] if word.said not in wanted.arguments]
        if stay and len(stay) < len(line[2:]):
            source = line[0].source
            return source, source.replaced(line[2].start, line[-1].end, " ".join(stay))
    return None


def _with_line(section: Section, wanted: Wanted) -> Change:
    """Return a section with a line more: behind its like, else before the servers."""
    alike = [line for line in section.lines if line[0].said == wanted.name]
    others = [line for line in section.lines if line[0].said not in _LAST]
    behind = next(reversed(alike or others), section.head)
    source: Source = section.head[0].source
    neighbour = next(iter(alike or others or section.lines), None)
    indent = source.indent(neighbour[0].start) if neighbour else _INDENT
    return source, source.with_lines(behind[-1].end, [f"{indent}{wanted.line}"])
