"""How the limits of a measurement relate, and that there is no other place for them."""

from __future__ import annotations

import ast
import itertools
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

import harness
from harness.clients import CLIENTS
from harness.clients import limits as clients_limits
from harness.clients.limits import ANSWER_S, BROWSER_S, CONNECT_S, OPEN_S, READY_S, STALLED_S
from harness.judge.rules import LONGER, SPAN_BYTES, SPAN_MS, TIME_MS
from harness.measure import limits
from harness.measure.limits import (
    AWAKE_S,
    BUSY_S,
    CONVERSATION_SILENCE_S,
    DEATH_S,
    EMITTER,
    LOSS_S,
    REACHED_S,
    READER_TRIPS,
    RESTS_S,
    SILENCE_S,
    TRIPS_S,
    Bounds,
)
from harness.measure.lockstep import CONVERSATION_BYTES
from harness.model import Emission, Filler, Workload

LOAD = Workload("w", tokens=24, token_bytes=112, interval_ms=50)
STREAM = Bounds.of(Emission(LOAD), CONNECT_S)
PACED = Bounds.of(Emission(LOAD, pace="paced"), CONNECT_S)
"""What one stream may take, in lockstep and paced."""


@pytest.mark.parametrize(
    ("waits_s", "on_s"),
    [
        pytest.param(TRIPS_S, STALLED_S, id="a round trip and the pulse in it"),
        pytest.param(AWAKE_S, 2 * TRIPS_S, id="what finds out who is awake and both its witnesses"),
        pytest.param(AWAKE_S, READER_TRIPS * ANSWER_S, id="what finds out who is awake and the reader"),
        pytest.param(CONNECT_S, STALLED_S, id="a connection and a machine that stands still"),
        pytest.param(ANSWER_S, STALLED_S, id="a page that is asked and a machine that stands still"),
        pytest.param(READY_S, STALLED_S, id="the start of a browser and a machine that stands still"),
        pytest.param(OPEN_S, CONNECT_S, id="a page and its call"),
        pytest.param(BROWSER_S, 2 * READY_S + 2 * OPEN_S + ANSWER_S, id="a browser and the one that hung before it"),
        pytest.param(REACHED_S, STALLED_S, id="a request and a machine that stands still"),
        pytest.param(REACHED_S, BUSY_S, id="a request and the pulse before it at a serial proxy"),
        pytest.param(EMITTER.answer_s, EMITTER.look_s + EMITTER.ready_s, id="an announcement and the next emitter"),
        pytest.param(LOSS_S, EMITTER.death_s, id="the recorder and the backend's last words"),
        pytest.param(EMITTER.ready_s, DEATH_S, id="a start and the look at a death"),
        pytest.param(EMITTER.abandoned_s, CONVERSATION_SILENCE_S + AWAKE_S, id="the emitter and the conversation"),
        pytest.param(CONVERSATION_SILENCE_S, TIME_MS * LONGER / 1e3, id="a conversation and a token after a long hold"),
        pytest.param(CONVERSATION_SILENCE_S, SPAN_MS / 1e3, id="a conversation and what is sent with a delay"),
        pytest.param(SILENCE_S, CONVERSATION_SILENCE_S, id="the end and a hop that ends as late as it lets go"),
        *(
            pytest.param(Bounds.of(Emission(LOAD), client().asks_within_s).asked_s, client().asks_within_s, id=name)
            for name, client in CLIENTS.items()
        ),
        pytest.param(CLIENTS["chromium"]().asks_within_s, BROWSER_S - 1, id="a stream and the browser that starts"),
        pytest.param(
            STREAM.deadline_s,
            STREAM.asked_s + CONVERSATION_SILENCE_S + SILENCE_S + AWAKE_S,
            id="a stream and its parts",
        ),
        pytest.param(PACED.deadline_s, PACED.asked_s + 24 * 0.05 + SILENCE_S, id="a paced stream and its parts"),
    ],
)
def test_nothing_gives_up_before_that_on_which_it_waits(waits_s: float, on_s: float) -> None:
    assert waits_s > on_s


@pytest.mark.parametrize(
    ("emission", "sent_bytes"),
    [
        (Emission(LOAD), 24 * 112 + CONVERSATION_BYTES),
        (Emission(replace(LOAD, tokens=3, token_bytes=3_000_000)), 9_000_000 + CONVERSATION_BYTES),
        (Emission(LOAD, padding=Filler(2048), prelude=Filler(65_536)), 65_536 + 24 * 2160 + CONVERSATION_BYTES),
        (Emission(LOAD, heartbeat_ms=1), 24 * 112 + CONVERSATION_BYTES + 13 * 1000 * round(CONVERSATION_SILENCE_S)),
        (Emission(replace(LOAD, tokens=100_000), pace="paced"), 100_000 * 112),
    ],
)
def test_all_that_may_be_sent_may_come_twice_over_and_the_workload_byte_by_byte(
    emission: Emission, sent_bytes: int
) -> None:
    bounds = Bounds.of(emission, CONNECT_S)
    assert bounds.body_bytes >= 2 * sent_bytes
    assert bounds.reads > min(emission.workload.tokens * emission.workload.token_bytes, 2**19)


def test_what_a_stream_keeps_in_memory_is_bounded_by_what_it_emits_and_little_more() -> None:
    assert STREAM.body_bytes < 10 * 2**20
    assert SPAN_BYTES < STREAM.reads < SPAN_BYTES + 100_000, "a hold may come in pieces of a byte"


def test_each_rest_gives_back_more_than_twice_what_the_one_before_did() -> None:
    assert all(later_s > 2 * before_s for before_s, later_s in itertools.pairwise(RESTS_S))


NO_LIMITS = {"PERIOD_S", "BESIDE_S", "LINGER_S", "CLOSE_S", "LEAST_LOOK_S", "LOOK_S", "SAY_S"}
"""How often something happens, and what belongs to a protocol."""


@pytest.mark.parametrize("room", ["measure", "backends", "clients"])
def test_there_is_no_other_place_for_them(room: str) -> None:
    found = set[str]()
    for path in (Path(harness.__file__).parent / room).glob("*.py"):
        if path.name != "limits.py":
            named = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
            found |= {target.id for node in named for target in node.targets if isinstance(target, ast.Name)}
    assert {name for name in found if name.endswith("_S")} <= NO_LIMITS


PARTS = {"CLOSE_S", "LAST_WORDS_S", "LAST_FRAME_S", "CONVERSATION_S", "TOKEN_S", "RESTS_S"}
"""On which nothing waits that could give up, and what is only there to be added up."""


@pytest.mark.parametrize("module", [limits, clients_limits])
def test_every_limit_is_held_here(module: ModuleType) -> None:
    assert {name for name in vars(module) if name.endswith("_S")} <= globals().keys() | PARTS
