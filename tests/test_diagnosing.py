"""The loop that measures what a search wants: what it asks, guesses, gives up, and leaves on disk."""

from __future__ import annotations

import asyncio
import itertools
import shlex
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from harness import session
from harness.diagnosis.recipes import recipes
from harness.diagnosis.search import Names
from harness.diagnosis.telling import Diagnosis
from harness.errors import InputError, ProxyError
from harness.matrix.mitigations import plan
from harness.measure.sights import Sight
from harness.model import LIMITS, Cell, Deployment, Facts, Hop, Result, TurnedAway, Verdict, chain_text
from harness.proxies.base import Deployable
from harness.proxies.catalog import PROXIES
from harness.session.shipped import variants
from harness.store.runs import Run
from tests.diagnosis.chains import World, every_set, hop, search
from tests.diagnosis.test_search import FREE, world
from tests.reports.samples import result, run_info
from tests.sampling import some_of

pytestmark = [
    pytest.mark.usefixtures("no_nginx"),  # which would be asked about each config
    pytest.mark.timeout(120),  # a search that never ends is a fault, and nothing here waits for anything real
]
TURNS = 1000
"""So many turns of the loop are many more than a search has steps."""
Seen = Literal["streams", "held", "refused"]
LATE_S = 60.0
"""As good as for ever: what takes so long is never waited for here."""


class Played:
    """Measures cells of a simulated chain: those in `never` do not end, and `looks` says what is seen of them."""

    def __init__(
        self, of: World, run: Run, never: Iterable[Cell] = (), looks: Callable[[Cell], Sight | None] = lambda cell: None
    ) -> None:
        self.world = of
        self.run = run
        self.never = set(never)
        self.looks = looks
        self.asked: list[Cell] = []
        self.declared: list[Cell] = []
        self.given_up: list[Cell] = []
        self.forgotten: list[Cell] = []
        self.on_sight: Callable[[Cell, Sight], object]
        self.slowly = False

    async def started(self, cells: Iterable[Cell], needed: Cell) -> None:
        assert not self.asked, "programs start before anything is asked for"
        assert needed in self.world.layers

    def give_up(self, cells: Iterable[Cell]) -> None:
        self.forgotten += cells

    def beside_each_other(self, cells: Iterable[Cell]) -> None:
        self.declared += cells

    async def result(self, cell: Cell) -> Result:
        self.asked.append(cell)
        try:
            if sight := self.looks(cell):
                self.on_sight(cell, sight)
            await asyncio.sleep(LATE_S if cell in self.never else 0)
        except asyncio.CancelledError:
            self.given_up.append(cell)
            raise
        found = self.told(cell)
        self.run.append(found)
        return found

    def told(self, cell: Cell) -> Result:
        if not cell.chain:
            return result(cell, "streamed")
        met = self.world.fate(cell)
        if met == "refused":
            facts = Facts(turned_away=TurnedAway(3, 401, "nothing"))
            return result(cell, "broken", outcome="blocked", facts=facts)
        verdict: Verdict = "streamed" if met == "streams" else "buffered"
        return result(cell, verdict, "reduces" if met == "milder" else None)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, run_info(finished_at=None, diagnosed="a:sim>b:sim", cells=99))


TWO = world(a=hop("no-transform", requests=["browser"]), b=hop("x-accel"))
CONTROLS = [replace(layer, chain=()) for layer in TWO.layers]


@pytest.fixture
def chain() -> World:
    return replace(TWO, asked=[])


async def diagnosed(of: World, run: Run, never: Iterable[Cell] = ()) -> tuple[Played, object]:
    asks, played = search(of), Played(of, run, never)
    assert await session.diagnose(asks, CONTROLS, played, run, lambda _: None)
    return played, asks.best


async def test_it_goes_on_until_the_search_is_over_and_every_result_is_on_disk(chain: World, run: Run) -> None:
    played, best = await diagnosed(chain, run)
    assert best == ("no-transform", "x-accel")
    assert played.declared == played.asked
    assert len(set(played.asked)) == len(played.asked)
    assert set(CONTROLS) <= set(played.asked)
    kept = Run.open(run.folder)
    assert {one.cell for one in kept.results} == set(played.asked)
    assert kept.info.cells == len(kept.results)


