"""Measures somebody's application behind a chain: it is asked once, and its answer is replayed to all who ask.

Rules: what is said to the application goes nowhere else, and no failure quotes it. The result is that of whoever gets
the stream worst. A workload is called after its test, so that ids of one session tell its applications apart.
"""

from __future__ import annotations

import asyncio
import json as json_text
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest

from harness import session
from harness.errors import InputError, Unavailable
from harness.model import AXES, VERDICTS, Deployment, Method, Recording, Result, Write, streams
from harness.plugin import markers
from harness.plugin.lab import Known, Lab, known_results, told_plainly
from harness.plugin.states import STATE, NotMeasured
from harness.probe.live import Live

METHODS: tuple[Method, ...] = get_args(Method)
OF_RECORDINGS = ("chain", "workload", "format", "body", "pace")
"""Axes that a recorded answer says itself, or that are said otherwise."""
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*")
KEYWORDS = session.Door(
    command="command",
    asks="headers={'Authorization': ...}",
    place="path and method",
    body="json, data and headers",
    authority="authority=FILE",
)

USUAL = Recording(
    *("usual", "", "GET", "sse", "chunked", "text/event-stream"),
    writes=(Write(0, b"data: a\n\n"), Write(1, b"data: b\n\n")),
    closing=1,
)
"""An answer as applications give it: what is wrong with a chain is told before one is asked."""


@dataclass(frozen=True, slots=True)
class Answering:
    """Who answers, and what it is asked. Nothing of what is said is shown."""

    app: object = None
    command: str = ""
    url: str = ""
    path: str = ""
    method: Method = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    authority: str | None = None

    @property
    def is_given(self) -> bool:
        return self.app is not None or bool(self.command or self.url)

    async def application(self, stack: AsyncExitStack) -> session.Application:
        """Return what is asked; an application of this process is served until the stack is left."""
        if self.app is None:
            named = self.url or f"command:{self.command}"
            return session.application(named, self.path, self.method, self.headers, self.body, self.authority, KEYWORDS)
        served = await stack.enter_async_context(session.served(self.app))
        return session.Application(self.method, self.path or "/", self.headers, self.body, served=served, door=KEYWORDS)


class Pending(Coroutine[Any, Any, "Result | Live"]):
    """A measurement that begins when it is awaited; until then it is no coroutine that Python would complain of."""

    def __init__(self, chain: str, begin: Callable[[], Coroutine[Any, Any, Result | Live]]) -> None:
        self._begin: Callable[[], Coroutine[Any, Any, Result | Live]] | None = begin
        self._running: Coroutine[Any, Any, Result | Live] | None = None
        self._chain = chain

    @property
    def missing(self) -> str:
        """What to say where the result is needed, or the test is over; empty once it was awaited, or that was said."""
        return f"measure({self._chain!r}, ...) was not awaited: result = await measure(...)" if self._begin else ""

    def close(self) -> None:
        self._begin = None
        if self._running:
            self._running.close()

    def _begun(self) -> Coroutine[Any, Any, Result | Live]:
        if self._begin:
            self._running, self._begin = self._begin(), None
        if not self._running:
            raise RuntimeError("it was closed before it began")
        return self._running

    def __await__(self) -> Generator[Any, Any, Result | Live]:
        return self._begun().__await__()

    def send(self, value: Any) -> Any:
        return self._begun().send(value)

    def throw(self, *error: Any) -> Any:
        return self._begun().throw(*error)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name}: {self.missing}" if self.missing else name)


