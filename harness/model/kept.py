"""What is kept of a run to hold later ones against, and what became of a cell since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.model.judged import Effect, Manner, ReleasedBy, Verdict


@dataclass(frozen=True, slots=True)
class KeptRelease:
    """What let held tokens go, as coarse as it is known.

    `after` is in bytes of the body if bytes did, in ms if a timer did, `within` what two measurements of the same may
    differ by. `idle`: the timer counts from the last byte that came (None: it is no timer, or an earlier harness did
    not write it down).
    """

    by: ReleasedBy
    after: int = 0
    within: int = 0
    idle: bool | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a cell: what the hop does, what the stream as asked shows, and no times.

    `verdict` is None of a stream of a fixed length that was too short to tell. `shows` is None where a paced stream saw
    it, which is a matter of its day, and of a broken one. `passed_bytes` and `held_bytes` are of the start, and known
    to the step in which it was found, `within_bytes`. `lag_ms` is how late tokens come of what is delayed and nothing
    lets go: 300 may be less, and None is not known.
    """

    verdict: Verdict | None
    shows: Manner | None = None
    effect: Effect | None = None
    release: KeptRelease | None = None
    passed_bytes: int = 0
    held_bytes: int = 0
    within_bytes: int = 0
    head_held: bool = False
    lag_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """What later runs are held against: of each cell what is kept, and what its id does not say.

    `name` is what people call it, `rules` the number of the rules of judgement that it was written by; `judged` has
    that of cells that other rules have judged. `cells` has what is kept of each, by id. What ids do not say:
    `workloads`, the keys of a matrix file by name; `standing`, how configs of the user's stand in chains, by hop;
    `digests` of request profiles and mitigations, by axis and name. `configs` has the git blob id of each file that
    hops are configured by, as most cells were measured with it: `renewed` has a digest of the others for each cell that
    was measured with such. `programs` has the versions that were met, by platform.
    """

    name: str
    rules: int
    harness_version: str
    cells: Mapping[str, Kept]
    workloads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    standing: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    configs: Mapping[str, str] = field(default_factory=dict)
    renewed: Mapping[str, str] = field(default_factory=dict)
    judged: Mapping[str, int] = field(default_factory=dict)
    programs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def rules_of(self, cell_id: str) -> int:
        """Return the number of the rules that have judged a cell."""
        return self.judged.get(cell_id, self.rules)


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A config of these hops that is another than when the baseline was written; `diff` says what changed, if somebody
    has the old one, else `lacking` why nobody has, and `line` where that begins in the new one. `hidden`: only values
    changed that are not shown. No hop has one any more that is gone.
    """

    path: str
    hops: tuple[str, ...] = ()
    was_there: bool = True
    diff: str = ""
    line: int = 0
    lacking: str = ""
    hidden: bool = False
