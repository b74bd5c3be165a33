"""What a chain is asked for: the path of the hop that has one, whoever stands in front of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import InputError
from harness.measure.bench import _in_front
from harness.model import Endpoint

PLAIN = Endpoint(1)
ASKED = Endpoint(2, asked="/api/chat")


@pytest.mark.parametrize(
    ("endpoint", "upstream", "asked"),
    [
        (PLAIN, PLAIN, ""),
        (PLAIN, ASKED, "/api/chat"),
        (ASKED, PLAIN, "/api/chat"),
        (replace(ASKED, asked="/x"), ASKED, "/x"),
    ],
)
def test_a_hop_is_asked_for_its_own_path_or_else_for_that_behind_it(
    endpoint: Endpoint, upstream: Endpoint, asked: str
) -> None:
    assert _in_front(endpoint, upstream, "proxy").asked == asked


def test_an_application_is_asked_by_the_paths_of_streams_only_whoever_stands_between() -> None:
    behind = _in_front(PLAIN, _in_front(PLAIN, PLAIN, "application"), "proxy")
    assert behind.knows_streams_only
    with pytest.raises(
        InputError, match="/api/chat is asked for, and an application behind it knows streams as /stream/N"
    ):
        _in_front(ASKED, behind, "proxy")
