"""What the marker `proxies` asks for: a matrix, or a chain with axes, a workload and how configs stand in it.

Rules: what has a colon is a chain, as `nginx:./nginx.conf`, and so are `direct` and a list; all else is a matrix, a
file or a shipped name. Files are looked for beside the test, then at pytest's root, then where pytest was started.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import session
from harness.errors import InputError, allowed
from harness.model import AXES, WORKLOAD_KEYS, Cell, Deployment
from harness.resources import is_file

DEFAULT_MATRIX = "smoke"
"""What is measured for a marker that names nothing, where no setting does."""
NAME, TITLE = "pytest", "A session of pytest"
"""What the run of all that no matrix file asks for is called."""
FORMS = "a chain, as proxies('nginx:./nginx.conf'), or a matrix, as proxies('my.yaml') or proxies('smoke')"
DEPLOYED = ("map", "server", "path")
PART_CHARS = 60
"""So much of a path, a server or a target stands in a name."""
WORKLOAD: Mapping[str, object] = {"tokens": 32, "token_bytes": 96}
_FILE = re.compile(r"[\w-]+:(?:[^/=@]*=)?(?P<file>[^>]*/[^>]*)")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a marker asks for: `matrix` or `chain` is given. Paths in a chain start at `folder`."""

    matrix: str = ""
    chain: tuple[str, ...] = ()
    folder: Path = Path()
    said: tuple[tuple[str, Any], ...] = ()

    def job(self) -> tuple[session.Job, tuple[Cell, ...]]:
        """Return the job, and its cells that are tests. Raises InputError and SelectionError."""
        said = {name: list(value) if isinstance(value, tuple) else value for name, value in self.said}
        deployment = deployment_of(said)
        if self.matrix:
            job = session.load(self.matrix, deployment=deployment)
            return job, job.cells
        axes, workload = axes_of(said) | {"chain": list(self.chain)}, workload_of(said)
        with told_of_keywords():
            called = f"{session.name_of(workload)}{_apart(deployment)}" if deployment else ""
            job = session.of_options(
                TITLE, axes, workload, NAME, folder=self.folder, deployment=deployment, called=called
            )
        return job, job.matrix.asked


def read(args: Sequence[object], said: Mapping[str, object], folders: Sequence[Path]) -> Asked | None:
    """Return what a marker with these arguments asks for; None if it names neither a matrix nor a chain.

    Raises InputError for what it does not take.
    """
    said = dict(said)
    given = [*args, *([said.pop("matrix")] if "matrix" in said else [])]
    if len(given) > 1:
        raise InputError(f"it takes one chain or matrix: {FORMS}")
    if not given:
        if said:
            raise InputError(f"{', '.join(said)}: of which chain? {FORMS}")
        return None
    (one,) = given
    if not args or not is_chain(one):
        check_words(said, DEPLOYED, ": all else stands in a matrix file itself")
        return Asked(matrix=_matrix(one, folders), said=_frozen(said))
    chains = [one] if isinstance(one, str) else one
    if not isinstance(chains, list | tuple) or not chains or not all(isinstance(each, str) for each in chains):
        raise InputError(f"{one!r} is neither a chain nor a matrix: {FORMS}")
    check_words(said, [*(name for name in AXES if name not in ("chain", "workload")), *WORKLOAD_KEYS, *DEPLOYED])
    return Asked(chain=tuple(chains), folder=folder_of(chains, folders), said=_frozen(said))


def is_chain(given: object) -> bool:
    """Tell chains from matrices."""
    return isinstance(given, list | tuple) or (isinstance(given, str) and (":" in given or given.strip() == "direct"))


def folder_of(chains: Sequence[str], folders: Sequence[Path]) -> Path:
    """Return where the paths in some chains start: in the first folder that has all of them. Raises InputError."""
    files = [found["file"] for chain in chains for hop in chain.split(">") if (found := _FILE.fullmatch(hop.strip()))]
    for folder in folders:
        if all(_is_there(folder, file) for file in files):
            return folder
    missing = [file for file in files if not any(_is_there(folder, file) for folder in folders)]
    if missing:
        raise InputError(f"there is no {missing[0]} in {_places(folders)}")
    raise InputError(f"{' and '.join(files)} lie in several folders: the paths in a chain start at one of them")


