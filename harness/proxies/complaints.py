"""What a program has against its config: in its own words, and led back to the file that a person wrote. Pure.

Rule: no secret of the config is told, and nothing that only we wrote into it (quoting.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import Complaint
from harness.proxies.placeholders import filled
from harness.proxies.quoting import Masker, restored, without_secrets


@dataclass(frozen=True, slots=True)
class ComplaintPatterns:
    """How the complaints of a program are recognised.

    Each of the `patterns` has a group `words`, and perhaps `file` and `line`; of those that are found from a line of
    its log on, be it over several, the first counts. `origins` leads from a file as the program was given it to the one
    it was made from, line by line; such a file may lie in its ${FOLDER}. A line without a file is one of the first of
    them, the config, which a pattern is about as a whole that has an empty group `config`. `given` has the text of such
    a file as it was and as the program was given it, and `masked` leaves the secrets out of either.
    """

    patterns: Sequence[re.Pattern[str]] = ()
    origins: Mapping[str, Path] = field(default_factory=dict)
    given: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    masked: Masker = str

    @classmethod
    def of(cls, patterns: Iterable[str], origins: Mapping[str, Path]) -> ComplaintPatterns:
        """Return those that are written so; in each, `^` and `$` are the ends of a line."""
        return cls([re.compile(pattern, re.MULTILINE) for pattern in patterns], origins)

    def filled_in(self, values: Mapping[str, str]) -> ComplaintPatterns:
        """Return the same for a program for which placeholders stood for these."""
        origins = {filled(place, values): file for place, file in self.origins.items()}
        given = {filled(place, values): (was, filled(now, values)) for place, (was, now) in self.given.items()}
        return replace(self, origins=origins, given=given)

    def refuses(self, log: str) -> bool:
        """Tell whether a program names a file that it does not take: it need not be waited for any longer."""
        found = (match.groupdict() for pattern in self.patterns for match in pattern.finditer(log))
        return any(one.get("file") or one.get("line") for one in found)

    def found(self, log: str) -> list[Complaint]:
        """Return the complaints about a file, of the original; if there are none, all others. Each once."""
        begun: dict[int, re.Match[str]] = {}
        for pattern in self.patterns:
            for match in pattern.finditer(log):
                begun.setdefault(log.count("\n", 0, match.start()), match)
        told = dict.fromkeys(self._complaint(**begun[line].groupdict()) for line in sorted(begun))
        return [one for one in told if one.file] or list(told)

    def _complaint(
        self, words: str, file: str | None = None, line: str | None = None, config: str | None = None
    ) -> Complaint:
        about = file or (next(iter(self.origins), "") if line or config is not None else "")
        number = int(line) if line else None
        told = self.told(self._restored(words, about, number))
        return Complaint(told, file=str(self.origins.get(about, about)), line=number)

    def told(self, words: str) -> str:
        """Return what a program says as it may be told."""
        return without_secrets(words, (text for both in self.given.values() for text in both), self.masked)

    def _restored(self, words: str, file: str, number: int | None) -> str:
        was, now = (text.split("\n") for text in self.given.get(file, ("", "")))
        if number is None or len(was) != len(now) or not 0 < number <= len(was):
            return words
        return restored(words, was[number - 1], now[number - 1])
