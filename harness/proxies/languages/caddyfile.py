"""A Caddyfile's text, read with offsets: directives of words, the blocks that they open, and the files that it imports.

Rules (caddyserver/caddy, caddyconfig/caddyfile/lexer.go): a directive stands on a line, which a backslash at its end
goes on with; a brace that ends a line opens a block, and one alone closes it; a `#`, a quote, a backtick or `<<` only
means something where a word begins. What all that means, only Caddy knows.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import InputError
from harness.proxies.source_text import Source, Token
from harness.resources import is_file

_TOKEN = re.compile(
    r"""(?:[ \t\r\f\v]|\\\r?\n)+ | \#[^\n]* | (?P<end>\n)
    | (?P<word>"(?:\\.|[^"\\])*" | `[^`]*` | <<(?P<mark>[\w-]+)\r?\n.*?(?P=mark) | (?!["`])(?:\\[^\r\n]|[^\s\\])+)""",
    re.DOTALL | re.VERBOSE,
)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+([^\s(]+)(?P<plain>[ \t]*(?:#[^\n]*|\r)?$)?", re.MULTILINE)


@dataclass(eq=False)
class Directive:
    """A directive, or what else opens a block: a site, a snippet, global options. `braces` are those of its block."""

    source: Source
    words: list[Token]
    inner: list[Directive] = field(default_factory=list)
    braces: list[Token] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.words[0].said if self.words else ""

    @property
    def start(self) -> int:
        return (self.words or self.braces)[0].start

    @property
    def end(self) -> int:
        """Where it ends, its block included."""
        return (self.braces or self.words)[-1].end

    def every(self) -> Iterator[Directive]:
        """Yield all below it."""
        for one in self.inner:
            yield one
            yield from one.every()


def parse(source: Source) -> Directive:
    """Return all of a text, as what is in a block without a name. Raises InputError for a block that is not closed."""
    top = Directive(source, [])
    open_blocks = [top]
    for words in _lines(source):
        if words[0].raw == "}":
            if len(open_blocks) == 1:
                raise InputError(words[0].reject("`}` closes nothing that is open"))
            open_blocks.pop().braces.append(words[0])
            continue
        opens = words.pop() if words[-1].raw == "{" else None
        directive = Directive(source, words, braces=[opens] if opens else [])
        open_blocks[-1].inner.append(directive)
        if opens:
            open_blocks.append(directive)
    if len(open_blocks) > 1:
        raise InputError(open_blocks[-1].braces[0].reject("this block is never closed"))
    return top


def _lines(source: Source) -> Iterator[list[Token]]:
    at, words = 0, list[Token]()
    while at < len(source.text):
        token = _TOKEN.match(source.text, at)
        if token is None:
            raise InputError(source.reject(at, f"has a {source.text[at]} that nothing closes"))
        at = token.end()
        if token["word"]:
            raw = token["word"]
            quoted = len(raw) > 1 and raw[0] == raw[-1] and raw[0] in '"`'
            words.append(Token(source, token.start(), at, raw[1:-1] if quoted else raw))
        elif token["end"] and words:
            yield words
            words = []
    if words:
        yield words


Reads = Callable[[Path], Source]


def texts(config: Path, reads: Reads) -> Iterator[Source]:
    """Yield a Caddyfile, and all that it imports by their path. Raises InputError for what cannot be read."""
    seen, waiting = set[Path](), [config]
    while waiting:
        if (path := waiting.pop(0)) not in seen:
            seen.add(path)
            source = reads(path)
            yield source
            waiting += [file for found in _IMPORT.finditer(source.text) for file in _imported(path, found[1])]


def patterns(sources: Iterable[Source]) -> Iterator[Path]:
    """Yield the globs of their imports, as paths."""
    for source in sources:
        named = (found[1] for found in _IMPORT.finditer(source.text))
        yield from (source.path.parent / one for one in named if glob.has_magic(one))


def in_one(source: Source, reads: Reads, above: tuple[Path, ...] = ()) -> str:
    """Return a Caddyfile with the files that it imports in their place; what is given arguments is named in full."""

    def put(found: re.Match[str]) -> str:
        files = [one for one in _imported(source.path, found[1]) if one not in (*above, source.path)]
        if not files:
            return found[0]  # a snippet, or nothing
        if found["plain"] is None:
            return found[0].replace(found[1], str(source.path.absolute().parent / found[1]))
        return "\n".join(in_one(reads(file), reads, (*above, source.path)) for file in files)

    return _IMPORT.sub(put, source.text)


def _imported(path: Path, named: str) -> list[Path]:
    """Return the files that an import means: what is relative lies beside the file that says it."""
    return [Path(file) for file in sorted(glob.glob(str(path.parent / named))) if is_file(Path(file))]
