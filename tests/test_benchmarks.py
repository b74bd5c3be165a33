"""The benchmarks run, tell what they want, and leave nothing behind; what they measure is not tested here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.publish import ROOT

pytestmark = pytest.mark.proxies

WANTED = "give one run folder of a matrix, some of field reports, and none for the schema"


def benchmark(name: str, *arguments: str, tmp: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a benchmark with a temporary folder of its own."""
    argv = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    return subprocess.run(argv, cwd=ROOT, env={"TMPDIR": str(tmp), **env}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: what"),
        (["default", "nowhere"], "nowhere is not a run folder"),
        (["reports", "nowhere"], "nowhere is not a run folder"),
        (["default", "a", "b"], WANTED),
        (["default"], WANTED),
        (["schema", "a"], WANTED),
        (["reports", "docs/default-run"], "docs/default-run tested no field report: its matrix file has no key"),
    ],
)
def test_what_to_publish_has_to_be_told(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    said = benchmark("publish", *arguments, tmp=tmp_path)
    assert said.returncode == 2
    usage = " ".join(said.stderr.split())
    assert usage.startswith("usage: python -m benchmarks.publish [-h] {default,reports,atlas,schema} [RUN ...] ")
    assert complaint in said.stderr


def test_without_an_engine_containers_are_not_measured_and_the_way_out_is_told(tmp_path: Path) -> None:
    said = benchmark("containers", "1", tmp=tmp_path, DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert (said.returncode, said.stdout) == (2, "")
    assert f"error: no container engine answers: unix://{tmp_path}/none.sock" in said.stderr
    assert "docker compose build backend" in said.stderr


def test_a_benchmark_leaves_no_folder_behind(tmp_path: Path) -> None:
    said = benchmark("streams", "4", "1", tmp=tmp_path)
    assert "tokens lost    0 of 80" in said.stdout, said.stderr
    assert list(tmp_path.iterdir()) == []
