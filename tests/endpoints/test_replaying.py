"""A recording that is replayed: in its own framing and format, behind nothing and behind real proxies."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import cell_options
from harness.documents import recordings
from harness.errors import InputError
from harness.model import RECORDINGS, WORKLOAD_KEYS, Body, Deployment, digest_of
from harness.resources import configs
from harness.store.runs import Run, latest
from tests.answering import EVENTS, KEY, App, Handler, chunking, compressing, streaming
from tests.commanding import Harness
from tests.recorded import recording as recorded_by_hand
from tests.sandbox import Sandbox

needs_nginx = pytest.mark.needs("nginx")
needs_asgi = pytest.mark.needs("asgi")

PAGE = (configs().parent / "docs/endpoints.md").read_text(encoding="utf-8")
USUAL = {key: cell_options.WORKLOAD.get(key, one.default) for key, one in WORKLOAD_KEYS.items()}
COUNTING = """

answers = app


async def app(scope, receive, send):
    if scope["type"] == "http":
        with open("asked", "a") as file:
            file.write(f"{scope['method']} {scope['path']}\\n")
    await answers(scope, receive, send)
"""

COMPRESSING = """\
events {}
http {
    gzip on;
    gzip_types text/event-stream;
    server {
        listen ${LISTEN};
        location / {
            proxy_pass ${UPSTREAM};
            proxy_http_version 1.1;
        }
    }
}
"""


@pytest.mark.proxies
@pytest.mark.parametrize(
    ("body", "content_type", "more"),
    [
        ("length", "application/x-ndjson", []),
        ("close", "text/event-stream", ["--pace", "paced"]),
        ("chunked", "application/octet-stream", ["--request", "browser"]),
    ],
)
def test_an_answer_is_replayed_in_its_own_framing_and_format(
    harness: Harness, body: Body, content_type: str, more: list[str]
) -> None:
    writes = {
        "application/x-ndjson": [b'{"n": %d}\n' % (10**number) for number in range(9)],
        "text/event-stream": EVENTS,
        "application/octet-stream": [bytes([128 + number]) * (number + 1) for number in range(9)],
    }
    one = replace(recorded_by_hand(writes[content_type], content_type=content_type), body=body)
    one = replace(one, digest=digest_of(one))
    Path("r.json").write_text(recordings.dump(one))
    said = harness("run", "--chain", "direct", "--replay", "r.json", "--expect", "streamed", *more)
    assert said.status == 0, said.out + said.err


def test_who_compresses_for_browsers_is_diagnosed_as_curl_asks(harness: Harness) -> None:
    given = {"format": "sse", "body": "chunked", "client": "aiohttp", **USUAL}
    chain, unsure = "nginx:http10", replace(recorded_by_hand(), coding="gzip")
    job = cell_options.diagnosis(chain, (), None, given, Deployment(), unsure)
    assert {cell.request for cell in job.cells} == {"curl"}
    job = cell_options.diagnosis(chain, (), None, given, Deployment(), recorded_by_hand())
    assert {cell.request for cell in job.cells} == {"curl", "browser"}
    with pytest.raises(
        InputError, match=r"browser offers codings: .* how that comes is not known, and what is recorded"
    ):
        cell_options.diagnosis(chain, ("browser",), None, given, Deployment(), unsure)
    holding = replace(unsure, plain_pieces=20, coded_pieces=1)
    with pytest.raises(
        InputError, match=r"all of it comes at once, .* is not compressed: `Cache-Control: no-transform`"
    ):
        cell_options.diagnosis(chain, ("browser",), None, given, Deployment(), holding)


@pytest.mark.proxies
@needs_nginx
@pytest.mark.parametrize("flushes", [False, True])
def test_what_an_application_compresses_itself_is_never_told_as_if_it_streamed(
    harness: Harness, beside: Callable[[App], App], flushes: bool
) -> None:
    """Nor later, when all that is left is the run."""
    app = beside(App(compressing(flushes)))
    hops = ["--hop", "nginx:buffering-off", "--hop", app.url]
    first = harness("diagnose", *hops, "--markdown", "m.md")
    later = harness("report", latest(Path("runs")))
    ran = harness("run", "--chain", f"nginx:buffering-off>{app.url}", "--html", "r.html")
    own = "compresses its answer itself (gzip) for who offers that"
    for said in (first, later, ran):
        assert said.status == 0, said.out + said.err
        assert own in said.out
        assert ("Cache-Control: no-transform" in said.out) is not flushes
        assert ("all of it comes at once" in said.out) is not flushes
    for told in (first.out, later.out):
        assert ("held: the application" in told) is not flushes
        assert "streams as it is." not in told
        assert ("it streams as it is (curl)." in told) is flushes
    assert own in Path("m.md").read_text()
    assert own in Path("r.html").read_text()


@pytest.mark.proxies
def test_an_exact_one_is_as_long_as_it_was_and_too_short_to_tell(harness: Harness) -> None:
    Path("r.json").write_text(recordings.dump(recorded_by_hand(EVENTS[:4])))
    said = harness("run", "--chain", "direct", "--replay", "r.json", "--exact")
    assert "too short" in said.out
    assert "3 tokens are too few to tell" in said.out


@pytest.mark.proxies
@needs_nginx
def test_an_endpoint_behind_nginx_is_held_asked_once_and_replayed_to_the_same(
    harness: Harness, beside: Callable[[App], App]
) -> None:
    app = beside(App(streaming))
    Path("gateway.conf").write_text(COMPRESSING)
    first = harness("run", "--chain", f"nginx:./gateway.conf>{app.url}", "--request", "browser")
    assert "observed: buffered" in first.out, first.err
    run = latest(Path("runs"))
    (file,) = (run / RECORDINGS).iterdir()
    assert f"--replay {file}" in first.out, "of which a run may have several"
    Path("m.yaml").write_text(
        f"title: t\nworkloads: {{recorded: {{recording: {file}}}}}\n"
        "axes: {chain: nginx:./gateway.conf, request: browser, mitigations: [none, x-accel-buffering]}\n"
        "expect: [{cells: '*/x-accel-buffering/*', effect: defeats, why: nginx says so}]\n"
    )
    again = harness("matrix", "m.yaml")
    assert again.status == 0, again.out + again.err
    before, after = ({one.id: one.verdict for one in Run.open(one).results} for one in (run, latest(Path("runs"))))
    assert before["nginx:gateway/sse/chunked/browser/aiohttp/recorded/none/lockstep"] == "buffered"
    assert before.items() <= after.items()
    assert harness("report", "--rejudge").status == 0
    assert harness("run", "--chain", "direct", "--replay", run, "--expect", "streamed").status == 0
    assert len(app.asked) == 1


@pytest.mark.proxies
@needs_nginx
@pytest.mark.parametrize(("handler", "verdict"), [(streaming, "coalesced"), (chunking, "streamed")])
def test_how_it_answers_http10_is_asked_where_a_hop_may_ask_so_and_replayed(
    harness: Harness, beside: Callable[[App], App], handler: Handler, verdict: str
) -> None:
    app = beside(App(handler))
    said = harness("run", "--chain", f"nginx:http10>{app.url}", "--expect", verdict)
    assert said.status == 0, said.out + said.err
    assert [asked.split(b"\r\n")[0] for asked in app.asked] == [b"GET /chat HTTP/1.1", b"GET /chat HTTP/1.0"]


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def without_figures(text: str) -> list[str]:
    return re.sub(r"[\d.]+", "N", text).split()


@pytest.mark.proxies
@needs_nginx
@needs_asgi
def test_the_page_s_example_is_what_its_command_says_and_nothing_that_was_said_is_left(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        sandbox.write("app.py", block("python") + COUNTING)
        sandbox.write("gateway.conf", block("nginx"))
        _, *words = shlex.split(block("console").removeprefix("$ "))
        question = words[words.index("-d") + 1]
        secrets = ["-H", f"Authorization: Bearer {KEY}", "-H", f"Cookie: id={KEY}"]
        words[words.index("--path") + 1] += f"?key={KEY}"
        said = sandbox.run(*words, *secrets, "--json", "report.json", "--html", "report.html")
        sandbox.wait_until_clean()
    assert said.status == 0, said.out + said.err
    answer, _, _ = said.out.partition("as it is")
    example, table, _ = block("text").partition("as it is")
    assert table
    assert without_figures(answer) == without_figures(example)
    assert (tmp_path / "asked").read_text() == "POST /api/chat\n"
    given = {tmp_path / name for name in ("app.py", "gateway.conf")}
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path not in given]
    assert any(path.parent.name == RECORDINGS for path in kept)
    left = {path: path.read_bytes() for path in kept} | {Path("out"): said.out.encode(), Path("err"): said.err.encode()}
    for word in (KEY, *json.loads(question).values()):
        assert [path for path, data in left.items() if word.encode() in data] == []
