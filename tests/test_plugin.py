"""The pytest plugin, in sessions of its own."""

from __future__ import annotations

import operator
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.sandbox import DIRECT, NGINX, SLOW, Sandbox
from tests.sessions import left, runs, session
from tests.waiting import DEADLINE_S, wait_for

proxies = pytest.mark.proxies
nginx = pytest.mark.needs("nginx")

TEST = """
import pytest

@pytest.mark.proxies
def test_cell(harness_result):
    assert harness_result.outcome in ("pass", "observed"), harness_result.reason

def test_another():
    pass
"""

NO_NGINX = """
from harness.errors import Unavailable
from harness.proxies.nginx import Nginx

def missing(self, *ignored):
    raise Unavailable("nginx is not installed", "install it: apt-get install nginx")

Nginx.version = Nginx.start = missing
"""

INTERRUPTED_START = """
import os, signal
from harness.measure.bench import Bench

signal.signal(signal.SIGINT, signal.default_int_handler)
start = Bench.__aenter__

async def interrupted(self):
    os.kill(os.getpid(), signal.SIGINT)
    return await start(self)

Bench.__aenter__ = interrupted
"""

IDS = [
    "direct/sse/chunked/curl/aiohttp/short/none/lockstep",
    "nginx:http10/sse/chunked/curl/aiohttp/short/none/lockstep",
    "nginx:http10/sse/chunked/curl/aiohttp/short/x-accel-buffering/lockstep",
]


