"""What is asked of endpoints that are played, and which difference is named: the one that the endpoint goes by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.model import Method
from harness.probe.asking import Search, with_own
from harness.probe.takes import Asking, CutBy, Headers, How, Take

PROFILES: dict[str, Headers] = {
    "curl": (("User-Agent", "curl/8"), ("Accept", "*/*")),
    "browser": (
        ("User-Agent", "Mozilla"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, br"),
        ("Sec-Fetch-Mode", "cors"),
    ),
}
MESSAGES_MS: dict[How, tuple[float, ...]] = {"one by one": (1.0, 100.0, 200.0), "at the end": (200.0, 200.0, 200.0)}


EVENLY = tuple(float(at_ms) for at_ms in range(0, 1_000, 100))


def cut(asking: Asking, messages_ms: Sequence[float], cut_by: CutBy) -> Take:
    return Take(asking, status=200, messages_ms=messages_ms, cut="it was" if cut_by else "", cut_by=cut_by)


def said(asking: Asking, name: str) -> str:
    return dict(asking.headers).get(name, "")


def probed(answer: Callable[[Asking], How | int], **about: Any) -> Search:
    """Ask an endpoint that answers each request so, until nothing more is wanted."""
    search = Search(PROFILES, **about)
    while asking := search.next():
        how = answer(asking)
        status, messages_ms = (how, ()) if isinstance(how, int) else (200, MESSAGES_MS[how])
        search.takes.append(Take(asking, status=status, messages_ms=messages_ms, ended_ms=201.0))
    return search


def who(search: Search) -> list[str]:
    return [take.asking.who for take in search.takes]


def by(search: Search) -> str:
    finding = search.finding()
    assert finding
    return finding.by


def test_what_comes_alike_is_asked_for_once_by_each() -> None:
    search = probed(lambda asking: "one by one")
    assert who(search) == ["curl", "browser"]
    assert search.finding() is None


@pytest.mark.parametrize(
    ("messages_ms", "cut_by", "within_s"),
    [
        ((), "", 30.0),
        ((), "time", 10.0),  # it shows nothing in any case
        ((900.0,), "time", 10.0),
        ((14_000.0,), "time", 28.0),
        ((29_000.0,), "time", 30.0),
        (tuple(range(0, 30_000, 100)), "", 30.0),  # it has ended
        (tuple(range(0, 9_000, 100)), "size", 30.0),
        (tuple(range(0, 30_000, 100)), "time", 10.0),
        (tuple(range(6_000, 30_000, 100)), "time", 13.8),
        (tuple(range(0, 30_000, 1_000)), "time", 18.0),
        ((9_000.0,) * 500 + (18_000.0,) * 500, "time", 18.0),
        (tuple(range(0, 30_000, 10_000)), "time", 30.0),
    ],
)
def test_what_comes_after_one_that_did_not_end_takes_twice_what_that_took_to_show_itself(
    messages_ms: Sequence[float], cut_by: CutBy, within_s: float
) -> None:
    search = Search(PROFILES)
    asking = search.first[1]
    assert search.within_s(asking, 30.0) == 30.0
    search.takes.append(cut(search.first[0], messages_ms, cut_by))
    assert search.within_s(asking, 30.0) == pytest.approx(within_s)
    there = 30.0 if len(messages_ms) < 2 else within_s
    assert search.within_s(replace(asking, direct=True), 30.0) == pytest.approx(there)


@pytest.mark.parametrize(
    ("made", "through_s", "directly_s"),
    [
        ([(False, (), "time", 30.0)], 10.0, 30.0),  # where the endpoint itself listens it may stream
        ([(False, (), "time", 30.0), (True, EVENLY, "", 1.0)], 10.0, 30.0),
        ([(False, (), "time", 30.0), (True, EVENLY, "", 12.0)], 24.0, 30.0),  # held to the end, it takes as long
        ([(False, (), "time", 30.0), (True, EVENLY, "time", 30.0)], 10.0, 10.0),
        ([(False, (), "time", 30.0), (True, (), "time", 30.0)], 10.0, 10.0),
        ([(False, EVENLY, "", 14.0), (True, (), "time", 30.0)], 30.0, 28.0),
        ([(False, EVENLY, "", 1.0), (False, EVENLY, "size", 9.0)], 30.0, 30.0),
        ([(False, EVENLY, "size", 29.0), (False, (), "time", 30.0)], 10.0, 30.0),
    ],
)
def test_after_one_that_shows_nothing_others_take_twice_what_any_took_to_show_itself_where_that_was_asked(
    made: Sequence[tuple[bool, Sequence[float], CutBy, float]], through_s: float, directly_s: float
) -> None:
    search = Search(PROFILES, direct=True)
    for direct, messages_ms, cut_by, ended_s in made:
        take = cut(replace(search.first[0], direct=direct), messages_ms, cut_by)
        search.takes.append(replace(take, ended_ms=1e3 * ended_s))
    next_one = search.first[2]
    assert search.within_s(next_one, 30.0) == pytest.approx(through_s)
    assert search.within_s(replace(next_one, direct=True), 30.0) == pytest.approx(directly_s)


@pytest.mark.parametrize(
    ("made", "needs_s"),
    [
        ([], 0.0),
        ([("", 1_000.0)], 2.0),
        ([("", 20_000.0)], 30.0),
        ([("size", 1_000.0)], 2.0),  # another flood has come by then, too
        ([("size", 1_000.0), ("", 4_000.0)], 8.0),
        ([("time", 30_000.0)], 10.0),
        ([("", 1_000.0), ("time", 30_000.0)], 10.0),
        ([("", 1_000.0), ("budget", 9_000.0)], 30.0),
    ],
)
def test_another_request_is_likely_to_need_twice_as_long_as_those_that_were_not_cut_by_time(
    made: Sequence[tuple[CutBy, float]], needs_s: float
) -> None:
    search = Search(PROFILES)
    asking = search.first[1]
    search.takes += [replace(cut(search.first[0], EVENLY, cut_by), ended_ms=ended_ms) for cut_by, ended_ms in made]
    assert search.needs_s(asking, 30.0) == pytest.approx(needs_s)


def test_who_has_spent_what_all_requests_may_take_asks_no_more() -> None:
    search = Search(PROFILES)
    assert search.next()
    search.spent = "it is late"
    assert search.next() is None


def test_the_coding_that_makes_the_difference_is_named() -> None:
    search = probed(lambda asking: "at the end" if "br" in said(asking, "Accept-Encoding") else "one by one")
    assert by(search) == "Accept-Encoding (br instead of none)"
    assert who(search) == [
        *("curl", "browser", "curl", "browser"),
        *("curl + Accept-Encoding", "curl + Accept-Encoding: gzip", "curl + Accept-Encoding: br"),
    ]


def test_a_coding_that_is_found_ends_the_search() -> None:
    search = probed(lambda asking: "at the end" if "gzip" in said(asking, "Accept-Encoding") else "one by one")
    assert by(search) == "Accept-Encoding (gzip instead of none)"
    assert len(search.takes) == 6


def test_codings_that_only_together_make_it_are_named_together() -> None:
    search = probed(lambda asking: "at the end" if said(asking, "Accept-Encoding") == "gzip, br" else "one by one")
    assert by(search) == "Accept-Encoding (gzip, br instead of none)"


@pytest.mark.parametrize("name", ["User-Agent", "Sec-Fetch-Mode"])
def test_another_header_is_named_as_well(name: str) -> None:
    theirs = dict(PROFILES["browser"])[name]
    assert by(probed(lambda asking: "at the end" if said(asking, name) == theirs else "one by one")) == (
        f"the header {name}"
    )


def test_several_headers_that_do_it_together_are_not_named_one_by_one() -> None:
    search = probed(
        lambda asking: "at the end" if {"User-Agent", "Sec-Fetch-Mode"} <= _browsers(asking) else "one by one"
    )
    assert by(search) == ""


def _browsers(asking: Asking) -> set[str]:
    return {name for name, value in asking.headers if dict(PROFILES["browser"])[name] == value}


def test_the_http_version_is_named() -> None:
    search = probed(lambda asking: "at the end" if asking.http == "1.1" else "one by one", http2=True)
    assert by(search) == "HTTP version (2 instead of 1.1)"


@pytest.mark.parametrize("methods", [("GET", "POST"), ("POST", "GET")])
def test_the_method_is_named_if_both_were_asked_for(methods: Sequence[Method]) -> None:
    search = probed(lambda asking: "at the end" if asking.method == "GET" else "one by one", methods=methods)
    assert by(search) == f"method ({methods[1]} instead of {methods[0]})"


def test_who_answers_otherwise_when_asked_again_is_called_unsteady() -> None:
    answers = iter(["one by one", "at the end", "at the end", "at the end"])
    search = probed(lambda asking: next(answers))  # type: ignore[arg-type]
    finding = search.finding()
    assert finding
    assert finding.unsteady
    assert finding.by == ""
    assert len(search.takes) == 4


def test_a_refusal_of_one_is_a_difference() -> None:
    search = probed(lambda asking: "one by one" if said(asking, "User-Agent") == "Mozilla" else 403)
    assert by(search) == "the header User-Agent"


def test_of_refusals_alone_nothing_more_is_asked() -> None:
    assert len(probed(lambda asking: 401 if asking.who == "curl" else 403).takes) == 2


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5])
def test_no_more_requests_are_made_than_allowed(most: int) -> None:
    search = probed(lambda asking: "at the end" if said(asking, "Accept-Encoding") else "one by one", most=most)
    assert len(search.takes) == most
    search.finding()


def test_directly_the_same_is_asked_right_after() -> None:
    search = probed(lambda asking: "one by one", direct=True)
    assert [(take.asking.who, take.asking.direct) for take in search.takes] == [
        *(("curl", False), ("curl", True), ("browser", False), ("browser", True))
    ]


def test_what_comes_unlike_directly_is_no_difference_of_the_url() -> None:
    search = probed(
        lambda asking: "at the end" if asking.direct and asking.who == "browser" else "one by one", direct=True
    )
    assert search.finding() is None


def test_a_users_header_stands_for_that_of_whoever_is_played() -> None:
    own = (("accept-encoding", "br"), ("User-Agent", "mine"), ("X-Key", "k"), ("Accept", ""))
    assert with_own(PROFILES["browser"], own) == (
        *(("Sec-Fetch-Mode", "cors"), ("accept-encoding", "br"), ("User-Agent", "mine"), ("X-Key", "k")),
    )


def test_two_that_ask_alike_ask_once() -> None:
    own = tuple((name, "") for name, _ in PROFILES["browser"])
    assert who(probed(lambda asking: "one by one", own=own)) == ["curl"]
