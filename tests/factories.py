"""Makes plans and traces by hand: the one place for it. A trace is told as a story, one word per event.

    story("s0 r0 s1 +400 hold1 s2 s3 r1-3 end")

`s1` token 1 leaves (in lockstep: on a grant), `s1-3` three leave on one grant, `r1` it comes in a read of its own,
`r1-3` three come in one read, `r2,1` two come in one read in that order, `head` the head comes, `hold1` its time is
over, `pulse1` and a pulse follows it through the chain, `stretch9` all up to 9 is sent without waiting, `drain` so is
the rest, `wait` all is sent and silence begins, `end` the emitter ends the stream, `+400` 400 ms pass, `prelude` the
prelude leaves and comes, `beat` a heartbeat leaves and comes with the next tokens. Every event takes a tenth of a
millisecond.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable
from typing import Any

from harness.formats import CODECS, FORMATS, TRANSPORTS
from harness.judge.reading import Reader, read
from harness.judge.rules import SPAN_BYTES
from harness.judge.verdict import assess
from harness.model import (
    Emission,
    Expectation,
    Heartbeat,
    Judgement,
    Metrics,
    Plan,
    Read,
    Sent,
    Step,
    Trace,
    Workload,
    streams,
)

EVENT_NS = 100_000
OPENED_NS = 1_000_000_000

Alter = Callable[[int, bytes], bytes]
"""What becomes of token n's bytes on the way."""


def workload(tokens: int = 6, token_bytes: int = 80, **others: Any) -> Workload:
    """A small workload."""
    return Workload("w", tokens, token_bytes, **others)


def plan(load: Workload | None = None, method: Any = "GET", **emission: Any) -> Plan:
    """A plan for the direct chain. `format` is that of an address."""
    transport, codec = FORMATS[emission.pop("format", "sse")]
    told = Emission(load or workload(), transport=transport.name, format=codec.name, **emission)
    return Plan((), method, (), told)


def expectation(cells: str, **others: Any) -> Expectation:
    """What a matrix expects of some cells."""
    return Expectation(cells, "because it must", **others)


class Story:
    """Tells a trace word by word. `alter` changes tokens on the way, `gzip` codes the body, flushed at every read."""

    def __init__(self, told: Plan, alter: Alter = lambda seq, data: data, gzip: bool = False) -> None:
        self._plan = told
        self._codec = CODECS[told.emission.format]
        self._alter = alter
        self._coder = zlib.compressobj(wbits=31) if gzip else None
        self._now_ns = OPENED_NS
        self._events: dict[int, bytes] = {}
        self._sent_bytes = 0
        self._sent: list[Sent] = []
        self._heartbeats: list[Heartbeat] = []
        self._beats = b""
        self._reads: list[Read] = []
        self._steps: list[Step] = []
        self._body = b""
        self._ended_ns: int | None = None

    def tell(self, words: str) -> Trace:
        """Return the trace of a stream that went like this, and whose response ended."""
        for word in words.split():
            self._now_ns += EVENT_NS
            self._word(word)
        if self._coder:
            self._read(b"", last=True)
        return Trace(
            cell_id="cell",
            plan=self._plan,
            request_headers=(),
            opened_ns=OPENED_NS,
            head_ns=OPENED_NS + EVENT_NS // 2,
            status=TRANSPORTS[self._plan.emission.transport].status,
            headers=(("Content-Encoding", "gzip"),) if self._coder else (),
            reads=tuple(self._reads),
            body=self._body,
            sent=tuple(self._sent),
            sent_headers=(),
            ended_ns=self._ended_ns,
            closed_ns=self._now_ns + EVENT_NS,
            steps=tuple(self._steps),
            heartbeats=tuple(self._heartbeats),
        )

    def _word(self, word: str) -> None:
        what, of = re.fullmatch(r"(\+|[a-z]+)([\d.,-]*)", word).groups()  # type: ignore[union-attr]
        match what:
            case "+":
                self._now_ns += round(float(of) * 1e6) - EVENT_NS
            case "s":
                self._step("grant", max(_tokens(of)))
                for seq in _tokens(of):
                    self._send(seq)
            case "r":
                tokens = _tokens(of)
                self._read(b"".join(self._alter(seq, self._events[seq]) for seq in tokens) + self._beats)
                self._beats = b""
                self._step("arrive", max(tokens))
            case "head":
                self._step("head", len(self._sent) - 1)
            case "hold" | "pulse" | "stretch":
                self._step(what, int(of))
            case "wait":
                self._step("wait", self._sent[-1].seq)
            case "drain":
                self._step("drain", self._sent[-1].seq + 1)
            case "end":
                self._ended_ns = self._now_ns
                self._step("end", self._sent[-1].seq)
            case "beat":
                self._beat()
            case "prelude":
                assert self._plan.emission.prelude
                self._read(self._filling(self._plan.emission.prelude, "prelude"))
            case _:
                raise AssertionError(f"no such word: {word}")

    def _send(self, seq: int) -> None:
        emission = self._plan.emission
        event = self._codec.token(emission.workload, seq, self._now_ns)
        if emission.padding:
            event += self._codec.filling(emission.padding, f"padding:{seq}")
        self._events[seq] = event
        self._sent_bytes += len(event)
        self._sent.append(Sent(seq, self._now_ns, self._sent_bytes))

    def _beat(self) -> None:
        beat = self._codec.heartbeat()
        assert beat
        self._beats += beat
        self._sent_bytes += len(beat)
        self._heartbeats.append(Heartbeat(self._now_ns, self._sent_bytes))

    def _filling(self, filler: Any, key: str) -> bytes:
        data = self._codec.filling(filler, key)
        self._sent_bytes += len(data)
        return data

    def _read(self, data: bytes, last: bool = False) -> None:
        if self._coder:
            data = self._coder.compress(data) + self._coder.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
        self._body += data
        self._reads.append(Read(self._now_ns, len(data)))

    def _step(self, kind: Any, seq: int) -> None:
        if self._plan.emission.pace == "lockstep":
            self._steps.append(Step(kind, seq, self._now_ns))


