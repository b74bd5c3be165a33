"""The atlas: its page is what the committed run says, that is of the matrix as it is, and no proxy is missing in it."""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import archive, publish
from harness import session
from harness.claims import atlas
from harness.matrix.mitigations import is_detour, parse
from harness.model import Expectation, Result, chain_text
from harness.proxies.catalog import PROXIES
from harness.reports import summary
from harness.store.runs import Run
from tests.sampling import some_of

MATRIX = publish.ROOT / "configs/matrices/atlas.yaml"
PLAYED = {"emulator", "cloudrun"}
"""What plays others says nothing of them."""
MEASURED = sorted({*PROXIES} - PLAYED)
CELLS = 25
"""So many at least of every proxy."""
UNSOURCED = {
    "A control has nothing in it that could hold a token.": "direct runs nobody's code",
    "Without the proxy there is nothing left to hold a token.": "bypass-proxy runs nobody's code either",
}
"""Mechanisms without a line of source, and why there can be none."""


@functools.cache
def matrix() -> session.Job:
    return session.load("atlas")


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with archive.head(publish.ATLAS_RUN) as run:
        yield run


def test_the_page_is_what_the_committed_run_says(run: Run) -> None:
    assert publish.ATLAS_PAGE.read_text(encoding="utf-8") == publish.atlas_page(run), (
        "python -m benchmarks.publish atlas RUN"
    )


def test_the_committed_run_is_whole_of_the_matrix_as_it_is_and_as_expected(run: Run) -> None:
    assert run.info.finished_at
    assert run.info.matrix_text == MATRIX.read_text(encoding="utf-8")
    assert len(run.results) == len(matrix().cells)
    told = {result.id for result in run.results if result.outcome in atlas.JUDGED}
    fixed = {result.id for result in run.results if result.outcome == "too short" and result.cell.body == "length"}
    assert [result.id for result in run.results if result.id not in told | fixed] == [], "a busy machine made it"
    assert summary.exit_status(run.info, run.results) == 0


@pytest.mark.parametrize("published", ["atlas", "default"])
def test_it_names_no_path_of_the_machine_it_was_measured_on(run: Run, published: str) -> None:
    folder = run.folder if published == "atlas" else publish.RECORDS
    for name in archive.RECORDS:
        text = (folder / name).read_text(encoding="utf-8")
        assert [root for root in ("/home/", "/root/", "/tmp/", "/work/", "/Users/") if f'"{root}' in text] == []


@pytest.mark.parametrize("proxy", MEASURED)
def test_every_variant_of_every_proxy_is_in_it(proxy: str) -> None:
    hops = Counter(hop for cell in matrix().cells for hop in cell.chain if hop.proxy == proxy)
    assert {*session.variants(proxy)} - {hop.variant for hop in hops} == set()
    assert hops.total() >= CELLS


def test_every_mechanism_names_its_line_of_source() -> None:
    said = {one.why for one in matrix().matrix.expectations}
    assert sorted(why for why in said if not atlas.SOURCE.search(why)) == sorted(UNSOURCED)


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("It asks in HTTP/1.0 (nginx/nginx@release-1.22.1:src/http/proxy.c:38).", False),
        ("It asks in HTTP/1.0 (https://nginx.org/en/docs/http/ngx_http_proxy_module.html).", True),
    ],
)
def test_a_mechanism_without_a_line_of_source_is_told_as_not_explained(run: Run, why: str, told: bool) -> None:
    held = next(one for one in run.results if one.id.startswith("nginx:http10/"))
    page = atlas.page(run.info, [replace(held, expectation=Expectation("nginx:*", why))])
    assert ("Which line of source does it is not explained." in page) == told


def test_a_source_stands_apart_from_the_words_around_it(run: Run) -> None:
    why = "It asks as a/b@1:c/d.c:3 does, with the port of a/b@1:c/e.c:4."
    held = next(one for one in run.results if one.id.startswith("nginx:http10/"))
    page = atlas.page(run.info, [replace(held, expectation=Expectation("nginx:*", why))])
    link = "[`{0}` of a/b 1](https://github.com/a/b/blob/1/c/{1})"
    first, second = link.format("d.c:3", "d.c#L3"), link.format("e.c:4", "e.c#L4")
    assert f"It asks as {first} does, with the port of {second}.\n" in page


def test_whatever_mends_a_variant_within_the_chain_is_a_mitigation_that_is_shipped_or_several(run: Run) -> None:
    """So that a diagnosis can find it: not only one that the matrix of the atlas has for itself."""
    file = publish.ROOT / "configs/mitigations.yaml"
    shipped = parse(file.read_text(encoding="utf-8"), str(file))
    mended = defaultdict[str, set[bool]](set)
    for one in run.results:
        known = all(name in shipped for name in one.cell.mitigations)
        around = any(is_detour(matrix().matrix.catalogue[name], one.cell.format) for name in one.cell.mitigations)
        if one.effect == "defeats" and not around:
            mended[chain_text(one.cell.chain)].add(known)
    assert len(mended) > 50, "else none would be looked at"
    assert [chain for chain, known in mended.items() if True not in known] == []


def anchors(file: Path) -> set[str]:
    """Return what leads to the headings of a page, as GitHub makes it of them."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_that_is_linked_is_there() -> None:
    linked = set(re.findall(r"\]\(((?!https?:|#)[^)]+)\)", publish.ATLAS_PAGE.read_text(encoding="utf-8")))
    assert linked
    files = {link: publish.DOCS / link.partition("#")[0] for link in sorted(linked)}
    assert [link for link, file in files.items() if not file.is_file()] == []
    assert [link for link, file in files.items() if "#" in link and link.partition("#")[2] not in anchors(file)] == []


@pytest.mark.parametrize("chapter", [path.stem for path in sorted((publish.DOCS / "proxies").glob("*.md"))])
def test_every_page_by_hand_is_linked(chapter: str) -> None:
    assert f"(proxies/{chapter}.md)" in publish.ATLAS_PAGE.read_text(encoding="utf-8")


def told(result: Result) -> tuple[object, ...]:
    return result.verdict, result.outcome, result.effect, result.release, result.shows, result.reason


@some_of("proxy", MEASURED, each=12)
def test_every_cell_is_judged_by_its_committed_traces_as_the_page_says(run: Run, tmp_path: Path, proxy: str) -> None:
    of_it = [one for one in run.results if proxy in (hop.proxy for hop in one.cell.chain)]
    needed = {id for one in of_it for id in (one.id, one.baseline_id, one.control_id) if id}
    unpacked = archive.unpack(publish.ATLAS_RUN, tmp_path, only=needed)
    asked = [one for one in unpacked.results if one.id in needed]
    assert len(of_it) >= CELLS
    assert list(map(told, session.rejudged(Run(tmp_path, unpacked.info, asked)))) == list(map(told, asked))
