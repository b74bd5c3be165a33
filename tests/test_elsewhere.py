"""An emitter elsewhere, measured through what stands in front of it: the same verdicts as here, or none at all."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
import pytest_asyncio

from harness.documents.hops import read as hop
from harness.errors import BackendError, HarnessError, InputError
from harness.judge.rules import HOLD_MS
from harness.judge.verdict import assess_one, follow_up
from harness.launchers.process import Launcher
from harness.measure.announced import turns
from harness.measure.bench import Bench, StartedChain
from harness.measure.limits import ELSEWHERE
from harness.model import Chain, Emission, Endpoint, Hop, Judgement, Plan, Trace, Workload
from tests.afar import far_away, in_front, measured
from tests.backends.deploying import TOKEN, Public, deployed
from tests.factories import judged
from tests.misbehaving import Answer, Behaviour, Misbehaving, Serial, Several, Shared, Tardy, collects, passes
from tests.tapping import tapped

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.proxies]

LOAD = Workload("w", tokens=16, token_bytes=120)
IMPATIENT = replace(ELSEWHERE, turned_away_s=0)
PLAN = Plan((), "GET", (), Emission(LOAD, headers=(("Cache-Control", "no-cache"),)))


@dataclass(frozen=True)
class Here:
    """What runs for all tests: a deployed emitter, and a bench with one of its own."""

    launcher: Launcher
    public: Public
    bench: Bench

    @property
    def deployed(self) -> Endpoint:
        return Endpoint(self.public.port)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Here]:
    folder = tmp_path_factory.mktemp("here")
    async with Launcher() as launcher, deployed(launcher, folder) as public, Bench(launcher, folder / "own") as bench:
        yield Here(launcher, public, bench)
        assert "Traceback" not in (folder / "public.log").read_text()


async def both(
    local: Coroutine[Any, Any, tuple[Trace, StartedChain]], afar: Coroutine[Any, Any, Trace]
) -> list[Judgement]:
    """Return what is found here and from afar, measured side by side: most of it is waiting."""
    (here, _), there = await asyncio.gather(local, afar)
    return [judged(here), judged(there)]


@pytest.mark.parametrize(
    ("chain", "request_headers", "verdict"),
    [
        ("nginx:buffering-off", (), "streamed"),
        ("nginx:gzip", (("Accept-Encoding", "gzip"),), "buffered"),
        ("nginx:cached", (), "coalesced"),
        ("emulator:store-and-forward", (), "buffered"),
        ("emulator:idle-flush", (), "delayed"),
    ],
)
async def test_what_a_hop_does_is_the_same_from_afar(
    here: Here, tmp_path: Path, chain: str, request_headers: tuple[tuple[str, str], ...], verdict: str
) -> None:
    plan = replace(PLAN, request_headers=request_headers)
    async with in_front(here.launcher, tmp_path / "front", (hop(chain),), here.deployed) as at:
        local, afar = await both(
            here.bench.record("cell", replace(plan, chain=(hop(chain),))),
            measured(here.launcher, tmp_path / "far", plan, at),
        )
    assert (local.verdict, afar.verdict) == (verdict, verdict), f"here {local.reason}\nfrom afar {afar.reason}"
    if local.release and afar.release:
        assert local.release.by == afar.release.by
        apart_bytes = abs(local.release.after_bytes - afar.release.after_bytes)
        assert apart_bytes <= max(local.release.resolution_bytes, 2 * LOAD.token_bytes)


TRAEFIK = """\
tls:
  stores: {default: {defaultCertificate: {certFile: "${CERTIFICATE}", keyFile: "${CERTIFICATE_KEY}"}}}
http:
  routers:
    app: {rule: "PathPrefix(`/`)", service: app, tls: {}, middlewares: [MIDDLEWARE]}
  middlewares:
    compress: {compress: {}}
    buffering: {buffering: {maxResponseBodyBytes: 50000000}}
  services:
    app:
      loadBalancer:
        servers: [{url: "${UPSTREAM}"}]
