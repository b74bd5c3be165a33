"""The run's folder: what is written is read back, whatever happened to the process in between."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import resource
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError, NoRoom
from harness.store.runs import NAME_BYTES, Run, check_writable, fitting, latest, load_traces, slug, write_text
from tests.reports.samples import cell, matrix, result, run_info, trace


def test_a_run_reads_back_exactly(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "runs", run_info(finished_at=None, matrix_text="größe: 流\n"))
    for some in matrix():
        run.append(some)
    run.finish()
    again = Run.open(run.folder)
    assert again.results == matrix()
    assert again.info == run.info
    assert again.info.finished_at
    assert again.info.versions == {"aiohttp": "3.13.2", "nginx": "1.24.0"}
    assert not again.torn


def test_no_version_that_a_run_met_takes_the_place_of_another(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info(finished_at=None, versions={}))
    for chain, versions in {
        "nginx:default": {"nginx": "1.24.0"},
        "nginx:default@1.31.3": {"nginx@1.31.3": "1.31.3"},
        "asgi:plain": {"asgi": "uvicorn 0.54.0, starlette 1.10.0"},
        "asgi:own": {"asgi": "uvicorn 0.30.1"},  # an application with packages of its own
    }.items():
        run.append(result(cell(chain), versions=versions))
    run.finish()
    assert Run.open(run.folder).info.versions == {
        "asgi": "uvicorn 0.54.0, starlette 1.10.0 or uvicorn 0.30.1",
        "nginx": "1.24.0",
        "nginx@1.31.3": "1.31.3",
    }


def test_the_folder_is_named_after_start_and_matrix(tmp_path: Path) -> None:
    assert Run.create(tmp_path, run_info()).folder.name == "20251121T082200Z-sample"
    assert Run.create(tmp_path, run_info(name="../a b:c")).folder.name == "20251121T082200Z-a-b-c"
    assert Run.create(tmp_path, run_info(name="流")).folder.name == "20251121T082200Z-matrix"
    local = run_info(started_at="2025-11-21T09:22:00+01:00", name="x")
    assert Run.create(tmp_path, local).folder.name == "20251121T082200Z-x"


def test_runs_started_in_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: Run.create(tmp_path, run_info()), range(16)))
    assert len({run.folder for run in runs}) == 16


def test_a_killed_run_keeps_what_it_had(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info(finished_at=None))
    for some in matrix()[:3]:
        run.append(some)
    lines = run.folder / "results.jsonl"
    whole = lines.read_bytes()
    lines.write_bytes(whole[:-40])
    again = Run.open(run.folder)
    assert again.results == matrix()[:2]
    assert again.torn
    assert again.info.finished_at is None


def test_a_line_that_only_lacks_its_end_is_whole(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info())
    run.append(matrix()[0])
    lines = run.folder / "results.jsonl"
    lines.write_bytes(lines.read_bytes().rstrip())
    again = Run.open(run.folder)
    assert again.results == matrix()[:1]
    assert not again.torn


def test_a_run_that_was_killed_before_its_first_cell(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info())
    assert Run.open(run.folder).results == []
    (run.folder / "results.jsonl").unlink()
    assert Run.open(run.folder).results == []


@pytest.mark.parametrize("wrong", [b"{not json", b'{"id": "x"}', b"\xff\xfe", b""])
def test_a_wrong_line_in_the_middle_is_named(tmp_path: Path, wrong: bytes) -> None:
    run = Run.create(tmp_path, run_info())
    run.append(matrix()[0])
    with (run.folder / "results.jsonl").open("ab") as lines:
        lines.write(wrong + b"\n")
    run.append(matrix()[1])
    with pytest.raises(InputError, match=r"results\.jsonl:2 is no result"):
        Run.open(run.folder)


def test_a_wrong_field_is_named(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info())
    run.append(matrix()[0])
    lines = run.folder / "results.jsonl"
    lines.write_bytes(lines.read_bytes().replace(b'"observed"', b'"great"'))
    with pytest.raises(InputError, match="outcome Input should be 'pass'"):
        Run.open(run.folder)


def test_unknown_keys_of_a_newer_harness_are_ignored(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info())
    run.append(matrix()[0])
    lines = run.folder / "results.jsonl"
    lines.write_bytes(lines.read_bytes().replace(b'{"id"', b'{"mood":"good","id"', 1))
    assert Run.open(run.folder).results == matrix()[:1]


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        Run.open(tmp_path)
    with pytest.raises(InputError, match="not a run folder"):
        Run.open(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("head", "said"),
    [("{", "damaged"), ("[1]", "damaged"), ('{"schema_version": 99}', "version 99"), ("{}", "version None")],
)
def test_a_head_that_cannot_be_read(tmp_path: Path, head: str, said: str) -> None:
    (tmp_path / "run.json").write_text(head)
    with pytest.raises(InputError, match=said):
        Run.open(tmp_path)


def test_a_head_that_lacks_a_field(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info())
    head = json.loads((run.folder / "run.json").read_text())
    del head["title"]
    (run.folder / "run.json").write_text(json.dumps(head))
    with pytest.raises(InputError, match=r"damaged: .* title Field required"):
        Run.open(run.folder)


def test_the_latest_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run in"):
        latest(tmp_path)
    Run.create(tmp_path, run_info(name="z"))
    newest = Run.create(tmp_path, run_info(started_at="2025-11-22T00:00:00+00:00", name="a"))
    (tmp_path / "notes").mkdir()
    assert latest(tmp_path) == newest.folder


def test_of_runs_started_in_one_second_the_one_written_last_is_the_latest(tmp_path: Path) -> None:
    for name, written_s in [("a", 10), ("z", 30), ("m", 20)]:
        os.utime(Run.create(tmp_path, run_info(name=name)).folder, (written_s, written_s))
    assert latest(tmp_path).name.endswith("-z")
    os.utime(tmp_path / "20251121T082200Z-a", (40, 40))
    assert latest(tmp_path).name.endswith("-a")
    next_day = Run.create(tmp_path, run_info(started_at="2025-11-22T00:00:00+00:00")).folder
    os.utime(next_day, (5, 5))
    assert latest(tmp_path) == next_day, "an old run may be touched, as by a report into its folder"


def test_a_finished_run_is_on_the_disk_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create(tmp_path, run_info(finished_at=None))
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    run.append(matrix()[0])
    assert synced == []
    run.finish()
    assert synced == [run.results_file.stat().st_ino]


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot make a run folder"):
        Run.create(tmp_path / "file" / "runs", run_info())


@pytest.mark.parametrize("held", [2, None])
def test_a_trace_reads_back_exactly(tmp_path: Path, held: int | None) -> None:
    run = Run.create(tmp_path, run_info())
    of = cell("nextjs:dev>nginx:default", "no-cache")
    first = run.save_trace(trace(of, held), of)
    assert load_traces(first) == (trace(of, held),)
    second = run.save_trace(trace(of, None), of, take=2)
    assert first == second == run.folder / "cells" / slug(of.id)
    assert load_traces(first) == (trace(of, held), trace(of, None))


def test_a_trace_that_is_missing_or_damaged(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info())
    folder = run.save_trace(trace(cell()), cell())
    with pytest.raises(InputError, match=r"holds no trace: trace\.json is missing"):
        load_traces(run.folder)
    body = folder / "body.bin.gz"
    body.write_bytes(body.read_bytes()[:-9])
    with pytest.raises(InputError, match="damaged"):
        load_traces(folder)
    body.write_bytes(gzip.compress(trace(cell()).body[:-1]))
    with pytest.raises(InputError, match=r"damaged: body\.bin\.gz has 127 of 128 bytes"):
        load_traces(folder)
    body.write_bytes(b"")
    with pytest.raises(InputError, match=r"damaged: body\.bin\.gz has 0 of 128 bytes"):
        load_traces(folder)
    body.write_bytes(b"no gzip")
    with pytest.raises(InputError, match="damaged"):
        load_traces(folder)


def test_slugs_are_safe_unique_and_readable() -> None:
    ids = [some.id for some in matrix()]
    ids += [
        "nginx:./a|b?.conf/sse",
        "nginx:./a|b*.conf/sse",
        "A",
        "a",
        "x" * 400,
        "x" * 401,
        'q"\r\n\\/',
        "",
        "..",
        "流",
    ]
    slugs = [slug(some) for some in ids]
    assert len({some.lower() for some in slugs}) == len(set(ids))
    assert all(re.fullmatch(r"[A-Za-z0-9_.+-]{1,180}", some) and not some.startswith(".") for some in slugs)
    assert slug(cell("nextjs:dev>nginx:default", "no-cache").id).startswith(
        "nextjs.dev_nginx.default_sse_chunked_curl_aiohttp_short_no-cache_lockstep-"
    )


def test_text_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.md"
    write_text(path, "first\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match=r"cannot write .*report\.md: Permission denied"):
        write_text(path, "second\n")
    assert path.read_text() == "first\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.md"]


def test_text_for_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        write_text(tmp_path / "no" / "report.md", "")
    with pytest.raises(InputError, match="cannot write"):
        write_text(tmp_path, "")


def test_text_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    (tmp_path / "real.md").touch()
    (tmp_path / "link.md").symlink_to("real.md")
    write_text(tmp_path / "link.md", "a \udcff\r\n")
    assert (tmp_path / "link.md").is_symlink()
    assert (tmp_path / "real.md").read_bytes() == b"a ?\r\n"


@pytest.mark.parametrize("guessed", [False, True], ids=["the pid is known", "even if all were guessed"])
def test_links_in_a_shared_folder_lead_no_text_into_a_file_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guessed: bool
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    shared = tmp_path / "shared"
    shared.mkdir()
    if guessed:
        monkeypatch.setattr(secrets, "token_hex", lambda _: "guess")
    traps = [shared / f".out.html.{name}.tmp" for name in (os.getpid(), "guess")]
    for trap in traps:
        trap.symlink_to(victim)
    with pytest.raises(InputError, match="File exists") if guessed else contextlib.nullcontext():
        write_text(shared / "out.html", "page")
    assert victim.read_text() == "mine"
    assert {path for path in shared.iterdir() if path.is_symlink()} == {*traps}
    assert (shared / "out.html").exists() is not guessed


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what another user's is")
@pytest.mark.parametrize("asked", ["out.html", "folder/out.html"])
def test_a_link_that_another_user_made_is_not_followed(tmp_path: Path, asked: str) -> None:
    (tmp_path / "mine").mkdir()
    victim = tmp_path / "mine/out.html"
    victim.write_text("mine")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "out.html").symlink_to(victim)
    (shared / "folder").symlink_to(victim.parent)
    trap = shared / asked.split("/")[0]
    os.lchown(trap, 65534, 65534)
    for write in (check_writable, lambda path: write_text(path, "page")):
        with pytest.raises(InputError, match=rf"{trap} is a link that another user made"):
            write(shared / asked)
    assert victim.read_text() == "mine"
    os.chown(shared, 65534, 65534)
    write_text(shared / asked, "page")
    assert victim.read_text() == "page", "whose folder it is may lead where they want"


def test_a_link_to_itself_is_no_fault_of_ours(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for where in ("loop", "loop/out.html"):
        with contextlib.suppress(InputError):
            write_text(tmp_path / where, "page")


def test_text_to_a_device_leaves_the_device(tmp_path: Path) -> None:
    write_text(Path("/dev/null"), "gone")
    assert Path("/dev/null").is_char_device()


def test_evidence_has_a_folder_before_there_is_a_trace(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info())
    assert run.evidence(cell()).is_dir()
    assert run.evidence(cell()) == run.evidence(cell())


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info())
    run.append(matrix()[0])
    run.results_file.unlink()
    run.results_file.symlink_to("/dev/full")
    with pytest.raises(NoRoom, match=r"cannot write .*results\.jsonl: No space left on device"):
        run.append(matrix()[1])
    assert run.results == matrix()[:1]


def test_a_line_that_goes_in_only_in_part_is_taken_back(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info())
    run.append(matrix()[0])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (run.results_file.stat().st_size + 40, before[1]))
    try:
        with pytest.raises(NoRoom, match=r"cannot write .*results\.jsonl: File too large"):
            run.append(matrix()[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    run.append(matrix()[2])
    again = Run.open(run.folder)
    assert (again.results, again.torn) == ([matrix()[0], matrix()[2]], False)


def test_a_line_that_a_disk_takes_bit_by_bit_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Sipping(io.FileIO):
        """Takes 100 bytes at a time."""

        def write(self, data: Any) -> int:
            return super().write(data[:100])

    def sipping(path: Path, mode: str, buffering: int) -> io.FileIO:
        return Sipping(path, mode)

    run = Run.create(tmp_path, run_info())
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", sipping)
        run.append(matrix()[0])
    assert Run.open(run.folder).results == matrix()[:1]


@pytest.mark.parametrize("letter", ["n", "é", "☃", "\udce9"])
def test_a_name_of_any_length_fits_and_stays_one_of_its_own(tmp_path: Path, letter: str) -> None:
    names = [letter * length for length in (1, 60, 61, 200, 260, 261, 5000)]
    fitted = list(map(fitting, names))
    assert len(set(fitted)) == len(names)
    assert max(len(os.fsencode(name)) for name in fitted) <= NAME_BYTES
    assert fitted[0] == names[0]
    for name in fitted:
        (tmp_path / name).mkdir()


def test_a_run_and_a_document_of_a_very_long_name_can_be_kept(tmp_path: Path) -> None:
    run = Run.create(tmp_path, run_info(name="n" * 250))
    assert Run.open(latest(tmp_path)).folder == run.folder
    assert run.copy_records(tmp_path / "kept").is_dir()
    write_text(tmp_path / ("n" * 250), "whole")
    assert (tmp_path / ("n" * 250)).read_text() == "whole"
