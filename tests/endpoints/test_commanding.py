"""Applications on the command line: what goes together, what is read before anybody is asked, what stays unsaid."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.model import Deployment
from harness.session.jobs import Job, in_front_of, may_ask_in_http10, one_cell
from harness.store.runs import latest
from tests.answering import COMMAND, KEY, App, saying, streaming
from tests.commanding import Harness
from tests.sandbox import Sandbox
from tests.waiting import wait_for


def test_options_that_do_not_go_together_are_refused_before_anybody_is_asked(
    harness: Harness, beside: Callable[[App], App]
) -> None:
    app = beside(App(streaming))
    chain = ["--chain", f"nginx:http10>{app.url}"]
    for more, told in (
        (["--backend", app.url], "--backend and the URL at the end of the chain say each what answers"),
        (["-X", "GET", "-d", "x"], "-d: GET has no body"),
        (["-X", "GET", "-X", "POST"], "-X: an application is asked once"),
        (["-X", "PUT"], "-X: 'PUT' is not allowed; allowed: GET, POST"),
        (["-H", "Authorization"], "-H: a header is NAME: VALUE"),
        (["--path", "chat"], "--path: 'chat' is no path"),
    ):
        said = harness("run", *chain, *more)
        assert (said.status, told in said.err) == (2, True), said.err
    for argv, told in (
        (["run", "--chain", "nginx:http10", "-d", "x"], "-X, -H, -d and --cacert are for an application"),
        (["diagnose", "--hop", app.url, "--hop", "nginx:http10"], "--hop: a URL is what answers: it stands last"),
        (["run", "--chain", "nginx:http10>http://a b/"], "an absolute URL is needed"),
        (["run", "--chain", "nginx:http10>http://me:pw@h/"], "a name and a password stand in no URL here"),
        (["run", "--chain", "nginx:http10", "--replay", "none.json"], "none.json: this recording cannot be read"),
    ):
        said = harness(*argv)
        assert (said.status, told in said.err) == (2, True), said.err
    assert app.asked == []
    assert harness("diagnose", "--hop", app.url).err.count("direct has no hop that could hold anything") == 1


@pytest.mark.proxies
def test_what_is_recorded_says_itself_what_options_say_of_our_tokens(
    harness: Harness, beside: Callable[[App], App]
) -> None:
    app = beside(App(streaming))
    for option, told in (
        (["--format", "ndjson"], "--format: what is recorded says that itself: it is sse"),
        (["--body", "length"], "--body: what is recorded says that itself: it is chunked"),
        (["--tokens", "7"], "--tokens: what is recorded says that itself: its writes are replayed as they are"),
    ):
        said = harness("run", "--chain", "direct", "--backend", app.url, *option)
        assert (said.status, told in said.err) == (2, True), said.err
    assert (
        harness("run", "--chain", "direct", "--backend", app.url, "--format", "sse", "--expect", "streamed").status == 0
    )


LOAD = {"tokens": 1, "token_bytes": 100}
GATEWAY = """\
server {
    listen 80;
    location / { proxy_pass http://web:3000; }
    location /chat { proxy_pass http://localhost:8000; }
}
"""


def test_a_config_is_read_before_anybody_is_asked(harness: Harness, beside: Callable[[App], App]) -> None:
    app = beside(App(streaming))
    Path("gateway.conf").write_text(GATEWAY)
    said = harness("diagnose", "--hop", "nginx:./gateway.conf", "--hop", app.url)
    assert said.status == 2
    assert "`--map localhost:8000` says that this stands for the next hop" in said.err
    assert app.asked == []


def test_what_a_config_leaves_open_its_endpoint_says() -> None:
    made = one_cell({"chain": "direct"}, LOAD)

    def needs(*good: Deployment) -> Callable[[Deployment], Job]:
        def make(one: Deployment) -> Job:
            if one not in good:
                raise InputError(f"which is meant by {one}?")
            return made

        return make

    url, as_found, mapped = "http://app:8000/chat?key=1", Deployment(), Deployment(map=("app:8000",))
    with_path = Deployment(map=("app:8000",), path="/chat")
    assert in_front_of(url, as_found, needs(as_found, mapped)) == (as_found, made), "what is said is enough"
    assert in_front_of(url, as_found, needs(mapped, with_path)) == (mapped, made)
    assert in_front_of(url, as_found, needs(with_path)) == (with_path, made)
    elsewhere = replace(with_path, path="/a")
    assert in_front_of(url, Deployment(path="/a"), needs(elsewhere)) == (elsewhere, made)
    for given in (url, "asgi:./app.py", "command: serve"):
        with pytest.raises(InputError, match=r"which is meant by Deployment\(map=\(\), server='x'"):
            in_front_of(given, Deployment(server="x"), needs())


def config(top: str = "", of_the_location: str = "", elsewhere: str = "") -> str:
    return (
        f"events {{}}\nhttp {{ {top} server {{\nlisten ${{LISTEN}};\n"
        f"location / {{ proxy_pass ${{UPSTREAM}}; {of_the_location} }}\n"
        f"location /static/ {{ root /nowhere; {elsewhere} }} }} }}\n"
    )


@pytest.mark.parametrize(
    ("text", "may"),
    [
        (config(), True),
        (config("proxy_http_version 1.0;"), True),
        (config("proxy_http_version 1.1;"), False),
        (config("proxy_http_version 2;"), False),
        (config("gzip on; proxy_http_version 1.1;"), False),
        (config("# proxy_http_version 1.1;\n"), True),
        (config("include included.conf;"), False),
        (config(of_the_location="include included.conf;"), False),
        (config(of_the_location="proxy_http_version\n'1.1';"), False),
        (config(elsewhere="\nproxy_http_version 1.1;\n"), True),
        (config("proxy_http_version 1.1;", "proxy_http_version 1.0;"), True),
        (config("proxy_http_version 1.0;", "proxy_http_version 1.1;"), False),
    ],
)
def test_nginx_may_ask_in_http10_unless_another_is_in_effect_where_it_answers(
    no_nginx: None, tmp_path: Path, text: str, may: bool
) -> None:
    (tmp_path / "my.conf").write_text(text)
    (tmp_path / "included.conf").write_text("proxy_http_version 1.1;\n")
    assert may_ask_in_http10(one_cell({"chain": f"nginx:{tmp_path}/my.conf"}, LOAD)) is may


def test_who_may_ask_in_http10_is_looked_for_in_the_whole_chain() -> None:
    assert not may_ask_in_http10(one_cell({"chain": "nextjs:dev"}, LOAD))
    assert may_ask_in_http10(one_cell({"chain": "nextjs:dev>nginx:http10"}, LOAD))


def test_an_answer_in_one_piece_is_told_before_any_hop_is_measured(
    harness: Harness, beside: Callable[[App], App]
) -> None:
    app = beside(App(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\ndata: a\n\ndata: b\n\n")))
    said = harness("diagnose", "--hop", "nginx:http10", "--hop", app.url)
    assert said.status == 2
    assert "the application itself sends its answer in one piece: 18 bytes" in said.err
    assert "No proxy is at fault" in said.err
    assert not Path("runs").exists()


@pytest.mark.proxies
def test_a_command_is_started_and_asked_once(harness: Harness) -> None:
    Path("app.py").write_text(COMMAND)
    backend = ("--backend", f"command: {sys.executable} app.py", "--path", "/any")
    said = harness("run", "--chain", "direct", *backend, "--expect", "streamed")
    assert said.status == 0, said.out + said.err
    assert "GET /any of command: " in said.err
    assert "lines of JSON in chunks, 12 writes" in said.err
    assert "direct/ndjson/chunked/curl/aiohttp/recorded/none/lockstep" in said.out
    assert Path("asked").read_text() == "GET\n"


@pytest.mark.proxies
@pytest.mark.parametrize("behind", ["", "#f", f"#{KEY}", " "])
def test_the_query_of_a_url_is_in_no_list_of_arguments_and_no_file_of_the_run(
    harness: Harness, beside: Callable[[App], App], monkeypatch: pytest.MonkeyPatch, behind: str
) -> None:
    app = beside(App(streaming))
    argv = ("run", "--chain", f"direct>{app.url}?key={KEY}{behind}", "-H", "X: 1", "--tokens", "32", "-X", "GET")
    monkeypatch.setattr(sys, "argv", ["harness", *argv])
    said = harness(*argv)
    assert said.status == 0, said.out + said.err
    assert app.asked[0].startswith(f"GET /chat?key={KEY} HTTP/1.1\r\n".encode())
    hidden = ["run", "--chain", f"direct>{app.url}?(redacted)", "-H", "(redacted)", *argv[5:]]
    assert sys.argv == ["harness", *hidden]
    run = latest(Path("runs"))
    assert json.loads((run / "run.json").read_text())["options"] == hidden
    assert [path for path in run.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []


@pytest.mark.proxies
def test_who_is_interrupted_leaves_nothing_and_no_process_list_has_what_was_said(
    tmp_path: Path,
) -> None:
    with Sandbox(tmp_path) as sandbox:
        sandbox.write("app.py", COMMAND.replace("self.send_response(200)", "time.sleep(600)"))
        said_to = ("--path", f"/chat?key={KEY}", "-H", f"Authorization: Bearer {KEY}", f"-HCookie: id={KEY}")
        command = ("run", "--chain", "direct", "--backend", f"command: {sys.executable} app.py", *said_to)
        program = sandbox.start(*command)
        wait_for((tmp_path / "asked").exists)
        if sys.platform == "linux":
            lines = [" ".join(process.cmdline()) for process in sandbox.processes()]
            assert any("app.py" in line for line in lines)
            assert [line for line in lines if KEY in line] == []
        program.send_signal(signal.SIGINT)
        said = sandbox.said(program)
        assert said.status == 130, said.err
        sandbox.wait_until_clean()
    assert not (tmp_path / "runs").exists()
