"""The page of proxies: whom a variant holds, what mends it, which versions differ, and where a mechanism ends."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from harness.claims import atlas
from harness.model import Effect, Expectation, Facts, Hop, Result, Shows, Start, Verdict
from tests.reports.samples import CATALOGUE, LONG, SHORT, cell, result, run_info
from tests.reports.test_documents import EVIL, unescaped_pipes

NO_FACTS = Facts()
PINNED = "wsgi@hypercorn,hypercorn==0.14"


def of(
    chain: str,
    verdict: Verdict,
    *mitigations: str,
    effect: Effect | None = None,
    why: str = "",
    facts: Facts = NO_FACTS,
    **others: Any,
) -> Result:
    """Return a result, expected for a reason if one is given."""
    expectation = Expectation(f"{chain}/*", why) if why else None
    return result(cell(chain, *mitigations, **others), verdict, effect, expectation=expectation, facts=facts)


def page(*results: Result) -> str:
    return atlas.page(run_info(cells=len(results)), results)


HELD = of("nginx:http10", "coalesced")


# ---------------------------------------------------------------- as it comes

EVERY = [
    of("nginx:x", "streamed", request=request, format=told, body=body, workload=workload)
    for request in ("curl", "browser")
    for told in ("sse", "ndjson")
    for body in ("chunked", "length")
    for workload in (SHORT, LONG)
]


@pytest.mark.parametrize(
    ("held", "layers", "told"), [(1, 3, "streams, but:<br>coalesced"), (1, 2, "coalesced"), (2, 2, "coalesced")]
)
def test_what_holds_less_than_half_of_what_was_asked_streams_but_for_that(held: int, layers: int, told: str) -> None:
    results = [replace(one, verdict="coalesced") for one in EVERY[:held]] + EVERY[held:layers]
    said = page(*results)
    assert f" | `x` | {told} | " in said
    assert "Stream whatever was asked" not in said


def test_where_something_else_was_seen_by_hand_the_summary_leads_there() -> None:
    other = of("nginx:calm", "buffered")
    told = atlas.page(run_info(), [HELD, other], [HELD.id])
    both = atlas.page(run_info(), [HELD, of("nginx:http10", "buffered", request="browser"), other], [HELD.id])
    assert both.count("by hand otherwise") == told.count("by hand otherwise"), "of some of its cells is enough"
    (line,) = (line for line in told.splitlines() if "by hand otherwise" in line)
    assert "`http10` | coalesced<br>[by hand otherwise](confirmed.md#what-contradicts-the-atlas) |" in line


def test_a_chapter_draws_what_holds_and_answers_for_that_on_which_something_was_tried() -> None:
    said = page(
        of("nginx:calm", "streamed"),
        of("nginx:tried", "buffered"),
        of("nginx:tried", "streamed", "no-cache", effect="defeats"),
        of("nginx:untried", "buffered"),
    )
    _, block, _ = said.split("```")
    answered = [line.split(" ")[1] for line in said.splitlines() if line.startswith("| `nginx:")]
    assert [name for name in ("calm", "tried", "untried") if f"nginx:{name}" in block] == ["tried", "untried"]
    assert answered == ["`nginx:tried`"]
    assert "```" not in page(of("nginx:calm", "streamed"))


def test_whose_head_waits_is_told_and_what_frees_it() -> None:
    waits = Facts(head_held=True)
    told = page(
        of("h2o:a", "streamed", facts=waits),
        of("h2o:a", "streamed", "first-comment", facts=Facts(head_held=False)),
        of("h2o:b", "streamed", facts=waits),
        of("h2o:b", "streamed", "first-comment", facts=waits),
        of("h2o:c", "streamed", facts=Facts(head_held=False)),
        of("h2o:d", "buffered", facts=waits),
    )
    assert "The head waits for the first token, though tokens stream: `h2o:a`, `h2o:b`. A comment" in told
    assert "lets it go at once through `h2o:a`." in told
    assert "tokens stream: `h2o:b`.\n" in page(of("h2o:b", "streamed", facts=waits))
    assert "The head waits" not in page(HELD)


def test_who_cuts_a_stream_that_pauses_does_not_stream_whatever_was_asked() -> None:
    told = page(
        of("h2o:a", "streamed"),
        of("h2o:a", "broken", "pause-1500ms"),
        of("h2o:a", "streamed", "heartbeat", "pause-1500ms"),
        of("h2o:a", "delayed", "no-cache", "pause-1500ms"),
        of("h2o:a", "streamed", "x-accel-buffering"),
        of("h2o:a", "broken", "websocket-instead", request="browser"),
        of("h2o:b", "streamed"),
    )
    assert "| `a` | streams, but is cut | with `pause-1500ms` |  | `heartbeat` |" in told
    assert "Stream whatever was asked: `h2o:b`." in told
    assert "| **[h2o](#h2o)** | `b` | streams | " in told


# ---------------------------------------------------------------- versions


def test_cells_that_differ_by_version_are_told_and_the_others_counted() -> None:
    told = page(
        of("caddy:encode@2.8", "coalesced"),
        of("caddy:encode@2.9", "streamed"),
        of("caddy:encode@2.8", "streamed", request="browser"),
        of("caddy:encode@2.9", "streamed", request="browser"),
        of("caddy:plain@2.9", "streamed"),
    )
    assert "| `caddy:encode/sse/chunked/curl/aiohttp/short/none/lockstep` | 2.8: coalesced<br>2.9: streamed |" in told
    assert "No mechanism is given here" not in told
    assert "1 of 2 cells that several versions were asked came out alike in all." in told
    assert "several versions" not in page(HELD)


def test_versions_do_not_differ_by_what_is_computed_of_an_upper_bound() -> None:
    shows = (Shows("at the end", 1, 900.0, seen=False), Shows("in bursts", 1, 300.0, seen=False))
    starts = (Facts(start=Start(held_bytes=held)) for held in (3696, 1904))
    told = page(
        *(
            replace(of(f"caddy:encode@{version}", "streamed", facts=facts), shows=shown)
            for version, facts, shown in zip(("2.8", "2.9"), starts, shows, strict=True)
        )
    )
    assert "1 of 1 cell that several versions were asked came out alike in all." in told


def test_a_version_is_told_as_what_ran_has_it_without_where_that_came_from() -> None:
    old, new = of("caddy:plain@2.8", "coalesced"), of("caddy:plain@2.9", "streamed")
    told = page(replace(old, versions={"caddy@2.8": "2.8.4 (a wheel)"}), replace(new, versions={}))
    assert " | 2.8.4: coalesced<br>2.9: streamed |" in told


def test_a_pinned_package_is_a_version_too() -> None:
    old = replace(of("wsgi:plain@hypercorn,hypercorn==0.14", "buffered"), versions={PINNED: "hypercorn 0.14, flask 3"})
    new = replace(of("wsgi:plain@hypercorn", "streamed"), versions={"wsgi@hypercorn": "hypercorn 0.18, flask 3"})
    told = page(old, new)
    assert "`wsgi:plain@hypercorn/sse/chunked/curl/aiohttp/short/none/lockstep` | hypercorn 0.14: buffered<br>" in told
    assert "| `wsgi@hypercorn,hypercorn==0.14` | hypercorn 0.14, flask 3 | 1 |" in told


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("2.2 (apt h2o 2.2-7)", "2 cells, all of 2.2 (apt h2o 2.2-7), the only one in this release of Debian's."),
        ("8.3 (npm h2o 8.3)", "2 cells, all of 8.3 (npm h2o 8.3); no other version was measured."),
    ],
)
def test_where_one_version_was_measured_it_says_whether_there_is_another(version: str, told: str) -> None:
    around = of("h2o:a", "streamed", "bypass-proxy")  # which runs no proxy
    assert told in page(replace(of("h2o:a", "buffered"), versions={"h2o": version}), around)


def test_packages_that_apps_run_on_are_told_once() -> None:
    told = page(
        replace(of("asgi:a", "streamed"), versions={"asgi": "uvicorn 1, fastapi 2"}),
        replace(of("asgi:b", "streamed"), versions={"asgi": "uvicorn 1, starlette 3"}),
    )
    assert "2 cells, all of uvicorn 1, fastapi 2, starlette 3; " in told


def test_only_clients_are_told_at_the_end_for_chapters_tell_all_else() -> None:
    info = replace(run_info(), versions={"aiohttp": "3.14", "nginx": "1.31", "nginx@1.22": "1.22"})
    told = atlas.page(info, [of("nginx:a", "streamed"), of("nginx:a@1.22", "streamed")])
    assert "with aiohttp 3.14." in told


# ---------------------------------------------------------------- mechanisms

WHY = "It asks in HTTP/1.0 (nginx/nginx@release-1.22.1:src/http/proxy.c:38) or so (npm/next@16.4:dist/a.js:3)."


def test_the_sources_of_a_mechanism_are_links() -> None:
    told = page(of("nginx:http10", "coalesced", why=WHY))
    proxy = "https://github.com/nginx/nginx/blob/release-1.22.1/src/http/proxy.c#L38"
    links = (
        f"[`proxy.c:38` of nginx/nginx release-1.22.1]({proxy})",
        "[`a.js:3` of npm/next 16.4](https://unpkg.com/next@16.4/dist/a.js)",
    )
    assert f"coalesced): It asks in HTTP/1.0 ({links[0]}) or so ({links[1]}).\n" in told


def test_a_commit_is_told_by_its_first_dozen_digits() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    told = page(of("nginx:http10", "coalesced", why=f"So it is (nginx/nginx@{commit}:a.c:3)."))
    assert f"[`a.c:3` of nginx/nginx 0123456789ab](https://github.com/nginx/nginx/blob/{commit}/a.c#L3)" in told


def test_where_a_mechanism_ends_is_told_by_what_differs_and_never_by_a_way_around() -> None:
    catalogue = {**CATALOGUE, "bypass-proxy": replace(CATALOGUE["bypass-proxy"], chain="direct")}
    mine = of("nginx:http10", "coalesced", why=WHY)
    around, mended = (of("nginx:http10", "streamed", name) for name in ("bypass-proxy", "no-cache"))
    far = of("nginx:off", "streamed", request="browser")
    told = atlas.page(run_info(mitigations=catalogue), [mine, around, mended, far])
    assert f"Another mitigation: `{mine.id}` coalesced,\n  `{mended.id}` streamed.\n" in told
    assert "Another chain and request: " in atlas.page(run_info(mitigations=catalogue), [mine, around, far])
    assert "Another" not in page(mine)


def test_a_variant_for_which_no_mechanism_is_given_is_named() -> None:
    told = page(of("nginx:a", "buffered"), of("nginx:b", "buffered", why=WHY), of("nginx:c", "streamed"))
    assert "- No mechanism is given here for `nginx:a`, `nginx:c`.\n" in told
    assert "No mechanism" not in page(of("nginx:b", "buffered", why=WHY))


@pytest.mark.parametrize(
    ("source", "link"),
    [
        ("a/b@1.2:c/d.py:3", "https://github.com/a/b/blob/1.2/c/d.py#L3"),
        ("npm/@fastify/compress@9.2.0:index.js:341", "https://unpkg.com/@fastify/compress@9.2.0/index.js"),
        (
            "capnproto/capnproto@2c27:c++/src/kj/gzip.c++:252",
            "https://github.com/capnproto/capnproto/blob/2c27/c++/src/kj/gzip.c++#L252",
        ),
    ],
)
def test_a_source_is_linked_wherever_it_is_kept(source: str, link: str) -> None:
    assert f"]({link})" in page(of("nginx:http10", "coalesced", why=f"So it is ({source})."))


def test_a_mechanism_of_heads_ends_where_the_head_does_not_wait() -> None:
    expectation = Expectation("h2o:a/*", WHY, head_held=True)
    told = page(
        replace(of("h2o:a", "streamed", facts=Facts(head_held=True)), expectation=expectation),
        of("h2o:a", "streamed", "first-comment", facts=Facts(head_held=False)),
        of("h2o:a", "buffered", "no-cache", facts=Facts(head_held=False)),
    )
    assert "Another mitigation: `h2o:a/sse/chunked/curl/aiohttp/short/none/lockstep` has its head held," in told
    assert "`h2o:a/sse/chunked/curl/aiohttp/short/first-comment/lockstep` has its head at once." in told


def test_what_a_mitigation_does_without_a_mechanism_is_said() -> None:
    told = page(
        of("h2o:a", "buffered", why=WHY),
        of("h2o:a", "streamed", "no-cache", effect="defeats"),
        of("h2o:a", "coalesced", "pad-2k", effect="reduces"),
        of("h2o:a", "buffered", "x-accel-buffering", effect="no effect"),
        of("h2o:a", "streamed", "first-comment", effect="defeats", why=WHY),
    )
    said = "- What these do to `h2o:a` was measured and is not explained: `no-cache` (defeats), `pad-2k` (reduces)."
    assert said in told


def test_a_mechanism_that_the_cells_contradict_says_so() -> None:
    assert "came out otherwise" not in page(of("nginx:http10", "coalesced", why=WHY))
    failed = replace(of("nginx:http10", "streamed", why=WHY), outcome="fail")
    assert "**1 of them came out otherwise than that says.**" in page(failed)


def test_the_neighbour_of_a_mechanism_is_the_cell_most_like_one_of_its_own_that_turns_out_otherwise() -> None:
    mine = of("nginx:http10", "coalesced")
    mended = of("nginx:http10", "streamed", "x-accel-buffering")
    twice = of("nginx:http10", "streamed", "no-cache", "x-accel-buffering")
    other_hop = of("nginx:off", "streamed")
    far = of("nginx:off", "streamed", request="browser", body="length")
    others = [far, other_hop, twice, mended, of("nginx:http10", "buffered", request="browser")]
    for turn in range(8):
        random.Random(turn).shuffle(others)
        assert atlas.neighbour([mine], others) == (mine, mended)
    assert atlas.neighbour([mine], [far, other_hop]) == (mine, other_hop)
    assert atlas.neighbour([mended], [mine, other_hop]) == (mended, mine)
    assert atlas.neighbour([mine], [mine]) is None


def test_another_version_or_option_is_nearer_than_another_variant_and_both_are_further_than_one() -> None:
    mine = of("caddy:plain@2.8", "coalesced")
    chains = ("caddy:plain@2.9", "caddy:plain@2.9,npm", "caddy:other@2.8")
    version, both, variant = (of(chain, "streamed") for chain in chains)
    assert atlas.neighbour([mine], [variant, both, version]) == (mine, version)
    assert atlas.neighbour([mine], [variant, both]) == (mine, both)
    option = of("caddy:plain@2.8,npm", "streamed")
    assert atlas.neighbour([mine], [both, option]) == (mine, option)
    pinned = of("wsgi:plain@hypercorn,hypercorn==0.14.2", "buffered")
    unpinned, neither = (of(chain, "streamed") for chain in ("wsgi:plain@hypercorn", "wsgi:plain"))
    assert atlas.neighbour([pinned], [neither, unpinned]) == (pinned, unpinned)


# ---------------------------------------------------------------- the page


def test_chapters_are_of_proxies_that_stand_alone_and_were_judged() -> None:
    results = [
        of("nginx:a", "streamed"),
        of("caddy:a>nginx:a", "streamed"),
        replace(of("envoy:a", "streamed"), outcome="unavailable"),
        of("direct", "streamed"),
    ]
    (chapter,) = atlas.chapters(run_info(), results)
    assert (chapter.proxy, chapter.calm) == ("nginx", [Hop("nginx", "a")])


def test_the_page_ends_with_what_was_measured_and_when_and_how_to_judge_it_again() -> None:
    _, end = page(HELD).split("## How it was measured")
    assert "1 cell" in end
    assert "Measured 2025-11-21 08:22 UTC" in end
    assert "atlas-run.tar.xz" in end


def test_the_page_does_not_hang_on_the_order_in_which_cells_finished() -> None:
    results = [*EVERY, HELD, of("caddy:a@2.9", "buffered", why=WHY), of("caddy:a@2.8", "streamed", why=WHY)]
    told = page(*results)
    random.Random(1).shuffle(results)
    assert page(*results) == told


def test_whatever_a_mechanism_says_the_page_stays_a_page() -> None:
    told = page(of("nginx:http10", "coalesced", why=EVIL))
    assert "<script" not in told
    assert "\x1b" not in told
    assert {unescaped_pipes(line) for line in told.splitlines() if line.startswith("|")} == {7}
