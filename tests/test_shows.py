"""What curl saw of a stream at its own pace is told in the words of the atlas."""

from __future__ import annotations

import pytest

from benchmarks import shows
from benchmarks.by_hand import Event, Stream

SENT = {number: 0.05 * number for number in range(20)}
END = 1.0


def came(**at: float) -> dict[int, float]:
    """Return when tokens came: 1 ms after they were sent, but for those that are named, as `t3`."""
    return {number: at.get(f"t{number}", sent + 0.001) for number, sent in SENT.items()}


@pytest.mark.parametrize(
    ("got", "manner"),
    [
        (came(), "one by one"),
        ({number: sent + 0.2 for number, sent in SENT.items()}, "one by one"),  # a lag
        (came(t0=0.05), "one by one"),  # a lone lump
        (came(t0=0.3, t1=0.3, t2=0.301), "in bursts"),
        (came(**{f"t{number}": 0.5 for number in range(10)}), "in bursts"),
        (came(**{f"t{number}": END for number in range(20)}), "at the end"),
        (came(**{f"t{number}": END for number in range(9, 20)}), "at the end"),
        (came(**{f"t{number}": 0.951 for number in range(1, 19)}), "at the end"),  # together with the last
        ({number: at for number, at in came().items() if number != 7}, "broken"),
    ],
)
def test_what_was_seen_has_the_name_that_the_atlas_gives_it(got: dict[int, float], manner: str) -> None:
    assert shows.seen(SENT, got, is_whole=True) == manner


def test_a_stream_that_is_not_whole_is_broken_whatever_came() -> None:
    assert shows.seen(SENT, came(), is_whole=False) == "broken"
    assert shows.seen({}, {}, is_whole=True) == "broken"


@pytest.mark.parametrize(
    ("head", "end", "manner"),
    [
        ("HTTP/1.1 200 OK | Server: x", "ends with status 0", "one by one"),
        ("HTTP/1.1 504 Gateway Time-out", "ends with status 0", "broken"),
        ("HTTP/1.1 200 OK", "ends with status 18", "broken"),
        ("curl: (7) refused", "ends with status 7", "broken"),
    ],
)
def test_what_server_and_curl_noted_is_read(head: str, end: str, manner: str) -> None:
    stream = Stream("sse", "chunked", 2, 100, 0.05)
    wrote = ["is asked GET", "writes the head, 9 bytes", "writes token 0, 100 bytes", "writes token 1, 100 bytes"]
    stream.events.extend(Event(number * 0.05, "server", what) for number, what in enumerate(wrote))
    said = [head, "gets 100 bytes: token 0", "gets 100 bytes: token 1", end]
    assert shows.read(stream, [Event(number * 0.05, "curl", what) for number, what in enumerate(said, 1)]) == manner
