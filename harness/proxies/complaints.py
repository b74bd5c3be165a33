"""What a program has against its config: in its own words, and led back to the file that a person wrote. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Complaints:
    """How the complaints of a program are recognised.

    Each of the `patterns` has a group `words`, and perhaps `file` and `line`; the first that is found in a line of its
    log counts. `origins` leads from a file as the program was given it to the one it was made from, line by line.
    """

    patterns: Sequence[re.Pattern[str]] = ()
    origins: Mapping[str, Path] = field(default_factory=dict)

    def found(self, log: str) -> tuple[list[str], list[str]]:
        """Return what has a place, as `FILE:LINE: words` of the original, and the rest; each once, in order."""
        placed, others = dict[str, None](), dict[str, None]()
        for line in log.splitlines():
            if match := next(filter(None, (pattern.search(line) for pattern in self.patterns)), None):
                parts = match.groupdict()
                if file := parts.get("file"):
                    placed[f"{self.origins.get(file, file)}:{parts['line']}: {parts['words']}"] = None
                else:
                    others[parts["words"]] = None
        return list(placed), list(others)
