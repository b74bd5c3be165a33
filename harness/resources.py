"""Where the shipped data lies: beside the package in a checkout, inside it when installed; where caches go; and folders
that are ours alone."""

from __future__ import annotations

import os
from itertools import takewhile
from pathlib import Path

import platformdirs

from harness.errors import Complaint, InputError


def configs() -> Path:
    """Return the folder of shipped configs."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def is_file(path: Path) -> bool:
    """Tell whether there is such a file. Raises InputError if one cannot even look."""
    try:
        return path.is_file()
    except OSError as error:
        raise InputError(Complaint(f"cannot be read: {error.strerror}", file=str(path))) from error


def cache() -> Path:
    """Return the folder for what set-up builds once (HARNESS_CACHE overrides it)."""
    return Path(os.environ.get("HARNESS_CACHE") or platformdirs.user_cache_path("token-stream-harness"))


def own_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, for this user alone; one that is there stays as it is.

    A run holds headers, answers and configs, a cache what we execute: whoever wants to share one opens it up.
    Proxies need no more: all that we start, root's nginx workers too, runs as the user that we are.
    """
    for folder in reversed([path, *takewhile(lambda above: not above.exists(), path.parents)]):
        folder.mkdir(mode=0o700, exist_ok=True)
