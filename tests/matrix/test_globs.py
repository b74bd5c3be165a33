"""What is like a glob: a near id, for work that does not grow with the number of cells or of complaints."""

from __future__ import annotations

import difflib
from itertools import product

import pytest

from harness.documents.hops import FORMER
from harness.errors import InputError
from harness.matrix.globs import MAX_NEAR, MAX_PARTS, MAX_WORDS, TYPED, meant, near
from harness.matrix.reading import Known, parse
from harness.model import Cell, Hop
from tests.planning import REQUESTS

COMPARED_AT_MOST = MAX_WORDS * MAX_PARTS + MAX_NEAR


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that something was compared with."""
    seen: list[str] = []
    first = difflib.SequenceMatcher.set_seq1

    def counted(matcher: difflib.SequenceMatcher[str], text: str) -> None:
        seen.extend([text] if text else [])  # it starts from an empty one
        first(matcher, text)

    monkeypatch.setattr(difflib.SequenceMatcher, "set_seq1", counted)
    return seen


def ids(count: int, workloads: int) -> list[str]:
    chains = ("direct", "nginx:default", "nginx:gzip", "nextjs:dev>nginx:default")
    each = product(range(-(-count // (4 * workloads))), chains, range(workloads))
    return [f"{chain}/sse/chunked/curl/aiohttp/w{number}/fix-{fix}/lockstep" for fix, chain, number in each]


@pytest.mark.parametrize(
    "glob",
    [
        "nginx:defualt/*",
        "*",
        "",
        "nextjs:dev>nginx:defalut/*/w3/*",
        "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t",
        "y" * 5000,
    ],
)
@pytest.mark.parametrize(("count", "workloads"), [(4, 1), (400, 10), (20_000, 10), (20_000, 5_000)])
def test_few_texts_are_compared_however_many_cells_there_are(
    compared: list[str], glob: str, count: int, workloads: int
) -> None:
    assert "such as " in near(glob, ids(count, workloads))
    assert len(compared) <= min(COMPARED_AT_MOST, MAX_WORDS * (count + 20) + MAX_NEAR)
    assert len(compared) > 0


@pytest.mark.parametrize(
    ("glob", "meant"),
    [
        ("nginx:defualt*", "nginx:default/"),
        ("nginx:gzip/*/w77/*/lockstpe", "nginx:gzip/sse/chunked/curl/aiohttp/w77/"),
        ("nextjs:dev>nginx:defalut/*/w3/*", "nextjs:dev>nginx:default/sse/chunked/curl/aiohttp/w3/"),
        ("*/fix_12/*", "direct/sse/chunked/curl/aiohttp/w9/fix-12/"),
    ],
)
@pytest.mark.parametrize("count", [8_000, 20_000])
def test_what_was_misspelt_is_found_among_many(glob: str, meant: str, count: int) -> None:
    assert near(glob, ids(count, 100)).startswith(f"; a glob matches a whole id, such as {meant}")


def test_no_cell_is_asked_for_its_id_again_for_each_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Cell] = []
    of_cell = vars(Cell)["id"].fget

    def counted(cell: Cell) -> str:
        asked.append(cell)
        return str(of_cell(cell))

    monkeypatch.setattr(Cell, "id", property(counted))
    counts = []
    for rows in (1, 20):
        glob = "'drect/*'"
        claims = "".join(f"{{claim: c, cells: {glob}, verdict: streamed}}, " for _ in range(rows))
        expected = "".join(f"{{cells: {glob}, verdict: streamed, why: w}}, " for _ in range(rows))
        text = (
            "title: t\nworkloads: {a: {tokens: 24, token_bytes: 112}, b: {tokens: 30, token_bytes: 112}}\n"
            f"axes: {{chain: nginx:default, format: [sse, text], request: [curl, browser]}}\nexpect: [{expected}]\n"
            f"report: {{source: s, story: s, symptom: 'nginx:*', claims: [{claims}]}}\n"
        )
        asked.clear()
        known = Known({"nginx": ("default",)}, {"client": ("aiohttp",), "format": ("sse", "text")}, {}, REQUESTS)
        with pytest.raises(InputError):
            parse(text, "m.yaml", known)
        counts.append(len(asked))
    assert counts[0] == counts[1] > 0


# ---------------------------------------------------------------- what is typed

REST = "sse/chunked/curl/aiohttp/short/nginx-gzip-off@a/lockstep"
CHAINS = (
    "nginx:default@1.31",
    "nginx:default@1.22,docker:1.22-alpine",
    "nginx:default-x",
    "nginx:http11",
    "nginx:http11@1.22",
    "nextjs:dev@15.5>nginx:default@1.31",
    "emulator:gzip-flush",
    "nginx:default@1.31>emulator:gzip-flush",
    "cloudrun:default",
)


@pytest.mark.parametrize(
    ("glob", "chains"),
    [
        ("nginx:default", ["nginx:default@1.31", "nginx:default@1.22,docker:1.22-alpine"]),
        ("nginx:default/*", ["nginx:default@1.31", "nginx:default@1.22,docker:1.22-alpine"]),
        (f"nginx:default/{REST}", ["nginx:default@1.31", "nginx:default@1.22,docker:1.22-alpine"]),
        ("nginx:default@1.31", ["nginx:default@1.31"]),
        ("nginx:default@1.31/*", ["nginx:default@1.31"]),
        ("nginx:default@1.30", []),
        ("nginx:defaul", []),
        ("nginx:http11", ["nginx:http11"]),
        ("nginx:http11*", ["nginx:http11", "nginx:http11@1.22"]),
        ("nextjs:dev>nginx:default", ["nextjs:dev@15.5>nginx:default@1.31"]),
        ("nextjs:dev", []),
        ("cloudrun:gzip-flush", ["emulator:gzip-flush"]),
        ("cloudrun:gzip-flush/*", ["emulator:gzip-flush"]),
        ("cloudrun:gzip-*", ["emulator:gzip-flush"]),
        ("nginx:default>cloudrun:gzip-flush", ["nginx:default@1.31>emulator:gzip-flush"]),
        ("emulator:default", []),
        ("cloudrun:*", ["cloudrun:default"]),
        ("nginx-gzip-off", []),
        ("nginx-gzip-off@a", list(CHAINS)),
    ],
)
def test_a_typed_chain_is_meant_in_any_version_and_by_its_former_name_where_nothing_is_as_it_is_written(
    glob: str, chains: list[str]
) -> None:
    every = [f"{chain}/{REST}" for chain in CHAINS]
    assert [one.partition("/")[0] for one in filter(meant([glob], every), every)] == chains


@pytest.mark.parametrize("former", FORMER, ids=str)
def test_every_former_name_of_a_hop_is_understood(former: Hop) -> None:
    every = [f"{hop}/{REST}" for hop in FORMER.values()]
    for glob in (str(former), f"{former}/*", f"{former}/{REST}"):
        assert [*filter(meant([glob], every), every)] == [f"{FORMER[former]}/{REST}"]


def test_of_several_globs_each_is_meant_as_if_it_was_typed_alone() -> None:
    every = [f"{chain}/{REST}" for chain in CHAINS]
    both = meant(["nginx:http11", "nginx:default"], every)
    assert [*filter(both, every)] == [every[0], every[1], every[3]]
    assert not [*filter(meant([], every), every)]


def test_the_hint_about_a_typed_glob_says_what_help_says() -> None:
    assert near("nginx:defalut", ids(4, 1), TYPED).startswith(
        "; a glob matches a whole id, or a part of it, such as nginx:default/"
    )


@pytest.mark.parametrize("glob", ["nginx:gone@1.22.1", "nginx:gone@1.22.1/*", f"nginx:gone@1.22.1/{REST}"])
def test_what_only_an_older_file_has_is_meant_as_it_is_written_there(glob: str) -> None:
    every = [f"{chain}/{REST}" for chain in CHAINS]
    is_meant = meant([glob], every)
    assert is_meant(f"nginx:gone@1.22.1/{REST}")
    assert not is_meant(f"nginx:gone@1.23/{REST}")
