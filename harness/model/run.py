"""The run that results belong to, and the programs that it met."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from harness.model.asked import Mitigation
from harness.model.deployed import Deployment

THERE = ("--at", "--control", "--cacert")
"""The options that say where an emitter is that is elsewhere."""
STANDING = ("--map", "--server", "--path")
"""Those that say how a config of the user's stands in a chain."""
DECIDING = (*STANDING, *THERE, "--pace")
"""Those that say, beside a matrix file, what each of its cells is: the same cell needs the same."""


def versions_met(told: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return programs with their versions as one mapping, in which none takes the place of another of its name.

    Applications with packages of their own go by one name and run on different ones: `uvicorn 0.54.0 or uvicorn 0.30`.
    """
    met: dict[str, dict[str, None]] = {}
    for versions in told:
        for name, version in versions.items():
            met.setdefault(name, {})[version] = None
    return {name: " or ".join(found) for name, found in met.items()}


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The head of a run: what was asked for, and where, when and with what it was measured.

    `name` is the matrix's, `cells` how many were to be measured, `matrix_text` its file's content, `mitigations` the
    catalogue that was used; `versions` are those of clients by name and of hops by program,
    known when the run has ended. `diagnosed` is the chain, as it is written, of which a run was to find out what holds;
    then `cells` grows with what is asked for.
    `inputs` has the git blob ids of the files that each hop is configured by, by path, and under `matrix` those of its
    file and of recordings. `own` are the paths of configs of the user's, `standing` is how these stand in chains, by
    hop, each path in it with a digest in place of its query.
    `shard` is which part of the matrix it is of, as `2/4`; empty: of all. `elsewhere` are the ids of cells in the other
    parts, sorted (None: an earlier harness did not write them down). `tests` is, by the id of a cell, the command that
    runs the test of pytest which it was measured for.
    Times are ISO 8601 in UTC; `finished_at` is None as long as the run goes on, and for ever if it was killed.
    """

    name: str
    title: str
    started_at: str
    harness_version: str
    python: str
    platform: str
    cells: int = 0
    matrix_file: str = ""
    matrix_text: str = ""
    options: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    mitigations: Mapping[str, Mitigation] = field(default_factory=dict)
    finished_at: str | None = None
    diagnosed: str = ""
    inputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    standing: Mapping[str, Deployment] = field(default_factory=dict)
    shard: str = ""
    elsewhere: tuple[str, ...] | None = None
    tests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def typed(self, cell_id: str) -> tuple[str, ...]:
        """Return what was typed to measure a cell: in a session of pytest what runs its test alone."""
        if self.options[:1] == ("pytest",):
            return self.tests.get(cell_id, self.options)
        return "harness", *self.options

    def said(self, options: Collection[str]) -> tuple[str, ...]:
        """Return those of the options that it was measured with which have these names, with their values."""
        found: list[str] = []
        for word, value in itertools.pairwise([*self.options, ""]):
            name, said, _ = word.partition("=")
            if name in options:
                found += [word] if said else [word, value]
        return tuple(found)
