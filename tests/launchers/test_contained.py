"""What runs in a container, without any: how its end is heard, its log, and what a run has asked an engine for."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, Mock, patch

import pytest
from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import ContainerCollection
from requests.exceptions import ConnectionError as Refused
from urllib3.exceptions import ProtocolError

from harness.errors import ProxyError, Unavailable
from harness.launchers import containers, leftovers
from harness.launchers.base import Box
from harness.launchers.containers import LOST, Contained, Containers

BOX = Box("image", ["program"], ports=[8080], reads={})


def contained(log: Path, logs: Any, status: Any = 0) -> Contained:
    """Follow a container that says what `logs` yields, and then ends; an exception is raised instead."""
    container = Mock(**{"logs.side_effect": [logs], "wait.side_effect": [{"StatusCode": status}]})
    if isinstance(status, Exception):
        container.wait.side_effect = [status]
    program = Contained("hop", container, Mock(**{"client.containers.get.return_value": container}), log)
    program.heard_out()
    return program


def breaking_off(error: Exception) -> Iterator[bytes]:
    yield b"one\n"
    raise error


@pytest.mark.parametrize(("status", "ours"), [(0, 0), (3, 3), (137, -9), (143, -15), (255, 255)])
def test_how_it_ended_is_told_as_of_any_program(status: int, ours: int, tmp_path: Path) -> None:
    program = contained(tmp_path / "log", iter([b"one\n", b"two\n"]), status)
    assert (program.returncode, program.words()) == (ours, "one\ntwo\n")


def test_whatever_its_status_is_it_can_be_told(tmp_path: Path) -> None:
    """One above 128 is a signal's only if there is such a signal: some numbers between are nobody's."""
    for status in range(256):
        told = contained(tmp_path / "log", iter(()), status).death()
        numbers = {128 + one: f"hop was killed by {one.name}" for one in signal.Signals}
        assert told == numbers.get(status, f"hop exited with status {status}")


@pytest.mark.parametrize(
    ("logs", "status", "told"),
    [
        (breaking_off(ProtocolError("Connection broken")), 0, "the engine does not answer any more: Connection broken"),
        (breaking_off(ZeroDivisionError()), 0, "nobody follows it any more"),
        (iter([b"one\n"]), Refused("Connection refused"), "the engine does not answer any more: Connection refused"),
        (iter([b"one\n"]), NotFound("No such container"), "it was removed"),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_that_is_lost_never_seems_to_live(logs: Any, status: Any, told: str, tmp_path: Path) -> None:
    program = contained(tmp_path / "log", logs, status)
    assert program.returncode == LOST
    assert program.death() == f"hop: its container was lost: {told}"
    assert program.words() == "one\n"


def test_how_it_ends_is_heard_though_its_log_has_no_room_any_more() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("only Linux has a device that is always full")
    assert contained(Path("/dev/full"), itertools.repeat(b"x", 5), 3).returncode == 3


def test_the_log_of_who_ran_there_before_is_not_its_own(tmp_path: Path) -> None:
    contained(tmp_path / "log", iter([b"before\n"]))
    assert contained(tmp_path / "log", iter([b"now\n"])).words() == "now\n"


# ---------------------------------------------------------------- what a run asks for


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """An engine that does all that it is asked, and a cache of our own."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    engine = MagicMock(address="unix:///engine.sock", is_rootless=os.getuid() != 0)
    monkeypatch.setattr(containers, "connected", Mock(return_value=engine))
    return engine


def owed() -> list[Path]:
    return list(leftovers.place().glob("*"))


async def test_a_network_that_cannot_be_made_leaves_nothing_and_is_told(engine: MagicMock, tmp_path: Path) -> None:
    engine.client.networks.create.side_effect = APIError("x", explanation="all predefined address pools have been used")
    engine.client.containers.list.return_value = engine.client.volumes.list.return_value = []
    engine.client.networks.list.return_value = [left := Mock(attrs={"Name": "left"})]
    running = Containers(Mock())
    with pytest.raises(ProxyError, match="no network can be made for the run: all predefined address pools"):
        await running.run("hop", BOX, tmp_path / "log")
    left.remove.assert_called_once()
    assert engine.close.call_count == 2
    assert len(owed()) == 1, "what was under way may still come to be"


@pytest.mark.parametrize(
    ("words", "tries"),
    [
        ("Error starting userland proxy: listen tcp4 127.0.0.1:32830: bind: address already in use", 3),
        ("Bind for 127.0.0.1:32830 failed: port is already allocated", 3),
        ("no space left on device", 1),
    ],
)
async def test_only_a_port_that_somebody_has_is_no_end_of_it(
    words: str, tries: int, engine: MagicMock, tmp_path: Path
) -> None:
    container = engine.client.containers.create.return_value
    container.start.side_effect = APIError("x", explanation=words)
    with pytest.raises(ProxyError, match=f"hop cannot be run in a container: {words}"):
        await Containers(Mock()).run("hop", BOX, tmp_path / "log")
    assert container.start.call_count == tries


async def test_what_nobody_can_read_is_told_with_the_way_out(engine: MagicMock, tmp_path: Path) -> None:
    engine.is_rootless = False
    package = tmp_path / "package"
    package.mkdir(mode=0o755)
    (package / "closed.py").touch(mode=0o600)
    box = replace(BOX, reads={package: "/run/package"})
    with patch.object(containers, "_user", lambda: containers.NOBODY):
        running = Containers(Mock())
        with pytest.raises(Unavailable, match=r"nobody can read .*closed.py, .* \(chmod -R go\+rX .*/package\)"):
            await running.run("hop", box, tmp_path / "log")
        (package / "closed.py").chmod(0o644)
        await running.run("hop", box, tmp_path / "log")
    await running.close()


async def test_a_container_has_the_environment_that_it_is_given_and_no_proxy_of_the_users(
    engine: MagicMock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of `proxies` in ~/.docker/config.json the SDK makes HTTP_PROXY and the like, in every container."""
    (tmp_path / "config.json").write_text('{"proxies": {"default": {"httpProxy": "http://proxy.example:3128"}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    client = DockerClient("unix:///engine.sock", version="1.41")
    asked = Mock(return_value={"Id": "0f"})
    monkeypatch.setattr(client.api, "create_container_from_config", asked)
    monkeypatch.setattr(ContainerCollection, "get", MagicMock())
    engine.client.containers.create = client.containers.create
    await (running := Containers(Mock())).run("hop", replace(BOX, env={"ANY": "thing"}), tmp_path / "log")
    assert asked.call_args.args[0]["Env"] == ["ANY=thing"]
    await running.close()


async def test_all_is_owed_before_an_engine_is_asked_for_anything(engine: MagicMock, tmp_path: Path) -> None:
    told: list[str] = []

    def noted(what: str) -> Mock:
        return Mock(side_effect=lambda *_, **__: told.append(f"{what}, {len(owed())} owed"))

    engine.client.networks.create = noted("network")
    engine.client.containers.create.return_value.start = noted("container")
    running = Containers(noted("janitor"))
    await running.run("hop", BOX, tmp_path / "log")
    assert told == ["janitor, 0 owed", "network, 1 owed", "container, 1 owed"]
    await running.close()
    assert owed() == []
