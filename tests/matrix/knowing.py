"""What a matrix file of a test may name, and how such a file is read, or refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import InputError
from harness.formats import FORMATS
from harness.matrix import mitigations
from harness.matrix.reading import (
    Known,
    Matrix,
    parse,
)
from harness.model import StandIn
from harness.resources import configs
from tests.planning import REQUESTS

CATALOGUE = mitigations.parse((configs() / "mitigations.yaml").read_text(), "mitigations.yaml")
NGINX = (
    *(
        "default",
        "http10",
        "http11",
        "buffering-off",
        "gzip",
        "gzip-buffering-off",
        "ignore-x-accel",
        "cached",
        "websocket",
    ),
    *("tls", "h2", "h2-tls", "h2-tls-http11", "h2-tls-buffering-off"),
)
NEXTJS = ("dev", "dev-compress-off", "prod", "route-handler")
PLAYED = {name: tuple(path.stem for path in (configs() / name).glob("*.yaml")) for name in ("cloudrun", "emulator")}
NAMES = {"client": ("aiohttp", "h2"), "format": tuple(FORMATS)}
STAND_INS = {"h2": StandIn("aiohttp")}
KNOWN = Known({"nginx": NGINX, "nextjs": NEXTJS, **PLAYED}, NAMES, CATALOGUE, REQUESTS, stand_ins=STAND_INS)
VERSIONED = replace(KNOWN, canonical={"nginx": lambda hop: hop})
HEAD = "title: A test\nworkloads: {short: {tokens: 24, token_bytes: 112}}\n"


def read(body: str, head: str = HEAD) -> Matrix:
    return parse(head + body, "some/m.yaml", KNOWN)


def ids(matrix: Matrix) -> list[str]:
    """Return the ids without the parts that are the same all over."""
    return [cell.id.replace("/aiohttp/short", "").removesuffix("/lockstep") for cell in matrix.cells]


def refusal(body: str, head: str = HEAD) -> str:
    with pytest.raises(InputError) as caught:
        read(body, head)
    return str(caught.value)
