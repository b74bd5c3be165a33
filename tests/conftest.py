"""What several tests start. A module shares one bench: it takes longer to start than most tests to run."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import AsyncIterator, Generator, Iterator

import pytest
import pytest_asyncio
from hypothesis import settings

from harness import resources
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from tests import costs
from tests.commanding import harness as harness
from tests.commanding import no_apt as no_apt
from tests.commanding import no_nginx as no_nginx
from tests.sampling import Left, first_points
from tests.sandbox import missing

pytest_plugins = ["pytester"]

# Others come with every run, but where CI is set. `make full` asks for hypothesis' own profile `ci`: 100 of each. `few`
# do on another Python, where it is enough to see that each test works.
for _profile, _examples in (("here", 30), ("few", 5)):
    settings.register_profile(_profile, max_examples=_examples, deadline=None, derandomize="CI" in os.environ)
settings.load_profile("here")


def pytest_configure(config: pytest.Config) -> None:
    """Collect no garbage while tests are collected: they stay, and looking through them takes as long."""
    gc.disable()
    config.pluginmanager.register(Left())


def pytest_collection_finish() -> None:
    """From here on there is garbage, but none of what is there by now. Looked for as often as by default, it costs a
    twelfth of all that tests compute.
    """
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--first-points", action="store_true", help="of each test only the first point that is chosen")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Mark who takes long, before anybody is chosen by a mark, and leave out other points when all others are."""
    costs.mark(items, costs.read(), costs.promised())
    yield
    if config.getoption("--first-points"):
        items[:], others = first_points(items)
        config.hook.pytest_deselected(items=others)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs what cannot run here. Only now, for asking the programs takes longer than to collect."""
    for name in (name for marker in item.iter_markers("needs") for name in marker.args):
        if why := missing(name):
            pytest.skip(why)


@pytest.fixture(scope="session", autouse=True)
def cache_outlives_a_changed_home() -> Iterator[None]:
    """pytester moves HOME into its own folder; what set-up built stays where it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(resources.cache()))
        yield


@pytest.fixture(scope="session", autouse=True)
def children_heed_signals() -> None:
    """Undo what nohup and a shell's `&` leave behind: a program that is to die of SIGHUP or SIGINT would ignore it."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """A running emitter with its guard; proxies start on demand. Its tests run in the module's loop."""
    async with Launcher() as launcher, Bench(launcher, tmp_path_factory.mktemp("bench")) as running:
        yield running


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The usual one, whose sessions in this process do not look for garbage when they end: five times among all that
    our own tests keep, for a third of a second each.
    """
    monkeypatch.setattr("_pytest.unraisableexception.gc_collect_harder", lambda iterations: None, raising=False)
    return pytester
