"""What comes with the package: variants, mitigations, matrices, and all names that a matrix file may use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from harness.clients import CLIENTS
from harness.clients.base import Client, StoodInFor
from harness.errors import Complaint, InputError
from harness.formats import FORMATS
from harness.matrix import mitigations
from harness.matrix import requests as profiles
from harness.matrix.chains import OwnProxy
from harness.matrix.reading import Known
from harness.model import Mitigation, Recording, Remark, RequestProfile
from harness.proxies.base import Editable, Optioned, Varied
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described, own
from harness.resources import configs
from harness.store.runs import load_recording

MAX_CHARS = 10_000_000


def variants(proxy: str) -> Mapping[str, Path]:
    """Return the shipped variants of a proxy by name."""
    adapter = PROXIES[proxy]
    if isinstance(adapter, Varied):
        return adapter.variants()
    return {file.stem: file for file in sorted((configs() / proxy).glob(f"*{adapter.suffix}"))}


def described() -> list[str]:
    """Return the names of the proxies that files describe."""
    return [name for name, proxy in PROXIES.items() if isinstance(proxy, Described)]


def catalogue() -> dict[str, Mitigation]:
    """Return the shipped mitigations by name."""
    path = configs() / "mitigations.yaml"
    return dict(_parsed(read_text(path), str(path)))


@lru_cache(maxsize=1)
def requests() -> Mapping[str, RequestProfile]:
    """Return the shipped request profiles by name."""
    path = configs() / "requests.yaml"
    return profiles.parse(read_text(path), str(path))


@lru_cache(maxsize=1)
def _parsed(text: str, file: str) -> Mapping[str, Mitigation]:
    return mitigations.parse(text, file)


def known(folder: Path = Path(), recording: Recording | None = None) -> Known:
    """Return the names that a matrix file in `folder` may use without defining them; any recording is that one, if it
    is given."""
    clients = {name: make() for name, make in CLIENTS.items()}
    return Known(
        proxies={name: tuple(variants(name)) for name in PROXIES},
        names={"client": tuple(CLIENTS), "format": tuple(FORMATS)},
        mitigations=catalogue(),
        requests=requests(),
        canonical={name: proxy.canonical for name, proxy in PROXIES.items() if isinstance(proxy, Optioned)},
        suffixes={name: proxy.suffix for name, proxy in PROXIES.items()},
        stand_ins={name: client.stand_in for name, client in clients.items() if isinstance(client, StoodInFor)},
        editable=[name for name, proxy in PROXIES.items() if isinstance(proxy, Editable)],
        rewriting=[name for name, client in clients.items() if _rewrites(client)],
        recording=lambda file: recording or load_recording(folder / file),
        own_proxy=lambda name, said: _looked_at(own(name, said, folder), folder),
    )


def _rewrites(client: Client) -> bool:
    """Tell whether a client shows no bytes, but messages that were written anew."""
    remark = getattr(client, "remark", None)
    return isinstance(remark, Remark) and remark.rewritten


def _looked_at(proxy: Described, folder: Path) -> OwnProxy:
    """Return what a matrix file's reader has to know of its own proxy. Raises InputError."""
    there = proxy.variants() if proxy.given is None or not proxy.given.has_config else {}
    variants = {variant: Path(os.path.relpath(file, folder)) for variant, file in there.items()}
    return OwnProxy(variants, proxy.suffix, proxy.canonical)


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
