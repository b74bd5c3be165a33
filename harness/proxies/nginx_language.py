"""nginx' language, read with offsets: directives of words, each with where it stands in its text. Pure.

Rules, as nginx' own reader has them (nginx/nginx, src/core/ngx_conf_file.c, `ngx_conf_read_token`): words end at a
blank, a `;` or a `{`; a `#` or a quote only means something where a word begins; a backslash takes what follows as it
is; the brace of `${name}` is no block's. A body in another language (`content_by_lua_block`) is refused: where it ends,
only that language knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from harness.errors import Complaint, InputError
from harness.proxies.languages.secrets import masked_blocks
from harness.proxies.source_text import Source, printable

_TOKEN = re.compile(
    r"""[ \t\r\n]+ | \#[^\n]* | [;{}] | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | (?!["'])(?:\\.|\$\{|[^ \t\r\n;{\\])+""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPED = re.compile(r"""\\([\\"'trn])""")
_CONTROLS = {"t": "\t", "r": "\r", "n": "\n"}
_FOREIGN = re.compile(r"\w+_by_lua_block")
_BEHIND_QUOTES = " \t\r\n;{)"


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is written (`raw`, from `start` to `end`), and what it says without quotes and backslashes."""

    start: int
    raw: str
    said: str

    @property
    def end(self) -> int:
        return self.start + len(self.raw)


@dataclass(frozen=True, eq=False)
class Directive:
    """A directive, up to its `;` or `{`. `inner` are those of its block, or those that it includes.

    `close` is where its block ends, `}` included; of one without a block it is `end`.
    """

    source: Source
    words: tuple[Word, ...]
    end: int
    opens_block: bool
    inner: list[Directive] = field(default_factory=list)
    closes: list[int] = field(default_factory=list)

    @property
    def start(self) -> int:
        return self.words[0].start

    @property
    def close(self) -> int:
        return self.closes[0] if self.closes else self.end

    @property
    def name(self) -> str:
        return self.words[0].said

    @cached_property
    def arguments(self) -> list[str]:
        """What it is given, without quotes."""
        return [word.said for word in self.words[1:]]

    @property
    def argument(self) -> str:
        """The first argument, empty if there is none."""
        return self.arguments[0] if self.arguments else ""

    @property
    def line(self) -> int:
        return self.source.line(self.start)

    @property
    def place(self) -> str:
        """Where it stands, as file:line."""
        return f"{self.source.path}:{self.line}"

    @cached_property
    def shown(self) -> str:
        """The directive on one line, as a message quotes it, without its secrets."""
        text = " ".join(printable(masked_blocks(self.source.text[self.start : self.end])).rstrip(";{").split())
        return f"`{text if len(text) <= 60 else text[:57] + '...'}`"

    def reject(self, why: str) -> Complaint:
        """Return a complaint about it."""
        return self.source.reject(self.start, f"{self.shown} {why}")

    def walk(self, inside: str = "") -> Iterator[tuple[Directive, str]]:
        """Yield it and all below it, each with the name of the block that it is in."""
        yield self, inside
        for directive in self.inner:
            yield from directive.walk(self.name if self.opens_block else inside)

    def children(self, *names: str) -> Iterator[Directive]:
        """Yield what stands in its block, be it included: all, or those of some names."""
        for directive in self.inner:
            if directive.name == "include":
                yield from directive.children(*names)
            elif not names or directive.name in names:
                yield directive


def parse(source: Source) -> list[Directive]:
    """Return the directives of a text. Raises InputError, with the line, where nginx could not read it either."""
    top: list[Directive] = []
    open_blocks: list[Directive] = []
    words: list[Word] = []
    for word in _words(source):
        match word.raw:
            case ";" | "{":
                if not words:
                    raise InputError(source.reject(word.start, f'unexpected "{word.raw}"'))
                directive = Directive(source, tuple(words), word.end, word.raw == "{")
                (open_blocks[-1].inner if open_blocks else top).append(directive)
                words = []
                if directive.opens_block:
                    if _FOREIGN.fullmatch(directive.name):
                        file = directive.name.replace("_block", "_file")
                        why = (
                            f"holds another language, which only it can read: put that into a file, and write `{file}`"
                        )
                        raise InputError(directive.reject(why))
                    open_blocks.append(directive)
            case "}":
                if words or not open_blocks:
                    raise InputError(source.reject(word.start, 'unexpected "}"'))
                open_blocks.pop().closes.append(word.end)
            case _:
                words.append(word)
    if words or open_blocks:
        begun = words[0].start if words else open_blocks[-1].start
        lacks = '";" or "}"' if words else '"}"'
        why = f"unexpected end of file, expecting {lacks} of what begins in line {source.line(begun)}"
        raise InputError(source.reject(len(source.text.rstrip()), why))
    return top


def _words(source: Source) -> Iterator[Word]:
    """Yield words and signs, without blanks and comments."""
    at, text = 0, source.text
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            why = f"has a {text[at]} that nothing closes" if text[at] in "\"'" else "ends with a backslash"
            raise InputError(source.reject(at, why))
        raw, at = token[0], token.end()
        if raw[0] in " \t\r\n#":
            continue
        quoted = raw[0] in "\"'"
        if quoted and at < len(text) and text[at] not in _BEHIND_QUOTES:
            raise InputError(source.reject(at, f'unexpected "{text[at]}"'))
        yield Word(token.start(), raw, _said(raw[1:-1] if quoted else raw))


def _said(raw: str) -> str:
    return _ESCAPED.sub(lambda found: _CONTROLS.get(found[1], found[1]), raw)
