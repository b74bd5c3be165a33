"""What is given to a secret name otherwise than by standing behind it in a directive: in any language. Pure.

Rules: a call with the quoted name of one, as Traefik's Header(`X-Api-Key`, `...`), has its value in the other
arguments, and a call of such a name in all; what is compared with one is its value, on either side, and what stands
behind it as an option (`--token`). In a program, `key` or `name` has one whose value another key of the same brackets
has. Only quoted words are values of calls and comparisons: others are names, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.model import HIDDEN, is_secret

NAMES = ("key", "name", "header", "headername", "field")
"""Keys whose value is a name, of which another key has the value."""
VALUES = re.compile(r"(raw|default)?value|.*match.*|exact|prefix|suffix|contains|regex|text")
"""Those other keys. Both are compared without case and underscores."""

_QUOTED = (
    r"""(?:\\"(?:\\(?!")|[^"\\\n]){0,300}+\\"|"(?:\\.|[^"\\\n]){0,300}+"|'(?:\\.|[^'\\\n]){0,300}+'|`[^`\n]{0,300}+`)"""
)
_ONE = re.compile(_QUOTED)
_CALL = re.compile(rf"(?P<callee>[A-Za-z_]\w*)\(\s*(?P<first>{_QUOTED})(?P<rest>(?:\s*,\s*{_QUOTED})*)\s*\)")
_AGAINST = re.compile(
    rf"""(?P<name>[A-Za-z_][\w-]*)[\]}})"'`\\]{{0,6}}\s{{0,9}}
    (?:[=!]==?|=~|in\s{{0,9}}[\[(]|\.(?:(?:starts|ends)_?with|contains|matches|equals)\()\s{{0,9}}
    (?P<value>{_QUOTED}(?:\s{{0,9}},\s{{0,9}}{_QUOTED})*)""",
    re.IGNORECASE | re.VERBOSE,
)
_BEFORE = re.compile(rf"""(?P<value>{_QUOTED})(?P<name>\s{{0,9}}[=!]==?\s{{0,9}}[\w.{{}}\[\]"'`$%:()\\-]{{1,200}})""")
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_OPTION = re.compile(
    rf"""(?<![\w-])(?P<option>--?[A-Za-z][\w-]*)(?P<sign>[ \t]+)(?!\(redacted\))"""
    rf"""(?P<value>{_QUOTED}|[^\s"'`,;&|)\]\\-][^\s"'`,;&|)\]\\]*)"""
)
_PLACEHOLDER = re.compile(r"\{\$?(?:[\w-]+\.)*([\w-]+)\}")
"""As Caddy has them: `{header.X-Api-Key}`, `{http.request.header.X-Api-Key}`."""
_PIECE = re.compile(
    r"""(?P<none>[ \t\r\f]+|(?<![\w.])\#[^\n]*|//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?)"""
    r'''|(?P<text>"""(?:.*?"""|.*)|\'\'\'(?:.*?\'\'\'|.*)|`[^`]*`?|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)'''
    r"""|(?P<word>[\w$-]+)|(?P<gives>=>|:=|[:=](?![:=]))|.""",
    re.DOTALL,
)
_UNFINISHED = frozenset("+|?&.=\\,")
"""Ends a line that the next one goes on with."""
_ENDS = frozenset(",;)]}")
_QUOTES = "\\\"'`"


def is_secret_placeholder(text: str) -> bool:
    """Tell whether a placeholder in a text has the name of a secret."""
    return any(is_secret(one) for one in _PLACEHOLDER.findall(text))


def end_of_secret_placeholder(text: str, begins: int) -> int | None:
    """Return where the first placeholder with the name of a secret ends, from a place on; None if there is none."""
    return next((one.end() for one in _PLACEHOLDER.finditer(text, begins) if is_secret(one[1])), None)


def is_secret_option(word: str) -> bool:
    """Tell whether a word is an option whose value is the next word, and a secret."""
    return word.startswith("-") and "=" not in word and is_secret(word)


