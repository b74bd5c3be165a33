"""Has modules of ours imported as they are installed: in a user's session no assert of theirs needs pytest's words.

pytest rewrites all packages of a distribution that has a plugin (pytest 9, src/_pytest/config/__init__.py,
`_mark_plugins_for_rewrite`), each module as it is first imported after an installation, which CI does for every job:
half a second of CPU for what measures. Its finder stands first in `sys.meta_path`; who stands before it is asked first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

OURS = f"{__name__.partition('.')[0]}."


class _AsInstalled(MetaPathFinder):
    """Finds our modules, and no others, as Python itself does."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, path, target) if fullname.startswith(OURS) else None


def import_as_installed() -> Callable[[], None]:
    """Have what is imported of ours from here on taken as it is; return what ends that."""
    finder = _AsInstalled()
    sys.meta_path.insert(0, finder)
    return lambda: sys.meta_path.remove(finder)
