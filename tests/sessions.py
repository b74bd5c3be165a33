"""Sessions of pytest in processes of their own, and what they leave."""

from __future__ import annotations

import pytest

from harness.store.runs import Run
from tests.sandbox import Sandbox
from tests.waiting import DEADLINE_S


def session(pytester: pytest.Pytester, *argv: str) -> pytest.RunResult:
    """Run a session that measures; one that hangs fails."""
    return pytester.runpytest_subprocess(*argv, timeout=DEADLINE_S)


def runs(place: Sandbox) -> list[Run]:
    """Return the runs that are on disk: a folder is one once its run.json is there."""
    return [Run.open(head.parent) for head in sorted((place.folder / "runs").glob("*/run.json"))]


def left(place: Sandbox) -> list[str]:
    """Return the processes and temporary folders of ours that are left; pytest keeps its own."""
    return [some for some in place.left_behind() if "temporary pytest-of" not in some]
