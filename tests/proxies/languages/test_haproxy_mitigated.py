"""What a mitigation changes in a haproxy.cfg: the line that it is about, in the backend that answers. No HAProxy."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from harness.model import Deployment, Edit
from tests.proxies.languages import reading

NO_DELAY = Edit(add=("option http-no-delay",))
NO_WAIT = Edit(drop=("http-response wait-for-body",))
TYPES = Edit(add=("compression type text/html",), drop=("compression type text/event-stream text/x",))
after = partial(reading.after, "haproxy")

DEFAULTS = "defaults\n mode http\n"
FRONT = "frontend www\n bind :80\n use_backend chat if { path_beg /chat }\n default_backend web\n"
WEB = "backend web\n server w web:1\n"


def config(chat: str, defaults: str = "", front: str = "") -> str:
    return f"{DEFAULTS}{defaults}{FRONT}{front}backend chat\n{chat}{WEB}"


def chat(folder: Path, text: str, *edits: Edit) -> str:
    return after(folder, text, *edits, path="/chat")


SERVER = "    server a app:8000\n"


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (SERVER, "    option http-no-delay\n" + SERVER),
        ("\toption forwardfor  # who\n" + SERVER, "\toption forwardfor  # who\n\toption http-no-delay\n" + SERVER),
        ("    no option http-no-delay # why\n" + SERVER, "    option http-no-delay # why\n" + SERVER),
        ("    balance first\r\n" + SERVER, "    balance first\r\n    option http-no-delay\r\n" + SERVER),
    ],
    ids=["a line more", "behind its like", "where it is denied", "CRLF"],
)
def test_a_line_is_in_effect_where_it_stands_or_as_its_neighbours_have_it(
    tmp_path: Path, inside: str, expected: str
) -> None:
    assert chat(tmp_path, config(inside), NO_DELAY) == config(expected)
    assert chat(tmp_path, config(expected), NO_DELAY) == config(expected)


@pytest.mark.parametrize("level", ["chat", "defaults", "front"])
def test_what_is_in_effect_is_left_alone_wherever_it_is_said(tmp_path: Path, level: str) -> None:
    line = " option http-no-delay\n"
    text = config(SERVER + line) if level == "chat" else config(SERVER, **{level: line})
    assert chat(tmp_path, text, NO_DELAY) == text


def test_what_a_backend_denies_is_said_there_though_its_defaults_say_it(tmp_path: Path) -> None:
    text = config(" no option http-no-delay\n" + SERVER, defaults=" option http-no-delay\n")
    assert chat(tmp_path, text, NO_DELAY) == text.replace(" no option", " option")


def test_the_backend_that_answers_is_changed_and_no_other(tmp_path: Path) -> None:
    text = config(SERVER)
    assert chat(tmp_path, text, NO_DELAY) == text.replace("chat\n    s", "chat\n    option http-no-delay\n    s")
    other = after(tmp_path, text, NO_DELAY, path="/other")
    assert other == text.replace("web\n server", "web\n option http-no-delay\n server")


def test_a_listener_with_servers_is_its_own_backend_and_a_file_may_end_without_a_line(tmp_path: Path) -> None:
    text = "listen l\n bind :80\n server a app:1"
    assert after(tmp_path, text, NO_DELAY) == "listen l\n bind :80\n option http-no-delay\n server a app:1"
    assert after(tmp_path, "listen l\n server a app:1\n bind :80", NO_DELAY).endswith(
        "\n bind :80\n option http-no-delay"
    )


@pytest.mark.parametrize("level", ["chat", "defaults", "front"])
def test_rules_are_taken_out_wherever_they_are_in_effect_from(tmp_path: Path, level: str) -> None:
    def text(lines: str) -> str:
        return config(SERVER + lines) if level == "chat" else config(SERVER, **{level: lines})

    rule = " http-response wait-for-body time"
    wait = f"{rule} 1s\n http-response set-header A b\n{rule} 2s # x\n"
    assert chat(tmp_path, text(wait), NO_WAIT) == text(" http-response set-header A b\n # x\n")


@pytest.mark.parametrize("level", ["chat", "defaults", "front"])
def test_types_to_compress_are_said_where_all_are_and_taken_out_wherever_they_add_up(
    tmp_path: Path, level: str
) -> None:
    def text(lines: str) -> str:
        return config(SERVER + lines) if level == "chat" else config(SERVER, **{level: lines})

    assert chat(tmp_path, text(""), TYPES) == text("")
    added = " compression type text/html\n"
    every = chat(tmp_path, text(" compression algo gzip\n"), TYPES)
    assert every.replace("   " * (level != "chat") + added, "") == text(" compression algo gzip\n")
    assert added in every.partition("backend chat\n")[2].partition("backend web")[0]
    some = " compression algo gzip\n compression type text/x a/b\n compression type c/d  text/event-stream # x\n"
    left = " compression algo gzip\n compression type a/b\n compression type c/d # x\n"
    assert chat(tmp_path, text(some), TYPES) == text(left)
    assert chat(tmp_path, text(left), TYPES) == text(left)
    only = " compression algo gzip\n compression type text/x\n"
    assert chat(tmp_path, text(only), TYPES) == text(only), "without any, all would be compressed"


def test_nothing_is_changed_where_only_the_request_decides_what_answers(tmp_path: Path) -> None:
    text = config(SERVER).replace("path_beg /chat", "src 10.0.0.0/8")
    said = Deployment(("chat",), path="/chat")
    assert not reading.mitigate("haproxy", tmp_path, {"h.cfg": text}, NO_DELAY, said=said).after
