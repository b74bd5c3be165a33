"""When an emulated hop lets go of the bytes of a response.

The hold rule:

1. A response *passes*, every byte at once, if the policy has no buffer or if something switches it off for this
   response: an honoured header, a passing content type or method, or, with `passing_unsized`, no Content-Length.
2. Otherwise its bytes fill a buffer of `release_bytes`. Whole buffers go as soon as they are full, and what is
   left over stays: so do Go's bufio.Writer and nginx's proxy buffers. A token that reaches into the next buffer
   waits for the rest of that buffer.
3. Timers let go of all that is held: `release_after_ms` after its first byte came, `idle_ms` after its last one.
4. The end lets go of all. With `store_and_forward` nothing else does.
5. The head goes at once; with `hold_head` or `store_and_forward` it goes with the first bytes.
6. Compression comes before the buffer, which therefore counts compressed bytes, and nothing above switches it
   off. A compressor without flush has bytes of its own inside, which only more bytes or the end bring out.

Pure: instants (`_ns`, CLOCK_MONOTONIC) are passed in; whoever owns a Hold calls `tick` when `wake_ns` has come.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, Self

from harness.model import Method

COMPRESSIBLE = ("text/*", "application/json", "application/x-ndjson", "application/javascript", "*+json", "*+xml")
GZIP_WBITS = 16 + zlib.MAX_WBITS  # zlib's way to ask for the gzip format
Compression = Literal["none", "gzip", "gzip-flush"]
TIMERS = ("release_after_ms", "idle_ms")
SWITCHES = ("honoured_headers", "passing_content_types", "passing_methods", "passing_unsized")


@dataclass(frozen=True, slots=True)
class Policy:
    """The parameters of an emulated hop. Without any it holds nothing. Raises ValueError if they contradict each other.

    `honoured_headers` maps response headers to a glob for one element of their value (`x-accel-buffering: no`).
    `passing_content_types` are globs for a media type. `request_timeout_s` ends a response that takes longer.
    """

    release_bytes: int | None = None
    release_after_ms: float | None = None
    idle_ms: float | None = None
    store_and_forward: bool = False
    hold_head: bool = False
    honoured_headers: Mapping[str, str] = field(default_factory=dict)
    passing_content_types: Sequence[str] = ()
    passing_methods: Sequence[Method] = ()
    passing_unsized: bool = False
    compression: Compression = "none"
    request_timeout_s: float | None = None

    def __post_init__(self) -> None:
        if self.store_and_forward:
            for key in ("release_bytes", *TIMERS, "hold_head"):
                if getattr(self, key):
                    raise ValueError(f"{key} contradicts store_and_forward, which lets go at the end only")
        elif not self.buffers:
            for key in (*TIMERS, "hold_head", *SWITCHES):
                if getattr(self, key):
                    raise ValueError(f"{key} needs a buffer: set release_bytes or store_and_forward")

    @property
    def buffers(self) -> bool:
        """Whether it has a buffer at all."""
        return self.store_and_forward or self.release_bytes is not None

    def to_json(self) -> str:
        """Return what it says, as its own process is told it."""
        usual = asdict(Policy())
        return json.dumps({key: value for key, value in asdict(self).items() if value != usual[key]})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Heads:
    """What the heads of a request and its response say, before the first byte of a body.

    Header names are in lower case, repeated values joined.
    """

    method: str
    accept_encoding: str
    status: int
    headers: Mapping[str, str]

    @property
    def has_body(self) -> bool:
        """Whether a body follows (RFC 9112, 6.3)."""
        return self.method != "HEAD" and self.status >= 200 and self.status not in (204, 304)

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Hold:
    """What one response goes through. `feed`, `tick` and `end` return the bytes that go now."""

    def __init__(self, policy: Policy, heads: Heads) -> None:
        self.passes = passes(policy, heads)
        self.compresses = compresses(policy, heads)
        self.holds_head = not self.passes and (policy.hold_head or policy.store_and_forward)
        self.wake_ns: int | None = None
        self._compressor = zlib.compressobj(wbits=GZIP_WBITS) if self.compresses else None
        self._flushes = policy.compression == "gzip-flush"
        self._release_bytes = policy.release_bytes
        self._release_after_ns = _ns(policy.release_after_ms)
        self._idle_ns = _ns(policy.idle_ms)
        self._held = bytearray()
        self._first_ns: int

    def feed(self, data: bytes, now_ns: int) -> bytes:
        """Take bytes of the body that came at `now_ns`."""
        if self._compressor:
            data = self._compressor.compress(data)
            if self._flushes:
                data += self._compressor.flush(zlib.Z_SYNC_FLUSH)
        if self.passes:
            return data
        due = self.tick(now_ns)
        return due + self._fill(data, now_ns) if data else due

    def tick(self, now_ns: int) -> bytes:
        """Let a timer act that has run out by `now_ns`."""
        return self._release(len(self._held)) if self.wake_ns is not None and now_ns >= self.wake_ns else b""

    def end(self) -> bytes:
        """Take the end of the body."""
        if self._compressor:
            self._held += self._compressor.flush()
        return self._release(len(self._held))

    def _fill(self, data: bytes, now_ns: int) -> bytes:
        if not self._held:
            self._first_ns = now_ns
        self._held += data
        released = b""
        if self._release_bytes and len(self._held) >= self._release_bytes:
            released = self._release(len(self._held) // self._release_bytes * self._release_bytes)
            self._first_ns = now_ns  # less than a buffer was held before, so what is left is of these bytes
        if self._held:
            timers = ((self._first_ns, self._release_after_ns), (now_ns, self._idle_ns))
            self.wake_ns = min((since + wait for since, wait in timers if wait is not None), default=None)
        return released

    def _release(self, count: int) -> bytes:
        released = bytes(self._held[:count])
        del self._held[:count]
        self.wake_ns = None
        return released


def passes(policy: Policy, heads: Heads) -> bool:
    """Whether nothing of a response is held (rule 1)."""
    if not policy.buffers or heads.method in policy.passing_methods:
        return True
    if policy.passing_unsized and "content-length" not in heads.headers:
        return True
    if _any_match((heads.media_type,), policy.passing_content_types):
        return True
    return any(
        _any_match(_elements(heads.headers.get(name.lower(), "")), (value,))
        for name, value in policy.honoured_headers.items()
    )


def compresses(policy: Policy, heads: Heads) -> bool:
    """Whether a response is compressed: wanted, allowed by both sides, not done already, and worth it.

    `identity` says that nothing was done yet, and no compressor known to us takes it for more (expressjs/compression
    does not). Any other coding, `none` too, says that somebody else decided.
    """
    return (
        policy.compression != "none"
        and heads.has_body
        and heads.status != 206
        and accepts_gzip(heads.accept_encoding)
        and heads.headers.get("content-encoding", "identity").strip().lower() in ("", "identity")
        and "no-transform" not in _elements(heads.headers.get("cache-control", ""))
        and _any_match((heads.media_type,), COMPRESSIBLE)
    )


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a request wants gzip (RFC 9110, 12.5.3): named, or meant by `*`, and not with weight zero."""
    weights = {}
    for element in _elements(accept_encoding):
        coding, *parameters = (part.strip() for part in element.split(";"))
        weights[coding] = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    weight = weights.get("gzip", weights.get("*", "0"))
    return re.fullmatch(r"0(\.0*)?", weight) is None


def _elements(value: str) -> list[str]:
    return [element.strip() for element in value.lower().split(",") if element.strip()]


def _any_match(values: Iterable[str], globs: Iterable[str]) -> bool:
    patterns = [glob.lower() for glob in globs]
    return any(fnmatchcase(value, pattern) for value in values for pattern in patterns)


def _ns(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds * 1e6)
