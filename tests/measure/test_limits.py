"""How the time limits relate. One that is not as it should be is marked so, with what becomes of it, until it is."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.backends.emitter import Stream
from harness.clients import chromium_browser, chromium_channel, chromium_tab, curl
from harness.measure.limits import ASKED_S, BUSY_S, DEATH_S, EMITTER, LOSS_S, SILENCE_S, STALLED_S
from harness.measure.lockstep import Lockstep
from harness.model import Emission, Workload

TRIPS_S = 2 * STALLED_S
"""What the guard waits at most for the trips of one witness; there are two."""


def wrong(*relation: float, becomes: str) -> Any:
    """Return a relation that does not hold, and what becomes of that."""
    return pytest.param(*relation, marks=pytest.mark.xfail(reason=becomes, strict=True))


def abandoned_s(patience_ms: float) -> float:
    """Return how long the emitter waits for a grant of such a stream."""
    emission = Emission(Workload("w", tokens=2, token_bytes=100, patience_ms=patience_ms))
    return Stream(emission, lambda: None, EMITTER.abandoned_s)._abandoned_s


def silence_s(patience_ms: float) -> float:
    """Return how long a stream may be silent that is patient, on a machine that is awake."""
    workload = Workload("w", tokens=2, token_bytes=100, patience_ms=patience_ms)
    return Lockstep(workload, last_token_ends=False, patient=True).silence_ns / 1e9


BROWSER_S = 2 * chromium_browser.READY_S + 2 * chromium_tab.OPEN_S
"""What it takes at most to start a browser, to steer it, to open a page and to go where the stream is."""


@pytest.mark.parametrize(
    ("waits_s", "on_s"),
    [
        pytest.param(TRIPS_S, STALLED_S, id="a round trip and the pulse in it"),
        pytest.param(ASKED_S, STALLED_S, id="a request and a machine that stands still"),
        pytest.param(ASKED_S, BUSY_S, id="a request and the pulse before it at a serial proxy"),
        pytest.param(ASKED_S, BROWSER_S, id="a request and the browser that starts for it"),
        pytest.param(EMITTER.answer_s, EMITTER.look_s + EMITTER.ready_s, id="an announcement and the next emitter"),
        pytest.param(LOSS_S, EMITTER.death_s, id="the recorder and the backend's last words"),
        pytest.param(EMITTER.ready_s, DEATH_S, id="a start and the look at a death"),
        *(pytest.param(abandoned_s(ms), silence_s(ms), id=f"the emitter and {ms} ms") for ms in (1, 300, 5000, 19_999)),
    ],
)
def test_nothing_gives_up_before_that_on_which_it_waits(waits_s: float, on_s: float) -> None:
    assert waits_s > on_s


@pytest.mark.parametrize(
    ("waits_s", "on_s"),
    [
        wrong(abandoned_s(20_000), silence_s(20_000), becomes="a held token of a patience from 20 s on looks `broken`"),
        wrong(
            abandoned_s(300),
            silence_s(300) + 2 * TRIPS_S,
            becomes="a machine that stands still for a minute at a held token makes it `broken`",
        ),
        wrong(SILENCE_S, STALLED_S, becomes="a machine that stands still for 30 s at the end makes it `broken`"),
        wrong(curl.CONNECT_S, STALLED_S, becomes="a machine that stands still for 10 s at the start makes it `broken`"),
        wrong(
            ASKED_S,
            BROWSER_S + chromium_channel.ANSWER_S,
            becomes="a browser that hangs and is replaced slowly looks like a chain that does not ask",
        ),
    ],
)
def test_what_gives_up_too_early_today(waits_s: float, on_s: float) -> None:
    assert waits_s > on_s


NO_LIMITS = {"PERIOD_S", "BESIDE_S", "LINGER_S", "CLOSE_S"}
"""How often something happens, and what belongs to a protocol."""


@pytest.mark.parametrize("room", ["measure", "backends"])
def test_there_is_no_other_place_for_them(room: str) -> None:
    found = set[str]()
    for path in (Path(harness.__file__).parent / room).glob("*.py"):
        if path.name != "limits.py":
            named = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
            found |= {target.id for node in named for target in node.targets if isinstance(target, ast.Name)}
    assert {name for name in found if name.endswith("_S")} <= NO_LIMITS
