"""A run that several processes write."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.model import Deployment, Mitigation
from harness.store.runs import Run
from harness.store.shared import MEANT, SharedRun, finish, runs_of
from tests.reports import samples

SESSION = "a-secret-of-a-session"
EACH = 80


def part(root: Path, name: str, session: str = SESSION, matrix: str = "m.yaml") -> SharedRun:
    return SharedRun.join(root, replace(samples.run_info(finished_at=None), matrix_file=matrix), session, name)


def _writes(root: Path, name: str) -> None:
    """What one of several processes does: it joins, and adds results that are longer than a page."""
    run = part(root, name)
    for number in range(EACH):
        run.append(replace(samples.result(samples.cell()), id=f"{name}-{number}", reason="long " * 2000))


def test_parts_of_a_session_have_one_folder_and_other_sessions_and_matrices_have_others(tmp_path: Path) -> None:
    assert part(tmp_path, "gw0").folder == part(tmp_path, "gw1").folder
    others = [part(tmp_path, "gw0", session="another"), part(tmp_path, "gw0", matrix="other.yaml")]
    assert len({part(tmp_path, "gw2").folder, *(other.folder for other in others)}) == 3
    assert len(runs_of(tmp_path, SESSION)) == 2


def test_lines_that_processes_write_at_once_are_whole(tmp_path: Path) -> None:
    names = [f"gw{number}" for number in range(2)]
    writing = [multiprocessing.get_context("spawn").Process(target=_writes, args=(tmp_path, name)) for name in names]
    for process in writing:
        process.start()
    for process in writing:
        process.join()
    (folder,) = runs_of(tmp_path, SESSION)
    met = [result.id for result in Run.open(folder).results]
    assert sorted(met) == sorted(f"{name}-{number}" for name in names for number in range(EACH))
    for name in names:
        assert [one for one in met if one.startswith(name)] == [f"{name}-{number}" for number in range(EACH)]


def test_what_a_dead_process_has_torn_costs_no_other_line(tmp_path: Path) -> None:
    dead, alive = part(tmp_path, "gw0"), part(tmp_path, "gw1")
    dead.append(replace(samples.result(samples.cell()), id="whole"))
    with dead.results_file.open("ab") as lines:
        lines.write(b'{"id": "torn by a ki')
    alive.append(replace(samples.result(samples.cell()), id="after"))
    assert [result.id for result in Run.open(alive.folder).results] == ["whole", "after"]


def test_parts_keep_evidence_apart(tmp_path: Path) -> None:
    one, other = part(tmp_path, "gw0"), part(tmp_path, "gw1")
    cell = samples.cell()
    assert len({one.evidence(cell), other.evidence(cell), part(tmp_path, "").evidence(cell)}) == 3
    assert len({one.proxies, other.proxies}) == 2


def test_what_parts_make_known_is_all_in_the_head_without_secrets(tmp_path: Path) -> None:
    one, other = part(tmp_path, "gw0"), part(tmp_path, "gw1")
    secret = {"Authorization": "Bearer hunter2"}
    mine = {"a": Mitigation("a", "It helps.", "us", "request", request_headers=secret)}
    its = {"b": Mitigation("b", "It helps.", "us", "header")}
    one.make_known(samples.run_info(mitigations=mine, inputs={"nginx:a": {"a": "1"}}, own={"nginx:a": "a"}))
    other.make_known(samples.run_info(mitigations=its, standing={"nginx:b": Deployment(path="/b")}))
    head = Run.head(one.folder)
    assert {"a", "b"} <= head.mitigations.keys()
    assert (head.inputs, head.own, list(head.standing)) == ({"nginx:a": {"a": "1"}}, {"nginx:a": "a"}, ["nginx:b"])
    assert "hunter2" not in (one.folder / "run.json").read_text()


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_session_that_ends_leaves_a_run_as_any_other(tmp_path: Path, is_whole: bool) -> None:
    one, other = part(tmp_path, "gw0"), part(tmp_path, "gw1")
    one.append(replace(samples.result(samples.cell()), id="same", reason="the first"))
    other.append(replace(samples.result(samples.cell()), id="same", reason="the second"))
    other.append(replace(samples.result(samples.cell()), id="another"))
    finish(one.folder, is_whole)
    run = Run.open(one.folder)
    assert [result.id for result in run.results] == ["same", "another"]
    assert run.results[0].reason == "the first"
    assert bool(run.info.finished_at) is is_whole
    assert runs_of(tmp_path, SESSION) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(InputError, match="cannot make a run folder in"):
        part(tmp_path / "runs", "gw0")


def test_a_name_stands_for_one_thing_in_all_parts_until_the_session_ends(tmp_path: Path) -> None:
    one, other = part(tmp_path, "gw0"), part(tmp_path, "gw1")
    assert one.claim({"a": "1"}) == other.claim({"a": "1", "b": "2"}) == ""
    assert one.claim({"c": "3", "b": "4"}) == "b"
    assert other.claim({"c": "5"}) == "", "what was refused is not taken"
    (folder,) = runs_of(tmp_path, SESSION)
    finish(folder, is_whole=True)
    assert not (folder / MEANT).exists()
