"""What mends the layers that are held, what lets them go, and what a recipe does wherever it was tried."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from harness.claims import remedies
from harness.model import Body, Effect, Facts, Release, Result, Start
from harness.reports.table import Row, tabulate
from tests.reports.samples import CATALOGUE, LONG, SHORT, cell, result

AROUND = {**CATALOGUE, "bypass-proxy": replace(CATALOGUE["bypass-proxy"], chain="direct")}


def layers(*results: Result) -> tuple[Row, ...]:
    return tabulate(results, AROUND).rows


def held(*tried: tuple[str, Effect], release: Any = None, **where: Any) -> list[Result]:
    """Return a layer that buffers, and what some mitigations did to it."""
    base = result(cell("nginx:x", **where), release=release)
    return [base, *(result(cell("nginx:x", name, **where), effect=effect) for name, effect in tried)]


BODIES: tuple[Body, ...] = ("chunked", "length")
EVERY = [
    result(cell("nginx:x", request=request, format=told, body=body, workload=workload), "streamed")
    for request, told, body, workload in itertools.product(
        ("curl", "browser"), ("sse", "ndjson"), BODIES, (SHORT, LONG)
    )
]


@pytest.mark.parametrize(
    ("some", "told"),
    [
        ({}, "all that was asked (16 layers)"),
        ({"request": "browser"}, "request browser"),
        ({"body": "length", "format": "ndjson"}, "body length, format ndjson"),
        ({"body": "length", "workload": LONG, "request": "curl"}, "request curl, body length, workload long"),
    ],
)
def test_whom_a_variant_holds_is_told_by_the_fewest_axes(some: Mapping[str, Any], told: str) -> None:
    rows = layers(*EVERY)
    fitting = [one for one in rows if all(getattr(one.layer, key) == some[key] for key in some)]
    assert remedies.whom(fitting, rows) == told


def test_what_no_axes_tell_apart_is_counted() -> None:
    rows = layers(*EVERY)
    fitting = [one for one in rows if (one.layer.request == "curl") == (one.layer.body == "length")]
    assert remedies.whom(fitting, rows) == "8 of 16 layers"


# ---------------------------------------------------------------- what mends it


@pytest.mark.parametrize(
    ("tried", "told"),
    [
        ([], "not asked"),
        ([("no-cache", "no effect")], "none that was tried"),
        ([("no-cache", "no effect"), ("pad-2k", "reduces")], "none of the 2 that were tried"),
        ([("pad-2k", "defeats"), ("x-accel-buffering", "defeats")], "`x-accel-buffering`"),
        (
            [("no-cache", "no effect"), ("bypass-proxy", "defeats")],
            "not the one other that was tried; around it: `bypass-proxy`",
        ),
        (
            [("no-cache", "no effect"), ("pad-2k", "reduces"), ("bypass-proxy", "defeats")],
            "none of the 2 others that were tried; around it: `bypass-proxy`",
        ),
        ([("pad-2k", "defeats"), ("bypass-proxy", "defeats")], "`pad-2k`"),
    ],
)
def test_the_cheapest_fix_goes_around_nothing_where_another_works(tried: list[tuple[str, Effect]], told: str) -> None:
    assert remedies.fixes(layers(*held(*tried)), AROUND) == told


CURL, BROWSER, LENGTH = {"request": "curl"}, {"request": "browser"}, {"request": "curl", "body": "length"}


@pytest.mark.parametrize(
    ("of", "told"),
    [
        (
            [held(("pad-2k", "defeats"), **CURL), held(("pad-2k", "defeats"), ("no-cache", "defeats"), **BROWSER)],
            "`pad-2k`",
        ),
        (
            [held(("no-cache", "defeats"), **CURL), held(("no-cache", "no effect"), ("pad-2k", "defeats"), **BROWSER)],
            "`no-cache` (request curl)<br>`pad-2k` (request browser)",
        ),
        (
            [held(("no-cache", "defeats"), **CURL), held(**BROWSER)],
            "`no-cache` (request curl)<br>not asked (request browser)",
        ),
        (
            [held(("no-cache", "defeats"), **CURL), held(("no-cache", "no effect"), **BROWSER)],
            "`no-cache` (request curl)<br>none that was tried (request browser)",
        ),
        (
            [held(("no-cache", "defeats"), **CURL), held(("bypass-proxy", "defeats"), **BROWSER)],
            "`no-cache` (request curl)<br>nothing else was asked; around it: `bypass-proxy` (request browser)",
        ),
        (
            [
                held(("no-cache", "defeats"), **CURL),
                held(("pad-2k", "defeats"), **BROWSER),
                held(("pad-2k", "defeats"), **LENGTH),
            ],
            "`pad-2k` (2 of 3 layers)<br>`no-cache` (request curl, body chunked)",
        ),
    ],
    ids=["one for all", "one each", "not asked", "none", "around", "the most first"],
)
def test_a_fix_is_told_for_whom_it_was_seen_to_mend(of: Iterable[list[Result]], told: str) -> None:
    rows = layers(*itertools.chain.from_iterable(of))
    assert remedies.fixes(rows, AROUND) == told


# ---------------------------------------------------------------- what lets go


def by(by: Any, after_bytes: int = 0, held_ms: float | None = None, *, idle: bool = False) -> Release:
    return Release(4, by, after_bytes, 3, 200.0, held_ms, min(112, after_bytes), idle)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([], ""),
        ([by("bytes", 4368)], "4.3 to 4.4 kB more"),
        ([by("bytes", 131_072)], "130 kB more"),
        ([by("bytes", 14_336), by("bytes", 3584)], "3.5 to 14 kB more"),
        ([by("bytes", 600), by("bytes", 131_072)], "490 B to 130 kB more"),
        ([by("bytes", 112)], "up to 110 B more"),
        ([by("bytes", 996)], "880 B to 1 kB more"),
        ([by("timer", held_ms=203.2), by("timer", held_ms=219.0)], "a timer of 203 to 219 ms"),
        ([by("timer", held_ms=None)], "a timer of 200 ms"),
        ([by("timer", held_ms=100.0, idle=True), by("end")], "a pause of 100 ms, the end"),
        ([by("end"), by("bytes", 600), by("end"), by("unknown")], "490 to 600 B more, the end, bytes or a timer"),
    ],
)
def test_what_lets_go_is_told_from_the_least_to_the_most(found: list[Release | None], told: str) -> None:
    requests = (f"r{number}" for number in itertools.count())
    rows = layers(*(one for release in found or [None] for one in held(release=release, request=next(requests))))
    assert remedies.lets_go(rows) == told


def test_of_a_start_only_the_most_is_told() -> None:
    starts = (Facts(start=Start(held_bytes=held, resolution_bytes=896)) for held in (1904, 3696))
    rows = layers(*(replace(held(request=f"r{at}")[0], facts=facts) for at, facts in enumerate(starts)))
    assert remedies.lets_go(rows) == "up to 3.7 kB at the start"


# ---------------------------------------------------------------- what recipes do


def test_a_recipe_is_counted_by_variants_for_each_thing_that_it_does() -> None:
    rows = layers(
        *held(("no-cache", "no effect"), ("x-accel-buffering", "defeats"), **CURL),
        *held(("no-cache", "no effect"), ("x-accel-buffering", "no effect"), **BROWSER),
        result(cell("nginx:y")),
        result(cell("nginx:y", "x-accel-buffering"), "streamed", "defeats"),
        result(cell("caddy:y"), "streamed"),
        result(cell("caddy:y", "no-cache"), "buffered", "harms"),
        result(cell("caddy:y", "x-accel-buffering"), "streamed", "not needed"),
    )
    told = list(remedies.recipes(rows, AROUND))
    assert "| `x-accel-buffering` | **2**: nginx 2 |  | **1**: nginx |  |" in told
    assert "| `no-cache` |  |  | **1**: nginx | `caddy:y` |" in told


def test_configs_detours_and_pauses_are_no_recipes() -> None:
    config = replace(CATALOGUE["no-cache"], name="nginx-off", cost="config")
    catalogue = {**AROUND, "nginx-off": config, "pause-300ms": replace(CATALOGUE["no-cache"], name="pause-300ms")}
    names = ("nginx-off", "bypass-proxy", "pause-300ms", "x-accel-buffering+no-cache")
    assert not list(remedies.recipes(layers(*held(*((name, "defeats") for name in names))), catalogue))