def _tokens(text: str) -> list[int]:
    if "-" in text:
        first, last = map(int, text.split("-"))
        return list(range(first, last + 1))
    return [int(part) for part in text.split(",")]


def story(words: str, alter: Alter = lambda seq, data: data, gzip: bool = False, **others: Any) -> Trace:
    """Return the trace of a story. As many tokens as are sent in it, unless `tokens` says otherwise.

    `others` go to the workload where it knows them, to the emission else.
    """
    fields = {name: others.pop(name) for name in list(others) if name in Workload.__dataclass_fields__}
    fields.setdefault("tokens", sum(len(_tokens(of)) for of in re.findall(r"\bs(\d[\d-]*)", words)))
    return Story(plan(workload(**fields), **others), alter, gzip).tell(words)


def alone(first: int, last: int, hold_ms: float = 0.1) -> str:
    """Return the words of tokens that each come by themselves, `hold_ms` after they left."""
    return " ".join(f"s{seq} +{hold_ms} r{seq}" for seq in range(first, last + 1))


def streamed(tokens: int, hold_ms: float = 0.1) -> str:
    """Return the words of a stream whose tokens all come by themselves."""
    return f"{alone(0, tokens - 1, hold_ms)} end"


COALESCED = "s0 +400 hold0 s1 s2 r0-2 s3 +500 hold3 s4 s5 r3-5 end"
"""Held until two more had been sent, twice, and the second time waited for longer."""
BY_TIMER = "s0 +800 hold0 r0 s1 +800 hold1 r1 end"
TRIED = math.ceil(SPAN_BYTES / 80)
BUFFERED = f"s0 +400 hold0 s1-{TRIED} wait +2500 end r0-{TRIED}"
"""Neither all bytes that are tried nor silence let it go."""


def judged(trace: Trace, control: Metrics | None = None) -> Judgement:
    """Return the verdict on a trace."""
    return assess([trace], control).judgement


def broken_as(trace: Trace) -> str | None:
    """Return why a stream is broken; None if it is not."""
    told = judged(trace)
    return told.reason if told.verdict == "broken" else None


def comes(trace: Trace) -> str:
    """Return in a word what comes of a stream as asked: that it is `streamed`, or how a person sees it come.

    `too short`, if that would take a longer one.
    """
    told = assess([trace])
    if told.too_short and told.shows is None:
        return "too short"
    if streams(told.judgement.verdict, told.shows) or told.shows is None:
        return told.judgement.verdict
    return told.shows.manner


def figures(trace: Trace, control: Metrics | None = None) -> Metrics:
    """Return the figures of a trace."""
    return assess([trace], control).metrics


def reading(words: str, round_trip_ms: float = 0.0, **others: Any) -> Reader:
    """Return what is read out of the steps of a story."""
    return read(story(words, **others).steps, round_trip_ms)
