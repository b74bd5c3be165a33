"""A session that jobs join: what is known of a job is written down once, however many tests it has."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from harness import session
from harness.session.joined import Joined, JoinedSession, Part
from harness.session.running import described

NOW = "2026-01-01T00:00:00+00:00"


@pytest.mark.usefixtures("no_nginx")
async def test_what_is_known_of_a_job_is_written_down_when_it_first_joins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, other = (session.load(name) for name in ("smoke", "default"))
    asked = {(job.matrix.file, cell.id): ("pytest", cell.id) for cell in job.cells}
    heads = Mock(wraps=described)
    monkeypatch.setattr("harness.session.joined.described", heads)

    async def started(self: JoinedSession, job: session.Job) -> Joined:
        return Joined(job, Mock(), Mock(), self._run_of(job))

    monkeypatch.setattr(JoinedSession, "_started", started)
    async with JoinedSession(Part(tmp_path, "secret", NOW, tests=asked)) as entered:
        run = (await entered.join(job)).run
        assert run.info.tests == {cell.id: ("pytest", cell.id) for cell in job.cells}
        so_far = heads.call_count
        assert (await entered.join(job)).run is run
        assert heads.call_count == so_far
        assert (await entered.join(other)).run.info.tests == {}
        assert heads.call_count > so_far
