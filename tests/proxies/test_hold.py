"""The hold rule, clause by clause, with byte strings and made-up instants; then its invariants, whatever comes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.proxies.emulator import Profile
from harness.proxies.hold import GZIP_WBITS, Heads, Hold, Policy, accepts_gzip, compresses, passes

MS = 1_000_000
SAID = {"about": "a hop", "claim": "it holds", "source": "somebody"}
PLAIN = Heads("GET", "gzip", 200, {"content-type": "text/event-stream"})


def heads(
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    accept_encoding: str = "gzip",
    status: int = 200,
) -> Heads:
    return Heads(method, accept_encoding, status, {"content-type": "text/event-stream", **(headers or {})})


def held(policy: Policy, *, of: Heads = PLAIN) -> Hold:
    return Hold(policy, of)


# ---------------------------------------------------------------- letting go


def test_without_parameters_everything_passes_at_once() -> None:
    hold = held(Policy())
    assert (hold.passes, hold.holds_head, hold.wake_ns) == (True, False, None)
    assert [hold.feed(b"a", 0), hold.feed(b"b", 1), hold.end()] == [b"a", b"b", b""]


def test_whole_buffers_go_and_the_rest_stays() -> None:
    hold = held(Policy(release_bytes=4))
    assert [hold.feed(b"abc", 0), hold.feed(b"d", 0), hold.feed(b"efghijklmn", 0)] == [b"", b"abcd", b"efghijkl"]
    assert hold.end() == b"mn"


def test_the_first_timer_counts_from_the_first_held_byte() -> None:
    hold = held(Policy(release_bytes=100, release_after_ms=10))
    assert hold.feed(b"a", 5 * MS) == b""
    assert hold.feed(b"b", 14 * MS) == b""
    assert hold.wake_ns == 15 * MS
    assert hold.tick(15 * MS - 1) == b""
    assert hold.tick(15 * MS) == b"ab"
    assert hold.wake_ns is None


def test_the_first_timer_starts_anew_with_what_a_full_buffer_leaves_over() -> None:
    hold = held(Policy(release_bytes=4, release_after_ms=10))
    hold.feed(b"abc", 0)
    assert hold.feed(b"de", 7 * MS) == b"abcd"
    assert hold.wake_ns == 17 * MS


def test_the_idle_timer_counts_from_the_last_byte() -> None:
    hold = held(Policy(release_bytes=100, idle_ms=10))
    hold.feed(b"a", 0)
    hold.feed(b"b", 9 * MS)
    assert hold.wake_ns == 19 * MS
    assert hold.tick(19 * MS) == b"ab"


def test_of_two_timers_the_earlier_acts() -> None:
    hold = held(Policy(release_bytes=100, idle_ms=10, release_after_ms=15))
    hold.feed(b"a", 0)
    assert hold.wake_ns == 10 * MS
    hold.feed(b"b", 9 * MS)
    assert hold.wake_ns == 15 * MS


def test_what_brings_no_byte_does_not_start_a_timer_anew() -> None:
    hold = held(Policy(release_bytes=100, idle_ms=10))
    hold.feed(b"a", 0)
    assert hold.feed(b"", 5 * MS) == b""
    assert hold.wake_ns == 10 * MS


def test_bytes_that_come_after_a_timer_do_not_join_what_it_lets_go() -> None:
    hold = held(Policy(release_bytes=4, idle_ms=10))
    hold.feed(b"abc", 0)
    assert hold.feed(b"de", 30 * MS) == b"abc"
    assert hold.wake_ns == 40 * MS


def test_a_full_buffer_stops_the_timers() -> None:
    hold = held(Policy(release_bytes=2, idle_ms=10))
    assert hold.feed(b"ab", 0) == b"ab"
    assert hold.wake_ns is None


def test_store_and_forward_waits_for_the_end() -> None:
    hold = held(Policy(store_and_forward=True))
    assert hold.holds_head
    assert hold.feed(b"a" * 100_000, 0) == b""
    assert hold.wake_ns is None
    assert hold.end() == b"a" * 100_000


@pytest.mark.parametrize("hold_head", [True, False])
def test_the_head_is_held_only_where_the_policy_says_so_and_bytes_are(hold_head: bool) -> None:
    policy = Policy(release_bytes=10, hold_head=hold_head, passing_content_types=["text/csv"])
    assert held(policy).holds_head is hold_head
    assert held(policy, of=heads({"content-type": "text/csv"})).holds_head is False


# ---------------------------------------------------------------- what switches the buffer off


def test_a_header_that_is_not_there_is_not_honoured_whatever_its_value_may_be() -> None:
    assert not passes(Policy(release_bytes=4, honoured_headers={"x-any": "*"}), heads())
    assert passes(Policy(release_bytes=4, honoured_headers={"x-any": "*"}), heads({"x-any": "1"}))


def test_a_response_without_a_content_type_is_of_none() -> None:
    assert not passes(Policy(release_bytes=4, passing_content_types=["?*"]), Heads("GET", "gzip", 200, {}))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"x-accel-buffering": "no"}, True),
        ({"x-accel-buffering": " No "}, True),
        ({"x-accel-buffering": "yes"}, False),
        ({"cache-control": "no-cache, no-transform"}, True),
        ({"cache-control": "no-cache"}, False),
    ],
)
def test_honoured_headers(headers: dict[str, str], expected: bool) -> None:
    policy = Policy(release_bytes=10, honoured_headers={"X-Accel-Buffering": "no", "cache-control": "no-trans*"})
    assert passes(policy, heads(headers)) is expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("application/grpc+proto", True),
        ("text/plain", False),
        ("", False),
    ],
)
def test_passing_content_types(content_type: str, expected: bool) -> None:
    policy = Policy(release_bytes=10, passing_content_types=["text/event-stream", "application/grpc*"])
    assert passes(policy, heads({"content-type": content_type})) is expected


def test_passing_methods() -> None:
    policy = Policy(store_and_forward=True, passing_methods=["POST"])
    assert [passes(policy, heads(method=method)) for method in ("GET", "POST")] == [False, True]


def test_passing_unsized() -> None:
    policy = Policy(release_bytes=10, passing_unsized=True)
    assert [passes(policy, heads()), passes(policy, heads({"content-length": "5"}))] == [True, False]


# ---------------------------------------------------------------- compression


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("deflate, br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.00", False),
        ("*", True),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("identity", False),
        ("gzip;q=nonsense", True),
        ("gzip;x=0", True),
        (";;,,", False),
    ],
)
def test_accept_encoding(accept_encoding: str, expected: bool) -> None:
    assert accepts_gzip(accept_encoding) is expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (heads(), True),
        (heads({"content-type": "application/json; charset=utf-8"}), True),
        (heads({"content-type": "application/problem+json"}), True),
        (heads({"content-type": "image/png"}), False),
        (heads({"cache-control": "no-cache, No-Transform"}), False),
        (heads({"content-encoding": "br"}), False),
        (heads({"content-encoding": "none"}), False),
        (heads({"content-encoding": "identity"}), True),
        (heads({"content-encoding": ""}), True),
        (heads(method="HEAD"), False),
        *[(heads(status=status), False) for status in (103, 199, 204, 304)],
        (heads(status=206), False),
        (heads(accept_encoding="identity"), False),
    ],
)
def test_compresses(response: Heads, expected: bool) -> None:
    assert compresses(Policy(compression="gzip"), response) is expected
    assert compresses(Policy(), response) is False


def test_a_compressor_without_flush_keeps_tokens_that_one_with_flush_gives_out() -> None:
    tokens = [b"data: token %d\n\n" % number for number in range(20)]
    for policy, at_once in ((Policy(compression="gzip"), False), (Policy(compression="gzip-flush"), True)):
        hold = held(policy)
        decoder = zlib.decompressobj(GZIP_WBITS)
        came = [decoder.decompress(hold.feed(token, 0)) for token in tokens]
        assert came == (tokens if at_once else [b""] * len(tokens))
        assert b"".join(came) + decoder.decompress(hold.end()) == b"".join(tokens)
        assert decoder.eof


def test_the_buffer_counts_compressed_bytes_and_switching_it_off_leaves_the_compressor_on() -> None:
    policy = Policy(release_bytes=4096, compression="gzip-flush", passing_content_types=["text/csv"])
    assert held(policy).feed(b" " * 100_000, 0) == b""
    passing = held(policy, of=heads({"content-type": "text/csv"}))
    assert passing.passes
    assert passing.compresses
    assert zlib.decompress(passing.feed(b" " * 10, 0) + passing.end(), GZIP_WBITS) == b" " * 10


# ---------------------------------------------------------------- contradictions


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"release_after_ms": 5}, "release_after_ms needs a buffer"),
        ({"idle_ms": 5}, "idle_ms needs a buffer"),
        ({"hold_head": True}, "hold_head needs a buffer"),
        ({"honoured_headers": {"x-accel-buffering": "no"}}, "honoured_headers needs a buffer"),
        ({"passing_unsized": True}, "passing_unsized needs a buffer"),
        ({"store_and_forward": True, "release_bytes": 5}, "release_bytes contradicts store_and_forward"),
        ({"store_and_forward": True, "idle_ms": 5}, "idle_ms contradicts store_and_forward"),
        ({"release_bytes": 0}, "release_bytes"),
        ({"release_bytes": True}, "release_bytes"),
        ({"release_bytes": 1, "idle_ms": -1}, "idle_ms"),
        ({"release_bytes": 1, "honoured_headers": {"x y": "no"}}, "honoured_headers"),
    ],
)
def test_contradictions_and_senseless_values_are_named(parameters: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Profile.model_validate({**parameters, **SAID})


def test_a_profile_may_say_all_that_a_policy_has_and_its_process_is_told_just_that() -> None:
    told: dict[str, Any] = {
        "release_bytes": 4,
        "release_after_ms": 10.0,
        "idle_ms": 5.0,
        "hold_head": True,
        "honoured_headers": {"x-accel-buffering": "no"},
        "passing_content_types": ["text/*"],
        "passing_methods": ["POST"],
        "passing_unsized": True,
        "compression": "gzip",
        "request_timeout_s": 2.5,
    }
    for parameters in ({}, {"store_and_forward": True}, told):
        policy = Profile.model_validate({**parameters, **SAID}).policy
        assert policy == Policy(**parameters) == Policy.from_json(policy.to_json())
        assert json.loads(policy.to_json()) == parameters
    assert told.keys() | {"store_and_forward"} == {one.name for one in fields(Policy)}


# ---------------------------------------------------------------- whatever comes

durations_ms = st.none() | st.integers(1, 50).map(float)
buffered = st.builds(
    Policy,
    release_bytes=st.integers(1, 64),
    release_after_ms=durations_ms,
    idle_ms=durations_ms,
    hold_head=st.booleans(),
    compression=st.sampled_from(["none", "gzip", "gzip-flush"]),
)
policies = buffered | st.builds(
    Policy, store_and_forward=st.just(True), compression=st.sampled_from(["none", "gzip", "gzip-flush"])
)
events = st.lists(st.tuples(st.integers(0, 60 * MS), st.none() | st.binary(max_size=200)), max_size=30)


@given(policies, events)
def test_no_byte_is_lost_or_duplicated_or_moved(policy: Policy, happenings: list[tuple[int, bytes | None]]) -> None:
    hold = held(policy)
    now_ns, went = 0, []
    for after_ns, data in happenings:
        now_ns += after_ns
        went.append(hold.tick(now_ns) if data is None else hold.feed(data, now_ns))
    went.append(hold.end())
    body = zlib.decompress(b"".join(went), GZIP_WBITS) if hold.compresses else b"".join(went)
    assert body == b"".join(data for _, data in happenings if data)
    assert (hold.tick(now_ns + 60 * MS), hold.wake_ns) == (b"", None)


@given(buffered, events)
def test_nothing_is_held_beyond_its_limits(policy: Policy, happenings: list[tuple[int, bytes | None]]) -> None:
    hold = held(replace(policy, compression="none"))
    now_ns, fed, gone, came_ns = 0, 0, 0, list[int]()
    for after_ns, data in happenings:
        now_ns += after_ns
        if data is None:
            gone += len(hold.tick(now_ns))
        else:
            came_ns += [now_ns] * len(data)
            fed += len(data)
            gone += len(hold.feed(data, now_ns))
        assert 0 <= fed - gone < (policy.release_bytes or 0)
        if fed > gone:
            if policy.release_after_ms:
                assert now_ns - came_ns[gone] < policy.release_after_ms * MS
            if policy.idle_ms:
                assert now_ns - came_ns[-1] < policy.idle_ms * MS
            assert (hold.wake_ns is not None) == bool(policy.release_after_ms or policy.idle_ms)
            assert hold.wake_ns is None or hold.wake_ns > now_ns


@given(events)
def test_a_passing_response_is_never_touched(happenings: list[tuple[int, bytes | None]]) -> None:
    hold = held(Policy(release_bytes=7, idle_ms=1, passing_content_types=["text/*"]))
    for at_ns, data in happenings:
        assert hold.feed(data or b"", at_ns) == (data or b"")
    assert hold.end() == b""