async def asked_by_sight(of: World, run: Run, looks: Callable[[Cell], Sight | None]) -> set[Cell]:
    """Return what is asked for of a chain of which nothing is ever known for sure but that the emitter streams."""
    every_cell = {replace(cell, mitigations=names) for cell in unmitigated(of) for names in [(), *every_set(of.costs)]}
    asks, played = search(of), Played(of, run, every_cell, looks)
    going_on = asyncio.create_task(session.diagnose(asks, CONTROLS, played, run, lambda _: None))
    for _ in range(TURNS):
        await asyncio.sleep(0)
    going_on.cancel()
    await asyncio.wait([going_on])
    assert asks.held == [], "what was only seen is not told"
    return {cell for cell in played.asked if cell.chain}


def unmitigated(of: World) -> list[Cell]:
    return search(of).wanted()


async def test_the_search_goes_on_with_what_is_seen_though_nothing_is_known_yet(chain: World, run: Run) -> None:
    asked = await asked_by_sight(chain, run, lambda cell: sight(chain, cell))
    assert asked == {cell for cell in told(chain).asked if cell.chain}, "as if each sight were what it came to"
    assert {cell.mitigations for cell in asked} > {("no-transform", "x-accel")}


def sight(of: World, cell: Cell) -> Seen | None:
    if not cell.chain:
        return None
    met = replace(of, asked=[]).fate(cell)
    return "streams" if met == "streams" else "refused" if met == "refused" else "held"


def told(of: World) -> World:
    """Return a world that was asked for all that a search wants which takes sights for truths."""
    seen = replace(of, asked=[])
    asks = search(seen)
    while wanted := asks.wanted():
        for cell in wanted:
            seen.asked.append(cell)
            asks.told(cell, sight(seen, cell) or "unknown")
    return seen


async def test_of_what_a_hop_turns_away_nothing_more_is_asked(chain: World, run: Run) -> None:
    assert await asked_by_sight(chain, run, lambda cell: "refused") == set(unmitigated(chain))


async def test_of_what_nothing_is_seen_nothing_is_guessed(chain: World, run: Run) -> None:
    assert await asked_by_sight(chain, run, lambda cell: None) == set(unmitigated(chain))


@pytest.mark.parametrize("looks", ["held", "streams", "refused"])
async def test_whatever_it_looks_like_the_answer_is_what_it_came_to(chain: World, run: Run, looks: Sight) -> None:
    asks, played = search(chain), Played(chain, run, looks=lambda cell: looks)
    assert await session.diagnose(asks, CONTROLS, played, run, lambda _: None)
    assert asks.best == ("no-transform", "x-accel")
    assert asks.wanted() == []


async def test_a_budget_ends_it_and_what_is_known_by_then_stays(chain: World, run: Run) -> None:
    asks, played = search(chain), Played(chain, run, never=chain.layers)
    assert not await session.diagnose(asks, CONTROLS, played, run, lambda _: None, budget_s=0.1)
    kept = Run.open(run.folder)
    assert kept.info.cells == len(kept.results)
    assert set(played.given_up) == set(chain.layers)


@pytest.mark.parametrize("ends", ["a budget", "an interruption"])
async def test_what_was_seen_of_what_is_given_up_is_told_as_what_it_looks_like(
    chain: World, run: Run, ends: str
) -> None:
    every_cell = {
        replace(cell, mitigations=names) for cell in unmitigated(chain) for names in [(), *every_set(chain.costs)]
    }
    asks, played = search(chain), Played(chain, run, every_cell, lambda cell: sight(chain, cell))
    going_on = asyncio.create_task(
        session.diagnose(asks, CONTROLS, played, run, lambda _: None, 0.5 if ends == "a budget" else None)
    )
    for _ in range(TURNS if ends == "an interruption" else 0):
        await asyncio.sleep(0)
    going_on.cancel() if ends == "an interruption" else None
    await asyncio.wait([going_on])
    assert asks.looks == {cell: sight(chain, cell) for cell in played.given_up}
    told = Diagnosis(run.info, asks, {}, chain.catalogue, "it was over")
    assert [seen for _, seen in told.of_layers()] == ["looks held (not measured to the end): it was over"] * 2
    assert dict(told.of_hops())["a:sim"][0] == (
        "alone it looks streamed (not measured to the end) (curl); looks held (not measured to the end) (browser)"
    )
    assert list(told.of_fix()) == [
        "Not known: it was over; nothing that was tried by then works for every request",
        "no-transform + x-accel (header) looks as if it did (not measured to the end)",
    ]
    assert (told.fix, told.recipes(), told.exit_status) == (None, {}, 3)


