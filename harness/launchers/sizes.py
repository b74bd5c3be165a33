"""What a download weighs, told before it begins: as a lock has it for this machine, or as whoever offers it says."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Mapping

CPUS = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}
"""What Node.js, whose names locks have, calls a machine, where that is not as Python does."""

_WEIGHED = re.compile(r"(?m)^# Downloads, in bytes: (.+)$")


def on_this_machine(weighed: Mapping[str, int]) -> int:
    """Return what is known for this machine, of sizes by machine: `{"linux-x64": 104583244}`; 0 if nothing is."""
    machine = platform.machine().lower()
    return weighed.get(f"{sys.platform}-{CPUS.get(machine, machine)}", 0)


def told(size_bytes: int) -> str:
    """Return a size as it stands behind what is fetched, in brackets and after a space; nothing if it is not known."""
    return f" ({size_bytes / 1e6:.{0 if size_bytes >= 1e6 else 1}f} MB)" if size_bytes else ""


def weighed_in(requirements: str) -> dict[str, int]:
    """Return the sizes that a comment of a requirements.txt has, by machine; none if it has none."""
    found = _WEIGHED.search(requirements)
    return {machine: int(size) for machine, size in re.findall(r"(\S+) (\d+)", found[1] if found else "")}


def with_weighed(requirements: str, weighed: Mapping[str, int]) -> str:
    """Return a requirements.txt with such a comment behind its first line, and no other one."""
    first, rest = _WEIGHED.sub("", requirements).split("\n", 1)
    sizes = ", ".join(f"{machine} {size}" for machine, size in weighed.items())
    return f"{first}\n# Downloads, in bytes: {sizes}\n{rest.lstrip()}"
