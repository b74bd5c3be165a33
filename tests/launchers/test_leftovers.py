"""What a run owes an engine is removed by whoever comes after it is dead, and by nobody while it lives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock, Mock

import pytest
from requests.exceptions import ReadTimeout

from harness.errors import ProxyError, Unavailable
from harness.launchers import leftovers
from harness.launchers.engine import ANSWERS_S
from harness.launchers.leftovers import Debt
from harness.launchers.process import Launcher
from harness.session.cached import reaped

DIES = """
import os
from harness.launchers.leftovers import Debt
print(Debt("unix:///engine.sock").name, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """An engine that has one container of every run, and a cache of our own."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    engine = MagicMock()
    engine.client.containers.list.side_effect = lambda filters, **_: [Mock(id=filters["label"])]
    engine.client.networks.list.return_value = engine.client.volumes.list.return_value = []
    monkeypatch.setattr(leftovers, "connected", Mock(return_value=engine))
    return engine


def killed() -> Path:
    """Have a run be killed that owes; return the file that says so."""
    run = subprocess.run([sys.executable, "-c", DIES], capture_output=True, text=True, check=False, timeout=60)
    return leftovers.place() / f"{run.stdout.strip()}{leftovers.OWED}"


def labels(engine: Mock) -> list[str]:
    return [call.kwargs["filters"]["label"] for call in engine.client.containers.list.call_args_list]


def test_where_nothing_is_owed_no_engine_is_asked(engine: Mock) -> None:
    assert leftovers.reap() == []
    leftovers.connected.assert_not_called()  # type: ignore[attr-defined]


def test_a_run_that_lives_is_not_touched(engine: Mock) -> None:
    debt = Debt("unix:///engine.sock")
    assert leftovers.reap() == []
    assert labels(engine) == []
    debt.pay(engine)
    assert labels(engine) == [f"{leftovers.LABEL}={debt.name}"]
    assert list(leftovers.place().iterdir()) == []


def test_what_a_dead_run_left_is_removed_from_its_own_engine(engine: Mock) -> None:
    file = killed()
    alive = Debt("unix:///engine.sock")
    assert len(leftovers.reap()) == 1
    assert labels(engine) == [f"{leftovers.LABEL}={file.stem}"]
    leftovers.connected.assert_called_once_with("unix:///engine.sock")  # type: ignore[attr-defined]
    alive.pay(engine)


def test_a_later_start_looks_again_for_what_was_under_way(engine: Mock) -> None:
    file = killed()
    leftovers.reap()
    assert file.exists()
    before = file.stat().st_mtime - ANSWERS_S - 1
    os.utime(file, (before, before))
    leftovers.reap()
    assert not file.exists()


def test_what_an_engine_did_not_answer_may_still_come_to_be_so_it_stays_owed(engine: Mock) -> None:
    debt = Debt("unix:///engine.sock")
    with pytest.raises(ProxyError, match=r"it cannot be run: Read timed out"), debt.asking("it cannot be run"):
        raise ReadTimeout("Read timed out")
    debt.pay(engine)
    assert labels(engine) == [f"{leftovers.LABEL}={debt.name}"]
    assert (leftovers.place() / f"{debt.name}{leftovers.OWED}").exists()


def test_an_engine_that_does_not_answer_is_asked_once_for_all_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    killed(), killed()
    asked = Mock(side_effect=Unavailable("no engine answers", ""))
    monkeypatch.setattr(leftovers, "connected", asked)
    assert leftovers.reap() == []
    asked.assert_called_once_with("unix:///engine.sock")


def test_what_is_owed_an_engine_that_is_gone_is_forgotten_when_asked_for_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An engine that is only stopped has what it is owed by its label, which is told."""
    owed = {killed(), killed()}
    secret = killed()
    secret.write_text("tcp://me:hunter2@127.0.0.1:2375")
    alive = Debt("unix:///engine.sock")
    asked = Mock(side_effect=Unavailable("no engine answers", ""))
    monkeypatch.setattr(leftovers, "connected", asked)
    told = reaped()
    for file in owed:
        label = f"{leftovers.LABEL}={file.stem}"
        assert f"the note of what bears {label} in the engine at unix:///engine.sock, which does not answer" in told
    assert "in the engine at tcp://(redacted)@127.0.0.1:2375, which does not answer" in "\n".join(told)
    assert "hunter2" not in "\n".join(told)
    assert [file.stem for file in leftovers.place().iterdir()] == [alive.name], "who lives is not touched"
    assert sorted(call.args[0] for call in asked.call_args_list) == [
        "tcp://me:hunter2@127.0.0.1:2375",
        "unix:///engine.sock",
    ]


async def test_a_process_waits_once_for_an_engine_that_hangs_however_often_it_starts_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed()
    asked = Mock(side_effect=Unavailable("timed out", ""))
    monkeypatch.setattr(leftovers, "connected", asked)
    for _ in range(3):
        async with Launcher():
            pass
    asked.assert_called_once()


@pytest.mark.parametrize("what", ["does not answer", "does not remove"])
def test_what_cannot_be_removed_stays_owed(what: str, engine: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    file = killed()
    before = file.stat().st_mtime - ANSWERS_S - 1
    os.utime(file, (before, before))
    if what == "does not answer":
        monkeypatch.setattr(leftovers, "connected", Mock(side_effect=Unavailable("no engine answers", "")))
    else:
        engine.client.networks.list.side_effect = ProxyError("active endpoints")
    leftovers.reap()
    assert file.exists()