async def test_what_is_known_is_no_more_told_as_what_it_looks_like(chain: World, run: Run) -> None:
    asks, played = search(chain), Played(chain, run, looks=lambda cell: "held")
    assert await session.diagnose(asks, CONTROLS, played, run, lambda _: None)
    assert set(asks.looks).isdisjoint(one.cell for one in run.results)


async def test_what_is_not_wanted_any_more_is_given_up(run: Run) -> None:
    chain = world(a=hop("x-accel"), b=FREE)
    dearer = [replace(cell, mitigations=("nosniff",)) for cell in [*chain.layers, *search(chain).wanted()]]
    played, best = await diagnosed(chain, run, never=dearer)
    assert best == ("x-accel",)
    assert set(played.given_up) <= set(dearer)
    assert played.given_up, "they were asked for, and nobody waited"


async def test_a_fault_ends_it_and_nothing_goes_on(chain: World, run: Run) -> None:
    class Failing(Played):
        async def result(self, cell: Cell) -> Result:
            if cell.mitigations:
                raise ProxyError("it died")
            return await super().result(cell)

    played = Failing(chain, run)
    with pytest.raises(ProxyError, match="it died"):
        await session.diagnose(search(chain), CONTROLS, played, run, lambda _: None)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_what_is_wrong_in_a_config_ends_it_before_anything_is_measured(chain: World, run: Run) -> None:
    class Refused(Played):
        async def started(self, cells: Iterable[Cell], needed: Cell) -> None:
            raise InputError("leads to several")

    played = Refused(chain, run)
    with pytest.raises(InputError, match="leads to several"):
        await session.diagnose(search(chain), CONTROLS, played, run, lambda _: None)
    assert (played.asked, run.results) == ([], [])


# ---------------------------------------------------------------- a limit


class Limited(Played):
    """A chain that lets so many streams through at once, and turns away whoever comes beside them or later, until that
    is asked for slowly. All take their time but the direct ones.
    """

    def __init__(self, of: World, run: Run, lets: int) -> None:
        super().__init__(of, run)
        self.lets = lets
        self.inside: list[Cell] = []
        self.is_limited = False
        self.is_known = False
        self.away: list[set[str]] = []
        self.beside: list[list[Cell]] = []

    async def result(self, cell: Cell) -> Result:
        self.asked.append(cell)
        if not cell.chain:
            return self.kept(cell)
        if self.is_known and cell.mitigations:
            assert self.slowly
            self.beside.append([*self.inside])
        away = self.is_limited or len(self.inside) >= self.lets
        self.inside.append(cell)
        self.is_limited = away
        self.away += [{*cell.mitigations}] if away else []
        try:
            self.on_sight(cell, "limited" if away else sight(self.world, cell) or "held")
            for _ in range(20):
                await asyncio.sleep(0)
                self.is_known |= away and not set.intersection(*self.away)  # which one of them might be why
                # what was asked for in the same turn is under way already
        except asyncio.CancelledError:
            self.given_up.append(cell)
            raise
        finally:
            self.inside.remove(cell)
        self.is_known |= away
        return self.kept(cell, Facts(turned_away=TurnedAway(1, 429, "it")) if away else Facts())

    def kept(self, cell: Cell, facts: Facts | None = None) -> Result:
        found = replace(self.told(cell), facts=facts or Facts())
        self.run.append(found)
        return found


CHEAP = ("header", "request", "config")


