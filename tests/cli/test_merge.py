"""`--shard` and `harness merge`: what several machines measure is told as if one had."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.model import Deployment, Result
from harness.store.runs import Run
from tests.commanding import Harness
from tests.reports.samples import cell, result, run_info

DIRECT = result(cell("direct"), "streamed")
ONE, OTHER, THIRD = (result(cell(chain)) for chain in ("nginx:default", "nginx:gzip", "nginx:http10"))

MATRIX = """\
title: Sharded
workloads: {chat: {tokens: 8, token_bytes: 112}}
axes: {chain: "nginx:buffering-off", request: [curl, browser], mitigations: [none, no-cache]}
"""


def shard(root: Path, said: str, *results: Result, finished: bool = True, **head: Any) -> Path:
    run = Run.create(root, run_info(finished_at=None, cells=len(results), shard=said, **head))
    for some in results:
        run.append(some)
    if finished:
        run.finish("2025-11-21T08:23:00+00:00")
    return run.folder


def test_results_come_together_and_what_each_needed_counts_once(harness: Harness, tmp_path: Path) -> None:
    shards = [shard(tmp_path / "a", "1/2", DIRECT, ONE), shard(tmp_path / "b", "2/2", DIRECT, OTHER)]
    said = harness("merge", *reversed(shards), "--json", "out.json")
    assert said.status == 0
    told = json.loads(Path("out.json").read_text())
    assert [one["id"] for one in told["results"]] == [DIRECT.id, ONE.id, OTHER.id]
    assert (told["run"]["cells"], told["run"]["shard"]) == (3, "")
    assert told["run"]["finished_at"] == "2025-11-21T08:23:00+00:00"


def test_what_two_machines_do_not_agree_on_is_unstable(harness: Harness, tmp_path: Path) -> None:
    late = replace(DIRECT, verdict="delayed", reason="it is late")
    said = harness("merge", shard(tmp_path / "a", "1/2", DIRECT, ONE), shard(tmp_path / "b", "2/2", late, OTHER))
    assert (said.status, "streamed in shard 1, delayed in shard 2: it is late" in said.out) == (3, True)


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ([("1/2", {})], "shard 2/2 is missing: give the runs of all"),
        ([("1/2", {}), ("1/2", {})], "are both shard 1/2"),
        ([("1/2", {}), ("2/3", {})], "of how many?"),
        ([("", {})], "is the run of a whole matrix, no shard"),
        ([("1/2", {}), ("2/2", {"finished": False})], "did not finish: measure shard 2/2 again"),
        ([("1/2", {}), ("2/2", {"name": "other"})], "the matrix is another"),
        ([("1/2", {}), ("2/2", {"harness_version": "9"})], "the harness is another"),
        ([("1/2", {}), ("2/2", {"standing": {"nginx:a": Deployment(path="/held")}})], "the path, server or map of its"),
    ],
)
def test_runs_that_are_no_shards_of_one_run_are_refused(
    harness: Harness, tmp_path: Path, runs: list[tuple[str, dict[str, Any]]], told: str
) -> None:
    folders = [shard(tmp_path / f"{number}", said, ONE, **head) for number, (said, head) in enumerate(runs)]
    said = harness("merge", *folders)
    assert (said.status, told in said.err, said.out) == (2, True, "")
    assert not Path("runs").exists()


A, B, C = ({name: {f"deploy/{name[-1]}": "1" * 40}} for name in ("nginx:a", "nginx:b", "nginx:c"))
OTHER_B = {"nginx:b": {"deploy/b": "2" * 40}}
EXCHANGED = (
    {"nginx:b": {"deploy/a": said, "deploy/b": other}} for said, other in (("1" * 40, "2" * 40), ("2" * 40, "1" * 40))
)
MORE_OF_B = {"nginx:b": {**B["nginx:b"], "deploy/servers/new": "2" * 40}}


@pytest.mark.parametrize("inputs", [(B, OTHER_B, A), (A, B, A | OTHER_B), (A | MORE_OF_B, A, C | B), (*EXCHANGED, A)])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
def test_any_two_shards_of_other_configs_are_refused(
    harness: Harness, tmp_path: Path, inputs: tuple[dict[str, dict[str, str]], ...], order: tuple[int, ...]
) -> None:
    shards = [shard(tmp_path / f"{n}", f"{n + 1}/3", ONE, inputs=had) for n, had in enumerate(inputs)]
    said = harness("merge", *(shards[number] for number in order))
    assert (said.status, "were measured from other configs of nginx:b" in said.err) == (2, True)
    assert not Path("runs").exists()


def test_the_same_configs_are_the_same_wherever_each_machine_has_them(harness: Harness, tmp_path: Path) -> None:
    one, other = (
        {"matrix": {f"{root}/m.yaml": "0" * 40}, "nginx:b": {f"{root}/b": "1" * 40, f"{root}/c": "2" * 40}}
        for root in ("/home/one", "/srv/other")
    )
    shards = [
        shard(tmp_path / name, said, result_, inputs=had, matrix_file=next(iter(had["matrix"])))
        for name, said, result_, had in (("a", "1/2", ONE, one), ("b", "2/2", OTHER, other))
    ]
    assert harness("merge", *shards).status == 0


@pytest.mark.proxies
def test_shards_are_measured_and_judged_again_and_held_against_a_baseline_as_one(harness: Harness) -> None:
    Path("my.yaml").write_text(MATRIX)
    for said in ("1/2", "2/2"):
        assert "3 cells: 3 observed." in harness("matrix", "my.yaml", "--shard", said, "--runs", "shards").out
    harness("merge", *Path("shards").glob("2*"), "--json", "first.json")
    (folder,) = Path("runs").glob("2*")
    harness("report", folder, "--rejudge", "--json", "again.json")
    first, again = (json.loads(Path(name).read_text()) for name in ("first.json", "again.json"))
    assert len(first["results"]) == 6
    assert again == first
    assert all((folder / one["evidence"] / "hop-1").is_dir() for one in first["results"] if one["cell"]["chain"])
    assert harness("check", "my.yaml", "--measured", folder, "--update").status == 0
    assert "4 as they were." in harness("check", "my.yaml", "--measured", folder).out
    assert "2 as they were." in harness("check", "my.yaml", "--shard", "2/2").out, "what others measure is not gone"
    part = next(Path("shards").glob("2*"))
    of_part = harness("diff", folder, part)
    assert (of_part.status, "2 as they were." in of_part.out) == (0, True), "nor in a run on disk"
    refused = harness("check", "my.yaml", "--measured", part)
    assert (refused.status, "`harness merge` joins shards" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("earlier", "later", "elsewhere", "told"),
    [
        ("", "", (), "gone"),
        ("", "", None, "gone"),
        ("2/2", "", (), "gone"),
        ("", "1/1", (), "gone"),
        ("1/2", "2/2", (), "gone"),
        ("", "2/2", (THIRD.id,), "gone"),
        ("1/2", "2/2", (THIRD.id,), "gone"),
        ("2/2", "2/2", (THIRD.id,), "gone"),
        ("", "2/2", (OTHER.id, THIRD.id), ""),
        ("1/2", "2/2", (OTHER.id,), ""),
        ("", "2/2", None, "is shard 2/2, and does not say what the others have: nothing is told to be gone"),
        ("2/2", "2/2", None, "gone"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("text", ["title: a", "title: b"])
def test_what_another_shard_has_is_not_gone_and_what_none_has_is(
    harness: Harness,
    tmp_path: Path,
    earlier: str,
    later: str,
    elsewhere: tuple[str, ...] | None,
    told: str,
    finished: bool,
    text: str,
) -> None:
    was = shard(tmp_path / "a", earlier, DIRECT, ONE, OTHER, matrix_text="title: a")
    now = shard(tmp_path / "b", later, DIRECT, ONE, finished=finished, matrix_text=text, elsewhere=elsewhere)
    said = harness("diff", was, now)
    if told == "gone":
        status, told = (1, "1 gone.") if finished else (3, "1 not measured.")
    else:
        status = 0
    assert (said.status, told in said.out, OTHER.id in said.out) == (status, True, bool(status))
    assert ("way out: put it back" in said.out, f"--only {OTHER.id}" in said.out) == (status == 1, False)


def test_two_runs_are_held_against_each_other_in_part(harness: Harness, tmp_path: Path) -> None:
    was, now = shard(tmp_path / "a", "", DIRECT, ONE, OTHER), shard(tmp_path / "b", "", DIRECT, ONE)
    assert "1 as they were, 1 gone." in harness("diff", was, now).out
    assert "1 as they were." in harness("diff", was, now, "--skip", OTHER.id).out
    assert "1 as they were." in harness("check", now, "--against", was, "--skip", OTHER.id).out
    assert "none of the" in harness("diff", was, now, "--only", "varnish:*").err


@pytest.mark.parametrize(
    ("elsewhere", "said"),
    [((OTHER.id,), "1 as they were."), ((), "1 as they were, 1 new."), (None, "1 as they were, 1 new.")],
)
def test_what_the_earlier_shard_left_to_another_is_not_new(
    harness: Harness, tmp_path: Path, elsewhere: tuple[str, ...] | None, said: str
) -> None:
    was = shard(tmp_path / "a", "1/2", DIRECT, ONE, elsewhere=elsewhere)
    told = harness("diff", was, shard(tmp_path / "b", "", DIRECT, ONE, OTHER), "--strict")
    assert (told.status, said in told.out) == (bool("new" in said), True)


def test_a_config_that_another_shard_has_is_not_gone(harness: Harness, tmp_path: Path) -> None:
    for name in ("one", "other"):
        Path(name).write_text(name)
    hops = {"nginx:default": {"one": "1" * 40}, "nginx:gzip": {"other": "2" * 40, "away": "3" * 40}}
    was = shard(tmp_path / "a", "", DIRECT, ONE, OTHER, inputs=hops)
    now = shard(tmp_path / "b", "2/2", DIRECT, ONE, inputs={"nginx:default": hops["nginx:default"]})
    said = harness("diff", was, now).out
    assert ("other (gone)" in said, "away (gone)" in said) == (False, True)
