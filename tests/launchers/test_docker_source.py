"""A program in an image: what is offered, what is told while it is pulled, and what a hop asks for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any

import pytest

from harness.documents import hops
from harness.errors import InputError, ProxyError, Unavailable
from harness.launchers import docker
from harness.launchers.at_once import at_once
from harness.launchers.docker import Docker, pinned, pulled
from harness.launchers.system import VersionQuestion
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described

MB = 1_000_000
LONG_S = 60.0


def step(layer: str, came_bytes: int) -> Mapping[str, Any]:
    return {"id": layer, "status": "Downloading", "progressDetail": {"current": came_bytes, "total": 90 * MB}}


def test_who_names_no_tag_asks_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "connected", lambda: pytest.fail("an engine was asked"))
    assert Docker("nginx", "nginx", "", VersionQuestion((), "")).offers() == []


def test_a_pull_tells_how_much_has_come_of_all_layers_together() -> None:
    steps = [
        {"id": "a", "status": "Pulling fs layer"},
        step("a", 15 * MB),
        step("b", 4 * MB),
        step("b", 6 * MB),
        step("b", 7 * MB),
        step("a", 40 * MB),
        {"id": "a", "status": "Pull complete"},
    ]
    assert list(pulled(steps)) == [21 * MB, 47 * MB]


async def test_a_pull_ends_with_whoever_has_no_more_use_for_it() -> None:
    """Other than a program, it runs in our own thread: nobody can end it but itself."""
    began, to_its_end = threading.Event(), list[str]()

    def steps() -> Iterator[Mapping[str, Any]]:
        deadline_s = time.monotonic() + LONG_S
        while time.monotonic() < deadline_s:
            began.set()
            yield step("a", MB)
        to_its_end.append("a")

    works: list[tuple[str, Callable[[], object]]] = [
        ("pull", lambda: [*pulled(steps())]),
        ("other", lambda: began.wait(LONG_S)),
    ]
    async with aclosing(at_once(works, 2)) as told:
        assert await anext(told) == ("other", None)
    assert to_its_end == []


def test_a_pull_that_fails_tells_the_engines_words() -> None:
    with pytest.raises(ProxyError, match="no such host"):
        list(pulled([{"error": "dial tcp: lookup registry.example: no such host"}]))


@pytest.mark.parametrize(
    ("digests", "told"),
    [
        (["nginx@sha256:1f"], "nginx:1.30@sha256:1f"),
        (["docker.io/library/nginx@sha256:1f"], "nginx:1.30@sha256:1f"),  # as Podman has it
        (["mirror.example/my-nginx@sha256:2a", "mirror.example/nginx@sha256:1f"], "nginx:1.30@sha256:1f"),
        (["other@sha256:2a"], None),
        ([], None),
    ],
)
def test_an_image_is_told_as_what_pulls_it_again(digests: list[str], told: str | None) -> None:
    assert pinned("nginx:1.30", digests) == told


def test_a_hop_asks_for_exactly_one_tag() -> None:
    nginx = PROXIES["nginx"]
    assert isinstance(nginx, Described)
    hop = nginx.canonical(hops.read("nginx:default@docker:1.30-alpine"))
    source = next(one for one in nginx.with_options(hop).sources.sources if isinstance(one, Docker))
    assert source.reference == "nginx:1.30-alpine"
    with pytest.raises(InputError, match=r"only be one version: 1.31, or docker:1.30"):
        nginx.canonical(hops.read("nginx:default@1.31,docker:1.30"))


def test_a_program_without_an_image_says_where_it_comes_from() -> None:
    vite = PROXIES["vite"]
    assert isinstance(vite, Described)
    with pytest.raises(Unavailable, match=r"vite does not come from docker \(it comes from: npm\)"):
        vite.with_options(hops.read("vite:default@docker:8")).installed()
