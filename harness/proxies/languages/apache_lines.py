"""Apache's language, read with offsets: directives of words, and sections that hold more. Pure.

Rules (httpd.apache.org/docs/2.4/configuring.html): a directive stands on a line, which a backslash at its end goes on
with; a `#` only means something where a line begins; words may be in quotes; names know no case. The sections that only
ask what is there (`<IfModule>`) count as what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.errors import InputError
from harness.proxies.languages.secrets import masked
from harness.proxies.source_text import Source, Token, printable

_LINE = re.compile(r"(?:[^\n\\]|\\\r?\n|\\)*")
_WORD = re.compile(r"""\s*(?:\\\r?\n\s*)*("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:\\(?!\r?\n)|[^\s\\])+)""")
_WHETHER = ("ifmodule", "ifdefine", "ifversion", "iffile", "ifdirective", "ifsection")


@dataclass(eq=False)
class Directive:
    """A directive, or a section with what is in it; `name` is in small letters, without the bracket of a section."""

    words: list[Token]
    name: str
    inner: list[Directive] = field(default_factory=list)
    is_section: bool = False

    @property
    def arguments(self) -> list[Token]:
        return self.words[1:]

    @property
    def shown(self) -> str:
        """The directive on one line, as a message quotes it, without its secrets."""
        text = printable(masked(" ".join(word.raw for word in self.words))).lstrip("<").rstrip(">")
        return text if len(text) <= 60 else f"{text[:57]}..."

    def of(self, *names: str) -> Iterator[Directive]:
        """Yield what stands in it by some names, also where it is asked first whether something is there."""
        for one in self.inner:
            if one.name in names:
                yield one
            elif one.name in _WHETHER:
                yield from one.of(*names)

    def deeper(self, *names: str) -> Iterator[Directive]:
        """Yield what stands in it or in a section of it by some names, but in no virtual host and no `<Location>`."""
        for one in self.inner:
            if one.name in names:
                yield one
            elif one.name not in ("virtualhost", "location", "locationmatch"):
                yield from one.deeper(*names)

    def every(self) -> Iterator[Directive]:
        """Yield all below it, sections too."""
        for one in self.inner:
            yield one
            yield from one.every()

    def loads(self, *names: str) -> bool:
        """Tell whether any directive below it has one of some names."""
        return any(one.name in names for one in self.every())


def parse(source: Source) -> Directive:
    """Return all of a text, in a section without a name. Raises InputError, with the line, for what is not closed."""
    top = Directive([], "", is_section=True)
    open_sections = [top]
    at = 0
    while at < len(source.text):
        end = _LINE.match(source.text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        words = list(_words(source, at, end))
        at = end + 1
        if not words:
            continue
        first = words[0].said
        if first.startswith("</"):
            if len(open_sections) < 2 or open_sections[-1].name != first[2:].rstrip(">").lower():
                raise InputError(words[0].reject(f"`{first}` closes nothing that is open"))
            open_sections.pop()
            continue
        found = Directive(words, first.lstrip("<").rstrip(">").lower(), is_section=first.startswith("<"))
        open_sections[-1].inner.append(found)
        if found.is_section:
            open_sections.append(found)
    if len(open_sections) > 1:
        raise InputError(open_sections[-1].words[0].reject(f"`<{open_sections[-1].shown}>` is never closed"))
    return top


def _words(source: Source, at: int, end: int) -> Iterator[Token]:
    """Yield the words of a line, without the bracket that ends a section's."""
    line = source.text[at:end].strip()
    if line.startswith("#"):
        return
    if line.startswith("<") and line.endswith(">") and not line.startswith("</"):
        end = source.text.rindex(">", at, end)
    while word := _WORD.match(source.text, at, end):
        raw, at = word[1], word.end()
        is_quoted = len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "\"'"
        yield Token(source, word.start(1), at, re.sub(r"\\(.)", r"\1", raw[1:-1]) if is_quoted else raw)
