"""Every fact has its sentence, and a refused stream the words that help."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from harness.model import (
    FACTS,
    Expectation,
    Facts,
    HopKind,
    Place,
    Refusal,
    Remark,
    Result,
    Screen,
    ServedBy,
    StandIn,
    Start,
    TransportName,
    TurnedAway,
)
from harness.reports import RENDERERS, words
from harness.reports.notes import WITHOUT, notes, way_out
from tests.reports.reporting import told
from tests.reports.samples import EVERY_FACT, cell, result

THE_PATH = "the path that is asked for (/stream/N, unchanged, if none was given)"
NOT_THE_EMITTERS = f"this is not the emitter's answer, which {THE_PATH} has to reach: "
GATEWAY, API = Place("location /", "a.conf", 9), Place("location /api/", "a.conf", 3)


def moved(location: Place | None, begins: Place | None) -> ServedBy:
    return ServedBy("/a", True, Place("server :80", "a.conf", 1), location, hop="nginx", begins=begins)


REFUSED = Facts(hops=("proxy",), answered_by="hop", refusal=Refusal(404, 200))


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (Facts(), ()),
        (
            Facts(emulates=("A: it holds", "B: it passes"), applications=("It sends.",)),
            ("emulator: plays A: it holds", "emulator: plays B: it passes", "application, not a proxy: It sends."),
        ),
        (
            Facts(served_by=EVERY_FACT.served_by),
            (
                "nginx:shop: /api/ is served by location /api/ (nginx.conf:14) of server shop.example:443"
                " (nginx.conf:9)",
                "nginx:shop: no path was said; these pass requests on, too, and are not measured: location / "
                "(nginx.conf:20) (--path)",
            ),
        ),
        (
            Facts(served_by=(moved(GATEWAY, API), moved(None, API), moved(None, None))),
            (
                "nginx: /a is served by location / (a.conf:9), to which location /api/ (a.conf:3) moves it, of"
                " server :80 (a.conf:1)",
                "nginx: /a begins in location /api/ (a.conf:3) of server :80 (a.conf:1); which location passes it on"
                " is not known",
                "nginx: /a begins in no location of server :80 (a.conf:1); which location passes it on is not known",
            ),
        ),
        (
            Facts(remark=Remark("EventSource", rewritten=True), clock_uncertainty_ms=0.84),
            (
                "EventSource shows no bytes: its events were written anew as SSE, and padding is not counted",
                "clock: what the reader saw may be told up to 0.8 ms late",
            ),
        ),
        (
            Facts(remark=Remark("awk", printed_by="mawk 1.3.4 20200120", keeps_lines=True)),
            ("reader: what awk has printed counts, and mawk 1.3.4 20200120 keeps a line until more has come",),
        ),
        (
            Facts(remark=Remark("awk", printed_by="gawk 5.2.1", keeps_lines=False)),
            ("reader: what awk has printed counts, and gawk 5.2.1 hands over every line",),
        ),
        (
            Facts(remark=Remark("awk", printed_by="awk 20200816")),
            ("reader: what awk has printed counts, and awk 20200816 reads as it does",),
        ),
        (
            Facts(turned_away=TurnedAway(1, 503, "it"), beside_others="delayed"),
            (
                "refusal: a hop turned a stream away with status 503; asked again, alone and slowly, it let one "
                "through, which counts",
                "load: measured alone; beside other streams through its chain it was delayed",
            ),
        ),
        (
            Facts(turned_away=TurnedAway(4, None, "only its baseline")),
            (
                "refusal: a hop turned 4 streams away without an answer; asked again, alone and slowly, it let the "
                "baseline through, and never this",
            ),
        ),
        (Facts(screen=Screen(4, 300.6)), ("screen: 4 tokens that came over 301 ms were painted together",)),
        (
            Facts(stand_in=StandIn("aiohttp"), unguarded=True, sampled_after=5),
            (
                "control: read by aiohttp, as the emitter speaks HTTP/1.1 only",
                "guard: the chain answered no pulse; only the direct control stream guarded the patience",
                "lockstep: time was up after 5 tokens; the rest was sent without waiting",
            ),
        ),
        (
            Facts(start=Start(passed_bytes=8192), head_held=True, tail_tokens=2, late_tokens=1),
            (
                "head: it was held until tokens had been sent",
                "start: 8192 bytes passed before anything was held",
                "lateness: 1 token came late",
                "end: 2 tokens came only with it",
            ),
        ),
        (
            Facts(start=Start(held_bytes=1400)),
            ("start: 1400 bytes had been sent when the first token came; fewer may have done",),
        ),
        (
            Facts(stand_in=StandIn("curl", "awk")),
            ("control: read by curl, as awk may hold lines itself",),
        ),
        (
            Facts(remark=Remark("sed", printed_by="sed 4.9", keeps_lines=False), stand_in=StandIn("aiohttp", "sed")),
            (
                "reader: what sed has printed counts, and sed 4.9 hands over every line",
                "control: read by aiohttp, as sed may hold lines itself",
            ),
        ),
    ],
)
def test_each_fact_in_a_sentence(facts: Facts, said: tuple[str, ...]) -> None:
    assert notes(facts) == said


@pytest.mark.parametrize("name", FACTS)
def test_no_fact_goes_without_its_words(name: str) -> None:
    fact = replace(Facts(hops=("proxy",)), **{name: getattr(EVERY_FACT, name)})
    told = notes(fact) or name == "answered_by" or way_out(fact)  # who answered is told where that is no stream
    assert told


@pytest.mark.parametrize(
    ("hops", "logs"),
    [
        (("proxy",), "hop-1 in the cell's folder has the proxy's log"),
        (("emulator",), "hop-1 in the cell's folder has the proxy's log"),
        (("application",), "hop-1 in the cell's folder has the application's log"),
        (("proxy", "proxy"), "hop-1 to hop-2 in the cell's folder have the proxies' logs"),
        (
            ("proxy", "application", "proxy", "application"),
            "hop-1 to hop-4 in the cell's folder have the proxies' logs"
            ", hop-2 an application's, hop-4 an application's",
        ),
    ],
)
def test_a_hops_own_answer_comes_with_where_its_log_is(hops: tuple[HopKind, ...], logs: str) -> None:
    assert way_out(replace(REFUSED, hops=hops)) == NOT_THE_EMITTERS + logs


def test_the_emitters_own_refusal_and_a_direct_one_say_all_themselves() -> None:
    assert way_out(replace(REFUSED, answered_by="emitter")) == ""
    assert way_out(replace(REFUSED, hops=())) == ""
    assert way_out(replace(REFUSED, refusal=None)) == ""


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        (
            Refusal(404, 200, "http"),
            "an application that only serves a WebSocket answers so: ask it with `--format websocket`",
        ),
        (
            Refusal(403, 101, "websocket"),
            "an application that serves no WebSocket answers so: ask it for another format, or asgi:websocket for this",
        ),
    ],
)
def test_an_app_that_does_not_serve_a_transport_is_told_with_how_to_ask_it(refusal: Refusal, advice: str) -> None:
    assert way_out(replace(REFUSED, hops=("application",), refusal=refusal)) == advice


def test_each_transport_that_an_app_may_not_serve_has_its_words() -> None:
    assert WITHOUT.keys() == set(get_args(TransportName))


BROKEN = result(cell(), "broken", outcome="fail", reason="status 404 instead of 200: 404 Not Found", facts=REFUSED)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_refused_stream_says_in_every_report_where_to_look(renderer: str) -> None:
    text = " ".join(told(renderer, [BROKEN]).replace("&#x27;", "'").split())
    assert f"404 Not Found; {NOT_THE_EMITTERS}hop-1 in the cell's folder has the proxy's log" in text


def test_a_reason_that_is_about_something_else_gets_no_such_words() -> None:
    why = Expectation("*", "it must stream", verdict=("streamed",))
    missed = replace(BROKEN, reason="expected streamed, got broken: it must stream", expectation=why)
    blocked = replace(BROKEN, outcome="blocked", reason="its direct control is buffered: who knows")
    gone = replace(BROKEN, verdict=None, reason="was broken in x, is not in this run")
    others: list[Result] = [missed, blocked, gone, replace(BROKEN, facts=Facts())]
    assert [words.reason(one) for one in others] == [one.reason for one in others]
    shaky = replace(BROKEN, outcome="unstable", verdict="streamed", reason="first streamed (so), then broken (404)")
    assert words.reason(shaky).startswith("first streamed (so), then broken (404); this is not the emitter's")
