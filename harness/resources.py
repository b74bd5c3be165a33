"""What the machine gives us: where the shipped data lies (beside the package in a checkout, inside it when installed),
where caches go, folders that are ours alone, and how many cores we may use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path, PurePosixPath

import platformdirs

from harness.errors import Complaint, InputError

RUNS = Path("runs")
"""Where run folders go, unless one says so."""

JOBS = 64
"""How many cells are measured at once, unless one says so."""

NO = ("", "0", "false", "f", "no", "n", "off")
"""What means no in a variable of the environment, as it does for an option's."""


def is_on(variable: str) -> bool:
    """Tell whether a variable of the environment says yes: it is set, and not to a word that means no."""
    return os.environ.get(variable, "").strip().lower() not in NO


def configs() -> Path:
    """Return the folder of shipped configs."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def compose() -> Path:
    """Return the compose file, which has the one list of images; an installed package is without it."""
    return configs().parent / "compose.yaml"


def is_file(path: Path) -> bool:
    """Tell whether there is such a file. Raises InputError if one cannot even look."""
    try:
        return path.is_file()
    except OSError as error:
        raise InputError(Complaint(f"cannot be read: {error.strerror}", file=str(path))) from error


def is_readable(path: Path) -> bool:
    """Tell whether there is something to read: a file, or a pipe or device, which can be read once. Raises likewise."""
    return is_file(path) or (path.exists() and not path.is_dir())


def why_no_file(path: Path) -> str | None:
    """Return why there is no file that can be read again and again; None if there is one. Raises likewise."""
    if is_file(path):
        return None
    if path.is_dir():
        return f"{path} is a folder, not a file"
    return f"{path} is a pipe or device, not a file" if path.exists() else f"there is no file {path}"


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


def runs_folder(path: Path) -> None:
    """Make a folder for runs likewise, and keep what is in it out of git: but not what was there before."""
    if not path.exists():
        own_folder(path)
        (path / ".gitignore").write_text("*\n", encoding="ascii")


def cores() -> int:
    """Return how many cores this process may keep busy, at least 1: a container or `taskset` may leave it fewer."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([affinity, *quotas(text_of)])))


def quotas(text: Callable[[str], str]) -> Iterator[float]:
    """Yield the cores that each control group around this process leaves it; `text` returns what stands in a file."""
    for version, folder in groups("cpu", text):
        if version == 2:
            yield from _share(*text(f"{folder}/cpu.max").split()[:2])
        else:
            yield from _share(text(f"{folder}/cpu.cfs_quota_us"), text(f"{folder}/cpu.cfs_period_us"))


def groups(controller: str, text: Callable[[str], str]) -> Iterator[tuple[int, str]]:
    """Yield the control groups around this process by which Linux may limit it: their version, 1 or 2, and folder.

    `text` returns what stands in a file, nothing if it cannot be read. A container may see its own group at the root
    while the kernel names it as the host does: so the root is looked at, whatever the name.
    """
    for line in text("/proc/self/cgroup").splitlines():
        _, controllers, group = [*line.split(":", 2), "", ""][:3]
        above = PurePosixPath(group or "/")
        for folder in (above, *above.parents):
            below = str(folder).lstrip("/")
            if not controllers:
                yield 2, f"/sys/fs/cgroup/{below}"
            elif controller in controllers.split(","):
                yield 1, f"/sys/fs/cgroup/{controller}/{below}"


def _share(quota_us: str = "", period_us: str = "") -> Iterator[float]:
    """Yield how many cores a quota is; nothing if there is none (`max`, or -1)."""
    if quota_us.strip().isdigit() and period_us.strip().isdigit() and int(period_us):
        yield int(quota_us) / int(period_us)


def text_of(path: str) -> str:
    """Return what stands in a file of the kernel's; nothing if it cannot be read."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
