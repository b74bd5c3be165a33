"""What a user gives as the address of somebody, and as whom to trust there: one rule for all doors.

Rule: no complaint quotes a URL, for a password may be in it, in whatever place.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from harness.errors import InputError
from harness.resources import why_no_file

OVER_TLS = ("https", "wss")


def url_of(option: str, url: str, schemes: Sequence[str], instead: str = "") -> SplitResult:
    """Return the parts of an absolute URL that can be asked. Raises InputError, which names the option, for any other.

    Nobody logs in by a URL here: `instead` says how else.
    """
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:
        whole = False
    if not whole or parts.scheme not in schemes:
        raise InputError(f"{option}: an absolute URL is needed, as https://host/path; allowed: {', '.join(schemes)}")
    if "@" in parts.netloc:
        raise InputError(f"{option}: a name and a password stand in no URL here{instead and f': {instead}'}")
    return parts


def trusted(option: str, file: Path, urls: Sequence[str]) -> str:
    """Return the file of who signed certificates, for those of these URLs that are over TLS.

    Raises InputError if it cannot be read, has no certificate in it, or none of the URLs has any use for it.
    """
    try:
        if why := why_no_file(file):
            raise InputError(f"{option}: {why}")
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        raise InputError(f"{option}: there is no certificate in {file}: a PEM file is needed") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{option}: {str(file)!r} cannot be read: {error}") from error
    if not any(url.lower().startswith(OVER_TLS) for url in urls):  # a scheme may be written in capitals
        raise InputError(f"{option}: only an https:// URL has a certificate: leave it out, or say https://")
    return str(file)
