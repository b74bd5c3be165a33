"""The pytest plugin: chains and matrices as tests, with proxies that the whole session shares; docs/pytest.md.

    @pytest.mark.proxies("nginx:./nginx.conf", request=["curl", "browser"])
    def test_stream(harness_result, assert_streams):
        assert_streams(harness_result)

Rules: a test that asks for `harness_result` runs once per cell, under the cell's id, and is marked `proxies` if it does
not say so itself. What cannot run here is skipped with the reason, or fails where it is required; a marker that cannot
be meant is an error of its test alone, also where the test is expected to fail, or only collected. Every process of
pytest-xdist measures for itself, and all write into the same run folders.
Every pytest on a machine where this package is installed loads this module: what measures is only imported by a test
that does.

In: markers, settings, and what tests hand over.
Out: results, as fixtures and failures of tests.
Enter: pytest, by the entry point of the package.
"""

from __future__ import annotations

import os
import re
import secrets
import warnings
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import HarnessError, InputError
from harness.plugin import settings
from harness.plugin.fixtures import assert_streams, harness_lab, harness_result, measure
from harness.plugin.importing import import_as_installed
from harness.plugin.states import FAILED, MARKER, STATE, NotMeasured, State
from harness.resources import configs

if TYPE_CHECKING:
    from harness import session
    from harness.model import Cell

__all__ = ["assert_streams", "harness_lab", "harness_result", "measure"]
"""The fixtures, which pytest finds here."""

FIXTURE = "harness_result"
BROKEN = pytest.StashKey[HarnessError]()
"""Why a test's marker cannot be meant."""
WRONG = "wrong"
"""Stands in the place of a cell's id where none can be meant."""
UNSET = 'The configuration option "asyncio_default_fixture_loop_scope" is unset'
"""pytest-asyncio warns of that wherever it is installed, before any test is known; no fixture of ours depends on it."""
HOP = re.compile(r"[\w-]+(?:@[\w.-]+)?:(?!//|\d+$)\S.*")
"""A hop, as `nginx:default`, `nginx@1.30:default` or `ngnix:./n.conf`, but no URL and no host with a port."""
ENDED_EARLY = (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)


