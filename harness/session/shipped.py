"""What comes with the package: variants, mitigations, matrices, and all names that a matrix file may use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from harness.clients import CLIENTS
from harness.clients.base import StoodInFor
from harness.errors import Complaint, InputError
from harness.formats import FORMATS
from harness.matrix import mitigations
from harness.matrix.reading import Known
from harness.model import Mitigation
from harness.proxies.base import Optioned
from harness.proxies.catalog import PROXIES
from harness.proxies.program_file import OURS
from harness.resources import configs

MAX_CHARS = 10_000_000


def variants(proxy: str) -> dict[str, Path]:
    """Return the shipped variants of a proxy by name."""
    files = (configs() / proxy).glob(f"*{PROXIES[proxy].suffix}")
    return {file.name.removesuffix(PROXIES[proxy].suffix): file for file in sorted(files) if file.name not in OURS}


def catalogue() -> dict[str, Mitigation]:
    """Return the shipped mitigations by name."""
    path = configs() / "mitigations.yaml"
    return dict(_parsed(read_text(path), str(path)))


@lru_cache(maxsize=1)
def _parsed(text: str, file: str) -> Mapping[str, Mitigation]:
    return mitigations.parse(text, file)


def known() -> Known:
    """Return the names that a matrix file may use without defining them."""
    clients = {name: make() for name, make in CLIENTS.items()}
    return Known(
        proxies={name: tuple(variants(name)) for name in PROXIES},
        names={"client": tuple(CLIENTS), "format": tuple(FORMATS)},
        mitigations=catalogue(),
        canonical={name: proxy.canonical for name, proxy in PROXIES.items() if isinstance(proxy, Optioned)},
        suffixes={name: proxy.suffix for name, proxy in PROXIES.items()},
        stand_ins={name: client.stand_in for name, client in clients.items() if isinstance(client, StoodInFor)},
    )


def shipped_matrices() -> dict[str, Path]:
    """Return the matrices that come with the package, by name."""
    folder = configs() / "matrices"
    return {str(path.relative_to(folder).with_suffix("")): path for path in sorted(folder.rglob("*.yaml"))}


def read_text(path: Path) -> str:
    """Return what can be read there, once: a pipe or device serves. Raises InputError, also if that has no end."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_CHARS + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Complaint(f"cannot be read: {error}", file=str(path))) from error
    if len(text) > MAX_CHARS:
        raise InputError(Complaint(f"too long: at most {MAX_CHARS} characters are read", file=str(path)))
    return text
