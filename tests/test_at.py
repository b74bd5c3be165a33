"""`harness matrix --at URL`: what it takes, what it measures of a matrix, and what it keeps of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from harness.backends.posting import TOKEN_VARIABLE
from tests.backends.deploying import LISTENING, TOKEN
from tests.commanding import Harness
from tests.sandbox import DIRECT

MATRIX = """\
title: At a site
workloads: {short: {tokens: 16, token_bytes: 120}}
axes: {chain: [direct, "nginx:default"], mitigations: [none, no-cache, bypass-proxy]}
"""
NO_URL = "--at: an absolute URL is needed"


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of a deployed emitter."""
    argv = [sys.executable, "-P", "-m", "harness.backends.public", "--port=0"]
    environment = {**os.environ, TOKEN_VARIABLE: TOKEN}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as emitter:
        assert emitter.stdout is not None
        listening = LISTENING.search(emitter.stdout.readline())
        assert listening
        yield f"http://127.0.0.1:{listening[1]}"
        emitter.terminate()
    assert emitter.returncode == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--at", "'--at' requires an argument"),
        ("--at chat.example", "--at: an absolute URL is needed, as https://host/path; allowed: http, https"),
        ("--at ftp://chat.example", NO_URL),
        ("--at htps://chat.example:443", NO_URL),
        ("--at ws://chat.example:443", NO_URL),
        ("--at http://chat.example:0/", NO_URL),
        ("--at http://chat.example:99999/", NO_URL),
        ("--at https:///api", NO_URL),
        ("--at https://me:secret@chat.example:x/", NO_URL),
        ("--at https://chat.example/\N{RIGHT-TO-LEFT OVERRIDE}", NO_URL),
        ("--at http://[::1]:8080", "--at: a host is needed by name, or by an address of IPv4"),
        ("--at https://me:secret@chat.example/", "--at: a name and a password stand in no URL here"),
        ("--at https://chat.example/?token=secret", "without a query and a fragment"),
        ("--at https://chat.example --control chat.example", "--control: an absolute URL is needed"),
        ("--at https://chat.example --control htps://chat.example:443", "--control: an absolute URL is needed"),
        ("--at https://chat.example --control http://[::1]:8080", "--control: a host is needed by name"),
        ("--at https://chat.example --control=", "--control: an absolute URL is needed"),
        ("--at https://chat.example --cacert nope.pem", "--cacert: there is no file nope.pem"),
        ("--at https://chat.example --cacert m.pem", "--cacert: there is no certificate in m.pem: a PEM file is"),
        ("--at https://chat.example --cacert .", "--cacert: . is a folder, not a file"),
        ("--at http://chat.example --cacert nope.pem", "--cacert: there is no file nope.pem"),
        ("--at http://chat.example --cacert m.pem", "--cacert: there is no certificate in m.pem"),
        ("--at http://chat.example --cacert ca.pem", "--cacert: only an https:// URL has a certificate: leave it out"),
        ("--at http://chat.example --control http://chat.example:81 --cacert ca.pem", "only an https:// URL has"),
        ("--control https://chat.example", "--control is of an emitter elsewhere: give --at URL"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, words: str, complaint: str
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    Path("m.pem").write_text("nothing")
    trustme.CA().cert_pem.write_to_path("ca.pem")
    said = harness("matrix", "smoke", *words.split())
    assert said.status == 2
    assert complaint in said.err
    assert "secret" not in said.err


def test_without_a_token_nobody_is_asked(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    said = harness("matrix", "smoke", "--at", "https://chat.example")
    assert (said.status, f"{TOKEN_VARIABLE} is not set" in said.err) == (2, True)


@pytest.mark.parametrize("token", [f"{TOKEN}\n", f"{TOKEN}\r", "open sesame", "open\x7fsesame", "open\udcffsesame"])
def test_a_token_that_no_header_can_have_is_refused_with_the_way_out_and_not_told(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    said = harness("matrix", "smoke", "--at", "https://chat.example")
    assert said.status == 2
    assert said.err.startswith(f"harness: --at: {TOKEN_VARIABLE} has a blank, a line end or another sign")
    assert "openssl rand -hex 16" in said.err
    assert "sesame" not in said.err


def test_what_is_refused_before_anything_is_measured_leaves_no_run(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    Path("m.yaml").write_text(DIRECT)
    said = harness("matrix", "m.yaml", "--at", url)
    assert (said.status, said.err) == (
        3,
        f"harness: {url} does not answer: nobody listens there: is it started, and is that its port?\n",
    )
    assert not Path("runs").exists()


@pytest.mark.proxies
def test_the_cells_of_a_matrix_are_measured_there_and_no_file_has_the_token(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    Path("m.yaml").write_text(MATRIX)
    said = harness("matrix", "m.yaml", "--at", url, "--json", "out.json")
    assert said.status == 0, said.err
    results = json.loads(Path("out.json").read_text())["results"]
    place = url.removeprefix("http://")
    assert [(one["id"], one["verdict"], one["effect"]) for one in results] == [
        (f"at:{place}/sse/chunked/curl/aiohttp/short/none/lockstep", "streamed", None),
        (f"at:{place}/sse/chunked/curl/aiohttp/short/no-cache/lockstep", "streamed", "not needed"),
    ]
    assert results[0]["versions"]["at"] == place
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert kept == []
    assert TOKEN not in said.out + said.err
    again = harness("run", results[1]["id"], "--at", url, "--expect", "streamed", "--json", "again.json")
    assert again.status == 0, again.err
    assert [one["id"] for one in json.loads(Path("again.json").read_text())["results"]] == [
        one["id"] for one in results
    ]
    assert harness("report", "--html", "page.html").status == 0
    assert "what makes all requests wait alike" in re.sub(r"\s+", " ", Path("page.html").read_text())


@pytest.mark.proxies
def test_a_token_that_is_wrong_ends_the_run_with_2(harness: Harness, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "open-sesame-open-barley")
    said = harness("matrix", "smoke", "--at", url)
    assert (said.status, "wants another token" in said.err) == (2, True)
    assert not Path("runs").exists()
