"""What is told of an endpoint, and that what was said to it is not in that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from harness.model import HIDDEN
from harness.probe import document
from harness.probe.asking import Search
from harness.probe.secrets import Secrets, shown_url
from harness.probe.takes import Asking, CutBy, Take
from harness.probe.telling import ProbeReport

PROFILES = {"curl": (("Accept", "*/*"),), "browser": (("Accept", "*/*"), ("Accept-Encoding", "gzip"))}
EVENLY = tuple(100.0 * number for number in range(1, 11))
HELD = (1000.0,) * 10


def report(*takes: tuple[str, bool, Take], direct: str = "", secrets: Secrets | None = None) -> ProbeReport:
    search = Search(PROFILES, direct=bool(direct))
    for who, is_direct, take in takes:
        search.takes.append(replace(take, asking=Asking(who, PROFILES[who], direct=is_direct)))
    return ProbeReport("https://a/b", direct, search, secrets or Secrets((), None))


def told(one: ProbeReport, width: int = 400) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(one)
    return " ".join(captured.get().split())


def stream(messages_ms: Sequence[float] = EVENLY, **about: object) -> Take:
    return replace(
        Take(Asking("", ()), status=200, messages_ms=messages_ms, message="server-sent event", ended_ms=1000.0),
        **about,  # type: ignore[arg-type]
    )


def test_without_the_endpoint_itself_there_is_no_verdict() -> None:
    said = told(report(("curl", False, stream(HELD)), ("browser", False, stream(HELD))))
    assert "at the end: 10 server-sent events" in said
    assert "this is no verdict about a proxy" in said
    assert "lag of each message" not in said
    assert "2 requests made. Exit status 0" in said


def test_with_it_the_lag_of_each_message_is_told() -> None:
    takes = [(who, direct, stream(EVENLY if direct else HELD)) for who in PROFILES for direct in (False, True)]
    said = told(report(*takes, direct="http://c"))
    assert "curl: of 10 messages, 9 came more than 50.0 ms late, up to 900 ms." in said
    assert "0: +900 1: +800 2: +700" in said
    assert "Uncertain by 0.00 ms" in said
    assert "no verdict" not in said


def test_what_directly_differs_too_is_no_lag() -> None:
    slower = tuple(at * 1.5 for at in EVENLY)
    takes = [("curl", False, stream(slower)), ("curl", True, stream()), ("browser", True, stream(slower))]
    said = told(report(*takes, direct="http://c"))
    assert "none came more than 450 ms late" in said
    assert "Uncertain by 450 ms" in said


def test_a_machine_that_stood_still_makes_lags_uncertain() -> None:
    takes = [("curl", False, stream(stood_still_ms=300.0)), ("curl", True, stream()), ("browser", True, stream())]
    assert "Uncertain by 300 ms" in told(report(*takes, direct="http://c"))


def test_what_was_cut_before_its_time_has_no_lag() -> None:
    takes = [("curl", False, stream(cut="9 s were left", cut_by="budget")), ("curl", True, stream())]
    assert "more than" not in told(report(*takes, direct="http://c"))
    assert report(*takes, ("browser", True, stream()), direct="http://c").uncertainty_ms == 0
    assert (
        report(("curl", True, stream(cut_by="budget")), ("browser", True, stream()), direct="http://c").uncertainty_ms
        is None
    )


def test_one_direct_request_alone_tells_of_no_uncertainty() -> None:
    said = told(report(("curl", False, stream()), ("curl", True, stream()), direct="http://c"))
    assert "How sure that is nobody knows" in said


@pytest.mark.parametrize(
    ("take", "status", "words"),
    [
        (stream(), 0, "one by one"),
        (stream((1.0,)), 3, "no stream: one server-sent event"),
        (stream(()), 3, "nothing but a head"),
        (stream((), status=None, cut="30 s were over"), 3, "no answer: 30 s were over"),
        (stream((), status=None, fault="cannot connect: no"), 2, "cannot connect: no"),
        (stream((), status=401, words="no\n\nkey"), 2, "answered with 401: no key"),
        (stream((), status=404), 2, "answered with 404"),
        (stream((), status=429), 3, "answered with 429"),
        (stream((), status=503), 3, "answered with 503"),
        (
            stream((), status=307, headers=(("Location", "https://d/e?token=1"),)),
            2,
            "sent elsewhere (307): to https://d/e?",
        ),
        (stream(cut="30 s were over"), 0, "broken off from here: 30 s were over"),
        (stream(fault="the body broke off: why"), 1, "; the body broke off: why"),
    ],
)
def test_what_came_decides_the_exit_status(take: Take, status: int, words: str) -> None:
    one = report(("curl", False, take))
    assert one.exit_status == status
    assert words in told(one)
    assert f"Exit status {status}: " in told(one)


def test_who_does_not_listen_directly_is_a_mistake_too() -> None:
    takes = [("curl", False, stream()), ("curl", True, stream((), status=None, fault="cannot connect: no"))]
    assert report(*takes, direct="http://c").exit_status == 2


def test_an_interrupted_probe_tells_what_there_is() -> None:
    one = report(("curl", False, stream(cut="it was interrupted")))
    one.stopped = "it was interrupted"
    assert one.exit_status == 130
    assert "10 server-sent events" in told(one)
    assert "Exit status 130: interrupted." in told(one)


@pytest.mark.parametrize(
    ("takes", "words"),
    [
        ([("curl", "", HELD), ("browser", "budget", EVENLY)], "unknown: only one request had its time. browser was"),
        ([("curl", "", HELD), ("browser", "user", ())], "unknown: only one request had its time. browser was"),
        ([("curl", "", HELD), ("curl", "", HELD), ("browser", "budget", ())], "what curl ask for comes alike. browser"),
        ([("curl", "", HELD), ("browser", "time", EVENLY)], "Accept-Encoding (gzip instead of none): one by one"),
        ([("curl", "", HELD), ("browser", "size", EVENLY)], "Accept-Encoding (gzip instead of none): one by one"),
        ([("curl", "budget", EVENLY)], "unknown: only one request was made. What lies"),
    ],
)
def test_what_was_cut_before_its_time_is_told_and_held_against_no_other(
    takes: Sequence[tuple[str, CutBy, Sequence[float]]], words: str
) -> None:
    came = [(who, False, stream(at_ms, cut_by=by, cut="it was" if by else "")) for who, by, at_ms in takes]
    assert words in told(report(*came))
    cut_early = "was broken off before its time, so it is held against no other" in told(report(*came))
    assert cut_early is (len(came) > 1 and came[-1][2].cut_by in ("budget", "user"))


def test_no_request_at_all_is_told() -> None:
    one = report()
    assert one.exit_status == 3
    assert "0 requests made. Exit status 3" in told(one)


def test_the_document_for_programs_has_what_people_are_told_and_no_secret() -> None:
    secret = "s3cret-of-mine"
    takes = [(who, direct, stream(EVENLY if direct else HELD, words=secret)) for who in PROFILES for direct in (0, 1)]
    one = report(*takes, direct="http://c/?key=1", secrets=Secrets((("Authorization", secret),), None))  # type: ignore[arg-type]
    text = "".join(document.pieces(one))
    made = json.loads(text)
    assert secret not in text
    assert "key=1" not in text
    assert (made["url"], made["exit_status"], made["stopped"]) == ("https://a/b", 0, None)
    assert [(take["who"], take["direct"], take["how"]) for take in made["requests"]] == [
        (who, bool(direct), "one by one" if direct else "at the end") for who in PROFILES for direct in (0, 1)
    ]
    assert made["requests"][0]["messages_ms"] == list(HELD)
    assert made["lags"][0]["ms"] == [900.0 - 100 * number for number in range(10)]
    assert made["uncertainty_ms"] == 0.0


def test_an_answer_that_repeats_what_was_said_tells_nothing_of_it() -> None:
    secrets = Secrets(
        (("Authorization", "Bearer sk-123456"), ("X-Any", "whatever")),
        b'{"messages": [{"content": "my\\nown"}]}',
        "http://a/?key=abcd",
    )
    words = 'bad key sk-123456, whatever, of abcd: {"messages": [{"content": "my\\nown"}]} or Bearer sk-123456, my\nown'
    said = told(report(("curl", False, stream((), status=401, words=words)), secrets=secrets))
    assert [one for one in ("sk-123456", "whatever", "abcd", "my\\nown", "my own") if one in said] == []
    assert said.count(HIDDEN) >= 5
    assert "bad key" in said


@pytest.mark.parametrize(
    ("name", "hidden"), [("Cache-Control", False), ("ACCEPT", False), ("X-Mine", True), ("Cookie", True)]
)
def test_words_of_a_protocol_are_no_secrets(name: str, hidden: bool) -> None:
    said = Secrets(((name, "no-cache"),), None).hidden("an answer with no-cache of its own")
    assert (HIDDEN in said) is hidden


def test_what_was_said_is_known_where_an_answer_is_cut_and_as_json_writes_it() -> None:
    said = 'Tell "me" about\ncafés. ' * 400
    secrets = Secrets((), json.dumps({"prompt": said}).encode())
    for ascii_only in (True, False):
        echo = json.dumps({"got": said}, ensure_ascii=ascii_only)
        shown = told(report(("curl", False, stream((), status=422, words=echo[:4096])), secrets=secrets))
        assert "Tell" not in shown
        assert HIDDEN in shown


def test_a_url_is_told_without_its_query() -> None:
    assert shown_url("https://u:p@a:1/b?key=c#d") == "https://a:1/b?..."
    assert shown_url("https://a/b") == "https://a/b"


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_line_is_wider_than_the_screen_if_its_words_allow(width: int) -> None:
    console = Console(width=width, no_color=True)
    takes = [(who, direct, stream(EVENLY if direct else HELD)) for who in PROFILES for direct in (False, True)]
    with console.capture() as captured:
        console.print(report(*takes, direct="http://c"))
    assert max(map(len, captured.get().splitlines())) <= max(width, 40)
