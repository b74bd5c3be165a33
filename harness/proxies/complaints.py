"""What a program has against its config: in its own words, and led back to the file that a person wrote. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import Complaint


@dataclass(frozen=True, slots=True)
class ComplaintPatterns:
    """How the complaints of a program are recognised.

    Each of the `patterns` has a group `words`, and perhaps `file` and `line`; the first that is found in a line of its
    log counts. `origins` leads from a file as the program was given it to the one it was made from, line by line; a
    line without a file is one of the first of them, the config.
    """

    patterns: Sequence[re.Pattern[str]] = ()
    origins: Mapping[str, Path] = field(default_factory=dict)

    def found(self, log: str) -> list[Complaint]:
        """Return the complaints about a line of a file, of the original; if there are none, all others. Each once."""
        told: dict[Complaint, None] = {}
        for line in log.splitlines():
            if match := next(filter(None, (pattern.search(line) for pattern in self.patterns)), None):
                told[self._complaint(**match.groupdict())] = None
        return [one for one in told if one.file] or list(told)

    def _complaint(self, words: str, file: str | None = None, line: str | None = None) -> Complaint:
        about = file or (next(iter(self.origins), "") if line else "")
        return Complaint(words, file=str(self.origins.get(about, about)), line=int(line) if line else None)
