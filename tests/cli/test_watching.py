"""`harness watch`: what a saved file touches is measured again, nothing else is, and Ctrl-C ends it all."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path, PurePath
from typing import NoReturn

import pytest

from harness import session
from harness.cli.watching import _Watch
from harness.errors import InputError
from harness.model import Cell
from harness.proxies.as_deployed import AsDeployed
from harness.proxies.catalog import PROXIES
from harness.proxies.languages.base import Fitted
from harness.proxies.source_text import Source
from harness.session.watching import Decided
from tests.commanding import Harness
from tests.sandbox import DIRECT, Sandbox
from tests.waiting import wait_for

MATRIX = """\
title: Watched
workloads: {chat: {tokens: 8, token_bytes: 112}}
axes: {chain: [nginx:./one.conf, nginx:./other.conf], mitigations: [none, no-cache]}
"""
CONFIG = """\
events {}
http {
  upstream app { server app:8000; }
  server { listen 80; location / { proxy_pass http://app; include snip/buffers.inc; } }
}
"""
STREAMS, HOLDS = "proxy_buffering off;\n", "proxy_buffering on; proxy_http_version 1.0;\n"
# apart from the files that are watched, which what it says would else wake
LOGGED = ("sh", "-c", 'mkdir log && exec "$@" >>log/told.txt 2>&1', "sh")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as place:
        place.write("my.yaml", MATRIX)
        place.write("one.conf", CONFIG)
        place.write("other.conf", CONFIG.replace("include snip/buffers.inc;", STREAMS))
        (tmp_path / "snip").mkdir()
        place.write("snip/buffers.inc", STREAMS)
        yield place


def looked_at(place: Sandbox) -> tuple[session.Job, Mapping[Cell, Decided]]:
    job = session.load(str(place.folder / "my.yaml"))
    return job, session.decided(job)


@pytest.mark.usefixtures("no_nginx")  # which would test each config
@pytest.mark.parametrize(
    ("name", "change", "chains"),
    [
        ("snip/buffers.inc", lambda text: HOLDS, {"nginx:one"}),
        ("other.conf", lambda text: text.replace("off", "on"), {"nginx:other"}),
        ("other.conf", lambda text: f"{text}# nothing\n", {"nginx:other"}),
        ("my.yaml", lambda text: text.replace("tokens: 8", "tokens: 9"), {"direct", "nginx:one", "nginx:other"}),
        ("my.yaml", lambda text: text.replace("Watched", "Watched on"), set()),
        (
            "my.yaml",
            lambda text: f"{text}expect: [{{cells: 'nginx:one/*', why: it must, verdict: streamed}}]\n",
            {"nginx:one"},
        ),
        ("my.yaml", lambda text: f"{text}mitigations: {{no-cache: {{claim: c, source: s, cost: header}}}}\n", None),
    ],
)
def test_a_saved_file_touches_the_cells_that_depend_on_it(
    place: Sandbox, name: str, change: Callable[[str], str], chains: set[str] | None
) -> None:
    _, known = looked_at(place)
    text = (place.folder / name).read_text()
    place.write(name, change(text))
    if chains is None:
        with pytest.raises(InputError):
            looked_at(place)
        return
    _, now = looked_at(place)
    assert {cell.id.partition("/")[0] for cell in session.touched(now, known)} == chains
    place.write(name, text)
    _, back = looked_at(place)
    assert session.touched(back, known) == [], "who takes a change back has nothing to measure"


@pytest.mark.usefixtures("no_nginx")
def test_a_file_is_named_as_what_became_of_it(place: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.folder)
    place.write("one.conf", CONFIG.replace("buffers.inc", "*.inc"))
    place.write("snip/more.inc", "proxy_buffering off;\n")
    _, was = looked_at(place)
    (place.folder / "snip/more.inc").unlink()
    _, now = looked_at(place)
    assert session.saved_since(was, now) == ([], ["snip/more.inc"])
    assert session.saved_since(now, was) == (["snip/more.inc"], [])
    place.write("snip/more.inc", "proxy_buffering off;\n")
    place.write("one.conf", CONFIG)
    _, left_out = looked_at(place)
    assert session.saved_since(was, left_out) == (["one.conf"], []), "that is there still"
    place.write("my.yaml", MATRIX.replace("tokens: 8", "tokens: 9"))
    _, other = looked_at(place)
    assert session.saved_since(left_out, other) == ([], [])


@pytest.mark.usefixtures("no_nginx")
def test_a_folder_is_watched_on_while_a_file_in_it_has_a_fault(place: Sandbox) -> None:
    """It may have been saved since the matrix was read, and then tells neither what it includes nor who includes it."""
    place.write("one.conf", CONFIG.replace("buffers.inc", "*.inc"))
    job, _ = looked_at(place)
    watched = session.folders(job)
    snip = Path(os.path.realpath(place.folder / "snip"))
    assert snip in watched
    place.write("one.conf", "{")
    assert snip not in session.folders(job)
    assert session.folders(job, watched) == watched
    place.write("snip/buffers.inc", "{")
    assert session.folders(job, watched) == watched


async def test_no_folder_is_left_out_again_while_it_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at a job finds another folder, and none of those that were found before."""
    job = session.load("smoke")
    watched: list[set[Path]] = []

    class EnoughError(Exception):
        pass

    def folders(job: session.Job, before: Collection[Path] = frozenset()) -> frozenset[Path]:
        if len(watched) > 3:
            raise EnoughError
        return frozenset({*before, Path(f"found-{len(watched)}")})

    async def saves(places: Iterable[Path]) -> AsyncGenerator[None]:
        watched.append({*places})
        await asyncio.Event().wait()
        yield

    async def looked_at(self: _Watch, job: session.Job) -> session.Job:
        return job

    monkeypatch.setattr(session, "folders", folders)
    monkeypatch.setattr(session, "saves", saves)
    monkeypatch.setattr(_Watch, "_looked_at", looked_at)
    with pytest.raises(EnoughError):
        await _Watch(lambda: job, Path("runs"), 1).go()
    assert all(earlier < later for earlier, later in pairwise(watched))


@pytest.mark.usefixtures("no_nginx")
def test_the_folders_of_all_files_are_watched_and_what_is_touched_brings_its_references(place: Sandbox) -> None:
    (place.folder / "deploy").mkdir()
    (place.folder / "one.conf").rename(place.folder / "deploy" / "one.conf")
    (place.folder / "snip").rename(place.folder / "deploy" / "snip")
    place.write("my.yaml", MATRIX.replace("./one.conf", "./deploy/one.conf"))
    job, _ = looked_at(place)
    deploy = place.folder.resolve() / "deploy"
    assert session.folders(job) == {place.folder.resolve(), deploy, deploy / "snip"}
    (mitigated, *_) = [cell for cell in job.cells if cell.mitigations]
    assert set(session.part_of(job, [mitigated]).cells) == {
        mitigated,
        replace(mitigated, mitigations=()),
        replace(mitigated, mitigations=(), chain=()),
    }


@pytest.mark.usefixtures("no_nginx")
@pytest.mark.parametrize(
    ("included", "there", "watched"),
    [
        ("conf.d/*.conf", ["conf.d"], ["conf.d"]),
        ("conf.d/*.conf", [], ["."]),
        ("sites/*/on/*.conf", ["sites/a/on", "sites/b"], ["sites", "sites/a/on"]),
        ("sites/*/on/*.conf", ["sites"], ["sites"]),
        ("/etc/nginx/conf.d/*.conf", ["conf.d"], ["conf.d"]),
    ],
)
def test_a_folder_is_watched_in_which_there_is_nothing_yet(
    place: Sandbox, included: str, there: list[str], watched: list[str]
) -> None:
    for folder in there:
        (place.folder / folder).mkdir(parents=True)
    place.write("one.conf", CONFIG.replace("snip/buffers.inc", included))
    place.write("my.yaml", MATRIX.replace(", nginx:./other.conf", ""))
    job, known = looked_at(place)
    here = place.folder.resolve()
    outside = {Path("/etc/nginx"), Path("/etc/nginx/conf.d"), Path("/etc")}
    assert session.folders(job) - outside == {here, *(Path(os.path.normpath(here / one)) for one in watched)}
    new = place.folder / included.removeprefix("/etc/nginx/").replace("*/on", "a/on").replace("*", "new")
    new.parent.mkdir(parents=True, exist_ok=True)
    new.write_text(STREAMS)
    assert session.touched(looked_at(place)[1], known), "and it is seen that this is another config"


def test_what_a_program_makes_of_a_config_is_no_file_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "Caddyfile"
    config.write_text(":80 {\n  reverse_proxy app:8000\n}\n")
    made = Source(tmp_path / "made.json", "{}")
    fitted = Fitted({made: "{}"}, {made: PurePath("made.json")})
    monkeypatch.setattr(AsDeployed, "fitted", lambda *_: fitted)
    caddy = PROXIES["caddy"]
    assert isinstance(caddy, AsDeployed)
    assert caddy.config_files(config) == [config]


@pytest.mark.parametrize(
    ("number", "status", "told"),
    [
        (errno.EROFS, 2, "cannot make a run folder in runs: Read-only file system"),
        (errno.EACCES, 2, "cannot make a run folder in runs: Permission denied"),
        (errno.ENOSPC, 3, "cannot make a run folder in runs: No space left on device"),
    ],
)
def test_where_nothing_can_be_written_it_says_so_and_ends(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, number: int, status: int, told: str
) -> None:
    def refused(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    Path("my.yaml").write_text(DIRECT)
    monkeypatch.setattr("harness.store.runs.runs_folder", refused)
    said = harness("watch", "my.yaml")
    assert (said.status, told in said.err, "cells stream" in said.err) == (status, True, False)


@pytest.mark.proxies
@pytest.mark.needs("nginx")
def test_a_save_is_measured_a_fault_is_told_and_ctrl_c_leaves_nothing(place: Sandbox) -> None:
    def told() -> str:
        return (place.folder / "log/told.txt").read_text() if (place.folder / "log/told.txt").exists() else ""

    def tells(*words: str) -> None:
        wait_for(lambda: told(), lambda text: all(word in text for word in words))

    program = place.start("watch", "my.yaml", "--only", "none", prefix=LOGGED)
    tells("2 of 2 cells stream. Waiting for a file to be saved; Ctrl-C ends.")
    runs = len(list((place.folder / "runs").glob("2*")))

    place.write("snip/buffers.inc", HOLDS)
    tells("Saved: snip/buffers.inc. 1 cell to measure.", "was streamed", "1 of 2 cells stream.")
    assert len(list((place.folder / "runs").glob("2*"))) == runs + 1
    assert {result.id.partition("/")[0] for result in place.results().values()} == {"direct", "nginx:one"}

    place.write("one.conf", CONFIG.replace("buffers.inc", "*.inc"))
    tells("Saved: one.conf. 1 cell to measure.")
    place.write("snip/more.inc", "# nothing\n")
    tells("Saved: snip/more.inc. 1 cell to measure.")
    (place.folder / "snip/more.inc").unlink()
    tells("Gone: snip/more.inc. 1 cell to measure.")
    place.write("snip/buffers.inc", "proxy_buffering off; {\n")
    tells('buffers.inc:1: unexpected "{"')
    place.write("snip/buffers.inc", "proxy_buffering off; }\n")
    tells('buffers.inc:1: unexpected "}"')  # it goes on looking where the fault is
    assert program.poll() is None
    place.write("snip/buffers.inc", STREAMS)
    tells("was coalesced")
    program.send_signal(signal.SIGINT)
    place.said(program)
    assert program.returncode == 130
    place.wait_until_clean()
