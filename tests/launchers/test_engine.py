"""Which engine is asked: the one that docker's own tools would ask, and none whose loopback is not ours."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import ProtocolError

from harness.errors import ProxyError, Unavailable
from harness.launchers import engine
from tests.launchers.playing_engine import DOCKER, PODMAN, ROOTLESS, engine_at


@pytest.fixture(autouse=True)
def nothing_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has said nothing and has no engine."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


def context(folder: Path, name: str, host: str) -> None:
    """Write a context as `docker context create` does."""
    place = folder / "contexts/meta" / sha256(name.encode()).hexdigest()
    place.mkdir(parents=True)
    endpoints = {"docker": {"Host": host, "SkipTLSVerify": False}}
    (place / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints}))


@pytest.mark.parametrize(
    ("version", "info", "words"),
    [
        (DOCKER, {}, "Docker 20.10.24, rootful"),
        (DOCKER, ROOTLESS, "Docker 20.10.24, rootless"),
        (PODMAN, {"Rootless": True}, "Podman 5.4.2, rootless"),
        (PODMAN, {"Rootless": False}, "Podman 5.4.2, rootful"),
    ],
)
def test_an_engine_says_what_it_is_and_whose(
    version: Mapping[str, Any], info: Mapping[str, Any], words: str, tmp_path: Path
) -> None:
    with (
        engine_at(tmp_path / "engine.sock", version, info) as address,
        contextlib.closing(engine.connected(address)) as there,
    ):
        assert there.words() == f"{words}, at {address}"


def test_docker_host_is_obeyed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    context(tmp_path, "mine", "unix:///mine.sock")
    monkeypatch.setenv("DOCKER_CONTEXT", "mine")
    monkeypatch.setenv("DOCKER_HOST", "unix:///said.sock")
    assert engine.chosen() == ("unix:///said.sock", "DOCKER_HOST")


def test_the_chosen_context_comes_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    context(tmp_path, "mine", "unix:///mine.sock")
    context(tmp_path, "other", "unix:///other.sock")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "mine"}))
    by_config = f"docker context mine, chosen by {tmp_path}/config.json"
    assert engine.chosen() == ("unix:///mine.sock", by_config)
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    assert engine.chosen() == ("unix:///other.sock", "docker context other, chosen by DOCKER_CONTEXT")
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert engine.chosen() == ("", "")


@pytest.mark.parametrize("by", ["DOCKER_CONTEXT", "config.json"])
@pytest.mark.parametrize(
    ("meta", "complaint"),
    [
        (None, "there is no {by}"),
        ("{", "{by}, cannot be read from {file}: "),
        ("[]", "{by}, cannot be read from {file}: "),
        ("{}", "{by}, cannot be read from {file}: "),
        ('{"Name": "nope", "Metadata": {}, "Endpoints": {"docker": 5}}', "{by}, cannot be read from {file}: "),
        ('{"Name": "nope", "Metadata": {}, "Endpoints": {"kubernetes": {}}}', "there is no engine's address in {by}"),
    ],
)
def test_a_context_that_is_none_is_told_with_who_chose_it(
    meta: str | None, complaint: str, by: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "contexts/meta" / sha256(b"nope").hexdigest() / "meta.json"
    if meta is not None:
        file.parent.mkdir(parents=True)
        file.write_text(meta)
    chosen = {}
    if by == "DOCKER_CONTEXT":
        monkeypatch.setenv("DOCKER_CONTEXT", "nope")
    else:
        chosen, by = {"currentContext": "nope"}, f"{tmp_path}/config.json"
    (tmp_path / "config.json").write_text(json.dumps(chosen))
    with pytest.raises(Unavailable) as told:
        engine.connected()
    assert told.value.reason.startswith(complaint.format(by=f"docker context nope, chosen by {by}", file=file))
    assert told.value.remedy == "docker context ls, docker context use NAME"


@pytest.mark.parametrize("name", ["docker.sock", "podman/podman.sock"])
def test_sockets_of_rootless_engines_are_found(name: str, tmp_path: Path) -> None:
    socket = tmp_path / "run" / name
    socket.parent.mkdir(parents=True)
    socket.touch()
    assert f"unix://{socket}" in engine.usual_addresses()


LISTENS = "unix:///PATH, or tcp://127.0.0.1:PORT"
CONTEXT = "docker context mine, chosen by {config}"
WAYS_OUT = {
    "DOCKER_HOST": f"start that engine, or have DOCKER_HOST say where one listens ({LISTENS}), or unset it",
    CONTEXT: (
        "start that engine, or choose another (docker context ls, docker context use NAME), or say by DOCKER_HOST"
        f" where one listens: {LISTENS}"
    ),
    "usual socket": f"start Docker or Podman, or say by DOCKER_HOST where it listens: {LISTENS}",
}
"""What is told of an address by who gave it."""


def give(by: str, address: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have somebody give an engine's address; return how they are told."""
    if by == "DOCKER_HOST":
        monkeypatch.setenv("DOCKER_HOST", address)
    elif by == CONTEXT:
        context(folder, "mine", address)
        (folder / "config.json").write_text(json.dumps({"currentContext": "mine"}))
    else:
        monkeypatch.setattr(engine, "usual_addresses", lambda: [address])
    return by.format(config=folder / "config.json")


