"""Hops in containers: the same verdicts as without, shut in, and nothing of them left whatever happens."""

from __future__ import annotations

import contextlib
import operator
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.containers import matrices, smoke
from harness.documents.hops import read
from harness.errors import InputError, ProxyError, Unavailable
from harness.launchers import leftovers
from harness.launchers.base import Box
from harness.launchers.containers import EMITTER_IMAGE, PORT, Contained
from harness.launchers.engine import Engine, connected
from harness.launchers.leftovers import LABEL
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.model import Hop
from tests.engines import PINNED, OwnEngine, contained, labelled
from tests.engines import engine as engine
from tests.sampling import some_of
from tests.sandbox import SLOW, Sandbox
from tests.waiting import eventually, wait_for

if TYPE_CHECKING:
    from docker.models.containers import Container

pytestmark = pytest.mark.proxies

TITLE = "title: t\nworkloads: {short: {tokens: 24, token_bytes: 112}}\n"
IN_NGINX = read(contained("nginx:http10"))


@pytest.fixture
def place(tmp_path: Path, engine: Engine) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as place:
        yield place


def endless(place: Sandbox) -> None:
    """Write a matrix of one cell through a container that is in mid-stream for as long as a test needs it to be."""
    place.write("m.yaml", f"{TITLE}axes: {{chain: '{contained('nginx:http10')}', mitigations: slow}}\n{SLOW}")


# ---------------------------------------------------------------- what is measured


LOCAL = ["nginx:http10>haproxy:default", "traefik:buffering", "caddy:response-buffers", "envoy:file-system-buffer"]


def test_the_smoke_matrix_turns_out_as_with_local_programs_cell_by_cell(place: Sandbox) -> None:
    """Also what is expected of it comes true in both; how long it takes, `python -m benchmarks.containers` tells."""
    local, inside = (smoke(place, text)[1] for text in matrices().values())
    assert inside == local
    assert len({str(found) for found in local.values()}) > 3, "some hold, some do not, and some are mended"


def test_verdicts_of_the_other_programs_are_those_of_local_ones(place: Sandbox) -> None:
    inside = [">".join(map(contained, chain.split(">"))) for chain in LOCAL]
    mixed = f"nginx:http10>{contained('haproxy:default')}"  # a program of this machine may stand before a container
    backwards = f"{contained('nginx:http10')}>haproxy:default"
    place.write(
        "m.yaml",
        f"{TITLE}axes: {{chain: {[*LOCAL, *inside, mixed, backwards]}, mitigations: [none, x-accel-buffering]}}\n",
    )
    said = place.run("matrix", "m.yaml")
    found = {
        (id.split("/")[0], "x-accel" in id): (result.verdict, result.shows and result.shows.manner)
        for id, result in place.results().items()
    }
    for here, there in zip([*LOCAL, LOCAL[0]], [*inside, mixed], strict=True):
        for mitigated in (False, True):
            assert found[there, mitigated] == found[here, mitigated], said.err
    assert {found[chain, False][1] for chain in LOCAL} == {"at the end"}, "each of them holds"
    assert found[LOCAL[0], True][1] == "one by one"
    unavailable = next(one for id, one in place.results().items() if id.startswith(f"{backwards}/"))
    assert unavailable.outcome == "unavailable"
    assert "have all that stands behind a container run in one, too" in str(unavailable.reason)
    told = next(one.versions for id, one in place.results().items() if id.startswith(f"{inside[0]}/"))
    assert any(f"(docker {PINNED['nginx']}" in version and "sha256:" in version for version in told.values())


