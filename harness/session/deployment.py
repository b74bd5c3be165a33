"""A deployed emitter that a matrix is measured at: where it is, and which cells that leaves.

Rules: the cells are those of the matrix with whatever is in front of the emitter in place of their chains; what a
mitigation changes in a chain or a config is not for us to change there. The token is told to nobody but the emitter.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import SplitResult

from harness.backends.elsewhere import Elsewhere
from harness.backends.posting import TOKEN_VARIABLE, objection
from harness.errors import InputError
from harness.matrix.mitigations import objections, plan
from harness.matrix.reading import Matrix
from harness.measure.limits import ELSEWHERE
from harness.model import AT, Cell, Chain, Endpoint, Hop
from harness.proxies.at import At
from harness.session.addresses import trusted, url_of

PORTS = {"http": 80, "https": 443}
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where systems keep whom they trust, if Python does not say: Debian and Alpine, Fedora, macOS and the BSDs."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where an emitter is deployed; `control` is another way in, for what it is told. `say` tells people of waits."""

    endpoint: Endpoint
    told: str
    token: str = field(repr=False)
    control: Endpoint | None = None
    say: Callable[[str], object] = field(default=lambda line: None, repr=False, compare=False)

    @property
    def chain(self) -> Chain:
        return (Hop(AT, self.told.partition("/")[0]),)

    @property
    def proxy(self) -> At:
        return At(self.endpoint, self.told)

    def backend(self) -> Elsewhere:
        """Return the emitter there, which whoever measures closes."""
        return Elsewhere(self.endpoint, self.token, ELSEWHERE, self.control, self.say)


def site(at: str, control: str | None, authority: Path | None, say: Callable[[str], object]) -> Site:
    """Return what options say. Raises InputError for what is no URL, and where the environment has no fit token."""
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        raise InputError(
            f"--at: {TOKEN_VARIABLE} is not set: it has to have the token with which the emitter there was started"
        )
    if why := objection(token):
        raise InputError(f"--at: {why}")
    there, way_in = _parts("--at", at), _parts("--control", control) if control is not None else None
    given = trusted("--cacert", authority, [at, control or ""]) if authority else None
    told = f"{there.netloc}{there.path.rstrip('/')}"
    return Site(_endpoint(there, given), told, token, _endpoint(way_in, given) if way_in else None, say)


def at_site(cells: Iterable[Cell], there: Site, matrix: Matrix) -> tuple[Cell, ...]:
    """Return the cells of a matrix as they are at a site: each once, and none that would change a chain."""
    moved = dict.fromkeys(replace(cell, chain=there.chain) for cell in cells)
    catalogue, requests = matrix.catalogue, matrix.requests
    able = (cell for cell in moved if not objections(cell, catalogue, requests))
    return tuple(cell for cell in able if plan(cell, catalogue, requests).chain == there.chain)


def _parts(option: str, url: str) -> SplitResult:
    """Return the parts of a URL below which an emitter is asked, by a host that an id can have. Raises InputError."""
    parts = url_of(option, url, tuple(PORTS))
    if ":" in (parts.hostname or ""):
        raise InputError(f"{option}: a host is needed by name, or by an address of IPv4: brackets are signs of globs")
    if parts.query or parts.fragment:
        raise InputError(f"{option}: a URL with a host and a path is needed, without a query and a fragment")
    return parts


def _endpoint(parts: SplitResult, authority: str | None) -> Endpoint:
    over_tls = parts.scheme == "https"
    return Endpoint(
        parts.port or PORTS[parts.scheme],
        path=parts.path.rstrip("/"),
        host=parts.hostname or "",
        http=("1.1", "2") if over_tls else ("1.1",),
        authority=(authority or _systems()) if over_tls else None,
    )


def _systems() -> str:
    """Return the file of whom the system trusts. Raises InputError if there is none."""
    places = list(filter(None, [ssl.get_default_verify_paths().cafile, *BUNDLES]))
    for path in places:
        if Path(path).is_file():
            return path
    raise InputError(f"there are no certificates of whom to trust in {' or '.join(places)}: --cacert FILE")