@pytest.mark.parametrize("by", WAYS_OUT)
def test_where_nobody_answers_it_says_where_it_asked_who_said_so_why_and_the_way_out(
    by: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = f"unix://{tmp_path}/none.sock"
    who = give(by, address, tmp_path, monkeypatch)
    with pytest.raises(Unavailable) as told:
        engine.connected()
    assert told.value.reason == f"no container engine answers: {address} ({who}): No such file or directory"
    assert told.value.remedy == WAYS_OUT[by]


@pytest.mark.parametrize("by", ["DOCKER_HOST", CONTEXT])
@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("tcp://[::1", "{address} ({who}) is no address of an engine"),
        ("nope://engine", "no container engine answers: {address} ({who}): "),
        ("/var/run/docker.sock", "no container engine answers: {address} ({who}): "),
        ("tcp://127.0.0.1:x", "{address} ({who}) is no address of an engine"),
        ("tcp://127.0.0.1:99999", "{address} ({who}) is no address of an engine"),
        ("127.0.0.1:x", "{address} ({who}) is no address of an engine"),
    ],
)
def test_an_address_that_is_none_is_told_with_who_gave_it_and_what_is_allowed(
    address: str, complaint: str, by: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    who = give(by, address, tmp_path, monkeypatch)
    with pytest.raises(Unavailable) as told:
        engine.connected()
    assert told.value.reason.startswith(complaint.format(address=address, who=who))
    assert told.value.remedy == WAYS_OUT[by]


def test_an_address_that_a_run_had_is_told_without_who_gave_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as told:
        engine.connected(f"unix://{tmp_path}/none.sock")
    assert told.value.reason == f"no container engine answers: unix://{tmp_path}/none.sock: No such file or directory"


def test_a_socket_that_nobody_listens_at_is_told_as_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/dead.sock")
    with pytest.raises(Unavailable, match=r"dead.sock \(DOCKER_HOST\): Connection refused"):
        engine.connected()


def test_an_engine_that_hangs_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that was stopped: its socket accepts, and nobody answers."""
    monkeypatch.setattr(engine, "HELLO_S", 0.05)
    with socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(str(tmp_path / "hangs.sock"))
        hangs.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/hangs.sock")
        with pytest.raises(Unavailable, match=r"hangs.sock \(DOCKER_HOST\): timed out"):
            engine.connected()


def test_certificates_are_looked_for_where_docker_has_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "none"))
    with pytest.raises(Unavailable, match="Path to a certificate and key files must be provided"):
        engine.connected()


def test_an_answer_that_breaks_off_is_the_engines_fault() -> None:
    with (
        pytest.raises(ProxyError, match="it cannot be followed: Connection broken"),
        engine.told("it cannot be followed"),
    ):
        raise ProtocolError("Connection broken")


def test_where_there_is_no_socket_nobody_waits_for_the_sdk(tmp_path: Path) -> None:
    asks = f"""
import sys
from harness.errors import Unavailable
from harness.launchers.engine import connected
try:
    connected("unix://{tmp_path}/none.sock")
except Unavailable:
    sys.exit("docker" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", asks], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("by", ["DOCKER_HOST", CONTEXT])
@pytest.mark.parametrize("address", ["tcp://192.0.2.7:2376", "192.0.2.7:2376", "ssh://me@far.example", "far.example"])
def test_an_engine_of_another_machine_is_refused(
    address: str, by: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    who = give(by, address, tmp_path, monkeypatch)
    with pytest.raises(Unavailable) as told:
        engine.connected()
    shown = address.replace("me@", "(redacted)@")
    why = f"the engine at {shown} ({who}) is another machine's: its loopback and its files are not ours"
    assert (told.value.reason, WAYS_OUT[by] in told.value.remedy) == (why, True)
    assert told.value.remedy.startswith("run the harness there; or, for one that runs here, ")


@pytest.mark.parametrize(
    "address",
    [
        "tcp://me:hunter2@127.0.0.1:1",
        "http://me:hunter2@127.0.0.1:1",
        "tcp://me:hunter2@192.0.2.7:2376",
        "nope://me:hunter2@x",
        "tcp://me:hunter2@127.0.0.1:x",
        "tcp://me:hunter2@[::1",
        "tcp://me:pa[hunter2]x@127.0.0.1:2375",
        "tcp://me:hunter2@ho\u2100st:2375",
        "me:hunter2@127.0.0.1:2375",
        "tcp://me:hun@hunter2@192.0.2.7:2376",
        "tcp://me:hunter2://b@192.0.2.7:2376",
    ],
)
def test_no_address_is_told_with_its_password(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(Unavailable) as told:
        engine.connected()
    assert "hunter2" not in "".join(traceback.format_exception_only(told.value)) + str(told.value.remedy)
    assert "(redacted)" in told.value.reason


def test_nor_does_an_engine_that_answers_tell_of_it(tmp_path: Path) -> None:
    with (
        engine_at(tmp_path / "engine.sock", DOCKER, {}) as address,
        contextlib.closing(engine.connected(address)) as there,
    ):
        told = replace(there, address="tcp://me:hunter2@127.0.0.1:2375").words()
    assert told == "Docker 20.10.24, rootful, at tcp://(redacted)@127.0.0.1:2375"
