"""What curl saw of a stream at its own pace is told in the words of the atlas."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks import shows
from benchmarks.by_hand import Event, Stream
from harness.errors import HarnessError
from harness.model import Result
from tests.reports.samples import cell, result

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


CHAINS = ("nginx:default", "caddy:plain")


@pytest.mark.parametrize(
    ("seen_of", "status", "said"),
    [
        ({"nginx:default": "one by one", "caddy:plain": "one by one"}, 0, "0 of 2 show otherwise\n"),
        ({"nginx:default": "in bursts", "caddy:plain": "one by one"}, 1, "1 of 2 show otherwise\n"),
        ({"caddy:plain": "one by one"}, 1, "0 of 1 show otherwise; not looked at: nginx:default\n"),
    ],
)
def test_what_shows_otherwise_or_was_not_looked_at_is_no_success(
    seen_of: dict[str, str], status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def shown(chain: str, cells: Sequence[Result]) -> list[str]:
        if chain not in seen_of:
            raise HarnessError("it does not start")
        return [seen_of[chain]] * len(cells)

    every = {chain: [result(cell(chain), "streamed")] for chain in CHAINS}
    monkeypatch.setattr(shows, "published", lambda globs: every)
    monkeypatch.setattr(shows, "shown", shown)
    monkeypatch.setattr(shows, "said", lambda result: "one by one")
    monkeypatch.setattr("sys.argv", ["shows"])
    assert shows.main() == status
    assert capsys.readouterr().out.endswith(said)


def test_a_glob_that_means_no_hop_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shows, "published", lambda globs: {})
    monkeypatch.setattr("sys.argv", ["shows", "nignx:*"])
    with pytest.raises(SystemExit, match="2"):
        shows.main()
