"""How a cell holds: what lets its tokens go, and after how much. Of whom that is alike, the same holds. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import Result

ALIKE = 0.1
ALIKE_MS = 25.0
"""Two differ if it is by more than this share, and what is timed by more than what a busy machine adds."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What lets go (`lag`: nothing, it is late), and after how many bytes or milliseconds, from `least` to `most`.

    `in_code`: an application alone keeps its whole answer back, and no compressor of its own.
    """

    by: str
    least: float = 0.0
    most: float = 0.0
    in_code: bool = False


def manner(result: Result) -> Manner | None:
    """Return how a cell holds, as far as that can be told from others."""
    release, late_ms = result.release, result.metrics.over_control_ms if result.metrics else None
    if result.verdict == "buffered":
        compressed = any(change.name.lower() == "content-encoding" for change in result.header_changes)
        return Manner("end", in_code=result.facts.hops == ("application",) and not compressed)
    if result.verdict == "delayed" and late_ms is not None:
        return Manner("lag", *_about(late_ms, late_ms, ALIKE_MS))
    if result.verdict != "coalesced" or release is None or release.by not in ("bytes", "timer"):
        return None
    if release.by == "timer":
        return Manner("idle timer" if release.idle else "timer", *_about(release.wait_ms, release.wait_ms, ALIKE_MS))
    token_bytes = release.after_bytes / max(release.after_tokens, 1)
    return Manner("bytes", *_about(release.after_bytes - release.resolution_bytes, release.after_bytes, token_bytes))


def _about(least: float, most: float, off: float) -> tuple[float, float]:
    return least - max(off, ALIKE * least) / 2, most + max(off, ALIKE * most) / 2


def alike(one: Manner | None, other: Manner | None) -> bool:
    """Tell whether it is known that the same lets go after as much. What only the end does may hide anything."""
    if one is None or other is None or one.by != other.by or one.by == "end":
        return False
    return one.least <= other.most and other.least <= one.most
