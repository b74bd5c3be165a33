"""What a cell looks like as soon as its own streams are known: before others of its chain, which may still turn it."""

from __future__ import annotations

from typing import Literal

from harness.judge.outcome import effect
from harness.judge.verdict import Assessment
from harness.model import streams

Sight = Literal["streams", "milder", "held", "refused", "limited"]
"""It streams, is held less than without its mitigations, a token was held or nearly was, or a hop turned it away: for
now, as the status says."""


def sight(seen: Assessment, baseline: Assessment | None) -> Sight:
    """Return what such streams look like; `baseline` are those without mitigations, if they are held against them."""
    if streams(seen.judgement.verdict, seen.shows):
        return "streams"
    return "milder" if baseline and effect(seen, baseline) == "reduces" else "held"