"""


@pytest.mark.parametrize(
    ("middleware", "client", "verdict"),
    [("compress", "aiohttp", "streamed"), ("compress", "h2", "streamed"), ("buffering", "h2", "buffered")],
)
async def test_traefik_with_tls_and_http2_is_the_same_from_afar(
    here: Here, tmp_path: Path, middleware: str, client: str, verdict: str
) -> None:
    config = tmp_path / "tls.yaml"
    config.write_text(TRAEFIK.replace("MIDDLEWARE", middleware))
    own, plan = {Hop("traefik", "tls"): config}, replace(PLAN, client=client)  # here it is asked in HTTP/1.1
    async with (
        in_front(here.launcher, tmp_path / "front", (Hop("traefik", "tls"),), here.deployed, own) as at,
        Bench(here.launcher, tmp_path / "own", own) as bench,
    ):
        assert at.url.startswith("https://")
        local, afar = await both(
            bench.record("cell", replace(PLAN, chain=(Hop("traefik", "tls"),))),
            measured(here.launcher, tmp_path / "far", plan, replace(at, http=("1.1", "2"))),
        )
    assert (local.verdict, afar.verdict) == (verdict, verdict), f"here {local.reason}\nfrom afar {afar.reason}"


# ---------------------------------------------------------------- without a grant beside the stream


async def test_a_hop_that_lets_go_when_others_pass_is_found_to_hold(here: Here, tmp_path: Path) -> None:
    async def found(chain: Chain, client: str) -> tuple[Trace, Trace]:
        plan, folder = replace(PLAN, client=client), tmp_path / client
        async with (
            Shared(here.deployed) as shared,
            in_front(here.launcher, folder / "front", chain, shared.endpoint) as at,
        ):
            first = await measured(here.launcher, folder / "first", plan, at)
            return first, await measured(here.launcher, folder / "quiet", plan, at, quiet=True)

    over_http = await asyncio.gather(found((), "aiohttp"), found((hop("nginx:h2-tls-buffering-off"),), "h2"))
    for first, quiet in over_http:
        assert judged(first).verdict != "streamed"
        assert follow_up([first], assess_one(first)), "other requests let go, so it is asked again in silence"
        assert judged(quiet).verdict == "buffered"


@pytest.mark.parametrize("late_s", [0.03, 0.06])
async def test_what_the_late_answer_to_a_grant_lets_go_is_looked_at_in_silence(
    here: Here, tmp_path: Path, late_s: float
) -> None:
    async with Shared(here.deployed, late_s) as shared:
        trace = await measured(here.launcher, tmp_path / "far", PLAN, shared.endpoint)
    assert follow_up([trace], assess_one(trace)), judged(trace).reason


async def test_a_hop_that_serves_one_request_at_a_time_is_measured_by_announced_silences(
    here: Here, tmp_path: Path
) -> None:
    async def found(name: str, behave: Behaviour, away_s: float) -> Judgement:
        async with Serial(here.deployed, behave) as hop_in_front, far_away(hop_in_front.endpoint, away_s) as at:
            return judged(await measured(here.launcher, tmp_path / name, PLAN, at))

    passing, distant, collecting = await asyncio.gather(
        found("passes", passes, 0.0), found("far", passes, 0.05), found("collects", collects(4096), 0.0)
    )
    told = [one.verdict for one in (passing, distant, collecting)]
    assert told == ["streamed", "streamed", "coalesced"], f"{passing}\n{distant}\n{collecting}"
    release = collecting.release
    assert release is not None
    assert release.by == "bytes"
    assert release.after_bytes - release.resolution_bytes <= 4096 <= release.after_bytes + LOAD.token_bytes


async def refuses(response: aiohttp.ClientResponse, answer: Answer) -> None:
    """Answer as who knows no such path."""
    answer.head(404, "Content-Length: 0", "Connection: close")


@pytest.mark.parametrize(("front", "verdict"), [(Shared, "buffered"), (partial(Serial, behave=passes), "streamed")])
async def test_with_another_way_in_no_grant_meets_the_stream(
    here: Here,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    front: Callable[[Endpoint], Misbehaving],
    verdict: str,
) -> None:
    announced = Mock(wraps=turns)
    monkeypatch.setattr("harness.measure.conversation.turns", announced)
    async with front(here.deployed) as hop_in_front:
        at = hop_in_front.endpoint
        trace = await measured(here.launcher, tmp_path / "far", PLAN, at, quiet=True, control=here.deployed)
    assert judged(trace).verdict == verdict, judged(trace).reason
    assert trace.steps[1].kind == "grant"
    assert not announced.called, "tokens are granted one by one, and no silences announced"


@pytest.mark.parametrize(
    ("behave", "verdict"), [(passes, "streamed"), (collects(2**20), "buffered"), (refuses, "broken")]
)
async def test_with_another_way_in_only_streams_have_to_be_passed_on(
    here: Here, tmp_path: Path, behave: Behaviour, verdict: str
) -> None:
    """As a cloud does that routes one path: whoever asks for another is told that there is none."""
    async with Misbehaving(here.deployed, behave, pulse=refuses) as hop_in_front:
        at = hop_in_front.endpoint
        trace = await measured(here.launcher, tmp_path / "far", PLAN, at, control=here.deployed)
        with pytest.raises(InputError, match=r"no emitter answers at .*: status 404"):
            await measured(here.launcher, tmp_path / "without", PLAN, at)
    assert judged(trace).verdict == verdict, judged(trace).reason


async def test_with_another_way_in_who_does_not_pass_streams_on_is_told(here: Here, tmp_path: Path) -> None:
    async with Misbehaving(here.bench.backend.endpoint, refuses) as hop_in_front:
        with pytest.raises(InputError, match=r"pass on GET /stream/\.\.\. to the emitter that --control reaches"):
            await measured(here.launcher, tmp_path / "far", PLAN, hop_in_front.endpoint, control=here.deployed)


@pytest.mark.parametrize("is_way_in", [False, True], ids=["in front of all", "on a way of its own"])
async def test_a_grant_that_takes_long_is_no_token_that_does(here: Here, tmp_path: Path, is_way_in: bool) -> None:
    async with Tardy(here.deployed, late_s=(HOLD_MS + 100) / 1e3, grants=3) as tardy:
        at, control = (here.deployed, tardy.endpoint) if is_way_in else (tardy.endpoint, None)
        trace = await measured(here.launcher, tmp_path / "far", PLAN, at, control=control)
    assert tardy.late == 3
    assert judged(trace).verdict == "streamed", judged(trace).reason
    assert "hold" not in {step.kind for step in trace.steps}
    pulses = [(step, before) for before, step in pairwise(trace.steps) if step.kind == "pulse"]
    assert all(step.at_ns == before.at_ns for step, before in pulses), "none was sent since a token outwaited its time"


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("behind one address", InputError),
        ("beside a way of its own", InputError),
        ("one for streams, one for control", InputError),
        ("the second comes in mid-run", BackendError),
    ],
)
async def test_several_instances_are_refused_with_the_way_out(
    here: Here, tmp_path: Path, case: str, error: type[HarnessError]
) -> None:
    mid_run, own_way = case.endswith("in mid-run"), case.endswith(("way of its own", "for control"))
    async with (
        deployed(here.launcher, tmp_path, name="another") as another,
        Several(here.deployed, Endpoint(another.port), for_streams=mid_run) as hop_in_front,
    ):
        at = Endpoint(another.port) if case.startswith("one for streams") else hop_in_front.endpoint
        control = here.deployed if own_way else None
        with pytest.raises(error, match=r"several emitters .* one instance that takes several requests"):
            await measured(here.launcher, tmp_path / "far", PLAN, at, control=control)


async def test_a_round_trip_of_100_ms_turns_no_verdict(here: Here, tmp_path: Path) -> None:
    async def found(chain: str) -> Trace:
        async with (
            in_front(here.launcher, tmp_path / f"front-{chain}", (hop(chain),), here.deployed) as front,
            far_away(front, 0.05) as at,
        ):
            return await measured(here.launcher, tmp_path / f"far-{chain}", PLAN, at)

    traces = await asyncio.gather(found("nginx:buffering-off"), found("nginx:cached"))
    told = [judged(trace) for trace in traces]
    assert [one.verdict for one in told] == ["streamed", "coalesced"], [one.reason for one in told]
    assert all(trace.distance_ms and trace.distance_ms >= 100 for trace in traces)


# ---------------------------------------------------------------- faults


async def test_an_emitter_that_ends_in_mid_stream_is_no_verdict(here: Here, tmp_path: Path) -> None:
    async with deployed(here.launcher, tmp_path, name="mortal") as mortal:
        with pytest.MonkeyPatch.context() as patch:
            dies = tapped(patch, 5, partial(mortal.process.signal_group, signal.SIGTERM))
            with pytest.raises(BackendError, match="does not answer"):
                await measured(here.launcher, tmp_path / "far", replace(PLAN, client=dies), Endpoint(mortal.port))


@pytest.mark.parametrize(
    ("fault", "error", "told"),
    [
        ("wrong token", InputError, "wants another token than HARNESS_TOKEN says"),
        ("no emitter", InputError, "no emitter answers at .*: status 404"),
        ("nobody", BackendError, "does not answer"),
        ("a front's 429", BackendError, r"takes no more requests \(429\)"),
        ("its own 429", BackendError, "--requests-per-minute allows more"),
    ],
)
async def test_what_cannot_be_measured_says_why_and_tells_no_token(
    here: Here, tmp_path: Path, fault: str, error: type[HarnessError], told: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        at, token = here.deployed, TOKEN
        if fault == "wrong token":
            token = "open-sesame-open-barley"
        elif fault == "no emitter":
            at = here.bench.backend.endpoint
        elif fault == "nobody":
            with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as closed:
                at = Endpoint(closed.getsockname()[1])
        elif fault == "a front's 429":
            at = (await stack.enter_async_context(Misbehaving(at, passes, pulse=turns_away))).endpoint
        else:
            busy = deployed(here.launcher, tmp_path, "--requests-per-minute=5", name="busy")
            at = Endpoint((await stack.enter_async_context(busy)).port)
        with pytest.raises(error, match=told) as raised:
            await measured(here.launcher, tmp_path / "far", PLAN, at, token=token, patience=IMPATIENT)
    assert token not in str(raised.value)


async def turns_away(response: aiohttp.ClientResponse, answer: Answer) -> None:
    """Answer as whoever limits requests."""
    answer.head(429, "Content-Length: 0", "Retry-After: 1")
