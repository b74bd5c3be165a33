"""What to type to have a cell's chain diagnosed: its hops by their files, and the options that say how these stand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType

from harness.model.asked import WORKLOAD_KEYS
from harness.model.axes import AXES, Cell
from harness.model.deployed import Deployment
from harness.model.hops import Hop, hop_as_given
from harness.model.redaction import without_query

USUAL = {"payload": WORKLOAD_KEYS["payload"].default, **{name: axis.default for name, axis in AXES.items()}}
REQUESTS = ("curl", "browser")
"""Whose requests a diagnosis looks at, unless somebody says so."""


def to_diagnose(
    cell: Cell,
    own: Mapping[Hop, PurePath],
    deployed: Mapping[Hop, Deployment],
    file: str = "",
    declared: Mapping[Hop, Deployment] = MappingProxyType({}),
    replayed: PurePath | None = None,
) -> tuple[str, ...]:
    """Return the words of that command. What the hops are is known of a matrix `file`, with how they stand as far as
    it has `declared` that, or else of the configs that are the user's `own`; what a cell replays is `replayed`.
    """
    load = cell.workload
    asked: dict[str, str] = {"client": cell.client}
    asked |= {} if load.recording else {"format": cell.format, "body": cell.body, "payload": load.payload}
    asked |= {"request": cell.request} if cell.request not in REQUESTS else {}
    unusual = [(f"--{name}", value) for name, value in sorted(asked.items()) if value != USUAL[name]]
    words = ["harness", "diagnose", "--chain", ">".join(hop_as_given(hop, {} if file else own) for hop in cell.chain)]
    words += ["--with", file] if file else []
    words += [word for option in unusual for word in option]
    nothing = Deployment()
    standing = {hop.bare: deployed.get(hop.bare, nothing) for hop in cell.chain}
    mine = {hop: rest for hop, said in standing.items() if (rest := _beside(said, declared.get(hop, nothing)))}
    return *words, *_as_deployed(mine, bool(file)), *(["--replay", str(replayed)] if replayed else [])


def _beside(said: Deployment, declared: Deployment) -> Deployment:
    """Return what is said of a config beside what is declared, each path without its query."""
    path = without_query(said.path)
    return Deployment(
        said.map if said.map != declared.map else (),
        said.server if said.server != declared.server else "",
        path if path != without_query(declared.path) else "",
        without_query(said.wish),
    )


def _as_deployed(deployed: Mapping[Hop, Deployment], others: bool) -> list[str]:
    """Return the options that say how configs stand in a chain, beside `others` of a file or not."""
    options = list[tuple[str, str]]()
    for hop, said in deployed.items():
        of = f"{hop}=" if others or len(deployed) > 1 else ""
        options += [("--map", f"{of}{one}") for one in said.map]
        options += [("--server", f"{of}{said.server}")] if said.server else []
    paths = dict.fromkeys(said.path or said.wish for said in deployed.values())
    options += [("--path", path) for path in paths if path]
    return [word for option in options for word in option]
