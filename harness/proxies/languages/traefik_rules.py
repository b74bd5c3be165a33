"""A router's rule, as Traefik has them: which requests it takes, as far as that can be known before they come. Pure.

Rules (doc.traefik.io/traefik/reference/routing-configuration/http/routing/rules-and-priority/): matchers joined by `!`,
`&&` and `||`, which binds the least, with parentheses; a matcher with several values, as version 2 has it, takes each;
the router with the highest priority is taken, which is the length of its rule unless it says one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_TOKEN = re.compile(r"\s*(?:(\w+)\(\s*((?:`[^`]*`|\"(?:\\.|[^\"\\])*\"|[\s,])*)\)|(&&|\|\||!|\(|\)))")
_VALUE = re.compile(r"`([^`]*)`|\"((?:\\.|[^\"\\])*)\"")


@dataclass(frozen=True)
class Matcher:
    """One matcher, `PathPrefix`, and the values that it takes."""

    name: str
    values: tuple[str, ...]

    def holds(self, host: str, path: str) -> bool | None:
        match self.name.lower():
            case "host" | "hostheader":
                return any(host == one.lower() for one in self.values)
            case "path" if "{" not in "".join(self.values):
                return path in self.values
            case "pathprefix" if "{" not in "".join(self.values):
                return any(path.startswith(one) for one in self.values)
            case "pathregexp" | "hostregexp" if "{name" not in "".join(self.values):
                text = host if self.name.lower() == "hostregexp" else path
                try:
                    return any(re.search(one, text) is not None for one in self.values)
                except re.error:
                    return None
            case _:
                return None


@dataclass(frozen=True)
class Rule:
    """A rule in postfix order: matchers, and the signs that join what is before them. One that is none holds never."""

    parts: tuple[Matcher | str, ...]

    @classmethod
    def of(cls, text: str) -> Rule:
        """Read a rule; of one that cannot be read, nothing is known."""
        parts: list[Matcher | str] = []
        waiting: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if found is None:
                return cls((Matcher("", ()),))
            at = found.end()
            if found[1]:
                values = tuple(one or other for one, other in _VALUE.findall(found[2]))
                parts.append(Matcher(found[1], values))
            elif found[3] == ")":
                while waiting and waiting[-1] != "(":
                    parts.append(waiting.pop())
                waiting = waiting[:-1]
            else:
                binds = {"!": 3, "&&": 2, "||": 1}
                while found[3] in ("&&", "||") and waiting and binds.get(waiting[-1], 0) >= binds[found[3]]:
                    parts.append(waiting.pop())
                waiting.append(found[3])
        return cls((*parts, *reversed(waiting)))

    def holds(self, host: str, path: str) -> bool | None:
        stack: list[bool | None] = []
        for part in self.parts:
            if isinstance(part, Matcher):
                stack.append(part.holds(host, path))
            elif part == "!" and stack:
                value = stack.pop()
                stack.append(None if value is None else not value)
            elif part in ("&&", "||") and len(stack) > 1:
                decides, pair = part == "||", (stack.pop(), stack.pop())
                stack.append(decides if decides in pair else None if None in pair else not decides)
            else:
                return None
        return stack[0] if len(stack) == 1 else None

    def values(self, *names: str) -> list[str]:
        """Return the values of some matchers that are not negated."""
        return list(dict.fromkeys(self._values(names)))

    def _values(self, names: tuple[str, ...]) -> Iterator[str]:
        for part, after in pairwise((*self.parts, "")):
            if isinstance(part, Matcher) and part.name.lower() in names and after != "!":
                yield from part.values
