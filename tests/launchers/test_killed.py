"""Nothing is left of a run whose harness, janitor or a keeper is killed, whichever line of its code that comes to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sampling import sampled

pytestmark = pytest.mark.proxies

PARTS = 8


@pytest.mark.parametrize("part", sampled(map(pytest.param, range(PARTS)), each=PARTS))
@pytest.mark.parametrize(
    ("who", "ended"), [("harness", {-9}), ("janitor", {0, 2}), ("keeper", {0, 2}), ("both", {-9, 0})]
)
def test_nothing_is_left_of_who_is_killed_at_any_line(who: str, ended: set[int], part: int, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tests.launchers.killed", who, str(tmp_path), str(part), str(PARTS)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300)
    *killed, (last, through, _) = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(where, left) for where, _, left in killed if left] == []
    assert {status for _, status, _ in killed} <= ended
    assert (last, through) == (None, 0), "the last line was gone past"
    assert len(killed) > 10
