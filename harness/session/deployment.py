"""A deployed emitter that a matrix is measured at: where it is, and which cells that leaves.

Rules: the cells are those of the matrix with whatever is in front of the emitter in place of their chains; what a
mitigation changes in a chain or a config is not for us to change there. The token is told to nobody but the emitter.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.backends.elsewhere import Elsewhere
from harness.backends.posting import TOKEN_VARIABLE
from harness.errors import InputError
from harness.matrix.mitigations import objections, plan
from harness.matrix.reading import Matrix
from harness.measure.limits import ELSEWHERE
from harness.model import AT, Cell, Chain, Endpoint, Hop
from harness.proxies.at import At

PORTS = {"http": 80, "https": 443}
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where systems keep whom they trust, if Python does not say: Debian and Alpine, Fedora, macOS and the BSDs."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where an emitter is deployed; `control` is another way in, for what it is told."""

    endpoint: Endpoint
    told: str
    token: str = field(repr=False)
    control: Endpoint | None = None

    @property
    def chain(self) -> Chain:
        return (Hop(AT, self.told.partition("/")[0]),)

    @property
    def proxy(self) -> At:
        return At(self.endpoint, self.told)

    def backend(self) -> Elsewhere:
        """Return the emitter there, which whoever measures closes."""
        return Elsewhere(self.endpoint, self.token, ELSEWHERE, self.control)


def site(at: str, control: str | None, authority: Path | None) -> Site:
    """Return what options say. Raises InputError for what is no URL, and where no token is in the environment."""
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        raise InputError(
            f"--at: {TOKEN_VARIABLE} is not set: it has to have the token with which the emitter there was started"
        )
    endpoint = _endpoint("--at", at, authority)
    parts = urlsplit(at)
    way_in = _endpoint("--control", control, authority) if control else None
    return Site(endpoint, f"{parts.netloc}{parts.path.rstrip('/')}", token, way_in)


def at_site(cells: Iterable[Cell], there: Site, matrix: Matrix) -> tuple[Cell, ...]:
    """Return the cells of a matrix as they are at a site: each once, and none that would change a chain."""
    moved = dict.fromkeys(replace(cell, chain=there.chain) for cell in cells)
    catalogue, requests = matrix.catalogue, matrix.requests
    able = (cell for cell in moved if not objections(cell, catalogue, requests))
    return tuple(cell for cell in able if plan(cell, catalogue, requests).chain == there.chain)


def _endpoint(option: str, url: str, authority: Path | None) -> Endpoint:
    """Return where that is. Raises InputError, which quotes none of it: a password may be in it, in whatever place."""
    try:
        parts = urlsplit(url)
        port = PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
        host = parts.hostname if parts.scheme in PORTS and port and url.isprintable() and " " not in url else None
    except ValueError:
        host = None
    if not host:
        raise InputError(
            f"{option}: an absolute URL is needed, as https://chat.example/api; allowed: {', '.join(PORTS)}"
        )
    if ":" in host:
        raise InputError(f"{option}: a host is needed by name, or by an address of IPv4: brackets are signs of globs")
    if parts.query or parts.fragment or parts.username is not None:
        raise InputError(f"{option}: a URL with a host and a path is needed, without a user, a query and a fragment")
    over_tls = parts.scheme == "https"
    return Endpoint(
        port,
        path=parts.path.rstrip("/"),
        host=host,
        http=("1.1", "2") if over_tls else ("1.1",),
        authority=_trusted(authority) if over_tls else None,
    )


def _trusted(authority: Path | None) -> str:
    """Return the file of whom is trusted. Raises InputError if there is none."""
    found = [str(authority)] if authority else [ssl.get_default_verify_paths().cafile or "", *BUNDLES]
    for path in found:
        if path and Path(path).is_file():
            try:
                ssl.create_default_context(cafile=path)
            except ssl.SSLError:
                raise InputError(f"--cacert: there is no certificate in {path}: a PEM file is needed") from None
            return path
    raise InputError(f"there are no certificates of whom to trust in {' or '.join(filter(None, found))}: --cacert FILE")