@pytest.mark.parametrize("lets", [0, 1, 2, 3, 6, 8])
@pytest.mark.parametrize(
    ("chain", "best"),
    [
        (world(a=hop("x-accel")), ("x-accel",)),
        (world(a=hop("buffering-off")), ("buffering-off",)),
        (world(a=hop("no-transform", requests=["browser"])), ("no-transform",)),
        (world(a=FREE), None),
        (TWO, ("no-transform", "x-accel")),
        (world(a=hop("pad")), ("pad",)),
    ],
)
async def test_once_a_limit_turned_a_stream_away_one_cell_is_measured_at_a_time(
    run: Run, chain: World, best: Names | None, lets: int
) -> None:
    asks, played = search(chain), Limited(replace(chain, asked=[]), run, lets)
    assert await session.diagnose(asks, CONTROLS, played, run, lambda _: None)
    assert asks.best == best
    assert played.beside.count([]) == len(played.beside), "nobody is measured beside another"
    assert set(played.given_up) <= set(played.forgotten)
    singles = {name for name in asks.names if asks.price((name,)) <= asks.price(best or ("x-accel",))}
    mitigated = [one.cell for one in run.results if one.cell.mitigations]
    if played.is_limited and best and len(best) == 1 and chain.costs[best[0]] in CHEAP and lets < 2:
        assert len(mitigated) <= len(singles) + len(chain.layers) - 1, "one layer tells that a set fails"


@pytest.mark.parametrize(("status", "is_limit"), [(429, True), (503, True), (502, False), (504, False), (None, False)])
async def test_who_answers_once_by_itself_slows_the_search_down_only_if_it_names_a_limit(
    chain: World, run: Run, status: int | None, is_limit: bool
) -> None:
    class Stumbling(Played):
        def told(self, cell: Cell) -> Result:
            away = TurnedAway(1, status, "it") if cell == chain.layers[0] else None
            return replace(super().told(cell), facts=Facts(turned_away=away))

    asks, played = search(chain), Stumbling(chain, run)
    assert await session.diagnose(asks, CONTROLS, played, run, lambda _: None)
    assert (played.slowly, asks.best) == (is_limit, ("no-transform", "x-accel"))


@pytest.mark.parametrize("status", [503, 501])
async def test_a_mitigation_that_a_hop_answers_by_itself_for_good_makes_no_search_slow(
    chain: World, run: Run, status: int
) -> None:
    class Refusing(Played):
        """Turns whatever has a mitigation away, whatever else it has."""

        async def result(self, cell: Cell) -> Result:
            assert not self.slowly
            if "no-cache" in cell.mitigations:
                self.on_sight(cell, "limited" if status in LIMITS else "refused")
                for _ in range(20):
                    await asyncio.sleep(0)
            return await super().result(cell)

        def told(self, cell: Cell) -> Result:
            if "no-cache" not in cell.mitigations:
                return super().told(cell)
            facts = Facts(turned_away=TurnedAway(3, status, "only its baseline"))
            return result(cell, "broken", "harms", outcome="observed", facts=facts)

    asks, played = search(chain), Refusing(chain, run)
    assert await session.diagnose(asks, CONTROLS, played, run, lambda _: None)
    assert asks.best == ("no-transform", "x-accel")
    assert any("no-cache" in cell.mitigations for cell in played.asked)
    assert len(set(played.asked)) == len(played.asked), "nothing is asked for twice"


# ---------------------------------------------------------------- the job

LOAD = {"tokens": 32, "token_bytes": 96}
CONF = "events {}\nhttp { server { listen ${LISTEN}; location / { proxy_pass ${UPSTREAM}/; } } }\n"


def test_the_job_of_a_diagnosis_has_every_mitigation_that_concerns_the_chain() -> None:
    job = session.diagnosis({"chain": "nginx:gzip", "request": ["curl", "browser"]}, LOAD)
    asks = session.search_of(job)
    assert job.diagnosed == "nginx:gzip"
    assert [(chain_text(layer.chain), layer.request) for layer in asks.layers] == [
        ("nginx:gzip", "curl"),
        ("nginx:gzip", "browser"),
    ]
    assert {"x-accel-buffering", "nginx-buffering-off", "bypass-proxy"} <= set(asks.names)
    assert "caddy-flush-interval" not in asks.names
    assert {cell.chain for cell in session.controls_of(job)} == {()}


REPLACED = sorted({old for one in session.catalogue().values() if isinstance(one.chain, dict) for old in one.chain})
"""What is known of a hop by its variant; all else concerns any hop."""
DEPLOYABLE = [
    f"{name}:{one}" for name, proxy in PROXIES.items() if isinstance(proxy, Deployable) for one in variants(name)
]