def pytest_addoption(parser: pytest.Parser) -> None:
    settings.add_to(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.add_cleanup(import_as_installed())
    warnings.filterwarnings("ignore", UNSET, pytest.PytestDeprecationWarning)
    config.addinivalue_line(
        "markers",
        "proxies(chain or matrix, request=..., mitigations=..., ...): measures through real proxies; what has a colon"
        " is a chain, as nginx:./nginx.conf, all else a matrix, a file or a shipped name (smoke, if none is named)",
    )
    told = getattr(config, "workerinput", {})
    config.stash[STATE] = State(
        settings.settings_of(config),
        secret=told.get("harness_session") or secrets.token_hex(16),
        started_at=told.get("harness_started_at") or datetime.now(UTC).isoformat(timespec="seconds"),
        part=told.get("workerid", ""),
    )
    if config.getoption("harness_matrix") is not None:
        try:
            _job(config)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist of which session it is."""
    state = node.config.stash[STATE]
    state.measures = True
    node.workerinput |= {"harness_session": state.secret, "harness_started_at": state.started_at}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if FIXTURE in metafunc.fixturenames:
        try:
            job, cells = _job(metafunc.config, metafunc.definition)
        except HarnessError as error:  # told when the test is set up
            metafunc.parametrize(FIXTURE, [error], ids=[WRONG], indirect=True)
            return
        ids = [cell.id for cell in cells]
        metafunc.parametrize(FIXTURE, [(job, cell) for cell in cells], ids=ids, indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    fixtures = {FIXTURE, "measure"} & {*getattr(item, "fixturenames", ())}
    marker = item.get_closest_marker(MARKER)
    if fixtures and not marker:
        item.add_marker(MARKER)  # so that `-m "not proxies"` never measures
    given = item.callspec.params.get(FIXTURE) if hasattr(item, "callspec") else None
    try:
        if isinstance(given, HarnessError):
            raise given
        if fixtures == {"measure"} and marker and (marker.args or marker.kwargs):
            _job(item.config, item)  # though it says nothing to `measure`
        own = [one for one in item.own_markers if one.name == MARKER and _is_ours(one, item)]
        if own and not fixtures and not _may_ask(item):  # one of a module or a class may be meant for other tests of it
            said = f"proxies({_written(own[0])}): the test takes no {FIXTURE}"
            raise InputError(f"{item.nodeid}: {said}: nothing would be measured")
    except HarnessError as error:
        item.stash[BROKEN] = error


def _is_ours(marker: pytest.Mark, item: pytest.Item) -> bool:
    """Tell whether a marker names a chain or a matrix: another project may mean something else by its name."""
    given = marker.args[0] if marker.args else ()
    named = [str(one).strip() for one in (given if isinstance(given, list | tuple) else [given])]
    return "matrix" in marker.kwargs or any(_is_chain_or_matrix(one, _folders(item)) for one in named)


def _is_chain_or_matrix(said: str, folders: Sequence[Path]) -> bool:
    """Tell whether somebody means a chain or a matrix, be it well written or not."""
    first = said.partition(">")[0].strip()
    if HOP.fullmatch(first) or first == "direct" or Path(said).suffix in (".yaml", ".yml"):
        return True
    program = first.partition("@")[0]
    if re.fullmatch(r"[\w-]+", program):
        return (configs() / program).is_dir() or (configs() / "matrices" / f"{program}.yaml").is_file()
    return any(os.path.isfile(folder / said) for folder in folders)  # false, too, of what can be no path


def _may_ask(item: pytest.Item) -> bool:
    """Tell whether a test, or a fixture that it names, takes `request`, and so may ask for any as it runs.

    Fixtures of pytest's own do not ask for ours, and what is used by every test says nothing of this one.
    """
    known: Any = getattr(item, "_fixtureinfo", None)
    if known is None:
        return False
    named = [*known.argnames, *(name for mark in item.iter_markers("usefixtures") for name in mark.args)]
    seen: set[str] = set()
    while named:
        name = named.pop()
        if name == "request":
            return True
        for one in known.name2fixturedefs.get(name, ())[-1:] if name not in seen else ():
            named += () if one.func.__module__.startswith("_pytest.") else one.argnames
        seen.add(name)
    return False


def pytest_runtest_setup(item: pytest.Item) -> None:
    if error := item.stash.get(BROKEN, None):
        raise NotMeasured(str(error))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Hear what is to be measured: it is, side by side, and a run tells whether it has come to its end."""
    items = [item for item in session.items if not _may_be_skipped(item)]
    for item in items if session.config.getoption("collectonly") else ():
        if error := item.stash.get(BROKEN, None):
            report = pytest.CollectReport(item.nodeid, "failed", str(error), result=[])
            session.config.hook.pytest_collectreport(report=report)
    params = [(item, item.callspec.params.get(FIXTURE)) for item in items if hasattr(item, "callspec")]
    session.config.stash[STATE].selected((item, *one) for item, one in params if isinstance(one, tuple))


def _may_be_skipped(item: pytest.Item) -> bool:
    """Tell whether a mark skips a test: a condition that is text is pytest's to evaluate, when the test is set up."""
    if item.get_closest_marker("skip"):
        return True
    return any(any(one.args or [one.kwargs.get("condition")]) for one in item.iter_markers("skipif"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let nothing be expected to fail, by whatever mark, of which nothing is known; and know what has failed."""
    report = yield
    if call.when == "call":
        item.stash[FAILED] = call.excinfo is not None
    if hasattr(report, "wasxfail") and call.excinfo:
        broken = item.stash.get(BROKEN, None)  # also where the mark lets nothing of the test run
        if broken or isinstance(call.excinfo.value, NotMeasured):
            report.outcome, report.longrepr = "failed", str(broken or call.excinfo.value)
            del report.wasxfail
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """End the session's runs, when all of its processes have ended."""
    if not hasattr(session.config, "workerinput"):
        stopped = exitstatus in ENDED_EARLY or session.shouldstop or session.shouldfail
        session.config.stash[STATE].finish(is_whole=not stopped)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[STATE].told:
        terminalreporter.write_line(line)


def _job(config: pytest.Config, test: pytest.Item | None = None) -> tuple[session.Job, tuple[Cell, ...]]:
    """Return the job that a test's marker asks for, or a setting, and the cells that are tests of it.

    Each is read once per session. Raises HarnessError.
    """
    from harness.plugin import markers

    state = config.stash[STATE]
    marker = test.get_closest_marker(MARKER) if test else None
    try:
        asked = None
        if test and marker:
            asked = markers.read(marker.args, marker.kwargs, _folders(test))
        if not asked and state.settings.matrix is not None:
            asked = markers.matrix_of(state.settings.matrix, state.settings.matrix_folder)
        if not asked and test and not marker:
            raise InputError(
                f"nothing says what {FIXTURE} is to be: mark the test with {markers.FORMS}, or say --harness-matrix"
            )
        return state.job(asked or markers.matrix_of(markers.DEFAULT_MATRIX, Path()))
    except InputError as error:
        if not test or any(one.file for one in error.complaints):
            raise
        said = f"proxies({_written(marker)}): " if marker else ""
        raise InputError(f"{test.nodeid}: {said}{error}") from None


def _folders(test: pytest.Item) -> list[Path]:
    """Return where files that a marker names are looked for."""
    return [test.path.parent, test.config.rootpath, test.config.invocation_params.dir]


def _written(marker: pytest.Mark) -> str:
    return ", ".join([*map(repr, marker.args), *(f"{key}={value!r}" for key, value in marker.kwargs.items())])
