"""A workload's name that says all of it, for cells that no file names: `32x96`, `32x96-random-every40ms`. Pure.

Rule: what is as usual is not said, and a name is read back to the very workload that it was made for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.model import WORKLOAD_KEYS

UNSAID = "options"
"""The name of a workload that cannot be said so, as its values are none that a workload may have."""

_NAME = re.compile(
    r"(?P<tokens>\d+)x(?P<token_bytes>\d+)(?:-(?P<payload>repetitive|random))?(?:-every(?P<interval_ms>[\d.]+)ms)?"
    r"(?:-seed(?P<seed>\d+))?(?P<exact>-exact)?"
)


def name_of(workload: Mapping[str, object]) -> str:
    """Return the name of a workload, given by the keys that a file has for it."""
    said = {key: value for key, value in workload.items() if value != WORKLOAD_KEYS[key].default}
    name = f"{said.get('tokens')}x{said.get('token_bytes')}"
    name += f"-{said['payload']}" if "payload" in said else ""
    name += f"-every{str(said['interval_ms']).removesuffix('.0')}ms" if "interval_ms" in said else ""
    name += f"-seed{said['seed']}" if "seed" in said else ""
    name += "-exact" if said.get("exact") is True else ""
    return name if _NAME.fullmatch(name) else UNSAID


def workload_of(name: str) -> dict[str, object] | None:
    """Return the keys that a name says; None if it is the name of one in a file."""
    if not (said := _NAME.fullmatch(name)):
        return None
    given = {key: value for key, value in said.groupdict().items() if value is not None}
    return {key: True if key == "exact" else WORKLOAD_KEYS[key].kind(value) for key, value in given.items()}