def check_words(said: Mapping[str, object], words: Sequence[str], why: str = "") -> None:
    """Raise InputError for keywords that are none."""
    for name in said:
        if name not in words:
            raise InputError(f"{name} is no keyword here{why}; {allowed(name, words)}")


def axes_of(said: Mapping[str, object]) -> dict[str, object]:
    """Return what keywords say of axes."""
    return {name: value for name, value in said.items() if name in AXES}


def workload_of(said: Mapping[str, object]) -> dict[str, object]:
    """Return what keywords say of a workload, with what is usual for one cell."""
    usual = {key: WORKLOAD.get(key, one.default) for key, one in WORKLOAD_KEYS.items()}
    return usual | {key: value for key, value in said.items() if key in WORKLOAD_KEYS}


def deployment_of(said: Mapping[str, object]) -> Deployment:
    """Return what keywords say of how configs stand in a chain. Raises InputError for what cannot be meant."""
    targets, server, path = said.get("map", ()), said.get("server", ""), said.get("path", "")
    targets = [targets] if isinstance(targets, str) else targets
    if not isinstance(targets, list | tuple) or not all(isinstance(one, str) and one for one in targets):
        raise InputError(f"map: {targets!r} is nothing that a config passes requests on to, as 'app:8000'")
    if not isinstance(server, str) or not re.fullmatch(r"|([^=\s]+=)?[^:\s]*(:[0-9]{1,5})?", server):
        raise InputError(f"server: {server!r} is no server: it is a name, a port, or both, as 'shop.example:443'")
    if not isinstance(path, str) or not re.fullmatch(r"|/[!-~]*", path):
        raise InputError(f"path: {path!r} is no path as a request has it: it begins with /, as '/api/chat'")
    return Deployment(tuple(targets), server, path)


def _apart(said: Deployment) -> str:
    """Return what tells a stream that is asked for so from others behind the same config: the end of its name.

    A digest stands for what no name can say; of 12 bits, for a query may be a secret.
    """
    parts = [said.server, *said.map, said.path.partition("?")[0].strip("/").replace("/", ".")]
    told = "".join(f".{word}" for part in parts if (word := re.sub(r"[^A-Za-z0-9._-]+", "-", part)[:PART_CHARS]))
    whole = repr((said.server, said.map, said.path))
    plain = not said.server and not said.map and re.fullmatch(r"(/[A-Za-z0-9_-]+)+", said.path)
    if plain and len(said.path) <= PART_CHARS:
        return told
    return f"{told}.{hashlib.sha256(whole.encode('utf-8', 'surrogatepass')).hexdigest()[:3]}"


@contextmanager
def told_of_keywords() -> Iterator[None]:
    """Tell what is wrong of the keyword that said it, where no file is to blame."""
    try:
        yield
    except InputError as error:
        complaints = []
        for one in error.complaints:
            match one.path:
                case _ if one.file:
                    complaints.append(one)
                case ("axes", str(name), *_) | ("workloads", _, str(name), *_):
                    complaints.append(replace(one, message=f"{name}: {one.message}", path=()))
                case _:
                    complaints.append(replace(one, path=()))
        raise InputError(*complaints) from error


def matrix_of(given: str, folder: Path) -> Asked:
    """Return the matrix that a setting names. Raises InputError if there is none."""
    return Asked(matrix=_matrix(given, [folder]))


def _matrix(given: object, folders: Sequence[Path]) -> str:
    """Return a shipped name as it is, and of a file its path in the first of the folders that has it."""
    if not isinstance(given, str | os.PathLike):
        raise InputError(f"{given!r} is neither a chain nor a matrix: {FORMS}")
    shipped, named = session.shipped_matrices(), str(Path(given))
    if named in shipped:
        return named
    for path in (folder / named for folder in folders):
        if is_file(path):
            return str(path)
    choices = allowed(named, shipped)
    raise InputError(f"there is no matrix {named!r} in {_places(folders)}: give a path or a shipped matrix; {choices}")


def _is_there(folder: Path, file: str) -> bool:
    """Tell whether a hop's file is in a folder, with or without what follows the last `@` of it."""
    return any((folder / name).exists() for name in (file, file.rpartition("@")[0]) if name)


def _places(folders: Sequence[Path]) -> str:
    return " nor in ".join(dict.fromkeys(map(str, folders)))


def _frozen(said: Mapping[str, object]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in said.items())
