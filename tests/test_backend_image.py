"""The image that people deploy, run as platforms run it: as nobody, on a file system that cannot be written."""

from __future__ import annotations

import contextlib
import urllib.request
from collections.abc import Iterator, Sequence
from http.client import IncompleteRead
from typing import TYPE_CHECKING, Any

import pytest

from harness.backends.posting import TOKEN_VARIABLE
from harness.launchers.containers import EMITTER_IMAGE
from harness.launchers.engine import Engine
from tests.backends.deploying import TOKEN
from tests.engines import engine as engine
from tests.waiting import wait_for

if TYPE_CHECKING:
    from docker.models.containers import Container

pytestmark = pytest.mark.proxies


@contextlib.contextmanager
def deployed(engine: Engine, command: Sequence[str] = (), port: int = 8080, **env: str) -> Iterator[Container]:
    """Run the image, with what is published of one port on loopback."""
    ports: Any = {f"{port}/tcp": ("127.0.0.1", 0)}
    container = engine.client.containers.run(
        EMITTER_IMAGE,
        [*command],
        environment=env,
        ports=ports,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        detach=True,
    )
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


def test_it_refuses_to_start_without_a_token(engine: Engine) -> None:
    with deployed(engine) as container:
        assert container.wait()["StatusCode"] == 2
        assert f"{TOKEN_VARIABLE} is not set" in container.logs().decode()


def test_it_serves_at_port_as_nobody_and_ends_when_told_with_a_stream_under_way(engine: Engine) -> None:
    with deployed(engine, ["--demo"], port=9000, PORT="9000", **{TOKEN_VARIABLE: TOKEN}) as container:
        wait_for(lambda: "listening on 0.0.0.0:9000" in container.logs().decode())
        container.reload()
        assert container.image
        assert container.image.attrs["Config"]["User"] == "65534:65534"
        published = container.attrs["NetworkSettings"]["Ports"]["9000/tcp"][0]["HostPort"]
        with urllib.request.urlopen(f"http://127.0.0.1:{published}/demo?tokens=9&interval_ms=60000") as stream:
            assert stream.readline().startswith(b"data: ")
            container.kill("SIGTERM")
            assert container.wait()["StatusCode"] == 0
            with pytest.raises((IncompleteRead, ConnectionError)):  # it is told as broken off, and not as whole
                stream.read()
