"""What CI runs its tests with: a container engine if there can be one; else they run without, and the end says why."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("status", [0, 7])
def test_where_none_can_run_the_command_does_and_the_last_line_says_why(status: int, tmp_path: Path) -> None:
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "DOCKER_HOST": f"unix://{tmp_path}/none.sock",
        "TMPDIR": str(tmp_path),
    }
    said = subprocess.run(
        [ROOT / ".ci/with_engine", "sh", "-c", f"echo done; exit {status}"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    why = "Tests of containers were skipped: no engine answers, and only root can start one"
    assert (said.returncode, said.stdout.splitlines()) == (status, ["done", why]), said.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["id"], "its folder is gone"
