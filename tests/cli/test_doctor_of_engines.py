"""What the doctor tells of container engines: which one would be asked, what it has, and the way out."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from harness.launchers.containers import EMITTER_IMAGE
from harness.session import listing
from tests.commanding import Harness
from tests.engines import IMAGES, PINNED
from tests.launchers.playing_engine import DOCKER, ROOTLESS, engine_at


@pytest.fixture
def doctor(harness: Harness, no_apt: None, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """Call the doctor on a machine whose user has said nothing of engines."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setattr(listing, "CLIENTS", {})
    return lambda: harness("doctor")


def row(said: str, name: str) -> str:
    """Return a row of a table, as one line with single spaces."""
    found = re.search(rf"^{name} .*$", said, re.MULTILINE)
    assert found, said
    return " ".join(found[0].split())


def test_the_engine_is_told_with_who_chose_it_and_the_images_with_what_would_be_pulled(
    doctor: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine_at(tmp_path / "engine.sock", DOCKER, ROOTLESS, [EMITTER_IMAGE, PINNED["nginx"]]) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        said = doctor()
    assert said.status == 0
    assert row(said.out, "containers") == f"containers ok Docker 20.10.24, rootless, at {address} (DOCKER_HOST)"
    pulled = ", ".join(image for image in PINNED.values() if image in IMAGES[2:])
    here = f"here: {EMITTER_IMAGE}, {PINNED['nginx']}"
    assert row(said.out, "images") == f"images ok {here}; pulled when a hop first names them: {pulled}"


def test_without_the_emitters_image_no_hop_can_run_and_the_doctor_says_how_it_is_built(
    doctor: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine_at(tmp_path / "engine.sock", DOCKER, {}, [PINNED["nginx"]]) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        said = row(doctor().out, "images")
    assert said.startswith(f"images lacking {EMITTER_IMAGE} is not built; here: {PINNED['nginx']}; pulled")
    assert said.endswith("in a checkout of this project: docker compose build backend")


@pytest.mark.parametrize("compose", [None, "x-images: [", "services: {}", "[]"])
def test_an_installation_without_our_compose_file_tells_of_the_emitters_image(
    compose: str | None, doctor: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if compose is not None:
        (tmp_path / "compose.yaml").write_text(compose)
    monkeypatch.setattr("harness.resources.compose", lambda: tmp_path / "compose.yaml")
    with engine_at(tmp_path / "engine.sock", DOCKER, {}, [EMITTER_IMAGE]) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        assert row(doctor().out, "images") == f"images ok here: {EMITTER_IMAGE}"


def test_without_an_engine_it_says_where_it_looked_and_ends_well(
    doctor: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    said = doctor()
    assert said.status == 0
    told = row(said.out, "containers")
    nobody = f"no container engine answers: unix://{tmp_path}/none.sock (DOCKER_HOST): No such file"
    assert f"containers none {nobody}" in told
    assert told.endswith("have DOCKER_HOST say where one listens (unix:///PATH, or tcp://127.0.0.1:PORT), or unset it")
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@far.example")
    assert "is another machine's" in row(doctor().out, "containers")


def test_one_that_hangs_is_told_and_not_waited_for(
    doctor: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that was stopped accepts, and never answers: who measures would wait for it five times as long."""
    monkeypatch.setattr(listing, "LOOK_S", 0.05)
    with socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(str(tmp_path / "hangs.sock"))
        hangs.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/hangs.sock")
        said = doctor()
    assert (said.status, "hangs.sock (DOCKER_HOST): timed out" in row(said.out, "containers")) == (0, True)


def test_one_that_breaks_off_is_told_as_none(doctor: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine_at(tmp_path / "engine.sock", DOCKER, {}, fails="/info") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        said = doctor()
    assert said.status == 0
    assert "containers none the engine does not tell of itself: it is broken" in row(said.out, "containers")
