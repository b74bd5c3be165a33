"""Who reads paced streams is started before them: asked as their cells ask, so that nobody refuses, with all pages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.backends.fake import Fake as Backend
from harness.clients import CLIENTS, fake
from harness.clients.base import Client, Request, Sink
from harness.clients.chromium import Chromium
from harness.errors import ClientError, HarnessError, StreamError, Unavailable
from harness.measure.schedule import Schedule
from harness.measure.warming import warm_up
from harness.model import Cell, Format, Plan, Workload
from tests.planning import plan

LOAD = Workload("w", tokens=4, token_bytes=300)


class Strict(fake.Fake):
    """Refuses what the real client of its name does, and is as limited; keeps how many it reads at once."""

    def __init__(self, name: str, backend: Backend, fault: Exception | None = None) -> None:
        super().__init__(lambda request: backend.answer(request.url), name)
        self.real = CLIENTS[name]()
        self.http, self.transports, self.lacks = tuple(self.real.http), tuple(self.real.transports), self.real.lacks
        self.asked: list[Request] = []
        self.at_once = self.at_once_max = 0
        self._fault = fault
        for limited in ("seats", "equip"):
            if hasattr(self.real, limited):
                setattr(self, limited, getattr(self.real, limited))

    async def stream(self, request: Request, sink: Sink) -> None:
        if isinstance(self.real, Chromium):
            self.real._asked(request)
        if self._fault:
            raise self._fault
        self.asked.append(request)
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        await super().stream(request, sink)
        self.at_once -= 1


def paced(client: str, request: Any = "browser", form: Format = "sse") -> Plan:
    return plan(Cell((), LOAD, client=client, request=request, format=form, pace="paced"), {})


async def warmed(
    client: Client, plans: Sequence[Plan], backend: Backend, cores: int = 2, jobs: int = 32
) -> HarnessError | None:
    cold = await warm_up(plans, lambda name: client, backend, Schedule(jobs, cores))
    assert set(cold) <= {client.name}
    return cold.get(client.name)


@pytest.mark.parametrize("name", [name for name, make in CLIENTS.items() if "1.1" in make().http])
async def test_every_client_is_asked_in_a_way_that_it_accepts(name: str) -> None:
    backend = Backend()
    client = Strict(name, backend)
    told = paced(name)
    assert await warmed(client, [told], backend) is None
    (asked,) = client.asked
    assert (asked.headers, asked.transport, asked.format) == (told.request_headers, "http", "sse")
    assert (asked.url, client.at_once) == (f"{backend.endpoint.url}/stream/1", 0)


@pytest.mark.parametrize("form", ["websocket", "openai", "text"])
async def test_a_browser_is_asked_over_the_transport_and_in_the_format_of_its_cells(form: Format) -> None:
    backend = Backend()
    client = Strict("chromium", backend)
    assert await warmed(client, [paced("chromium", form=form)], backend) is None
    (asked,) = client.asked
    assert (asked.transport == "websocket", asked.method == "POST") == (form == "websocket", form == "openai")


async def test_of_its_plans_one_is_taken_that_a_client_does_not_refuse() -> None:
    backend = Backend()
    client = Strict("chromium", backend)
    assert await warmed(client, [paced("chromium", "curl"), paced("chromium")], backend) is None
    assert [dict(asked.headers)["User-Agent"].startswith("Mozilla/") for asked in client.asked] == [True, True]


@pytest.mark.parametrize(
    ("name", "plans", "cores", "jobs", "at_once"),
    [
        ("chromium", 20, 2, 32, 2),
        ("chromium", 20, 64, 32, 8),
        ("chromium", 20, 64, 5, 5),
        ("chromium", 3, 64, 32, 3),
        ("aiohttp", 20, 64, 32, 1),
    ],
)
async def test_as_many_are_read_at_once_as_its_cells_will_be(
    name: str, plans: int, cores: int, jobs: int, at_once: int
) -> None:
    backend = Backend()
    client = Strict(name, backend)
    assert await warmed(client, [paced(name)] * plans, backend, cores, jobs) is None
    assert (client.at_once_max, len(client.asked)) == (at_once, at_once)


@pytest.mark.parametrize("fault", [StreamError("it was reset"), ClientError("the page is gone")])
async def test_what_fails_is_told_of_the_client(fault: Exception) -> None:
    backend = Backend()
    error = await warmed(Strict("chromium", backend, fault), [paced("chromium")], backend)
    assert str(error) == f"client chromium failed before its first paced stream: {fault}"
    assert isinstance(error, ClientError)


async def test_what_a_client_refuses_is_left_to_its_cells() -> None:
    backend = Backend()
    missing = Strict("chromium", backend, Unavailable("Chromium is not installed", "install it"))
    assert await warmed(missing, [paced("chromium")], backend) is None
    h2 = Strict("h2", backend)
    assert await warmed(h2, [paced("h2")], backend) is None
    assert h2.asked == [], "the emitter does not speak HTTP/2"


async def test_a_client_that_never_asks_is_told() -> None:
    async def says_nothing(request: Request) -> Any:
        await asyncio.sleep(0)
        return
        yield b""

    error = await warmed(fake.Fake(says_nothing, "chromium"), [replace(paced("chromium"))], Backend())
    assert "it returned without having asked for the stream" in str(error)