@pytest.fixture
def place(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A folder with a test, a matrix, and a TMPDIR that tells what sessions in it leave behind."""
    monkeypatch.delenv("HARNESS_REQUIRE", raising=False)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = auto")
    with Sandbox(pytester.path) as place:
        monkeypatch.setenv("TMPDIR", str(place.tmp))
        place.write("test_it.py", TEST)
        place.write("m.yaml", NGINX)
        yield place


# ---------------------------------------------------------------- what is collected


def test_the_ids_of_tests_are_those_of_the_cells(pytester: pytest.Pytester, place: Sandbox) -> None:
    shown = pytester.runpytest_inprocess("--collect-only", "-q", "--harness-matrix", "m.yaml")
    assert shown.outlines[:4] == [*(f"test_it.py::test_cell[{some}]" for some in IDS), "test_it.py::test_another"]


def test_the_fast_part_measures_nothing(pytester: pytest.Pytester, place: Sandbox) -> None:
    done = pytester.runpytest_inprocess("-m", "not proxies", "--harness-matrix", "m.yaml", "--strict-markers")
    done.assert_outcomes(passed=1, deselected=3)
    assert runs(place) == []


def test_without_a_name_the_smoke_matrix_is_measured(pytester: pytest.Pytester, place: Sandbox) -> None:
    shown = pytester.runpytest_inprocess("--collect-only", "-q", "-m", "proxies")
    assert "test_it.py::test_cell[nginx:http10/sse/chunked/curl/aiohttp/short/pad-8k/lockstep]" in shown.outlines


def test_a_marker_names_a_matrix_of_its_own(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write("direct.yaml", DIRECT)
    place.write("test_it.py", TEST.replace("mark.proxies", "mark.proxies(matrix='direct.yaml')"))
    shown = pytester.runpytest_inprocess("--collect-only", "-q", "-m", "proxies", "--harness-matrix", "m.yaml")
    assert [line.split("[")[1].split("/")[1] for line in shown.outlines[:2]] == ["sse", "ndjson"]


@pytest.mark.parametrize("marker", ["proxies('direct.yaml')", "proxies(Path('direct.yaml'))"])
def test_a_matrix_may_be_given_without_its_keyword_and_as_a_path(
    pytester: pytest.Pytester, place: Sandbox, marker: str
) -> None:
    place.write("direct.yaml", DIRECT)
    place.write("test_it.py", "from pathlib import Path" + TEST.replace("mark.proxies", f"mark.{marker}"))
    pytester.runpytest_inprocess("--collect-only", "-m", "proxies").stdout.fnmatch_lines("*2/3 tests*")


NOT_TAKEN = {
    "'m.yaml', 'm.yaml'": "it takes one chain or matrix: a chain, as proxies('nginx:./nginx.conf'), or *",
    "matrx='m.yaml'": "matrx: of which chain? a chain, as *",
    "'m.yaml', matrix='m.yaml'": "it takes one chain or matrix: *",
    "7": "7 is neither a chain nor a matrix: *",
    "[]": "[[]] is neither a chain nor a matrix: *",
    "'m.yaml', request='curl'": "request is no keyword here: all else stands in a matrix file itself; *",
    "'nginx:http10', requst='curl'": "requst is no keyword here; allowed: *(did you mean 'request'?)",
    "'nginx:http10', request='crl'": "request: unknown request 'crl'; allowed: *",
    "'nginx:http10', tokens=-1": "tokens: must be greater than or equal to 1, not -1",
    "'ngnx:http10'": "chain: unknown proxy 'ngnx'; allowed: *(did you mean 'nginx'?)",
    "'nginx:./none.conf'": "there is no ./none.conf in */test_what_a_marker*",
    "'nginx:http10', path='chat'": "path: 'chat' is no path as a request has it: *",
    "'nginx:http10', map=7": "map: 7 is nothing that a config passes requests on to, as 'app:8000'",
}


def test_what_a_marker_does_not_take_is_told_with_the_test(pytester: pytest.Pytester, place: Sandbox) -> None:
    names = [f"test_{number}.py" for number, _ in enumerate(NOT_TAKEN)]
    for name, given in zip(names, NOT_TAKEN, strict=True):
        place.write(name, TEST.replace("mark.proxies", f"mark.proxies({given})"))
    done = pytester.runpytest_inprocess(*names)
    for name, (given, told) in zip(names, NOT_TAKEN.items(), strict=True):
        done.stdout.fnmatch_lines(f"{name}::test_cell: proxies({given.replace('[]', '[[]]')}): {told}")
    done.stdout.no_fnmatch_line("*harness/plugin/*")
    done.assert_outcomes(passed=len(names), errors=len(names))


EXPECTED = ["xfail", "xfail(strict=True)", "xfail(run=False)", "xfail(raises=Exception)"]


@pytest.mark.parametrize("mark", EXPECTED)
def test_a_broken_marker_is_no_failure_that_anybody_expects(
    pytester: pytest.Pytester, place: Sandbox, mark: str
) -> None:
    text = TEST.replace("mark.proxies", "mark.proxies('nginx:./none.conf')")
    place.write("test_it.py", text.replace("@pytest", f"@pytest.mark.{mark}\n@pytest"))
    done = pytester.runpytest_inprocess()
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines("test_it.py::test_cell: proxies('nginx:./none.conf'): there is no ./none.conf in *")
    assert done.ret == pytest.ExitCode.TESTS_FAILED


def test_a_broken_marker_is_an_error_of_a_test_that_only_measures_too(
    pytester: pytest.Pytester, place: Sandbox
) -> None:
    place.write(
        "test_it.py", TEST.replace("mark.proxies", "mark.proxies('7:')").replace("harness_result", "measure", 1)
    )
    done = pytester.runpytest_inprocess("-k", "cell")
    done.assert_outcomes(errors=1, deselected=1)
    assert "unknown proxy '7'" in done.stdout.str()


MARKS = """
import pytest

pytestmark = {module}

@pytest.fixture
def through(harness_result): return harness_result

@pytest.fixture
def asking(request): return request.getfixturevalue

@pytest.fixture
def through_asking(asking): return asking

@pytest.fixture(autouse=True)
def used_by_every_test(request): pass

{own}
def test({takes}): pass
"""


MEASURE_NOTHING = [
    ("@pytest.mark.proxies('direct')", "[]", ""),
    ("@pytest.mark.proxies(matrix='smoke')", "[]", "tmp_path"),
    ("@pytest.mark.proxies(['direct'])", "[]", ""),
    ("@pytest.mark.proxies('asgi:plain@uvloop>nginx:default')", "[]", "monkeypatch"),
    ("@pytest.mark.proxies('deploy/none.yaml')", "[]", ""),
    ("@pytest.mark.proxies('ngnix:default')", "[]", ""),
    ("@pytest.mark.proxies('mine:default')", "[]", ""),
    ("@pytest.mark.proxies('./test_it.py')", "[]", ""),
    ("@pytest.mark.proxies('nginx')", "[]", ""),
    ("@pytest.mark.proxies('nginx@1.30')", "[]", ""),
    ("@pytest.mark.proxies('nginx@1.30:default>ngnix')", "[]", ""),
]
MEASURE_OR_ARE_NOT_OURS = [
    ("@pytest.mark.proxies('./none.conf')", "[]", ""),
    ("@pytest.mark.proxies('localhost:3128')", "[]", ""),
    ("@pytest.mark.proxies('a.' * 3000)", "[]", ""),
    ("@pytest.mark.proxies('direct')", "[]", "through_asking"),
    ("@pytest.mark.proxies('direct')\n@pytest.mark.usefixtures('asking')", "[]", ""),
    ("@pytest.mark.proxies('direct')", "[]", "used_by_every_test"),
    ("@pytest.mark.proxies('direct')", "[]", "request"),
    ("@pytest.mark.proxies('direct')", "[]", "asking"),
    ("@pytest.mark.proxies('http://corporate.example:3128')", "[]", ""),
    ("@pytest.mark.proxies('10.0.0.1:3128', '/etc:x')", "[]", ""),
    ("@pytest.mark.proxies(3, None, url='direct')", "[]", ""),
    ("@pytest.mark.proxies({'http': 'nginx:x'})", "[]", ""),
    ("@pytest.mark.proxies('corporate')", "[]", ""),
    ("@pytest.mark.proxies('direct')", "[]", "through"),
    ("@pytest.mark.proxies('direct')", "[]", "measure"),
    ("@pytest.mark.proxies", "[]", ""),
    ("", "pytest.mark.proxies('direct')", ""),
]


def marked(place: Sandbox, rows: list[tuple[str, str, str]]) -> list[str]:
    """Write a file with a test for each of these, which is marked itself or in its module and takes something."""
    names = [f"test_{number}.py" for number, _ in enumerate(rows)]
    for name, (own, module, takes) in zip(names, rows, strict=True):
        place.write(name, MARKS.format(own=own, module=module, takes=takes))
    return names


def test_a_marker_of_a_test_that_would_measure_nothing_is_an_error(pytester: pytest.Pytester, place: Sandbox) -> None:
    names = marked(place, MEASURE_NOTHING)
    shown = pytester.runpytest_inprocess("--collect-only", *names)
    assert shown.ret == pytest.ExitCode.INTERRUPTED
    told = re.findall(
        r"(?m)^(\w+\.py)::test: .* takes no harness_result: nothing would be measured", shown.stdout.str()
    )
    assert told == names
    pytester.runpytest_inprocess(*names).assert_outcomes(errors=len(names))


def test_one_that_measures_or_is_not_ours_is_none(pytester: pytest.Pytester, place: Sandbox) -> None:
    names = marked(place, MEASURE_OR_ARE_NOT_OURS)
    shown = pytester.runpytest_inprocess("--collect-only", "-q", *names)
    assert shown.ret == pytest.ExitCode.OK
    assert [line.split("::")[0] for line in shown.outlines[: len(names)]] == names


def test_a_broken_marker_fails_where_tests_are_only_collected_too(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write("test_it.py", TEST.replace("mark.proxies", "mark.proxies('nginx:./none.conf')"))
    shown = pytester.runpytest_inprocess("--collect-only")
    assert shown.ret == pytest.ExitCode.INTERRUPTED
    shown.stdout.fnmatch_lines(["*there is no ./none.conf in *", "*1 error*"])
    assert pytester.runpytest_inprocess("--collect-only", "-m", "not proxies").ret == 0


SKIPPED = [
    "skip",
    "skipif(True, reason='now')",
    "skipif(False, True, reason='now')",
    "skipif(condition=True, reason='now')",
    "skipif('True')",
]
NOT_SKIPPED = ["skipif(False, reason='never')", "skipif(condition=False, reason='never')"]


def test_a_broken_marker_of_what_is_skipped_is_not_looked_at_where_tests_are_only_collected_either(
    pytester: pytest.Pytester, place: Sandbox
) -> None:
    names = [f"test_{number}.py" for number, _ in enumerate(SKIPPED + NOT_SKIPPED)]
    text = TEST.replace("mark.proxies", "mark.proxies('nginx:./none.conf')")
    for name, mark in zip(names, SKIPPED + NOT_SKIPPED, strict=True):
        place.write(name, text.replace("@pytest", f"@pytest.mark.{mark}\n@pytest"))
    skipped, others = names[: len(SKIPPED)], names[len(SKIPPED) :]
    assert pytester.runpytest_inprocess("--collect-only", *skipped).ret == pytest.ExitCode.OK
    shown = pytester.runpytest_inprocess("--collect-only", *names)
    assert shown.ret == pytest.ExitCode.INTERRUPTED
    assert re.findall(r"(?m)^(\w+\.py)::test_cell: .* there is no ./none.conf", shown.stdout.str()) == others
    pytester.runpytest_inprocess(*names).assert_outcomes(passed=len(names), skipped=len(skipped), errors=len(others))


@proxies
def test_what_cannot_be_measured_is_no_failure_that_anybody_expects(pytester: pytest.Pytester, place: Sandbox) -> None:
    pytester.makeconftest(NO_NGINX)
    place.write("test_it.py", TEST.replace("@pytest", "@pytest.mark.xfail\n@pytest"))
    only = ["-k", "http10 and none", "--harness-matrix", "m.yaml"]
    session(pytester, *only).assert_outcomes(skipped=1, deselected=3)
    done = session(pytester, *only, "--harness-require", "nginx")
    done.assert_outcomes(errors=1, deselected=3)
    done.stdout.fnmatch_lines("nginx is required, but cannot run here: nginx is not installed*")


def test_a_matrix_is_looked_for_beside_the_test_then_at_the_root(pytester: pytest.Pytester, place: Sandbox) -> None:
    inner = pytester.mkdir("inner")
    place.write("inner/test_inner.py", TEST.replace("mark.proxies", "mark.proxies('own.yaml')"))
    none = pytester.runpytest_inprocess("inner")
    none.stdout.fnmatch_lines(
        f"*proxies('own.yaml'): there is no matrix 'own.yaml' in {inner} nor in {place.folder}: *"
    )
    place.write("own.yaml", DIRECT)
    pytester.runpytest_inprocess("--collect-only", "inner", "-m", "proxies").stdout.fnmatch_lines("*2/3 tests*")
    place.write("inner/own.yaml", NGINX)
    pytester.runpytest_inprocess("--collect-only", "inner", "-m", "proxies").stdout.fnmatch_lines("*3/4 tests*")


def test_a_test_that_nothing_tells_what_to_measure_is_told_the_way_out(
    pytester: pytest.Pytester, place: Sandbox
) -> None:
    place.write("test_it.py", TEST.replace("@pytest.mark.proxies", ""))
    done = pytester.runpytest_inprocess()
    done.stdout.fnmatch_lines(
        "test_it.py::test_cell: nothing says what harness_result is to be: mark the test with a chain, as proxies(*"
    )
    done.assert_outcomes(passed=1, errors=1)


def test_a_test_without_the_marker_gets_it(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write("test_it.py", TEST.replace("@pytest.mark.proxies", ""))
    done = pytester.runpytest_inprocess("-m", "not proxies", "--harness-matrix", "m.yaml", "--strict-markers")
    done.assert_outcomes(passed=1, deselected=3)


def test_a_test_that_cannot_have_parameters_is_told_so(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write(
        "test_it.py",
        """
        import unittest, pytest

        @pytest.mark.usefixtures("harness_result")
        class TestCells(unittest.TestCase):
            def test_cell(self): pass
        """.replace("\n        ", "\n"),
    )
    done = pytester.runpytest_inprocess()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines("harness_result must be an argument of a test function, which then runs once per cell")


def test_the_marker_explains_itself(pytester: pytest.Pytester, place: Sandbox) -> None:
    pytester.runpytest_inprocess("--markers").stdout.fnmatch_lines(
        "@pytest.mark.proxies(chain or matrix, *): measures through*"
    )


def test_a_wrong_matrix_on_the_command_line_is_a_usage_error(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write("m.yaml", NGINX.replace("tokens", "tkoens"))
    done = pytester.runpytest_inprocess("--harness-matrix", "m.yaml")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines("ERROR: m.yaml:2: workloads.short.tkoens: unknown key; allowed: *tokens*")
    none = pytester.runpytest_inprocess("--harness-matrix", "none.yaml")
    assert none.ret == pytest.ExitCode.USAGE_ERROR
    none.stderr.fnmatch_lines(
        "ERROR: there is no matrix 'none.yaml' in *: give a path or a shipped matrix; allowed: applications, *"
    )


def test_a_wrong_matrix_in_a_marker_is_told_without_a_traceback(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write("m.yaml", NGINX.replace("tokens", "tkoens"))
    place.write("test_it.py", TEST.replace("mark.proxies", "mark.proxies(matrix='m.yaml')"))
    done = pytester.runpytest_inprocess()
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines("m.yaml:2: workloads.short.tkoens: unknown key; allowed: *tokens*")
    done.stdout.no_fnmatch_line("*plugin.py*")
    pytester.runpytest_inprocess("-m", "not proxies").assert_outcomes(passed=1, deselected=1)


def test_a_config_that_cannot_be_read_is_an_error_of_its_tests_alone(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write("broken.conf", "http {\n  server {\n")
    place.write("test_it.py", TEST.replace("mark.proxies", "mark.proxies('nginx:./broken.conf')"))
    place.write("test_other.py", TEST.replace("mark.proxies", "mark.proxies('direct')"))
    done = pytester.runpytest_inprocess("-k", "wrong or another")
    done.stdout.fnmatch_lines("*broken.conf:2: unexpected end of file*")
    done.assert_outcomes(passed=2, errors=1, deselected=1)


# ---------------------------------------------------------------- what is measured


@proxies
@nginx
def test_cells_pass_as_tests_on_one_bench_and_leave_nothing(pytester: pytest.Pytester, place: Sandbox) -> None:
    done = session(pytester, "--harness-matrix", "m.yaml", "--harness-runs", "runs", "-v")
    done.assert_outcomes(passed=4)
    (run,) = runs(place)
    assert [result.id for result in run.results] == IDS
    assert run.info.finished_at
    assert len(list((run.folder / "proxies").glob("nginx.*"))) == 1
    assert left(place) == []


@proxies
@nginx
def test_a_cell_that_does_not_fit_its_expectation_fails_with_the_reason(
    pytester: pytest.Pytester, place: Sandbox
) -> None:
    place.write("m.yaml", NGINX.replace("shows: at the end", "shows: one by one"))
    done = session(pytester, "--harness-matrix", "m.yaml")
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines("*AssertionError: expected to show one by one, got at the end: it has response buffers*")
    assert left(place) == []


@proxies
@nginx
def test_a_layer_that_is_broken_as_it_is_fails_with_the_reason(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.nginx_conf("mine.conf", location="add_header Content-Encoding gzip;")
    place.write("m.yaml", NGINX.split("expect:")[0].replace("nginx:http10", "nginx:./mine.conf"))
    done = session(pytester, "--harness-matrix", "m.yaml")
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines("*AssertionError: *gzip*")
    assert left(place) == []


@proxies
@nginx
def test_a_layer_that_answers_by_itself_fails_with_and_without_mitigation(
    pytester: pytest.Pytester, place: Sandbox
) -> None:
    place.nginx_conf("mine.conf", server="location /stream/ { return 404; }")
    place.write("m.yaml", NGINX.split("expect:")[0].replace("nginx:http10", "nginx:./mine.conf"))
    done = session(pytester, "--harness-matrix", "m.yaml")
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines("*AssertionError: status 404 instead of 200: 404 Not Found: a hop's own answer, *")
    assert left(place) == []


@proxies
def test_what_cannot_run_here_is_skipped_with_the_reason(pytester: pytest.Pytester, place: Sandbox) -> None:
    pytester.makeconftest(NO_NGINX)
    done = session(pytester, "--harness-matrix", "m.yaml", "-rs")
    done.assert_outcomes(passed=2, skipped=2)
    done.stdout.fnmatch_lines("SKIPPED*nginx is not installed (install it: apt-get install nginx)")
    assert left(place) == []


@proxies
@pytest.mark.parametrize("way", ["option", "environment"])
def test_what_is_required_and_cannot_run_here_fails(
    pytester: pytest.Pytester, place: Sandbox, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    pytester.makeconftest(NO_NGINX)
    if way == "environment":
        monkeypatch.setenv("HARNESS_REQUIRE", "nginx")
    required = ["--harness-require", "nginx"] if way == "option" else []
    done = session(pytester, "--harness-matrix", "m.yaml", *required)
    done.assert_outcomes(passed=1, errors=3)
    done.stdout.fnmatch_lines("nginx is required, but cannot run here: nginx is not installed (install it: *")
    done.stdout.no_fnmatch_line("*During handling*")
    assert runs(place) == []


@proxies
def test_a_required_proxy_that_is_none_is_named_with_those_there_are(pytester: pytest.Pytester, place: Sandbox) -> None:
    done = session(pytester, "--harness-matrix", "m.yaml", "--harness-require", "iis")
    done.assert_outcomes(passed=1, errors=3)
    done.stdout.fnmatch_lines("--harness-require: there is no proxy or client 'iis'; allowed: nginx*")


@proxies
def test_a_test_that_is_a_coroutine_gets_its_result_too(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write("m.yaml", DIRECT)
    place.write("test_it.py", TEST.replace("def test_cell", "async def test_cell"))
    session(pytester, "--harness-matrix", "m.yaml").assert_outcomes(passed=3)
    assert left(place) == []


FORGETFUL = """
import asyncio
import pytest

def test_asserts(measure, assert_streams):
    async def forgets(): assert_streams(measure("direct"))
    asyncio.run(forgets())

def test_looks(measure):
    async def forgets(): assert measure("direct").verdict == "streamed"
    asyncio.run(forgets())

def test_nothing(measure):
    async def forgets(): measure("direct")
    asyncio.run(forgets())

def test_remembers(measure, assert_streams):
    async def both():
        async with asyncio.TaskGroup() as tasks:
            several = [tasks.create_task(measure("direct")), asyncio.ensure_future(measure("direct"))]
        for one in several: assert_streams(await one)
        assert_streams(await measure("direct"))
    asyncio.run(both())

@pytest.mark.parametrize("left", [pytest.fail, pytest.skip, pytest.xfail])
def test_leaves_early(measure, left):
    async def forgets():
        measure("direct")
        left("before it is awaited")
    asyncio.run(forgets())
"""


@proxies
def test_who_forgets_to_await_is_told_so_whatever_becomes_of_warnings(
    pytester: pytest.Pytester, place: Sandbox
) -> None:
    place.write("test_it.py", FORGETFUL)
    done = session(pytester, "-W", "error")
    done.assert_outcomes(passed=2, failed=3, errors=1, skipped=1, xfailed=1)
    told = "measure('direct', ...) was not awaited: result = await measure(...)"
    assert done.outlines.count(told) == 2
    done.stdout.fnmatch_lines(f"*AttributeError: verdict: {told}")
    assert "INTERNALERROR" not in done.stdout.str() + done.stderr.str()
    assert "Traceback (most" not in done.stderr.str()
    assert left(place) == []


@proxies
def test_matrices_of_several_tests_are_measured_side_by_side(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write("m.yaml", DIRECT)
    place.write("other.yaml", DIRECT.replace("sse, ndjson", "text"))
    place.write("test_other.py", TEST.replace("mark.proxies", "mark.proxies(matrix='other.yaml')"))
    session(pytester, "--harness-matrix", "m.yaml").assert_outcomes(passed=5)
    assert sorted(run.info.name for run in runs(place)) == ["m", "other"]
    assert left(place) == []


@proxies
def test_the_first_failure_ends_the_session_with_the_results_so_far_on_disk(
    pytester: pytest.Pytester, place: Sandbox
) -> None:
    place.write("m.yaml", DIRECT.replace("verdict: streamed", "verdict: buffered"))
    session(pytester, "--harness-matrix", "m.yaml", "-x").assert_outcomes(failed=1)
    assert [[result.outcome for result in run.results] for run in runs(place)] == [["fail"]]
    assert left(place) == []
    session(pytester, "--harness-matrix", "m.yaml", "--lf").assert_outcomes(failed=1)


@proxies
def test_an_interrupt_while_the_bench_starts_leaves_nothing(pytester: pytest.Pytester, place: Sandbox) -> None:
    pytester.makeconftest(INTERRUPTED_START)
    place.write("m.yaml", DIRECT)
    assert session(pytester, "--harness-matrix", "m.yaml").ret == pytest.ExitCode.INTERRUPTED
    assert left(place) == []


@proxies
def test_a_bench_that_cannot_start_is_told_plainly(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write("runs", "a file, not a folder")
    done = session(pytester, "--harness-matrix", "m.yaml", "--harness-runs", "runs")
    done.assert_outcomes(passed=1, errors=3)
    done.stdout.fnmatch_lines("*runs*")
    done.stdout.no_fnmatch_line("*plugin.py*")


@proxies
@nginx
def test_workers_of_xdist_write_into_one_run_and_leave_nothing(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write("m.yaml", NGINX.replace("chain: nginx:http10", "chain: [nginx:http10, nginx:gzip]"))
    done = session(pytester, "--harness-matrix", "m.yaml", "-n", "2", "--dist", "load")
    done.assert_outcomes(passed=6)
    (run,) = runs(place)
    assert len(run.results) == len({result.id for result in run.results}) == 5
    assert run.info.finished_at
    assert all((run.folder / str(result.evidence) / "trace.json").is_file() for result in run.results)
    assert sorted(path.name for path in (run.folder / "proxies").iterdir()) == ["gw0", "gw1"]
    assert left(place) == []


@proxies
@nginx
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_session_that_ends_early_leaves_nothing(place: Sandbox, number: signal.Signals) -> None:
    place.write("m.yaml", NGINX.replace("[none,", "[slow,") + SLOW)
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "--harness-matrix", "m.yaml"],
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as program:
        wait_for(lambda: [result.id for run in runs(place) for result in run.results], lambda told: len(told) == 2)
        wait_for(lambda: place.streaming("http10"))
        os.killpg(program.pid, number)
        shown, _ = program.communicate(timeout=DEADLINE_S)
    assert program.returncode == (pytest.ExitCode.INTERRUPTED if number == signal.SIGINT else -number)
    wait_for(lambda: left(place), operator.not_)
    assert [result.outcome for run in runs(place) for result in run.results] == ["pass", "pass"]
    assert number != signal.SIGINT or re.search("2 passed.* in ", shown)