def proposed(chain: str, word: str = "sse") -> dict[str, list[str]]:
    """Return what a search may propose for a chain, with who has to do what; an edit is told as a diff."""
    job = session.diagnosis({"chain": chain, "request": ["curl", "browser"], "format": word}, LOAD)
    asks = session.search_of(job)
    for layer in asks.layers:
        for name, on in itertools.product(asks.names, [layer, *asks.alone(layer)]):
            if (cell := asks.applied((name,), on)) and cell != on:
                planned = plan(cell, job.matrix.catalogue, job.matrix.requests)
                assert planned.client == cell.client or planned.chain[:1] != cell.chain[:1], "who asks is not enough"
    proxies = {hop.proxy for hop in asks.chain}
    return {
        name: [*recipes([one], proxies), *(str(hop) for hop in one.edited)]
        for name in asks.names
        for one in [job.matrix.catalogue[name]]
    }


@pytest.mark.parametrize(
    ("hop", "word"),
    [*((hop, "sse") for hop in REPLACED), *((hop, "websocket") for hop in REPLACED if hop.endswith(":default"))],
)
def test_whatever_may_be_proposed_for_a_hop_can_be_pasted(hop: str, word: str) -> None:
    told = proposed(hop, word)
    assert told
    assert [name for name, where in told.items() if not where] == []


@some_of("hop", DEPLOYABLE, each=4)
def test_whatever_may_be_proposed_for_a_config_of_the_user_s_can_be_pasted(tmp_path: Path, hop: str) -> None:
    name, _, variant = hop.partition(":")
    file = tmp_path / f"own{variants(name)[variant].suffix}"
    shutil.copy(variants(name)[variant], file)
    told = proposed(f"{name}:{file}>nginx:default")
    assert [name for name, where in told.items() if not where] == []
    assert "http2" not in told, "the client speaks to the hop in front, which is not changed to it"


def test_in_several_configs_of_the_user_s_a_change_is_tried_in_each_alone_where_it_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text(CONF)
    (tmp_path / "b.conf").write_text(
        CONF.replace("location / {", "location / { proxy_ignore_headers X-Accel-Buffering;")
    )
    two = f"nginx:{tmp_path}/a.conf>nginx:{tmp_path}/b.conf"
    names = set(session.search_of(session.diagnosis({"chain": two, "request": ["curl"]}, LOAD)).names)
    assert {"nginx-buffering-off@a", "nginx-buffering-off@b", "nginx-heed-x-accel"} <= names
    assert names.isdisjoint({"nginx-buffering-off", "nginx-gzip-off", "nginx-heed-x-accel@b"})
    one = f"nginx:default>nginx:{tmp_path}/a.conf"
    names = set(session.search_of(session.diagnosis({"chain": one, "request": ["curl"]}, LOAD)).names)
    assert "nginx-buffering-off" in names
    assert not [name for name in names if "@" in name]


def test_whoever_stands_behind_may_say_the_path_by_which_a_config_is_looked_at(tmp_path: Path) -> None:
    off = "proxy_pass http://app:1; proxy_buffering off;"
    (tmp_path / "front.conf").write_text(
        f"server {{ location /a {{ {off} }} location / {{ proxy_pass http://app:1; }} }}"
    )
    (tmp_path / "api.conf").write_text(f"server {{ location /chat {{ {off} }} }}")
    file = tmp_path / "m.yaml"
    file.write_text(
        "title: t\nworkloads: {w: {tokens: 1, token_bytes: 64}}\n"
        "axes: {chain: 'nginx:front>nginx:api', mitigations: nginx-buffering-off}\n"
        "variants: {nginx: {front: {file: front.conf, map: 'app:1'}, api: {file: api.conf, path: /chat}}}\n"
    )
    job = session.load(str(file))
    assert job.matrix.catalogue["nginx-buffering-off"].edited == (Hop("nginx", "front"),)


def test_a_chain_without_a_hop_and_a_misspelt_one_are_refused() -> None:
    for chain, told in (("direct", "direct has no hop that could hold anything"), ("ngnix:default", "unknown proxy")):
        with pytest.raises(InputError, match=told):
            session.diagnosis({"chain": chain, "request": ["curl"]}, LOAD)


