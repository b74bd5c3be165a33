"""The real nginx: many live side by side, whoever runs them, and nothing of them is left."""

from __future__ import annotations

import asyncio
import operator
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.launchers.process import Launcher, Process
from harness.measure.bench import Bench
from harness.model import Hop
from tests.factories import judged
from tests.measuring import READS, plan
from tests.processes import process, signalled
from tests.proxies.nginxes import DEFAULT, NGINX, SHIPPED, STRANGER, in_modules_loop, started, status
from tests.sampling import some_of
from tests.tapping import tapped
from tests.waiting import eventually


def folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("harness-nginx-*"))


@pytest.mark.proxies
async def test_several_instances_live_side_by_side_and_nothing_of_them_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    async with Launcher() as launcher:
        places = [tmp_path / str(number) for number in range(8)]
        for place in places:
            place.mkdir()
        instances = await asyncio.gather(*(started(launcher, DEFAULT, place) for place in places))
        assert len({running.endpoint.port for running in instances}) == 8
        assert [await status(running) for running in instances] == [502] * 8
        assert len(folders()) == 8
        family = [psutil.Process(process(running).pid) for running in instances]
        family += [child for one in family for child in one.children(recursive=True)]
        assert len(family) >= 16, "a master and a worker each"
    await eventually(lambda: [one for one in family if one.is_running()], operator.not_)
    assert folders() == set()


@pytest.mark.proxies
@in_modules_loop
async def test_one_that_dies_in_mid_stream_is_told_and_the_next_cell_gets_a_new_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = (Hop("nginx", "buffering-off"),)
    victim = process((await bench.entry(chain)).hops[0])
    killer = tapped(monkeypatch, READS, lambda: signalled(victim, signal.SIGKILL))
    told = plan("nginx:buffering-off", 12, 100)
    trace, entry = await bench.record("cell", replace(told, client=killer))
    assert judged(trace).verdict == "broken"
    assert (await eventually(entry.death) or "").startswith("nginx was killed by SIGKILL")
    trace, another = await bench.record("cell", told)
    assert judged(trace).verdict == "streamed"
    assert process(another.hops[0]).pid != victim.pid
    assert another.evidence != entry.evidence


class Others(Launcher):
    """A launcher whose folders and evidence belong to a stranger, with all in them, as when a stranger runs it."""

    async def launch(self, *args: Any, log: Path | None, **options: Any) -> Process:
        assert log
        for folder in (*map(Path, self._janitors.folders), log.parent):
            for path in (folder, *folder.rglob("*")):
                os.chown(path, STRANGER, STRANGER)
        return await super().launch(*args, log=log, **options)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody can get to; and an nginx that runs as somebody who owns nothing else."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become somebody else; who is not root tests it anyway")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shim = folder / "bin/nginx"
        shim.parent.mkdir()
        become = (
            f"exec setpriv --reuid={STRANGER} --regid={STRANGER} --clear-groups --inh-caps=-all --bounding-set=-all"
        )
        program = shutil.copy(NGINX.installed().program, folder)  # from where only root may come
        shim.write_text(f'#!/bin/sh\n{become} {program} "$@"\n')
        shim.chmod(0o755)
        yield folder


@pytest.mark.proxies
@some_of("config", SHIPPED, each=3, ids=[path.stem for path in SHIPPED])
async def test_an_unprivileged_user_can_run_it(public: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{public}/bin:{os.environ['PATH']}")
    async with Others() as launcher:
        running = await started(launcher, config, public)
        assert await status(running, body=b"too large for its memory" * 10_000) == 502
        master = psutil.Process(process(running).pid)
        assert {one.uids().effective for one in (master, *master.children())} == {STRANGER}
    log = (public / "evidence/nginx.log").read_text()
    assert not [line for line in log.splitlines() if "Permission denied" in line and "open error log" not in line]
