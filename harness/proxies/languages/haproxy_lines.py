"""HAProxy's language, read with offsets: sections of lines of words, and the conditions of rules. Pure.

Rules, as its manual has them (docs.haproxy.org, "Configuration file format", "Quoting and escaping", "Using ACLs"): a
word ends at a blank, a `#` begins a comment unless it is escaped or quoted, a section begins with its name and lasts to
the next; a condition is a disjunction (`or`, `||`) of conjunctions of ACLs, named or in braces, each perhaps negated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import InputError
from harness.proxies.source_text import Source, Token

_SECTION = re.compile(
    "global|defaults|frontend|backend|listen|peers|resolvers|userlist|mailers|program|cache|ring|log-forward|http-errors"
    "|fcgi-app|crt-store|acme|traces|log-profile|healthcheck"
)
_WORD = re.compile(r"""(?:\\.|'[^'\n]*'|"(?:\\.|[^"\\\n])*"|[^\s\#'"\\])+""")
_BLANK = re.compile(r"[ \t\r\f\v]*(?:#[^\n]*)?")
_PIECE = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)|([^'"\\]+)""")

Line = Sequence[Token]


@dataclass(eq=False)
class Section:
    """A section: what kind it is, what it is called, its own line and those below."""

    head: Line
    lines: list[Line] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return self.head[0].said

    @property
    def name(self) -> str:
        return self.head[1].said if len(self.head) > 1 else ""

    def of(self, *keywords: str) -> Iterator[Line]:
        """Yield the lines that begin with one of some words."""
        return (line for line in self.lines if line[0].said in keywords)


def parse(source: Source) -> list[Section]:
    """Return the sections of a text. Raises InputError, with the line, for what HAProxy could not read either."""
    found: list[Section] = []
    at = 0
    for text in source.text.split("\n"):
        line = _line(source, at, at + len(text))
        at += len(text) + 1
        if not line:
            continue
        if _SECTION.fullmatch(line[0].said):
            found.append(Section(line))
        elif found:
            found[-1].lines.append(line)
        elif not line[0].said.startswith("."):  # .if, .notice: preprocessing
            raise InputError(line[0].reject(f"`{line[0].said}` stands in no section"))
    return found


def _line(source: Source, at: int, end: int) -> Line:
    words = []
    while (at := _BLANK.match(source.text, at, end).end()) < end:  # type: ignore[union-attr]  # it matches nothing, too
        word = _WORD.match(source.text, at, end)
        if word is None:
            raise InputError(source.reject(at, f"has a {source.text[at]} that nothing closes"))
        words.append(Token(source, at, word.end(), _said(word[0])))
        at = word.end()
    return words


def _said(raw: str) -> str:
    pieces = (
        single or re.sub(r"\\(.)", r"\1", double) or escaped or plain
        for single, double, escaped, plain in _PIECE.findall(raw)
    )
    return "".join(pieces)


# ---------------------------------------------------------------- conditions


@dataclass(frozen=True)
class Asked:
    """What a request is known to be; a path of None was rewritten to something unknown."""

    host: str
    path: str | None
    tls: bool


_FETCH: Mapping[str, Callable[[Asked], str | None]] = {
    "path": lambda asked: asked.path,
    "url": lambda asked: asked.path,
    "hdr(host)": lambda asked: asked.host,
    "req.hdr(host)": lambda asked: asked.host,
    "req.fhdr(host)": lambda asked: asked.host,
}
_MATCHES: Mapping[str, Callable[[str, str], bool]] = {
    "str": lambda value, pattern: value == pattern,
    "beg": lambda value, pattern: value.startswith(pattern),
    "end": lambda value, pattern: value.endswith(pattern),
    "sub": lambda value, pattern: pattern in value,
    "dir": lambda value, pattern: f"/{pattern.strip('/')}/" in f"{value}/",
    "dom": lambda value, pattern: f".{pattern.strip('.')}." in f".{value}.",
    "reg": lambda value, pattern: re.search(pattern, value) is not None,
}


@dataclass(frozen=True)
class Criterion:
    """One ACL: what it looks at (`path`, a host), how it compares, with what; `fetch` is empty if we cannot know."""

    fetch: str
    how: str = "str"
    patterns: tuple[str, ...] = ()
    ignores_case: bool = False

    @classmethod
    def of(cls, words: Sequence[str]) -> Criterion:
        name, how, patterns, ignores_case = words[0] if words else "", "", list(words[1:]), False
        if name == "ssl_fc" and not patterns:
            return cls("ssl_fc")
        if found := re.fullmatch(r"(path|url|hdr)_(beg|end|sub|dir|dom|reg)((?:\(host\))?)", name):
            name, how = f"{found[1]}{found[3]}", found[2]
        while patterns and patterns[0].startswith("-"):
            match patterns.pop(0):
                case "-i":
                    ignores_case = True
                case "-m" if patterns and patterns[0] in _MATCHES:
                    how = patterns.pop(0)
                case "--":
                    break
                case _:
                    return cls("")
        name = name.lower()
        if name.endswith(",lower"):
            name, ignores_case = name.removesuffix(",lower"), True
        return cls(name if name in _FETCH else "", how or "str", tuple(patterns), ignores_case)

    def holds(self, asked: Asked) -> bool | None:
        if self.fetch == "ssl_fc":
            return asked.tls
        if not self.fetch:
            return None
        value = _FETCH[self.fetch](asked)
        if value is None:
            return None
        patterns = [one.lower() for one in self.patterns] if self.ignores_case else self.patterns
        try:
            return any(_MATCHES[self.how](value.lower() if self.ignores_case else value, one) for one in patterns)
        except re.error:
            return None

    def literals(self, *fetches: str) -> Iterator[str]:
        """Yield what is compared with one of some things, as far as it alone would do."""
        if self.fetch in fetches and self.how in ("str", "beg", "dom"):
            yield from self.patterns


@dataclass(frozen=True)
class Condition:
    """What stands after `if`; or `unless`, if it is not to hold. Terms are an ACL's name, or a criterion in braces."""

    groups: Sequence[Sequence[tuple[bool, Sequence[Criterion]]]]
    is_negated: bool = False

    @classmethod
    def of(cls, words: Sequence[str], acls: Mapping[str, Sequence[Criterion]]) -> Condition:
        """Read a condition, its word included; none at all holds always."""
        if not words:
            return cls([[]])
        groups: list[list[tuple[bool, Sequence[Criterion]]]] = [[]]
        rest, wanted = list(words[1:]), True
        while rest:
            word = rest.pop(0)
            if word in ("or", "||"):
                groups.append([])
                continue
            while word.startswith("!"):
                wanted, word = not wanted, word[1:] or (rest.pop(0) if rest else "")
            if word == "{":
                end = rest.index("}") if "}" in rest else len(rest)
                criteria: Sequence[Criterion] = [Criterion.of(rest[:end])]
                rest = rest[end + 1 :]
            else:
                criteria = acls.get(word, [Criterion("")])
            groups[-1].append((wanted, criteria))
            wanted = True
        return cls(groups, words[0] == "unless")

    def holds(self, asked: Asked) -> bool | None:
        found = _any(
            _all(_is(_any(one.holds(asked) for one in some), wanted) for wanted, some in group) for group in self.groups
        )
        return _is(found, not self.is_negated)

    def literals(self, *fetches: str) -> list[str]:
        """Return what the request is compared with that the condition wants it to be."""
        terms = (term for group in self.groups for term in group)
        wanted = (one for is_wanted, some in terms if is_wanted != self.is_negated for one in some)
        return list(dict.fromkeys(text for one in wanted for text in one.literals(*fetches)))


def acls_of(section: Section) -> Mapping[str, Sequence[Criterion]]:
    """Return the ACLs of a section by name; several lines of one name are alternatives."""
    found: dict[str, list[Criterion]] = {}
    for line in section.of("acl"):
        if len(line) > 2:
            found.setdefault(line[1].said, []).append(Criterion.of([word.said for word in line[2:]]))
    return found


def _is(value: bool | None, wanted: bool) -> bool | None:
    return None if value is None else value == wanted


def _any(values: Iterator[bool | None]) -> bool | None:
    there = list(values)
    return True if True in there else None if None in there else False


def _all(values: Iterator[bool | None]) -> bool | None:
    there = list(values)
    return False if False in there else None if None in there else True