def test_a_matrix_file_brings_its_own_proxies_configs_and_fixes(tmp_path: Path) -> None:
    (tmp_path / "my.conf").write_text(CONF)
    file = tmp_path / "my.yaml"
    file.write_text(
        "title: t\nworkloads: {w: {tokens: 1, token_bytes: 64}}\naxes: {chain: nginx:mine}\n"
        "variants: {nginx: {mine: my.conf}}\n"
        "mitigations: {ours: {claim: c, source: s, cost: header, response_headers: {X-Ours: a}}}\n"
    )
    job = session.diagnosis({"chain": "nginx:mine", "request": ["curl"]}, LOAD, str(file))
    assert "ours" in session.search_of(job).names
    assert next(iter(job.own.values())) == tmp_path / "my.conf"
    file.write_text(file.read_text().replace("cost: header", "cost: heady"))
    with pytest.raises(InputError, match=r"my\.yaml:5: mitigations\.ours\.cost: 'heady' is not allowed"):
        session.diagnosis({"chain": "nginx:mine", "request": ["curl"]}, LOAD, str(file))


OURS = "mitigations: {ours: {claim: c, source: s, cost: header, response_headers: {X-Ours: a}}}\n"


def test_a_file_may_bring_what_is_its_own_alone(tmp_path: Path) -> None:
    file = tmp_path / "fixes.yaml"
    (tmp_path / "my.conf").write_text(CONF)
    for text, chain in (
        (OURS, "nginx:default"),
        (f"title: t\n{OURS}variants: {{nginx: {{mine: my.conf}}}}\n", "nginx:mine"),
    ):
        file.write_text(text)
        job = session.diagnosis({"chain": chain, "request": ["curl"]}, LOAD, str(file))
        assert "ours" in session.search_of(job).names


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"\n{OURS}".replace("cost: header", "cost: heady"), r"fixes\.yaml:2: mitigations\.ours\.cost: 'heady' is not"),
        (
            OURS.replace("mitigations", "mitigation"),
            r"fixes\.yaml:1: mitigation: nothing in it is your own; .*'mitigations'",
        ),
        (f"{OURS}\nmitigation: {{}}", r"fixes\.yaml:3: mitigation: unknown key; .*'mitigations'"),
        (f"{OURS}axes: {{chain: nginx:default}}", r"workloads: this key is required"),
        ("", r"fixes\.yaml:1: the file is empty"),
        ("- ours", r"must be keys and values"),
    ],
)
def test_a_file_that_brings_nothing_or_nothing_known_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "fixes.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=told):
        session.diagnosis({"chain": "nginx:default", "request": ["curl"]}, LOAD, str(file))


def test_what_to_try_names_the_chain_as_it_was_given_and_the_cheapest_that_concern_it(tmp_path: Path) -> None:
    job = session.one_cell({"chain": "nginx:default", "request": "br", "body": "close"}, LOAD)
    command, fixes = session.to_try(job, job.cells[-1])
    assert command == "harness diagnose --chain nginx:default --body close --request br"
    assert fixes.startswith("-m x-accel-buffering, -m no-cache, -m no-transform, ")
    assert "-m nginx-buffering-off" in fixes
    assert "bypass" not in fixes
    assert "-m http2" in fixes, "which makes another nginx of it"
    (tmp_path / "my.conf").write_text(CONF)
    job = session.one_cell({"chain": f"nginx:default>nginx:{tmp_path}/my.conf", "mitigations": ["no-cache"]}, LOAD)
    command, fixes = session.to_try(job, job.cells[-1])
    assert command == f"harness diagnose --chain 'nginx:default>nginx:my={tmp_path}/my.conf'"
    assert "-m no-cache" not in fixes
    job = session.one_cell({"chain": f"nginx:{tmp_path}/my.conf>nginx:default"}, LOAD)
    _, fixes = session.to_try(job, job.cells[-1])
    assert "-m nginx-buffering-off" in fixes
    assert "http2" not in fixes, "nothing changes the hop that would have to answer so"


def test_what_to_try_says_how_a_config_that_is_deployed_stands_in_the_chain(tmp_path: Path) -> None:
    (tmp_path / "it's.conf").write_text(
        "server { listen 80; listen 81; location / { proxy_pass http://web:1; }"
        " location /a/ { proxy_pass http://b:1; } }"
    )
    said = Deployment(map=("b:1",), server=":81", path="/a/it's")
    chain = f"nginx:default>nginx:mine={tmp_path}/it's.conf"
    job = session.one_cell({"chain": chain}, LOAD, deployment=said)
    command, _ = session.to_try(job, job.cells[-1])
    words = shlex.split(command)
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert options == {"--chain": chain, "--map": "b:1", "--server": ":81", "--path": "/a/it's"}