class Measure:
    """What the fixture `measure` gives a test."""

    def __init__(self, item: pytest.Item, lab: Lab) -> None:
        self._item = item
        self._lab = lab
        self._pending: list[Pending] = []

    def check_awaited(self) -> None:
        """Fail a test that is over and forgot to await what it measures."""
        if forgotten := [one.missing for one in self._pending if one.missing]:
            raise NotMeasured("\n".join(forgotten))

    def __call__(
        self,
        chain: str,
        *,
        app: object = None,
        command: str = "",
        url: str = "",
        path: str = "",
        method: str = "",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        json: object = None,
        data: str | bytes | None = None,
        authority: str | None = None,
        live: bool = False,
        **said: object,
    ) -> Any:
        """Measure a chain in front of an ASGI app of this process, a command or a URL, which is asked as is said.

        `json` or `data` is the body; of the chain `request`, `client`, `mitigations`, `map` and `server` may be said,
        as in the marker. Without an application the chain is measured with our own tokens. `live`: its own stream goes
        through the chain, and is judged by when each message left and came. It fails in its own words.
        """
        __tracebackhide__ = True
        with self._told(chain):
            answering = _answering(app, command, url, path, method, headers, json, data, authority)
            if live and not answering.is_given:
                raise InputError("live is for an application: give app, command or url")
            made = self._recorded if not live else self._live
            work = made(chain, answering, said) if answering.is_given else self._emitted(chain, said, path)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            with self._told(chain):
                return self._given(self._lab.wait(work))
        self._pending.append(Pending(chain, lambda: self._awaited(chain, work)))
        return self._pending[-1]

    async def _awaited(self, chain: str, work: Any) -> Result | Live:
        __tracebackhide__ = True
        with self._told(chain):
            return self._given(await asyncio.wrap_future(self._lab.soon(work)))

    @contextmanager
    def _told(self, chain: str) -> Iterator[None]:
        """Tell plainly what is wrong, and skip what cannot run here, unless it is required."""
        with told_plainly():
            try:
                yield
            except Unavailable as error:
                self._lab.cannot(str(error), chain=chain)

    def _given(self, found: Sequence[Known | Live]) -> Result | Live:
        """Return what whoever gets the stream worst has got."""
        __tracebackhide__ = True
        worst = max(found, key=_badness)
        return worst if isinstance(worst, Live) else self._lab.given(worst)

    @property
    def _folders(self) -> list[Path]:
        config = self._item.config
        return [self._item.path.parent, config.rootpath, config.invocation_params.dir]

    def _emitted(self, chain: str, said: Mapping[str, object], path: str) -> Any:
        """Return what measures a chain as the marker has it."""
        said = {"request": session.REQUESTS, **said, **({"path": path} if path else {})}
        asked = markers.read([chain], said, self._folders)
        assert asked, "it names a chain"
        state = self._item.config.stash[STATE]
        job, cells = state.job(asked)
        state.asked(self._item, job, cells)
        return partial(known_results, job=self._lab.fetched(job), cells=cells)

    def _recorded(self, chain: str, answering: Answering, said: Mapping[str, object]) -> Any:
        """Return what asks an application and measures what it has answered."""
        words = [*(name for name in AXES if name not in OF_RECORDINGS), "map", "server"]
        make, how, usual = self._prepared(chain, answering, said, words)

        async def work(entered: session.JoinedSession) -> list[Known]:
            async with _asked(answering) as asked:
                found = await session.record(asked, print, session.may_ask_in_http10(usual))
            for fact in found.facts:
                print(fact)
            if found.recording.coded == "held" and "request" not in said:
                raise InputError(_held_by_itself(found.recording))
            requests = session.REQUESTS[:1] if found.recording.coding else session.REQUESTS
            job = replace(make(found.recording, how, requests), proxies=usual.proxies, missing=usual.missing)
            self._item.config.stash[STATE].asked(self._item, job, job.matrix.asked)
            return await known_results(entered, job, job.matrix.asked)

        return work

    def _live(self, chain: str, answering: Answering, said: Mapping[str, object]) -> Any:
        """Return what asks an application through a chain, once for each request, and watches its own stream."""
        _, _, job = self._prepared(chain, answering, said, ["request", "map", "server"])
        requests = list(dict.fromkeys(cell.request for cell in job.matrix.asked))

        async def work(entered: session.JoinedSession) -> list[Live]:
            async with _asked(answering) as asked:
                return await entered.watch(job, asked, requests, print)

        return work

    def _prepared(self, chain: str, answering: Answering, said: Mapping[str, object], words: Sequence[str]) -> Any:
        """Return what makes the job of a recording, how a config stands in the chain, and the job of a usual answer.

        What is wrong with the chain is told, and its programs are fetched, before anybody is asked.
        """
        if not isinstance(chain, str):
            raise InputError(f"{chain!r} is no chain: measure takes one, as 'nginx:./nginx.conf'")
        markers.check_words(said, words, " with an application")
        folder = markers.folder_of([chain], self._folders)
        name = self._item.config.stash[STATE].name(self._item.nodeid)
        deployment = replace(markers.deployment_of(said), path=answering.path.partition("?")[0])

        def make(recording: Recording, how: Deployment, requests: Sequence[str] = session.REQUESTS) -> session.Job:
            axes = {"request": list(requests), **markers.axes_of(said), "chain": chain}
            with markers.told_of_keywords():
                return session.of_options(
                    markers.TITLE,
                    axes,
                    {},
                    markers.NAME,
                    folder=folder,
                    deployment=how,
                    recording=recording,
                    called=name,
                )

        how, usual = session.in_front_of(answering.url, deployment, partial(make, USUAL))
        return make, how, self._lab.fetched(usual)


