"""Which mitigation defeats which buffering layer, measured through real proxies."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import getsource


def lazily(room: str) -> tuple[Sequence[str], Callable[[str], object]]:
    """Return `__all__` and `__getattr__` (PEP 562) of a room whose names are each loaded when it is first asked for.

    The names stand once, as imports under `if TYPE_CHECKING`: type checkers read them there, and so does this.
    """
    front = sys.modules[room]
    homes = {
        alias.asname or alias.name: str(node.module)
        for block in ast.parse(getsource(front)).body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {room!r} has no attribute {name!r}", name=name, obj=front)
        value = getattr(import_module(homes[name]), name)
        setattr(front, name, value)
        return value

    return sorted(homes), load
