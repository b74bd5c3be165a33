"""What travels over the control connection comes out as it went in."""

from __future__ import annotations

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from harness.backends.base import Log
from harness.backends.control import dump_emission, dump_log, load_emission, load_log
from harness.model import Emission, Filler, Heartbeat, Recording, Sent, Workload, Write

milliseconds = st.floats(0, 1e6)
texts = st.text(st.characters(codec="utf-8"))
fillers = st.none() | st.builds(Filler, bytes=st.integers(1))
recordings = st.builds(
    Recording,
    headers=st.lists(st.tuples(texts, texts)).map(tuple),
    writes=st.lists(st.builds(Write, milliseconds, st.binary(), st.booleans())).map(tuple),
)
emissions = st.builds(
    Emission,
    workload=st.builds(Workload, interval_ms=milliseconds, recording=st.none() | recordings),
    headers=st.lists(st.tuples(texts, texts)).map(tuple),
    prelude=fillers,
    padding=fillers,
    heartbeat_ms=st.none() | milliseconds,
    delay_ms=st.none() | milliseconds,
    announced_tokens=st.none() | st.integers(1),
)
logs = st.builds(
    Log,
    sent=st.lists(st.builds(Sent)),
    heartbeats=st.lists(st.builds(Heartbeat)),
    headers=st.lists(st.tuples(texts, texts)),
)


@given(emissions)
def test_an_emission_comes_out_as_it_went_in_on_one_line(emission: Emission) -> None:
    line = dump_emission(emission)
    assert b"\n" not in line
    assert load_emission(line) == emission
    assert asdict(load_emission(line)) == asdict(emission), "a recording is itself, and not only called the same"
    assert hash(load_emission(line)) == hash(emission), "no list is left where a tuple was"


@given(logs)
def test_a_log_comes_out_as_it_went_in_on_one_line(log: Log) -> None:
    line = dump_log(log).encode()
    assert b"\n" not in line
    assert load_log(line) == log
