"""What becomes of a whole session of pytest: its order, its workers, its warnings, and how it ends."""

from __future__ import annotations

import operator
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.sampling import some_of
from tests.sandbox import Sandbox
from tests.sessions import left, runs, session
from tests.waiting import DEADLINE_S, wait_for

measures = pytest.mark.proxies
nginx = pytest.mark.needs("nginx")

DIRECT = """
import pytest

@pytest.mark.proxies("direct", format=["sse", "ndjson", "text"], request=["curl", "browser"])
def test_cell(harness_result, assert_streams):
    assert_streams(harness_result)

@pytest.mark.proxies("direct", request=["browser", "curl"])
def test_again(harness_result, assert_streams):
    assert_streams(harness_result)
"""

MARKED = "import pytest\n\n@pytest.mark.proxies({})\ndef test(harness_result): pass\n"

SHUFFLED = """
import random

def pytest_collection_modifyitems(items):
    random.Random({seed}).shuffle(items)
"""

SLOW = """\
title: Slow
workloads: {short: {tokens: 8, token_bytes: 112}}
axes: {chain: nginx:http10, mitigations: [slow]}
mitigations: {slow: {claim: It takes its time., source: these tests, cost: latency, delay_ms: 60000}}
"""

ALONE = {
    "below": """
import pytest

@pytest.mark.proxies("direct")
def test_cell(harness_result, assert_streams):
    assert_streams(harness_result)

class TestOurs:
    @pytest.mark.parametrize("form", ["text"])
    def test_measures(self, measure, form):
        measure("direct", format=form, request="curl")
""",
    "beside": """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: a\\n\\n", "more_body": True})
    await send({"type": "http.response.body", "body": b"data: b\\n\\n", "more_body": True})
    await send({"type": "http.response.body"})

def test_app(measure):
    measure("direct", app=app)

def test_asks_as_it_runs(request):
    request.getfixturevalue("measure")("direct", body="close", request="curl")
""",
}

DYING = """
import os, signal
import pytest

@pytest.mark.parametrize("number", range(2))
def test_dies(number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A folder with tests, without any setting, and with a TMPDIR that tells what sessions in it leave behind."""
    monkeypatch.delenv("HARNESS_REQUIRE", raising=False)
    with Sandbox(pytester.path) as place:
        monkeypatch.setenv("TMPDIR", str(place.tmp))
        place.write("test_it.py", DIRECT)
        yield place


@measures
@some_of("order", ["shuffled, in workers", "shuffled", "as written"], each=3)
def test_order_and_workers_change_no_result(pytester: pytest.Pytester, place: Sandbox, order: str) -> None:
    if order != "as written":
        pytester.makeconftest(SHUFFLED.format(seed=7))
    done = session(pytester, "-W", "error", *(["-n", "2"] if "workers" in order else []))
    done.assert_outcomes(passed=8)
    assert "arning" not in done.stdout.str() + done.stderr.str()
    (run,) = runs(place)
    formats = ("sse", "ndjson", "text")
    ids = [
        f"direct/{form}/chunked/{who}/aiohttp/32x96/none/lockstep" for form in formats for who in ("browser", "curl")
    ]
    assert sorted(result.id for result in run.results) == sorted(ids), (
        "of a cell that several tests ask for there is one"
    )
    assert {result.verdict for result in run.results} == {"streamed"}
    assert run.info.finished_at
    assert f"harness: results and evidence: runs/{run.folder.name}" in done.outlines
    assert left(place) == []


@measures
@nginx
def test_what_a_session_has_kept_can_be_judged_and_shown_again(pytester: pytest.Pytester, place: Sandbox) -> None:
    chains = "['nginx:buffering-off', 'nginx:http10'], request='browser', mitigations='x-accel-buffering'"
    place.write("test_it.py", MARKED.format(chains))
    session(pytester, "-n", "2").assert_outcomes(passed=2)
    said = place.run("report", "--rejudge")
    assert said.status == 0
    assert "5 cells: " in said.out, "with a control, and a baseline of each"
    assert runs(place)[0].info.options == ("pytest", "-m", "proxies"), "which measures it again"
    assert "token" in place.run("show", "nginx:http10/*/none/*").out


