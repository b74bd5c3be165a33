"""How a config stands in chains: told so that a query that changes is another cell, and its secret stays one."""

from __future__ import annotations

import itertools

import pytest

from harness.baseline.standing import alike, said, told
from harness.model import HIDDEN, Deployment

LIVE, WHOLE = (said(told(Deployment(path=f"/chat?stream={value}", map=("app=app:80",)))) for value in ("true", "false"))
OLD = "path /chat?; map app=app:80"


def test_a_query_that_changes_is_another_cell_and_one_that_nobody_wrote_down_is_any() -> None:
    assert alike(LIVE, LIVE)
    assert not alike(LIVE, WHOLE)
    assert alike(OLD, LIVE)
    assert alike(WHOLE, OLD)
    assert not alike(OLD, said(told(Deployment(path="/chat", map=("app=app:80",)))))
    assert not alike(OLD, said(told(Deployment(path="/other?stream=true", map=("app=app:80",)))))
    assert not alike(OLD, "")


def test_many_queries_share_what_is_told_of_one() -> None:
    digests = [said(told(Deployment(path=f"/chat?key={number}"))) for number in range(50_000)]
    assert len(set(digests)) == 16**3, "so that nobody finds out by trying which it was"
    assert "key" not in digests[0]


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (Deployment(), ""),
        (Deployment(path="/chat"), "path /chat"),
        (Deployment(path=f"/chat?{HIDDEN}"), "path /chat?"),
        (Deployment(path="/chat?"), "path /chat?"),
        (Deployment(map=("a", "b"), server="shop:443", wish="/api"), "server shop:443; path /api; map a, b"),
    ],
)
def test_all_else_is_told_as_it_is(one: Deployment, words: str) -> None:
    assert said(told(one)) == words


def test_no_two_paths_are_one() -> None:
    paths = ["", "/", "/a", "/a?", "/b?x=1", "/b?x=2", "/a; map b"]
    for was, now in itertools.combinations(paths, 2):
        assert not alike(said(told(Deployment(path=was))), said(told(Deployment(path=now))))
