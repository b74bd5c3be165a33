"""What a mitigation changes in an Apache site: in the place that answers, or where that has it from. Pure.

    set    a directive that is there once; a parameter of the `ProxyPass` that answers (`ProxyPass flushpackets=on`)
    add    a directive beside others of its name, which is there once for what it is about (`SetEnv no-gzip 1`)
    drop   directives of a name; filters out of those that set some (`SetOutputFilter SED`), where `ExtFilterDefine`
           stands for all that are defined so

Rules (httpd.apache.org/docs/2.4/sections.html, "How the sections are merged"; apache/httpd, server/core.c,
`merge_core_dir_configs`): of the `<Location>`s that a path is in the last counts that says something, before it the
virtual host, before that what stands outside of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.proxies.languages.apache_lines import Directive
from harness.proxies.languages.base import Change, Wanted
from harness.proxies.source_text import Token

_FILTERS = ("setoutputfilter", "addoutputfilter", "addoutputfilterbytype")
_BESIDE = ("addoutputfilter", "addoutputfilterbytype")
"""Of these, what each level says counts, whatever an inner one does."""
_DEFINED = "extfilterdefine"
_PASSES = ("proxypass", "proxypassmatch")


def change(levels: Sequence[Directive], answers: Directive, wanted: Wanted) -> Change | None:
    """Return the file that changes so that a line is in effect; None if it is.

    `levels` are the places that a request is in, the one that counts first and all of the text last; `answers` is what
    passes it on.
    """
    name = wanted.name.lower()
    if wanted.verb == "drop":
        return next(_dropped(levels, name, wanted.arguments), None)
    if name in _PASSES:
        return _with_parameters(answers, wanted.arguments) if answers.name in _PASSES else None
    subject = [] if wanted.verb == "set" else wanted.arguments[:1]
    there = _in_effect(levels, name, subject)
    if there and _written(there[-1].arguments) == wanted.arguments:
        return None
    place = levels[0]
    own = [one for one in place.of(name) if one in there]
    if own:
        first, last = own[-1].words[0], own[-1].words[-1]
        return first.source, first.source.replaced(first.start, last.end, wanted.line)
    return _with_line(place, wanted)


def _written(words: Sequence[Token]) -> list[str]:
    return [word.raw for word in words]


def _in_effect(levels: Sequence[Directive], name: str, subject: Sequence[str]) -> list[Directive]:
    """Return the directives of a name, and of what it is about, of the first level that has any."""
    for level in levels:
        if found := [one for one in level.of(name) if _written(one.arguments)[: len(subject)] == list(subject)]:
            return found
    return []


def _dropped(levels: Sequence[Directive], name: str, arguments: Sequence[str]) -> Iterator[Change]:
    defined = {one.arguments[0].said.lower() for one in levels[-1].every() if one.name == _DEFINED and one.arguments}
    out = {word.lower() for word in arguments}
    out |= defined if _DEFINED in out else set()
    counts = [one for level in levels for one in level.of(name)] if name in _BESIDE else _in_effect(levels, name, [])
    for one in counts:
        source, first, last = one.words[0].source, one.words[0], one.words[-1]
        if not out:
            yield source, source.without(first.start, last.end)
            continue
        words = one.arguments[:1] if name in _FILTERS else one.arguments
        said = [part for word in words for part in word.said.split(";")] if name in _FILTERS else _written(words)
        stay = [part for part in said if part.lower() not in out]
        if not stay:
            yield source, source.without(first.start, last.end)
        elif stay != said:
            text = (";" if name in _FILTERS else " ").join(stay)
            yield source, source.replaced(words[0].start, words[-1].end, text)


def _with_parameters(answers: Directive, parameters: Sequence[str]) -> Change | None:
    for parameter in parameters:
        key = f"{parameter.partition('=')[0].lower()}="
        there = next((word for word in answers.arguments if word.said.lower().startswith(key)), None)
        if there is None:
            end = answers.words[-1].end
            return answers.words[0].source, answers.words[0].source.replaced(end, end, f" {parameter}")
        if there.said.lower() != parameter.lower():
            return there.source, there.source.replaced(there.start, there.end, parameter)
    return None


def _with_line(place: Directive, wanted: Wanted) -> Change:
    """Return a place with a line more: behind its like, or behind what stands in it."""
    plain = [one for one in place.inner if not one.is_section]
    alike = [one for one in plain if one.name == wanted.name.lower()] or plain
    neighbour = alike[-1] if alike else place
    token = neighbour.words[-1]
    indent = token.source.indent(neighbour.words[0].start) + ("    " if neighbour is place else "")
    return token.source, token.source.with_lines(token.end, [f"{indent}{wanted.line}"])
