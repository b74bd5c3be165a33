"""Whether memory is short: of the machine, or of a control group around us, as a container has one.

Rule: it is if less is left than ROOM_BYTES, or than a SHARE of all there is, whichever is less. Who waits for less
waits until the kernel takes pages away from what is being measured, or ends it. Where no kernel tells, it never is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.resources import groups, text_of

ROOM_BYTES = 2**30
"""What the largest programs take that may start side by side: LiteLLM, Next.js, a browser have hundreds of MB each."""

SHARE = 1 / 4
"""On a small machine, or in a small container, that would be all there is: so much is room enough there."""

GROUP_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}
"""What has the limit, what tells how much is used, and what memory.stat calls pages that can be dropped, by version."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What somebody may use, and how much of it is left, in bytes."""

    total_bytes: int
    left_bytes: int

    @property
    def is_short(self) -> bool:
        return self.left_bytes < min(ROOM_BYTES, SHARE * self.total_bytes)


def is_short(text: Callable[[str], str] = text_of) -> bool:
    """Tell whether memory is short anywhere; `text` returns what is in a file of the kernel's. Takes under 1 ms."""
    return any(one.is_short for one in memories(text))


def memories(text: Callable[[str], str]) -> Iterator[Memory]:
    """Yield what the machine has, and each control group around this process that has a limit."""
    machine = _numbers(text("/proc/meminfo").replace(":", " "))
    if {"MemTotal", "MemAvailable"} <= machine.keys():
        yield Memory(machine["MemTotal"] * 1024, machine["MemAvailable"] * 1024)
    for version, folder in groups("memory", text):
        limit, used, dropped = GROUP_FILES[version]
        found = text(f"{folder}/{limit}").strip(), text(f"{folder}/{used}").strip()
        if all(one.isdigit() for one in found):  # a limit may be `max`
            total, taken = map(int, found)
            yield Memory(total, total - taken + _numbers(text(f"{folder}/memory.stat")).get(dropped, 0))


def _numbers(text: str) -> dict[str, int]:
    """Return what stands in lines as `name 12`, or `name 12 kB`."""
    rows = (line.split()[:2] for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
