"""Applications of other people's projects, measured in sessions of pytest of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.store.runs import Run
from tests.sampling import some_of
from tests.sandbox import Sandbox
from tests.sessions import left
from tests.waiting import DEADLINE_S, wait_for

pytestmark = [
    pytest.mark.proxies,
    pytest.mark.needs("nginx"),
]

KEY = "hunter2hunter2"

APP = """
import asyncio
from fastapi import Depends, FastAPI, Header
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

app = FastAPI()


class Question(BaseModel):
    text: str


def model():
    raise ValueError("no model is configured")


@app.post("/api/chat")
async def chat(question: Question, authorization: str = Header(""), words=Depends(model)):
    async def events():
        for word in words:
            yield f"data: {word} {question.text} {authorization}\\n\\n"
            await asyncio.sleep(0.05)
        yield "data: [DONE]\\n\\n"
    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/api/broken")
async def broken(authorization: str = Header("")):
    async def events():
        yield "data: one\\n\\n"
        raise RuntimeError(f"the model hung up on {authorization}")
    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/api/json")
async def plain():
    return {"answer": 42}
"""

CONF = """
upstream app { server app:8000; }
server {
    listen 80;
    gzip on;
    gzip_types text/event-stream;
    location /api/ { proxy_pass http://app; proxy_http_version 1.1; }
}
"""

CONFTEST = f"""
import pytest
from app import app, model

KEY = "{KEY}"


@pytest.fixture
def ask(measure):
    app.dependency_overrides[model] = lambda: ["you", "ask"] * 6
    said = {{"path": "/api/chat", "json": {{"text": KEY}}, "headers": {{"Authorization": f"Bearer {{KEY}}"}}}}
    yield lambda chain, **more: measure(chain, app=app, **said, **more)
    app.dependency_overrides.clear()
"""


@pytest.fixture
def place(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A project with an application, its own nginx config, and a TMPDIR that tells what sessions leave behind."""
    monkeypatch.delenv("HARNESS_REQUIRE", raising=False)
    pytester.makeini("[pytest]\nasyncio_mode = auto\nfilterwarnings = error")
    with Sandbox(pytester.path) as place:
        monkeypatch.setenv("TMPDIR", str(place.tmp))
        pytester.mkdir("deploy")
        place.write("app.py", APP)
        place.write("conftest.py", CONFTEST)
        place.write("deploy/nginx.conf", CONF)
        yield place


def run_of(place: Sandbox) -> Run:
    (head,) = (place.folder / "runs").glob("*/run.json")
    return Run.open(head.parent)


def files_with(word: str, folder: Path) -> list[str]:
    """Return the files below a folder that have a word in them, but for what the test wrote itself."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return [
        str(path.relative_to(folder)) for path in paths if word.encode() in path.read_bytes() and path.suffix != ".py"
    ]


HANGING = """
import asyncio
from pathlib import Path

async def app(scope, receive, send):
    if scope["type"] == "http":
        Path("asked").touch()
        await asyncio.sleep(3600)

def test_it(measure):
    measure("nginx:buffering-off", app=app)
"""


def assert_clean(place: Sandbox) -> None:
    assert left(place) == []


def test_an_application_of_the_tests_process_is_measured_with_its_overrides(
    pytester: pytest.Pytester, place: Sandbox
) -> None:
    place.write(
        "test_it.py",
        """
import sys
import pytest
from app import app, model

def test_it_streams(ask, assert_streams):
    result = ask("nginx:./deploy/nginx.conf", request="curl")
    assert (result.verdict, result.cell.request) == ("streamed", "curl")
    assert_streams(result)

async def test_a_coroutine_awaits_it(ask, assert_streams):
    assert_streams(await ask("nginx:./deploy/nginx.conf", mitigations="x-accel-buffering"))

@pytest.mark.parametrize("name", ["one", "other"])
def test_whoever_gets_it_worst(ask, name):
    result = ask("nginx:./deploy/nginx.conf")
    assert (result.verdict, result.cell.request, result.cell.workload.name) == (
        "buffered", "browser", f"test_it.test_whoever_gets_it_worst.{name}"
    )

def test_a_command(measure, assert_streams):
    app_in_a_program = f"{sys.executable} -m uvicorn --factory other:make --port ${{PORT}}"
    assert_streams(measure("nginx:./deploy/nginx.conf", command=app_in_a_program, path="/api/chat", json={"text": "?"},
                           request="curl"))

@pytest.mark.parametrize(("who", "verdict"), [("curl", "streamed"), ("browser", "held")])
def test_live(ask, assert_streams, who, verdict):
    stream = ask("nginx:./deploy/nginx.conf", live=True, request=who)
    assert (stream.verdict, stream.request, len(stream.left_ms)) == (verdict, who, 13)
    if verdict == "held":
        with pytest.raises(pytest.fail.Exception, match="nginx:nginx, asked as browser: held: .* of 12 messages with"):
            assert_streams(stream)
    else:
        assert_streams(stream)

def test_our_own_tokens(measure, assert_streams):
    assert_streams(measure("nginx:buffering-off"))
""",
    )
    place.write(
        "other.py",
        "from app import app, model\n\n\ndef make():\n    app.dependency_overrides[model] = lambda: [9] * 9"
        "\n    return app\n",
    )
    done = pytester.runpytest_subprocess("--junitxml=report.xml", "-n", "2", timeout=DEADLINE_S)
    done.assert_outcomes(passed=8)
    run = run_of(place)
    assert len(run.results) == len({result.id for result in run.results})
    assert run.info.finished_at
    assert len(list((run.folder / "recordings").iterdir())) >= 2
    assert files_with(KEY, place.folder) == []
    assert_clean(place)


COMPRESSING = """
import sys
import time
import zlib
from wsgiref.simple_server import make_server

EVENTS = [b'data: {"n": %d}\\n\\n' % number for number in range(20)]


def app(environ, start_response):
    packs = "gzip" in environ.get("HTTP_ACCEPT_ENCODING", "")
    coding = [("Content-Encoding", "gzip")] if packs else []
    start_response("200 OK", [("Content-Type", "text/event-stream"), *coding])
    packing = zlib.compressobj(wbits=31)
    for event in EVENTS:
        time.sleep(0.01)
        yield packing.compress(event) if packs else event
    if packs:
        yield packing.flush()


make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()
"""


def test_an_application_that_compresses_what_it_holds_streams_only_for_who_is_named(
    pytester: pytest.Pytester, place: Sandbox
) -> None:
    """Nobody reads what a test that passes has printed."""
    place.write("packing.py", COMPRESSING)
    place.write(
        "test_it.py",
        """
import sys
import pytest

SERVE = f"{sys.executable} packing.py ${{PORT}}"

@pytest.mark.parametrize("named", [{}, {"request": "curl"}])
def test_it(measure, assert_streams, named):
    assert_streams(measure("nginx:buffering-off", command=SERVE, **named))
""",
    )
    done = pytester.runpytest_subprocess(timeout=DEADLINE_S)
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(
        ["*compresses its answer itself (gzip) for who offers that; all of it comes at once, as browsers do. No proxy*"]
    )
    assert "`Cache-Control: no-transform`" in done.stdout.str()
    assert_clean(place)


def test_a_held_stream_fails_with_timeline_hop_cause_and_fix(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write(
        "test_it.py",
        "def test_it(ask, assert_streams):\n    assert_streams(ask('nginx:./deploy/nginx.conf'))\n",
    )
    done = pytester.runpytest_subprocess("--junitxml=report.xml", "--showlocals", timeout=DEADLINE_S)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "it does not stream: buffered: token 0 was held while *",
            "nginx:nginx/sse/chunked/browser/aiohttp/test_it.test_it/none/lockstep",
            "     0  *○*●*held",
            "nginx:nginx",
            "  curl     streams: *",
            "  browser  buffered: token 0 was held *",
            "  nginx:nginx: /api/chat is served by location /api/*",
            "What to change",
            "  x-accel-buffering (header): with that, the whole chain streams (curl, browser)",
            '    return StreamingResponse(*, headers={"X-Accel-Buffering": "no"})',
            "POST /api/chat of FastAPI on uvicorn * is asked (request 1 of 5 at most)*",
        ]
    )
    done.stdout.no_fnmatch_line("*harness/plugin*")
    (diagnosis,) = (run_of(place).folder / "diagnoses").glob("2*")
    assert Run.open(diagnosis).info.diagnosed == "nginx:nginx"
    assert files_with(KEY, place.folder) == []
    assert_clean(place)


def test_an_interrupt_while_the_application_is_asked_leaves_nothing(place: Sandbox) -> None:
    place.write("test_it.py", HANGING)
    with subprocess.Popen(
        [sys.executable, "-m", "pytest"],
        cwd=place.folder,
        stdout=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as program:
        wait_for(lambda: place.folder.joinpath("asked").exists())
        os.killpg(program.pid, signal.SIGINT)
        assert program.wait(timeout=DEADLINE_S) == pytest.ExitCode.INTERRUPTED
    assert_clean(place)


def test_what_cannot_be_measured_fails_in_its_own_words(pytester: pytest.Pytester, place: Sandbox) -> None:
    place.write(
        "test_it.py",
        f'''
import pytest
from app import app, model

CHAIN = "nginx:./deploy/nginx.conf"
SECRET = {{"Authorization": "Bearer {KEY}"}}

def test_raises(measure):
    measure(CHAIN, app=app, path="/api/chat", json={{"text": "?"}}, headers=SECRET)

def test_breaks(measure):
    measure(CHAIN, app=app, path="/api/broken", headers=SECRET)

def test_no_stream(measure):
    measure(CHAIN, app=app, path="/api/json")

def test_not_understood(measure):
    app.dependency_overrides[model] = lambda: []
    measure(CHAIN, app=app, path="/api/chat", json={{"txt": "{KEY}"}})

def test_not_found(measure):
    measure(CHAIN, app=app, path="/api/none")

def test_no_app(measure):
    measure(CHAIN, app="app:app", path="/api/chat")

def test_two(measure):
    measure(CHAIN, app=app, url="http://localhost/")

def test_no_body_of_get(measure):
    measure(CHAIN, app=app, method="GET", json={{}})

def test_method(measure):
    measure(CHAIN, app=app, method="BREW")

def test_header(measure):
    measure(CHAIN, app=app, headers={{"X": "a\\nb {KEY}"}})

def test_keyword(measure):
    measure(CHAIN, app=app, reqest="curl")

def test_format(measure):
    measure(CHAIN, app=app, format="ndjson")

def test_no_file(measure):
    measure("nginx:./none.conf", app=app)

def test_no_result(assert_streams):
    assert_streams(7)

def test_url(measure):
    measure(CHAIN, url="localhost:8000/chat")

def test_nobody(measure):
    measure(CHAIN, url="http://127.0.0.1:9/chat")

def test_live_raises(measure):
    measure(CHAIN, app=app, path="/api/broken", headers=SECRET, live=True)

@pytest.mark.parametrize("said", [
    {{"headers": 7}}, {{"headers": ["X"]}}, {{"data": 7}}, {{"json": object()}}, {{"path": 7}},
    {{"json": 1, "data": "1"}}, {{"authority": "none.pem"}},
])
def test_rubbish(measure, said):
    measure(CHAIN, app=app, **said)

def test_live_tokens(measure):
    measure(CHAIN, live=True)
''',
    )
    done = pytester.runpytest_subprocess("--junitxml=report.xml", "-l", timeout=DEADLINE_S)
    done.assert_outcomes(failed=25)
    done.stdout.fnmatch_lines(
        [
            "POST /api/chat of * answers with status 500 *; the application raised ValueError: no model *app.py:*",
            "GET /api/broken of *; the application raised RuntimeError: the model hung up on (redacted) (*app.py:*)",
            "GET /api/json of *: the application itself sends its answer in one piece: *",
            "*does not understand what it was asked (status 422: *): look at json, data and headers",
            "*has nothing there for GET (status 404: *): look at path and method",
            "app: str is no ASGI application, which takes scope, receive and send; of another, give its command or *",
            "app and url say each who answers: give one of them",
            "json and data are for POST: GET has no body",
            "method: 'BREW' is not allowed; allowed: GET, POST",
            "headers: 'X' is no header: it has a name, and a value in one line",
            "reqest is no keyword here with an application; allowed: *(did you mean 'request'?)",
            "format is no keyword here with an application; allowed: *",
            "there is no ./none.conf in *",
            "assert_streams takes a result as harness_result or measure gave it, not 7",
            "url: an absolute URL is needed, as https://host/path; allowed: http, https",
            "GET http://127.0.0.1:9/chat is not reached at 127.0.0.1:9: nobody listens there: is it started, *?",
            "GET /api/broken of *, asked through nginx:nginx as curl: *; the application raised RuntimeError: *",
            "headers: a dict is needed, or pairs of a name and a value",
            "headers: a dict is needed, or pairs of a name and a value",
            "data: text or bytes are needed, and no int",
            "json: Object of type object is not JSON serializable",
            "path: a text is needed, and no int",
            "json and data are each the body: give one of them",
            "authority: there is no file none.pem",
            "live is for an application: give app, command or url",
        ]
    )
    done.stdout.no_fnmatch_line("*harness/plugin*")
    assert files_with(KEY, place.folder) == []
    assert_clean(place)


NO_NGINX = """
from conftest_of_project import *
from harness.errors import Unavailable
from harness.proxies.nginx import Nginx

def missing(self, *ignored):
    raise Unavailable("nginx is not installed", "install it: apt-get install nginx")

Nginx.version = Nginx.start = missing
"""


@some_of("required", [False, True], each=2)
def test_what_cannot_run_here_skips_or_fails_where_it_is_required(
    pytester: pytest.Pytester, place: Sandbox, required: bool
) -> None:
    place.write("conftest_of_project.py", CONFTEST)
    place.write("conftest.py", NO_NGINX)
    place.write(
        "test_it.py",
        """
import pytest

@pytest.mark.parametrize("live", [False, True])
def test_it(ask, live):
    ask("nginx:./deploy/nginx.conf", live=live)

@pytest.mark.proxies("nginx:./deploy/nginx.conf")
def test_cell(harness_result):
    raise AssertionError("nobody measured it")
""",
    )
    done = pytester.runpytest_subprocess(
        "-rs", *(["--harness-require", "nginx"] if required else []), timeout=DEADLINE_S
    )
    if required:
        done.assert_outcomes(errors=3)
        done.stdout.fnmatch_lines("nginx is required, but cannot run here: nginx is not installed (install it: *")
    else:
        done.assert_outcomes(skipped=3)
        done.stdout.fnmatch_lines("SKIPPED*nginx is not installed (install it: apt-get install nginx)")
    assert_clean(place)
