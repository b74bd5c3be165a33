"""What a program has against its config: in its own words, and led back to the file that a person wrote. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import Complaint
from harness.proxies.placeholders import filled


@dataclass(frozen=True, slots=True)
class ComplaintPatterns:
    """How the complaints of a program are recognised.

    Each of the `patterns` has a group `words`, and perhaps `file` and `line`; of those that are found from a line of
    its log on, be it over several, the first counts. `origins` leads from a file as the program was given it to the one
    it was made from, line by line; such a file may lie in its ${FOLDER}. A line without a file is one of the first of
    them, the config, which a pattern is about as a whole that has an empty group `config`.
    """

    patterns: Sequence[re.Pattern[str]] = ()
    origins: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, patterns: Iterable[str], origins: Mapping[str, Path]) -> ComplaintPatterns:
        """Return those that are written so; in each, `^` and `$` are the ends of a line."""
        return cls([re.compile(pattern, re.MULTILINE) for pattern in patterns], origins)

    def in_folder(self, folder: Path) -> ComplaintPatterns:
        """Return the same for a program whose own folder is this one."""
        values = {"FOLDER": str(folder)}
        return replace(self, origins={filled(given, values): file for given, file in self.origins.items()})

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
        return Complaint(words, file=str(self.origins.get(about, about)), line=int(line) if line else None)