def without_given(text: str) -> str:
    """Return a text without what calls, comparisons and options give to the names of secrets."""
    text = _CALL.sub(_called, text)
    text = _AGAINST.sub(lambda one: _hidden_in(one, "value") if is_secret(one["name"]) else one[0], text)
    text = _BEFORE.sub(
        lambda one: _hidden_in(one, "value") if any(map(is_secret, _WORD.findall(one["name"]))) else one[0], text
    )
    return _OPTION.sub(_option, text)


def _called(call: re.Match[str]) -> str:
    first = call["first"].strip(_QUOTES)
    if is_secret(call["callee"]) and call["callee"].lower() not in NAMES:
        return _ONE.sub(_hidden, call[0])
    return _hidden_in(call, "rest") if is_secret(first) and re.fullmatch(r"[\w-]+", first) else call[0]


def _option(found: re.Match[str]) -> str:
    if not is_secret(found["option"]):
        return found[0]
    hidden = _ONE.sub(_hidden, found["value"]) if _ONE.fullmatch(found["value"]) else HIDDEN
    return f"{found['option']}{found['sign']}{hidden}"


def _hidden_in(found: re.Match[str], group: str) -> str:
    """Return a match without what is quoted in one of its groups."""
    start, end = (place - found.start() for place in found.span(group))
    return found[0][:start] + _ONE.sub(_hidden, found[0][start:end]) + found[0][end:]


def _hidden(quoted: re.Match[str]) -> str:
    quote = quoted[0][: 1 + quoted[0].startswith("\\")]
    return f"{quote}{HIDDEN}{quote}"


# ---------------------------------------------------------------- pairs of keys


@dataclass
class _Inside:
    """What is known within brackets: the key whose value is read, where that begins (-1: it is to come) and what was
    its last piece; whether a key has the name of a secret, and where values stand that such a key would be of.
    """

    key: str = ""
    begins: int = -1
    last: str = ""
    has_secret: bool = False
    values: list[tuple[int, int]] = field(default_factory=list)

    def end(self, text: str, at: int) -> None:
        """Hear that what is read ends there."""
        if self.begins >= 0:
            value = text[self.begins : at].rstrip()
            if self.key in NAMES and is_secret(value.strip(_QUOTES)):
                self.has_secret = True
            elif VALUES.fullmatch(self.key):
                self.values.append((self.begins, self.begins + len(value)))
        self.key, self.begins, self.last = "", -1, ""

    @property
    def secrets(self) -> list[tuple[int, int]]:
        return self.values if self.has_secret else []


def without_paired(program: str) -> str:
    """Return a program without the values of keys beside which another key has the name of a secret."""
    made, at = "", 0
    for start, end in sorted(_paired(program)):
        if start >= at:
            said = program[start:end]
            told = _ONE.sub(_hidden, said) if _ONE.fullmatch(said) else HIDDEN + "\n" * said.count("\n")
            made, at = f"{made}{program[at:start]}{told}", end
    return made + program[at:]


def _paired(text: str) -> Iterator[tuple[int, int]]:
    """Yield where such values stand. A text is looked through once."""
    inside, word = [_Inside()], ""
    for part in _PIECE.finditer(text):
        now, said = inside[-1], part[0]
        if said in _ENDS or (said == "\n" and now.last and now.last[-1] not in _UNFINISHED):
            now.end(text, part.start())
        if part["none"] or said == "\n":
            continue
        if said in (")", "]", "}"):
            if len(inside) > 1:
                yield from inside.pop().secrets
                inside[-1].last = said
        elif part["gives"] and word and not now.key:
            now.key, now.last = word.replace("_", "").lower(), ""
        else:
            now.begins = part.start() if now.key and now.begins < 0 else now.begins
            now.last = said
        word = said.strip(_QUOTES) if part["word"] or part["text"] else ""
        if said in ("(", "[", "{"):
            inside.append(_Inside())
    for one in inside:
        yield from one.secrets
