"""What a mitigation changes in a Caddyfile: in the directive that Caddy makes the answer of. Pure.

    set    a line of the `reverse_proxy` that answers: in its place, else on a line of its own in the block
    add    likewise, with the same first argument
    drop   a line, be it in that block or before it (`encode`), with all that is in its block

Rule: which directive it is, Caddy is asked. A site, a matcher, a snippet or an import leads to it in ways that only
Caddy knows; so each `reverse_proxy` gets a mark of its own, which the one that answers shows, and of the lines that may
be taken out the one counts without which the request meets something else on its way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from harness.proxies.languages.base import Change, Texts, Wanted
from harness.proxies.languages.caddyfile import Directive, parse
from harness.proxies.source_text import Source

_PROXY = "reverse_proxy"
MARK = "Harness-Mark"
"""The header that a request gets on its way through a `reverse_proxy`, for as long as Caddy is asked."""


class Asking(Protocol):
    """Caddy, asked what becomes of a request if files say something else."""

    def mark(self, texts: Texts) -> str:
        """Return the mark of what answers; nothing if it has none, or is not known."""

    def is_another_way(self, texts: Texts) -> bool:
        """Tell whether the request meets something else on its way."""


def change(sources: Iterable[Source], wanted: Wanted, caddy: Asking) -> Change | None:
    """Return what one of some files is to say; None if none has to change."""
    every = [one for source in sources for one in parse(source).every()]
    if wanted.verb == "drop":
        there = (one for one in every if [word.raw for word in one.words][: len(wanted.words)] == wanted.words)
        gone = ((one.source, one.source.without(one.start, one.end)) for one in there)
        return next((made for made in gone if caddy.is_another_way({made[0].path: made[1]})), None)
    proxies = {str(at): one for at, one in enumerate(every) if one.name == _PROXY}
    answers = proxies.get(caddy.mark(_marked(proxies.items())))
    if answers is None:
        return None
    text = _with_line(answers, wanted)
    return None if text == answers.source.text else (answers.source, text)


def _marked(proxies: Iterable[tuple[str, Directive]]) -> Texts:
    """Return the texts in which each `reverse_proxy` has its mark."""
    made: dict[Source, Source] = {}
    for mark, one in sorted(proxies, key=lambda each: -each[1].start):  # what comes before is where it was, then
        now = made.get(one.source, one.source)
        made[one.source] = Source(now.path, _opened(now, one, f"header_up {MARK} {mark}"))
    return {source.path: source.text for source in made.values()}


def _with_line(proxy: Directive, wanted: Wanted) -> str:
    """Return the text in which a `reverse_proxy` has a line in its block, which it gets if it has none."""
    source, line = proxy.source, wanted.line
    words = wanted.words[: 1 if wanted.verb == "set" else 2]
    own = [one for one in proxy.inner if [word.raw for word in one.words][: len(words)] == words]
    if own:
        return source.replaced(own[-1].start, own[-1].end, line)
    if proxy.inner:
        last = proxy.inner[-1]
        return source.with_lines(last.end, [source.indent(last.start) + line])
    return _opened(source, proxy, line)


def _opened(source: Source, proxy: Directive, line: str) -> str:
    """Return a text in which a block, that there may not be yet, begins with a line."""
    blank = source.indent(proxy.start)
    deeper = blank + (" " * 4 if blank.startswith(" ") else "\t")
    if proxy.braces:
        return source.with_lines(proxy.braces[0].end, [deeper + line])
    at = proxy.words[-1].end
    return Source(source.path, source.replaced(at, at, " {")).with_lines(at, [deeper + line, blank + "}"])
