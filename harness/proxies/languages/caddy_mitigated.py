"""What a mitigation changes in a Caddyfile: in the directive that Caddy makes the answer of.

    set    a line of the `reverse_proxy` that answers: in its place, else on a line of its own in the block
    add    likewise, with the same first argument
    drop   a line, be it in that block or before it (`encode`), with all that is in its block

Rule: which directive it is, Caddy is asked. A site, a matcher, a snippet or an import leads to it in ways that only
Caddy knows; so of those that it can be, the one counts with whose change the request meets something else on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from harness.proxies.languages.base import Change, Wanted
from harness.proxies.languages.caddyfile import Directive, parse
from harness.proxies.source_text import Source

_PROXY = "reverse_proxy"


def change(
    sources: Iterable[Source], wanted: Wanted, dials: Sequence[str], counts: Callable[[Change], bool]
) -> Change | None:
    """Return the first change of some files that counts; None if none does.

    `dials` are the addresses that what answers passes requests on to: who names one of them is asked about first.
    """
    every = [one for source in sources for one in parse(source).every()]
    every.sort(key=lambda one: not any(word.said in dials for word in one.words))
    tried = (made for one in every for made in _made(one, wanted))
    return next((made for made in tried if made[0].text != made[1] and counts(made)), None)


def _made(one: Directive, wanted: Wanted) -> Iterator[Change]:
    words = [word.raw for word in one.words]
    if wanted.verb == "drop" and words[: len(wanted.words)] == wanted.words:
        yield one.source, one.source.without(one.start, one.end)
    elif wanted.verb != "drop" and one.name == _PROXY:
        yield one.source, _with_line(one, wanted)


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
    blank = source.indent(proxy.start)
    deeper = blank + (" " * 4 if blank.startswith(" ") else "\t")
    if proxy.braces:
        return source.with_lines(proxy.braces[0].end, [deeper + line])
    at = proxy.words[-1].end
    opened = Source(source.path, source.replaced(at, at, " {"))
    return opened.with_lines(at, [deeper + line, blank + "}"])
