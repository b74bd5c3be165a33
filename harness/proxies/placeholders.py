"""What a proxy's config, command line and environment may ask for in place of a fixed value. Pure.

    ${LISTEN}            where to listen, 127.0.0.1:8080; ${LISTEN_HOST} and ${PORT} are the parts of it
    ${UPSTREAM}          the URL that requests are passed to, with no slash at its end: http://127.0.0.1:9090/api
    ${UPSTREAM_ADDRESS}  host and port of it; ${UPSTREAM_HOST}, ${UPSTREAM_PORT}; ${UPSTREAM_PATH} may be empty
    ${FOLDER}            a folder of this instance's own, gone with the run
    ${CERTIFICATE}       a file (PEM) with a certificate made for it; ${CERTIFICATE_KEY} is the one with its key

A command and an environment may also ask for what a program is given:

    ${PROGRAM}           where its source has it
    ${CONFIG}            its config, filled in; ${CONFIG_FOLDER} is where that lies, with the other files that it reads
    ${INSTALLED}         the folder that its source fetched it to; below it lie a script's packages
    ${HERE}              the folder that its own file lies in

What merely looks like one, as a program's own variables do, is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.model import Endpoint

LISTENS = ("LISTEN", "LISTEN_HOST", "PORT")
UPSTREAMS = ("UPSTREAM", "UPSTREAM_ADDRESS", "UPSTREAM_HOST", "UPSTREAM_PORT", "UPSTREAM_PATH")
CERTIFICATES = ("CERTIFICATE", "CERTIFICATE_KEY")
FILES = ("FOLDER", *CERTIFICATES)

_ANY = re.compile(r"\$\{([A-Z_]+)\}")
_PLACEHOLDER = re.compile(rf"\$\{{({'|'.join((*LISTENS, *UPSTREAMS, *FILES))})\}}")


NAMES = (*LISTENS, *UPSTREAMS, *FILES, "PROGRAM", "CONFIG", "CONFIG_FOLDER", "INSTALLED", "HERE")


def unknown(texts: Iterable[str]) -> list[str]:
    """Return the names in some texts that look like placeholders and stand for nothing."""
    return [name for text in texts for name in _ANY.findall(text) if name not in NAMES]


def asked(texts: Iterable[str]) -> set[str]:
    """Return the names of all placeholders in some texts."""
    return {name for text in texts for name in _PLACEHOLDER.findall(text)}


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text in which the placeholders that have values are filled in."""
    return _ANY.sub(lambda found: values.get(found[1], found[0]), text)


def values(port: int, upstream: Endpoint, folder: Path, host: str = "127.0.0.1") -> dict[str, str]:
    """Return what the placeholders of one instance stand for; its certificate, if it asks for one, comes on top."""
    return {
        "LISTEN": f"{host}:{port}",
        "LISTEN_HOST": host,
        "PORT": str(port),
        "UPSTREAM": upstream.url,
        "UPSTREAM_ADDRESS": f"{upstream.host}:{upstream.port}",
        "UPSTREAM_HOST": upstream.host,
        "UPSTREAM_PORT": str(upstream.port),
        "UPSTREAM_PATH": upstream.path,
        "FOLDER": str(folder),
    }
