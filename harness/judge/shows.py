"""What a person sees of a stream as asked: of its own length, at its own pace. Pure.

A paced stream has shown it. For one in lockstep it is computed: the asked tokens are played through what was found of
the hop. Both are looked at in the same way, with durations on one side only, so that no clocks are compared:

- `at the end`: more than half of the tokens before the last come together with it, or with the end, although they left
  50 ms or more before.
- `in bursts`: a tenth or more of the tokens come in lumps, which are tokens that come together and left as far apart.
- `one by one`: else. A burst at the source is no lump of the hop's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mode

from harness.judge.metrics import SHRUNK, Arrival, late_bursts
from harness.judge.reading import Hold, Reader
from harness.judge.rules import LATE_MS
from harness.model import Judgement, Manner, Release, Shows, Trace

LUMPED_SHARE = 0.1
LINGER_MS = 200.0
"""How long after its last token a paced stream ends, at the least: what only the end lets go of is late."""


@dataclass(frozen=True, slots=True)
class _Token:
    """A token of the asked stream: when it leaves, and how many bytes have then left."""

    sent_ms: float
    end_bytes: int


def seen(trace: Trace, arrivals: Sequence[Arrival], usual_ms: float | None = None) -> Shows:
    """Return what a paced stream showed, all of whose tokens came.

    `usual_ms` is how long a token is under way to the same reader directly; without it the quickest tells.
    """
    usual_ms = min(arrival.hold_ms for arrival in arrivals) if usual_ms is None else usual_ms
    assert trace.ended_ns is not None, "a stream that did not end is broken"
    assert trace.closed_ns is not None, "so is a response that did not"
    end = None if trace.plan.emission.body == "length" else (trace.ended_ns, trace.closed_ns)
    return _looked_at(arrivals, end, usual_ms, seen=True)


def computed(trace: Trace, judgement: Judgement, reader: Reader, late_ms: float = 0.0) -> Shows:
    """Return what the asked tokens would show through what a lockstep stream found; it is not broken.

    `late_ms` is how much later than directly tokens come that nothing lets go, if they are `delayed`.
    """
    emission = trace.plan.emission
    asked = [_Token(emission.sent_ms(seq), emission.bytes_through(seq)) for seq in range(emission.workload.tokens)]
    linger_ms = 0.0 if emission.body == "length" else max(emission.gap_ms, LINGER_MS)
    ended_ms = asked[-1].sent_ms + linger_ms
    lag_ms = late_ms if judgement.verdict == "delayed" and not judgement.release else 0.0
    at_ms = [at + lag_ms for at in _played(reader, judgement, asked, ended_ms)]
    arrivals = [
        Arrival(seq, _ns(token.sent_ms), token.end_bytes, _ns(at), seq)
        for seq, (token, at) in enumerate(zip(asked, at_ms, strict=True))
    ]
    end = None if emission.body == "length" else (_ns(ended_ms), _ns(ended_ms + lag_ms))
    return _looked_at(arrivals, end, 0.0, seen=False)


def _ns(ms: float) -> int:
    return round(ms * 1e6)


def _looked_at(arrivals: Sequence[Arrival], end: tuple[int, int] | None, usual_ms: float, seen: bool) -> Shows:
    """Return what tokens show that left and came at these instants; `end` is when the end did, if it is apart."""
    lumps, last = late_bursts(arrivals), arrivals[-1]
    ends = [(last.sent_ns, last.at_ns), *([end] if end else [])]
    others = arrivals[:-1] or arrivals
    kept = sum(any(_came_with(token, *one) for one in ends) for token in others)
    manner: Manner = "one by one"
    if 2 * kept > len(others):
        manner = "at the end"
    elif sum(map(len, lumps)) >= LUMPED_SHARE * len(arrivals):
        manner = "in bursts"
    wait_ms = max(arrival.hold_ms for arrival in arrivals) - usual_ms
    return Shows(manner, max(len(lumps), manner == "at the end"), max(wait_ms, 0.0), seen)


def _came_with(token: Arrival, sent_ns: int, at_ns: int) -> bool:
    """Tell whether a token came together with what left at `sent_ns` and came at `at_ns`, and well after it."""
    apart_ns = sent_ns - token.sent_ns
    return apart_ns / 1e6 >= LATE_MS and (at_ns - token.at_ns) * SHRUNK <= apart_ns


# ---------------------------------------------------------------- the asked tokens, played


def _played(reader: Reader, judgement: Judgement, asked: Sequence[_Token], ended_ms: float) -> list[float]:
    """Return when each token of the asked stream comes."""
    at_ms: list[float] = []
    if start := judgement.start:
        at_ms += [token.sent_ms for token in asked if token.end_bytes <= start.passed_bytes]
        if asked[-1].end_bytes < start.held_bytes:
            return [ended_ms] * len(asked)
        if start.held_bytes:
            full = next(seq for seq, token in enumerate(asked) if token.end_bytes >= start.held_bytes)
            at_ms += [asked[full].sent_ms] * (full + 1)
    at_ms += _steady(reader, judgement)(asked[len(at_ms) :])
    if judgement.verdict in ("streamed", "delayed"):
        kept = min(judgement.tail_tokens, len(asked))
        at_ms[len(at_ms) - kept :] = [ended_ms] * kept
    return [min(at, ended_ms) for at in at_ms]


Way = Callable[[Sequence[_Token]], list[float]]
NEVER = float("inf")
"""Not before the end."""


def _steady(reader: Reader, judgement: Judgement) -> Way:
    """Return how the hop treats the tokens of its steady state."""
    release = judgement.release
    if judgement.verdict == "buffered":
        return lambda tokens: [NEVER] * len(tokens)
    if release is None:
        return lambda tokens: [token.sent_ms for token in tokens]
    if release.by == "bytes":
        behind = _usually_left_behind(reader, release)
        return lambda tokens: _by_bytes(tokens, release.after_bytes, behind)
    if release.idle:
        return lambda tokens: _after_silence(tokens, release.wait_ms)
    return lambda tokens: _by_timer(tokens, release.wait_ms)


def _usually_left_behind(reader: Reader, release: Release) -> int:
    """Return how many stay behind when one is let go: where chance decides, what came more often, or with this one."""
    holds = (one for one in reader.seen if isinstance(one, Hold) and one.let_go == "bytes")
    alike = [one.seq for one in holds if one.after_tokens == release.after_tokens and one.seq != release.seq]
    return mode(reader.left_behind(seq, release.after_tokens) for seq in (release.seq, *alike))


def _by_bytes(tokens: Sequence[_Token], after_bytes: int, behind: int) -> list[float]:
    """Return when tokens come that are let go when so many more bytes have been sent; the last ones stay `behind`."""
    at_ms: list[float] = []
    for sent, token in enumerate(tokens, 1):
        while len(at_ms) < sent and token.end_bytes - tokens[len(at_ms)].end_bytes >= after_bytes:
            at_ms += [token.sent_ms] * max(sent - len(at_ms) - behind, 1)
    return at_ms + [NEVER] * (len(tokens) - len(at_ms))


def _by_timer(tokens: Sequence[_Token], after_ms: float) -> list[float]:
    """Return when tokens come that are let go so long after the oldest of them left."""
    at_ms: list[float] = []
    for token in tokens:
        if not at_ms or token.sent_ms > at_ms[-1]:
            at_ms.append(token.sent_ms + after_ms)
        else:
            at_ms.append(at_ms[-1])
    return at_ms


def _after_silence(tokens: Sequence[_Token], idle_ms: float) -> list[float]:
    """Return when tokens come that are let go when so long nothing has followed."""
    at_ms = [token.sent_ms + idle_ms for token in tokens]
    for (seq, token), (_, following) in reversed(list(pairwise(enumerate(tokens)))):
        if following.sent_ms - token.sent_ms < idle_ms:
            at_ms[seq] = at_ms[seq + 1]
    return at_ms
