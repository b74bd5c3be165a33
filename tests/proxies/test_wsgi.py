"""WSGI applications as hops: what each shipped one holds, on which server, and that none is left running."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.documents.hops import read as hop
from harness.errors import InputError
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.model import Endpoint
from harness.proxies.application_options import WSGI, serving
from harness.proxies.wsgi import Wsgi
from harness.session import variants
from tests.factories import judged
from tests.processes import process
from tests.proxies.serving import WORDS, asked, listening, upstream, whole
from tests.proxies.test_asgi import recorded

HELD_BY = {
    "plain": "streamed",
    "collect-first": "buffered",
    "django-streaming": "streamed",
    "django-gzip": "buffered",
    "flask-compress-default": "streamed",
    "flask-compress-events": "coalesced",
}


def test_every_shipped_variant_has_a_verdict_here_and_says_in_a_line_what_it_is() -> None:
    shipped = variants("wsgi")
    assert shipped.keys() == HELD_BY.keys()
    for path in shipped.values():
        Wsgi().check(path)
        assert Wsgi().describe(path).endswith(".")


@pytest.mark.proxies
@pytest.mark.needs("wsgi")
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("variant", HELD_BY)
async def test_what_a_shipped_app_holds_for_a_browser(bench: Bench, variant: str) -> None:
    trace = await recorded(bench, f"wsgi:{variant}@gthread", request="browser")
    assert judged(trace).verdict == HELD_BY[variant]


@pytest.mark.proxies
@pytest.mark.needs("wsgi")
@pytest.mark.parametrize("options", ["sync", "gthread", "hypercorn"])
async def test_each_server_serves_and_is_gone_with_all_its_children(options: str, tmp_path: Path) -> None:
    app = Wsgi(serving(hop(f"wsgi:plain@{options}"), WSGI))
    async with upstream() as behind, Launcher() as launcher:
        running = await app.start(variants("wsgi")["plain"], behind, tmp_path, launcher)
        assert await asked(running, "/pulse") == (200, WORDS)
        processes = whole(process(running).pid)
        assert listening(processes) == {"127.0.0.1"}
    assert not [each for each in processes if each.is_running()]


@pytest.mark.proxies
@pytest.mark.needs("wsgi")
async def test_what_an_app_raises_is_told_without_its_traceback(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text('import flask\n\napp = flask.Flask("mine")\nraise RuntimeError("not today")\n')
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    async with Launcher() as launcher:
        with pytest.raises(
            InputError, match=r"wsgi:.*mine\.py cannot be served: RuntimeError: not today \(the whole log"
        ):
            await Wsgi().start(mine, Endpoint(1), evidence, launcher)