@asynccontextmanager
async def _asked(answering: Answering) -> AsyncIterator[session.Application]:
    """Let an application be asked for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        yield await answering.application(stack)


def _held_by_itself(recording: Recording) -> str:
    """Return why an application is not measured that holds what it compresses: all that can stream is its other answer.

    Raised, and not told beside a result, as nobody reads the output of a test that passes.
    """
    return (
        f"{recording.source} {recording.compresses}, as browsers do. No proxy is at fault: {recording.to_mend}."
        " To measure its answer without, as curl gets it, say request='curl'"
    )


def _badness(found: Known | Live) -> tuple[int, int]:
    """Return how badly somebody gets a stream; worst of all is what could not be judged."""
    if isinstance(found, Live):
        return ("streamed", "held", "cannot tell").index(found.verdict), 0
    result = found.result
    if result.outcome not in ("pass", "fail", "observed") or result.verdict is None:
        return 2, 0
    return int(not streams(result.verdict, result.shows)), list(VERDICTS).index(result.verdict)


def _answering(
    app: object,
    command: str,
    url: str,
    path: str,
    method: str,
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    json: object,
    data: str | bytes | None,
    authority: str | None,
) -> Answering:
    """Return who answers what. Raises InputError, which quotes nothing that may be a secret."""
    for name, text in {"command": command, "url": url, "path": path, "method": method}.items():
        if not isinstance(text, str):
            raise InputError(f"{name}: a text is needed, and no {type(text).__name__}")
    given = [name for name, one in (("app", app), ("command", command), ("url", url)) if one is not None and one != ""]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} say each who answers: give one of them")
    fields, body = _fields(headers), _body(json, data)
    if json is not None and not any(name.lower() == "content-type" for name, _ in fields):
        fields.append(("Content-Type", "application/json"))
    asked = next((one for one in METHODS if one == method.upper()), None)
    if method and not asked:
        raise InputError(f"method: {method!r} is not allowed; allowed: {', '.join(METHODS)}")
    if asked == "GET" and body is not None:
        raise InputError("json and data are for POST: GET has no body")
    if not given and (fields or body is not None or method):
        raise InputError("method, headers, json and data are for an application: give app, command or url")
    markers.deployment_of({"path": path})
    if url:
        session.url_of("url", url, ("http", "https"), instead="give headers")
    if url and path:
        raise InputError("path: it is part of the url")
    if authority:
        session.trusted("authority", Path(authority), [url])
    usual: Method = "GET" if body is None else "POST"
    return Answering(app, command, url, path, asked or usual, tuple(fields), body, authority)


def _fields(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    try:
        pairs = [
            (str(name), str(value)) for name, value in (headers.items() if isinstance(headers, Mapping) else headers)
        ]
    except (TypeError, ValueError):
        raise InputError("headers: a dict is needed, or pairs of a name and a value") from None
    for name, value in pairs:
        if not _HEADER.fullmatch(f"{name}:{value}"):
            raise InputError(f"headers: {name[:40]!r} is no header: it has a name, and a value in one line")
    return pairs


def _body(json: object, data: object) -> bytes | None:
    if json is not None and data is not None:
        raise InputError("json and data are each the body: give one of them")
    if json is not None:
        try:
            return json_text.dumps(json).encode()
        except (TypeError, ValueError) as error:
            raise InputError(f"json: {error}") from None
    if data is not None and not isinstance(data, str | bytes):
        raise InputError(f"data: text or bytes are needed, and no {type(data).__name__}")
    return data.encode() if isinstance(data, str) else data