@measures
@some_of("workers", [[], ["-n", "2"]], each=1)
def test_what_measures_a_cell_again_runs_its_test_alone(
    pytester: pytest.Pytester, place: Sandbox, monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    pytester.makefile(".ini", **{"our settings": "[pytest]\naddopts = -m 'not proxies'\n"})
    pytester.mkdir("gateways")
    pytester.mkdir("gateways/tests")
    place.write("test_it.py", ALONE["below"])
    place.write("gateways/tests/test_ours.py", ALONE["beside"])
    monkeypatch.chdir("gateways")  # not where pytest's root is
    typed = ["-c", "../our settings.ini", "--rootdir", "..", "--harness-runs", "../runs"]
    session(pytester, *typed, *workers, "-m", "", ".", "../test_it.py").assert_outcomes(passed=4)
    (run,) = runs(place)
    assert {result.id for result in run.results} == run.info.tests.keys(), "those of controls, too"
    for command in sorted(set(run.info.tests.values())):
        done = session(pytester, *command[1:], "--harness-runs", "../runs")
        done.assert_outcomes(passed=1)
        *_, again = runs(place)
        assert {words[-1] for words in again.info.tests.values()} == {command[-1]}
    assert {cell for one in runs(place)[1:] for cell in one.info.tests} == run.info.tests.keys()


@measures
def test_a_worker_that_dies_costs_no_result_of_others_and_leaves_nothing(
    pytester: pytest.Pytester, place: Sandbox
) -> None:
    place.write("test_dying.py", DYING)
    done = session(pytester, "-n", "2", "--dist", "load")
    outcomes = done.parseoutcomes()
    assert (outcomes["failed"], outcomes["passed"]) == (1, 9), "xdist starts another worker, which has the rest"
    done.stdout.fnmatch_lines("*worker 'gw?' crashed while running 'test_dying.py::test_dies*")
    (run,) = runs(place)
    assert len({result.id for result in run.results}) == len(run.results) == 6
    assert not run.torn
    wait_for(lambda: left(place), operator.not_)


@measures
@nginx
@some_of("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], each=3)
def test_a_session_of_workers_that_ends_early_leaves_nothing_but_its_results(
    place: Sandbox, number: signal.Signals
) -> None:
    place.write("matrix.yaml", SLOW)
    place.write("test_it.py", MARKED.format("'matrix.yaml'"))
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-n", "2"],
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as program:
        wait_for(lambda: sum(len(run.results) for run in runs(place)), lambda number: number >= 1)
        wait_for(lambda: place.streaming("http10"))
        os.killpg(program.pid, number)
        program.communicate(timeout=DEADLINE_S)
    wait_for(lambda: left(place), operator.not_)
    (run,) = runs(place)
    assert {result.outcome for result in run.results} <= {"pass", "observed"}
    assert not run.info.finished_at


# ---------------------------------------------------------------- what an id means


@pytest.mark.proxies
@pytest.mark.parametrize(
    ("other", "told"),
    [
        ("'nginx:./b/nginx.conf'", "give this one a name of its own: nginx:NAME=*b/nginx.conf"),
        ("'nginx:./a/nginx.conf', path='/b'", ""),
        ("'nginx:./a/nginx.conf', server=':80'", ""),
        ("'nginx:b=./b/nginx.conf'", ""),
        ("'nginx:./a/nginx.conf', tokens=40", ""),
    ],
)
def test_an_id_means_one_thing_in_a_session(pytester: pytest.Pytester, place: Sandbox, other: str, told: str) -> None:
    for folder in "ab":
        pytester.mkdir(folder)
        place.nginx_conf(f"{folder}/nginx.conf")
    place.write("test_it.py", MARKED.format("'nginx:./a/nginx.conf'"))
    place.write("test_other.py", MARKED.format(other))
    done = pytester.runpytest_inprocess("-k", "test_other and wrong")
    done.assert_outcomes(errors=1 if told else 0, deselected=1 if told else 2)
    if told:
        done.stdout.fnmatch_lines(f"test_other.py::test: proxies(*): another test has nginx:nginx/*{told}")


@measures
@nginx
def test_an_id_means_one_thing_in_all_workers_of_a_session(pytester: pytest.Pytester, place: Sandbox) -> None:
    for folder in "ab":
        pytester.mkdir(folder)
        place.nginx_conf(f"{folder}/nginx.conf")
        place.write(f"{folder}/test_{folder}.py", "def test(measure):\n    measure('nginx:./nginx.conf')\n")
    done = session(pytester, "-n", "2", "--dist", "loadfile", "a", "b")  # one test each
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines("another test has nginx:nginx/*: nginx:NAME=[ab]/nginx.conf")
