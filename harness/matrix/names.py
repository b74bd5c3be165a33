"""Looks up what the values of axes stand for: chains, workloads, and names that plug-ins or the catalogue provide.

Rules: an unknown name is noted in the document at its place, with the known ones; the look-up goes on. `all`, alone,
stands for each of the names that an axis of names can have.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from harness.documents.document import Document
from harness.errors import KeyPath, allowed
from harness.matrix.chains import Chains
from harness.matrix.shapes import Axes
from harness.model import AXES, Axis

ALL = ["all"]


class Names:
    """What one file may name: in chains, and on each axis of `known`, where a mapping has what its names stand for."""

    def __init__(self, document: Document, chains: Chains, known: Mapping[str, Collection[str]]) -> None:
        self._document = document
        self._chains = chains
        self._known = known

    def values(self, axes: Axes, path: KeyPath) -> dict[str, tuple[Any, ...]]:
        """Return the values of the axes that are given, each once, as a cell has them; `path` is where they stand."""
        found: dict[str, tuple[Any, ...]] = {}
        for name, given in axes:
            if given is not None:
                values = (self._values(AXES[name], value, (*path, name, index)) for index, value in enumerate(given))
                found[name] = tuple(dict.fromkeys(itertools.chain(*values)))
        return found

    def _values(self, axis: Axis, given: Any, path: KeyPath) -> Iterator[Any]:
        """Yield what one entry of an axis stands for: a value, or all that there are."""
        if given == ALL:
            yield from ((name,) for name in self._known.get(axis.name, ()))
        else:
            yield self._value(axis, given, path)

    def _value(self, axis: Axis, given: Any, path: KeyPath) -> Any:
        match axis.reads:
            case "chain":
                return self._chains.chain(given, path)
            case "names":
                if len(set(given)) < len(given):
                    self._document.reject(path, f"the same {axis.noun} is named twice")
                return tuple(sorted(self._named(axis, name, path) for name in given))
            case "name":
                return self._named(axis, given, path)

    def _named(self, axis: Axis, name: str, path: KeyPath) -> Any:
        """Return what a name stands for, which mostly is itself."""
        names = self._known.get(axis.name, (name,))
        if axis.reads == "names" and name.partition("@")[0] in names:
            return name  # in the config of one hop alone: whether there is that one, objections say
        if name not in names:
            self._document.reject(path, f"unknown {axis.noun} {name!r}; {allowed(name, names)}")
        return names.get(name) if isinstance(names, Mapping) else name