async def test_a_container_is_shut_in(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text('{"proxies": {"default": {"httpProxy": "http://proxy.example:3128"}}}')
    monkeypatch.setenv("DOCKER_HOST", engine.address)  # which a context in that folder would say
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    async with Launcher() as launcher, Bench(launcher, tmp_path, in_container=True) as bench:
        entry = await bench.entry((IN_NGINX,))
        program = entry.hops[0].program
        assert isinstance(program, Contained)
        assert len(boxes(engine)) == 2
        for box in boxes(engine):
            host = box.attrs["HostConfig"]
            assert host["CapDrop"] == ["ALL"]
            assert not host["Privileged"]
            assert not host["CapAdd"]
            assert host["SecurityOpt"] == ["no-new-privileges:true"]
            assert host["ReadonlyRootfs"]
            assert host["Memory"]
            assert host["PidsLimit"]
            assert [one for one in box.attrs["Config"]["Env"] if "_proxy=" in one.lower()] == []
            assert box.attrs["Config"]["User"] not in ("", "0", "root", "0:0")
            published = [one for ports in box.attrs["NetworkSettings"]["Ports"].values() for one in ports or []]
            assert {one["HostIp"] for one in published} == {"127.0.0.1"}
            written = [mount["Destination"] for mount in box.attrs["Mounts"] if mount["RW"]]
            assert all(path.startswith(str(Path(os.environ.get("TMPDIR", "/tmp")))) for path in written)
    assert program.returncode is not None


# ---------------------------------------------------------------- what is not there


@pytest.mark.parametrize("offline", [True, False])
def test_an_image_that_is_missing_is_told_with_the_way_out(place: Sandbox, offline: bool) -> None:
    chain = "nginx:http10@docker:0.0-there-is-none"
    said = place.run("run", "--chain", chain, *["--offline"] * offline)
    (result,) = (one for id, one in place.results().items() if id.startswith(chain))
    assert result.outcome == "unavailable", said.err
    told = str(result.reason)
    if offline:
        assert "there is no image nginx:0.0-there-is-none here, and fetching is forbidden (offline)" in told
        assert "docker pull nginx:0.0-there-is-none" in told
    else:
        assert "nginx:0.0-there-is-none cannot be pulled" in told
    assert {one.verdict for id, one in place.results().items() if id.startswith("direct")} == {"streamed"}


def test_where_no_engine_answers_the_other_cells_are_measured(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as place:
        nowhere = f"unix://{tmp_path}/none.sock"
        place.run("run", "--chain", contained("nginx:http10"), DOCKER_HOST=nowhere)
        told = {id.split("/")[0]: (one.outcome, str(one.reason)) for id, one in place.results().items()}
        assert told[contained("nginx:http10")][0] == "unavailable"
        assert (
            f"no container engine answers: {nowhere} (DOCKER_HOST): No such file" in told[contained("nginx:http10")][1]
        )
        assert told["direct"][0] == "observed"


async def test_a_config_that_the_program_refuses_is_the_users(engine: Engine, tmp_path: Path) -> None:
    config = tmp_path / "mine.conf"
    config.write_text(Path("configs/nginx/http10.conf").read_text().replace("server {", "server { nonsense on;", 1))
    hop = Hop("nginx", str(config), options=IN_NGINX.options)
    async with (
        Launcher() as launcher,
        Bench(launcher, tmp_path / "run", {hop.bare: config}, in_container=True) as bench,
    ):
        with pytest.raises(InputError, match=r'mine.conf:\d+: unknown directive "nonsense"'):
            await bench.entry((hop,))


# ---------------------------------------------------------------- what dies


def test_a_container_that_is_killed_in_mid_stream_is_told_as_that(place: Sandbox, engine: Engine) -> None:
    """Only the stream that takes its time goes through the container that is killed: another's would be started anew
    for it.
    """
    endless(place)
    place.write(
        "m.yaml",
        (place.folder / "m.yaml").read_text().replace("delay_ms", "chain: {nginx:http10: nginx:http11}, delay_ms"),
    )
    program = place.start("matrix", "m.yaml")
    wait_for(lambda: len(place.results()) == 2)  # so that what goes through it is no look whether it is ready
    hop = wait_for(
        lambda: next((one for one in boxes(engine) if is_streaming(one) and "http11" in str(one.attrs)), None)
    )
    assert hop
    hop.kill()
    said = place.said(program)
    (slow,) = (one for id, one in place.results().items() if "/slow/" in id)
    assert "nginx was killed by SIGKILL" in str(slow), said.err
    assert said.status == 3


def boxes(engine: Engine) -> list[Container]:
    return engine.client.containers.list(filters={"label": LABEL})


def is_streaming(box: Container) -> bool:
    """Tell whether a container has a connection to the emitter's, as its own /proc/net/tcp has it."""
    with contextlib.suppress(FileNotFoundError):  # it has just ended
        table = Path(f"/proc/{box.attrs['State']['Pid']}/net/tcp").read_text().splitlines()[1:]
        return any(row.split()[2].endswith(f":{PORT:04X}") and row.split()[3] == "01" for row in table)
    return False


class Relay:
    """Stands before an engine, until it is cut: then nobody answers any more, as when the engine is stopped."""

    def __init__(self, engine: str, here: Path) -> None:
        self.address = f"unix://{here}"
        self._engine = engine.removeprefix("unix://")
        self._here = here
        self._open: list[socket.socket] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(here))
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        self._here.unlink()
        for one in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listening.accept()
                theirs = socket.socket(socket.AF_UNIX)
                theirs.connect(self._engine)
                self._open += [ours, theirs]
                for ends in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


async def test_an_engine_that_stops_in_mid_run_is_told_and_what_it_had_is_removed_once_it_is_back(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not engine.address.startswith("unix://"):
        pytest.skip("the engine listens on no socket of this machine")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    relay = Relay(engine.address, tmp_path / "engine.sock")
    monkeypatch.setenv("DOCKER_HOST", relay.address)
    async with Launcher() as launcher, Bench(launcher, tmp_path / "run", in_container=True) as bench:
        entry = await bench.entry((IN_NGINX,))
        relay.cut()
        await eventually(entry.death)
        assert "its container was lost: the engine does not answer any more" in str(entry.death())
        with pytest.raises((ProxyError, Unavailable)):
            await bench.entry((IN_NGINX, IN_NGINX))
    left = labelled(engine)
    assert len(left) == 3, "two containers and a network"
    assert leftovers.reap() == [], "nobody answers there yet"
    Relay(engine.address, tmp_path / "engine.sock")
    assert len(leftovers.reap()) == len(left)


def is_full(place: Sandbox, engine: Engine) -> None:
    place.write("m.yaml", f"{TITLE}axes: {{chain: '{contained('nginx:http10')}'}}\n")
    with OwnEngine(room_mb=600) as own, contextlib.closing(connected(own.address)) as small:
        own.take(engine, EMITTER_IMAGE)
        small.client.images.get(EMITTER_IMAGE).tag(PINNED["nginx"])
        own.fill()
        said = place.run("matrix", "m.yaml", prefix=own.prefix, DOCKER_HOST=own.address)
        for id, result in place.results().items():
            assert result.verdict is None, id
            assert "no space left on device" in str(result.reason), said.err
        assert (said.status, "Traceback" in said.err) == (3, False)
        assert labelled(small) == []


def is_stopped_in_mid_stream_and_comes_back(place: Sandbox, engine: Engine) -> None:
    endless(place)
    with OwnEngine() as own:
        own.take(engine, EMITTER_IMAGE, PINNED["nginx"])
        program = place.start("matrix", "m.yaml", prefix=own.prefix, DOCKER_HOST=own.address)
        wait_for(lambda: len(place.results()) == 2)
        own.stop()
        said = place.said(program)
        (slow,) = (one for id, one in place.results().items() if "/slow/" in id)
        assert slow.outcome == "error", said.err
        assert re.search("nginx(: its container was lost| exited| was killed)", str(slow.reason))
        assert (said.status, "Traceback" in said.err) == (3, False)
        own.start()
        with contextlib.closing(connected(own.address)) as again:
            assert len(labelled(again)) == 3
            place.run("run", "--chain", "direct")  # the next start looks for what dead runs have left
            assert labelled(again) == []


@some_of("fault", [is_full, is_stopped_in_mid_stream_and_comes_back], each=2, ids=lambda fault: fault.__name__)
def test_what_is_wrong_with_an_engine_is_told_and_nothing_of_ours_is_left_in_it(
    place: Sandbox, engine: Engine, fault: Callable[[Sandbox, Engine], None]
) -> None:
    fault(place, engine)


async def test_ports_that_others_have_are_passed_over(engine: Engine, tmp_path: Path) -> None:
    """The engine tries ten that follow each other, and we have it try again."""

    box = Box(EMITTER_IMAGE, ["python3", "-c", "import time; time.sleep(600)"], ports=[PORT], reads={})

    async def published() -> int:
        async with Launcher() as launcher:
            _, (port,) = await launcher.containers.run("hop", box, tmp_path / "log")
            return port

    first = await published()
    with contextlib.ExitStack() as others:
        taken = set()
        for port in range(first + 1, first + 13):
            with contextlib.suppress(OSError):  # somebody has it already, which is as good
                taken.add(others.enter_context(socket.create_server(("127.0.0.1", port))).getsockname()[1])
        assert await published() not in {0, *taken}


# ---------------------------------------------------------------- who is killed


def moments(phase: str, *numbers: int, janitors_too: bool = False) -> list[tuple[str, int, bool]]:
    return [(phase, number, janitors_too) for number in numbers]


HOSTILE = [
    *moments("start", 13, 1, 4, 7, 9, 12),
    *moments("stream", 0, janitors_too=True),
    *moments("start", 2, 11, 14, janitors_too=True),
    *moments("start", 15),
    *moments("stream", 0),
    *moments("end", 4, 2, 3, 6, 7, 9),
    *moments("start", 10, janitors_too=True),
    *moments("end", 1, janitors_too=True),
]
"""Of starting, these are the things that the engine tells of until the hop of `endless` runs: eight are of the question
for its version, then come the network, and three of each container: it is made, connected, started.
"""


@some_of(("phase", "number", "janitors_too"), HOSTILE, each=6)
def test_nothing_is_left_of_a_run_that_is_killed_at_any_moment_but_what_it_had_measured(
    place: Sandbox, engine: Engine, phase: str, number: int, janitors_too: bool
) -> None:
    """It starts, or is in mid-stream with two results on disk, or was told to end and clears up. A moment is when the
    engine has told of so many things in that. Without a janitor, the next start cleans up.
    """
    endless(place)
    with contextlib.closing(connected()) as watching:
        told: Any = watching.client.events()
        program = place.start("matrix", "m.yaml")
        if phase != "start":
            wait_for(lambda: any(map(is_streaming, boxes(engine))) and len(place.results()) == 2)
            told.close()
            told = watching.client.events()
        measured = place.results()
        if phase == "end":
            os.killpg(program.pid, signal.SIGINT)
        for _ in zip(range(number), told, strict=False):
            pass
        told.close()
    if janitors_too:
        os.killpg(program.pid, signal.SIGSTOP)  # or it has others at once
        for janitor in place.processes("launchers/janitor.py"):
            janitor.kill()
    os.killpg(program.pid, signal.SIGKILL)
    status = place.said(program).status
    assert status == -signal.SIGKILL or (phase == "end" and status == 130)
    kept = place.results()
    assert {id: kept[id] for id in measured} == measured
    assert len(measured) >= (0 if phase == "start" else 2)
    if janitors_too:
        assert phase != "stream" or len(labelled(engine)) == 3, "two containers and a network"
        place.run("run", "--chain", "direct")
    else:
        place.wait_until_clean()
    wait_for(lambda: labelled(engine), operator.not_)


@some_of("how", [signal.SIGINT, signal.SIGKILL], each=2)
def test_a_run_that_ends_leaves_nothing_and_takes_nothing_of_another_that_runs(
    place: Sandbox, engine: Engine, how: signal.Signals
) -> None:
    endless(place)
    first, second = (place.start("matrix", "m.yaml") for _ in range(2))
    wait_for(lambda: sum(map(is_streaming, boxes(engine))), lambda number: number == 2)
    os.killpg(first.pid, how)
    assert place.said(first).status == (130 if how == signal.SIGINT else -how)
    wait_for(lambda: len(labelled(engine)), lambda number: number == 3)
    place.run("run", "--chain", "direct")  # the next start looks for what dead runs have left
    assert len(labelled(engine)) == 3
    os.killpg(second.pid, signal.SIGINT)
    assert place.said(second).status == 130
    assert labelled(engine) == []
