"""A container engine for tests: the one that answers here, with the images that they run; else they skip, and say why.

Tests that have it run one at a time, so that each can tell what it has left there.
"""

from __future__ import annotations

import contextlib
import fcntl
import operator
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import Unavailable
from harness.launchers.containers import EMITTER_IMAGE
from harness.launchers.engine import Engine, connected
from harness.launchers.leftovers import LABEL
from tests.waiting import wait_for

PINNED: dict[str, str] = yaml.safe_load((Path(__file__).parent.parent / "compose.yaml").read_text())["x-images"]
PROGRAMS = ("nginx", "haproxy", "traefik", "caddy", "envoy")
"""What the tests run. Where no registry can be reached, `python -m tests.stand_in_images` makes images of them."""
IMAGES = (EMITTER_IMAGE, *(PINNED[name] for name in PROGRAMS))


def contained(hop: str) -> str:
    """Return a hop in a container of the image that compose.yaml pins: `nginx:http10@docker:1.30-alpine`."""
    return f"{hop}@docker:{PINNED[hop.partition(':')[0]].rpartition(':')[2]}"


def engine_with_images() -> Engine:
    """Return an engine that has the images; skip the test where there is none. Nothing is pulled here."""
    from docker.errors import ImageNotFound

    try:
        engine = connected()
    except Unavailable as error:
        pytest.skip(error.reason)
    for image in IMAGES:
        try:
            engine.client.images.get(image)
        except ImageNotFound:
            engine.close()
            pytest.skip(f"the engine has no image {image}")
    return engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    """The engine, in which nothing that the test makes may be left: neither a container nor a network."""
    lock = Path(tempfile.gettempdir(), "harness-tests-of-containers.lock")
    with contextlib.closing(engine_with_images()) as engine, lock.open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        before = set(labelled(engine))
        yield engine
        wait_for(lambda: set(labelled(engine)) - before, operator.not_)


def labelled(engine: Engine) -> list[str]:
    """Return the names of all that has our label."""
    filters: Any = {"label": LABEL}
    found = engine.client.containers.list(all=True, filters=filters, ignore_removed=True)
    return [str(one.attrs["Name"]) for one in (*found, *engine.client.networks.list(filters=filters))]
