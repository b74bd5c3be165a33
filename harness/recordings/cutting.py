"""Makes a recording of an answer: where its messages end, what can be repeated, and what it does by itself. Pure.

Rules: the first writes stay as they are, those after the last place where a message begins are the end, and what is
repeated begins and ends with a message. What was said to the application is blanked where it says it back, byte by
byte, so that sizes and messages stay what they were. What is no stream is refused in words of its own: then no proxy
is at fault.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import unescape
from itertools import pairwise

from harness.errors import InputError, StreamError
from harness.formats.coding import content_coding
from harness.model import CodecName, Method, Recording, Write, digest_of
from harness.model.redaction import masked
from harness.probe.messages import CUTS, Messages
from harness.probe.secrets import Secrets
from harness.probe.takes import TOGETHER_MS
from harness.recordings.answer import Answer

REPLAYED_BYTES = 2**19
"""So much of an answer is replayed: two and a half times what is sent to see whether bytes let a token go."""
MOST_WRITES = 5000
MOST_DECODED_BYTES = 2**26
FRAMING = frozenset(
    {
        *("connection", "date", "keep-alive", "proxy-connection", "server", "te", "upgrade"),
        *("content-length", "content-type", "trailer", "transfer-encoding"),
    }
)
"""Headers of one connection or one server, and those that a recording has fields for."""
FORMATS: dict[str, CodecName] = {"server-sent event": "sse", "OpenAI chunk": "sse", "line of JSON": "ndjson"}
"""In which format messages are; all else is text that nobody can cut."""
KINDS = {"server-sent event": "server-sent events", "OpenAI chunk": "OpenAI chunks", "line of JSON": "lines of JSON"}
MEDIA_TYPES = frozenset(
    {
        *("text/event-stream", "text/plain", "text/html", "application/json", "application/octet-stream"),
        *("application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq"),
    }
)
"""Words that proxies heed, and that who asks may say, too, as in Accept: nobody's secret."""
WORDS_SHOWN = 200
_TITLE = re.compile(rb"<title\b[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Door:
    """How it is said, where somebody asks for a recording, who answers, who asks and what is asked."""

    command: str = "--backend"
    asks: str = "-H 'Authorization: ...' or -H @FILE"
    place: str = "the path, and at -X"
    body: str = "-d and -H 'Content-Type: ...'"
    authority: str = "--cacert FILE"


COMMAND_LINE = Door()


@dataclass(frozen=True, slots=True)
class Said:
    """What an application was asked: `source` is its name as it may be told, `asked_ns` when that was."""

    source: str
    method: Method
    asked_ns: int
    secrets: Secrets
    door: Door = COMMAND_LINE


@dataclass(frozen=True, slots=True)
class Long:
    """How long an answer is, decoded; of one of which nobody knows where its messages end, it has none."""

    messages: int
    size_bytes: int

    def share_of(self, other: Long) -> float:
        """Return how long it is, measured by another: in messages if both have any, as an application flushes those."""
        if self.messages and other.messages:
            return self.messages / other.messages
        return self.size_bytes / other.size_bytes


@dataclass(frozen=True, slots=True)
class Compressed:
    """An answer that its application compresses itself: `long` is how long it is, if it came to its end, `fault` why it
    cannot be read.
    """

    coding: str
    pieces: int = 0
    long: Long | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording, and what the application did by itself: sentences, the first of which is the summary.

    `cut` says why there may have been more of it; empty, if it came to its end.
    """

    recording: Recording
    facts: tuple[str, ...]
    cut: str = ""


def recorded(
    answer: Answer, said: Said, cut: str = "", itself: Compressed | None = None, chunks_http10: bool = False
) -> Recorded:
    """Return what can be replayed of an answer. Raises InputError, in words of its own, if nothing can.

    `cut` says why no more of it was waited for, `itself` how the application compresses it for others, `chunks_http10`
    whether it answers HTTP/1.0 in chunks.
    """
    data = said.secrets.blanked(b"".join(data for _, data in answer.writes))
    _check(answer, said, data)
    messages = Messages(answer.headers)
    messages.feed(data, len(data))
    at_ms = _instants_ms(answer)
    writes = _cut(answer, data, at_ms, messages.message)
    whole = [at for at, write in enumerate(writes) if write.whole and at + 1 < len(writes)]
    if not whole:
        one = f"it sends one {messages.message}, and nothing to repeat"
        raise InputError(f"{said.source} is too short to be replayed: {one}")
    kept = tuple((name, value) for name, value in answer.headers if name.lower() not in FRAMING)
    (headers,) = masked((_blank(name, said), _blank(said.secrets.hidden(value), said)) for name, value in kept)
    recording = Recording(
        digest="",
        source=said.source,
        method=said.method,
        format=FORMATS.get(messages.message, "text"),
        body=answer.body,
        content_type=_content_type(answer, said),
        headers=headers,
        writes=tuple(writes),
        again=whole[0] + 1 if len(whole) > 1 else 0,
        closing=whole[-1] + 1,
        coding=itself.coding if itself else "",
        chunks_http10=chunks_http10,
        plain_pieces=_plain_pieces(answer, itself) if itself else 0,
        coded_pieces=itself.pieces if itself else 0,
    )
    facts = [_summary(answer, said, messages, cut), *_manners(answer, said, at_ms)]
    if chunks_http10:
        facts.append("To HTTP/1.0 the application answers in chunks all the same: so it is replayed.")
    if itself:
        how = f"{recording.compresses}: {itself.fault}" if itself.fault else recording.compresses
        facts.append(f"{said.source} {how}; what is replayed is its answer without, as curl gets it.")
    return Recorded(replace(recording, digest=digest_of(recording)), tuple(facts), cut)


def _content_type(answer: Answer, said: Said) -> str:
    """Return the Content-Type without what was said, which is as many `x`: it stays one as long, and well formed."""
    value = next((value for name, value in answer.headers if name.lower() == "content-type"), "")
    kind, mark, more = value.partition(";")
    kind = kind if kind.strip().lower() in MEDIA_TYPES else _blank(kind, said)
    return kind + mark + (more if more.strip().lower() == "charset=utf-8" else _blank(more, said))


def _blank(text: str, said: Said) -> str:
    """Return what stands in a head with as many `x` for what was said, in whichever coding that was."""
    return said.secrets.blanked(text.encode("latin-1")).decode("latin-1")


def _check(answer: Answer, said: Said, data: bytes) -> None:
    """Raise InputError for an answer that is no stream: then no proxy is at fault."""
    if answer.status != 200:
        raise InputError(f"{said.source} {_refusal(answer, said)}")
    if not data:
        raise InputError(f"{said.source} answers with nothing: status 200, and a body without a byte")
    if coding := coding_of(answer):
        raise InputError(f"{said.source} compresses its answer ({coding}) although the request offered no coding")
    if re.match(rb"\s*<(?:!doctype html|html)\b", data, re.IGNORECASE):
        raise InputError(f"{said.source} answers with a page, and no stream: {_gist(data)}; a login, perhaps?")
    pieces = answer.writes if answer.body == "chunked" else _together(_instants_ms(answer))
    if len(pieces) == 1:
        waited_s = (answer.writes[0][0] - said.asked_ns) / 1e9
        raise InputError(
            f"{said.source}: the application itself sends its answer in one piece: {len(data)} bytes, {waited_s:.1f} s"
            " after it was asked. No proxy is at fault, and none can mend it: let the application send what it has as"
            " it comes"
        )


def _instants_ms(answer: Answer) -> list[float]:
    """Return how long after the first one each write came."""
    return [(at_ns - answer.writes[0][0]) / 1e6 for at_ns, _ in answer.writes]


def compressed(answer: Answer, cut: str = "") -> Compressed | None:
    """Return how an application compresses its answer itself for who offers a coding; None if it does not.

    `cut` says why no more of it was waited for.
    """
    if answer.status != 200 or not (coding := coding_of(answer)):
        return None
    try:
        pieces, long = _pieces(answer)
        return Compressed(coding, pieces, None if cut else long)
    except StreamError as error:
        return Compressed(coding, fault=str(error))


def _pieces(answer: Answer) -> tuple[int, Long]:
    """Return in how many pieces the messages of an answer came, and how long it is. Raises StreamError."""
    seen = Messages(answer.headers)
    completed = [(at_ns / 1e6, seen.feed(data, MOST_DECODED_BYTES)) for at_ns, data in answer.writes]
    messages = sum(number for _, number in completed) if seen.message in KINDS else 0
    return max(1, len(_together([at_ms for at_ms, number in completed if number]))), Long(messages, seen.size_bytes)


def _plain_pieces(answer: Answer, itself: Compressed) -> int:
    """Return in how many pieces an answer as long as the compressed one would come: no two need be equally long.

    Of one that was cut nobody knows how long it is, only that it had as long to come.
    """
    pieces, long = _pieces(answer)
    return max(1, round(pieces * itself.long.share_of(long))) if itself.long else pieces


def coding_of(answer: Answer) -> str:
    """Return in what an answer is coded; nothing if it is not."""
    coding = content_coding(answer.headers) or ""
    return "" if coding.lower() in ("", "identity", "none") else coding


def _cut(answer: Answer, data: bytes, at_ms: Sequence[float], message: str) -> list[Write]:
    """Return the writes that are replayed, the first ones and the last, each with whether no message goes on after."""
    kind = "server-sent event" if message == "OpenAI chunk" else message
    boundaries = CUTS[kind]() if kind in CUTS else None
    writes, at = [], 0
    for instant_ms, (_, sent) in zip(at_ms, answer.writes, strict=True):
        piece, at = data[at : at + len(sent)], at + len(sent)
        if boundaries:
            boundaries.feed(piece)
        whole = boundaries is None or (not boundaries.open and piece.endswith((b"\n", b"\r")))
        writes.append(Write(round(instant_ms, 3), piece, whole))
    return _few(writes)


def _few(writes: list[Write]) -> list[Write]:
    """Return as many of the writes as are replayed, and the last ones, with which it ends."""
    size_bytes, kept = 0, 0
    while kept < min(len(writes), MOST_WRITES) and size_bytes + len(writes[kept].data) <= REPLAYED_BYTES:
        size_bytes += len(writes[kept].data)
        kept += 1
    if kept == len(writes):
        return writes
    end = next((at + 1 for at in range(len(writes) - 2, -1, -1) if writes[at].whole), len(writes))
    while kept and not writes[kept - 1].whole:
        kept -= 1
    return [*writes[:kept], *writes[max(end, kept) :]]


def _together(at_ms: Sequence[float]) -> list[float]:
    """Return the instants at which something came, of those that are too close to be apart the first."""
    return [*at_ms[:1], *(after for before, after in pairwise(at_ms) if after - before >= TOGETHER_MS)]


def _refusal(answer: Answer, said: Said) -> str:
    status, data = answer.status or 0, said.secrets.blanked(b"".join(data for _, data in answer.writes))
    words = said.secrets.hidden(_gist(data)) if data and not coding_of(answer) else "no words"
    if 300 <= status < 400:
        return f"answers with a redirect (status {status}), which is not followed: ask where it leads to"
    if status in (401, 403, 407):
        return f"wants to know who asks (status {status}: {words}): say so with {said.door.asks}"
    if status in (404, 405):
        return f"has nothing there for {said.method} (status {status}: {words}): look at {said.door.place}"
    if status in (415, 422, 400):
        return f"does not understand what it was asked (status {status}: {words}): look at {said.door.body}"
    return f"answers with status {status} instead of a stream: {words}"


def _gist(data: bytes) -> str:
    """Return what a body that is no stream says, in a line."""
    title = _TITLE.search(data)
    text = unescape((title[1] if title else re.sub(rb"<[^>]*>", b" ", data)).decode("utf-8", "replace"))
    return " ".join(text.split())[:WORDS_SHOWN] or "no words"


def _summary(answer: Answer, said: Said, messages: Messages, cut: str) -> str:
    first_ms = (answer.writes[0][0] - said.asked_ns) / 1e6
    took_s = (answer.writes[-1][0] - answer.writes[0][0]) / 1e9
    framed = {"chunked": "in chunks", "length": "with a Content-Length", "close": "until it hangs up"}[answer.body]
    kind = KINDS.get(messages.message, "text of no known format")
    told = (
        f"{said.source}: {kind} {framed}, {len(answer.writes)} writes of {answer.size_bytes} bytes in all, the first"
        f" after {first_ms:.0f} ms, the last {took_s:.1f} s later"
    )
    return f"{told}; {cut}: what came by then is replayed" if cut else told


def _manners(answer: Answer, said: Said, at_ms: Sequence[float]) -> list[str]:
    """Return what the application does by itself that a person sees, whatever is between."""
    told = []
    waited_ms = (answer.writes[0][0] - said.asked_ns) / 1e6
    longest_ms = max((after - before for before, after in pairwise(at_ms)), default=0.0)
    if len(at_ms) > 2 and len(_together(at_ms)) == 1:
        told.append(
            f"The application itself sends its {len(at_ms)} writes at once, {waited_ms / 1e3:.1f} s after it was asked:"
            " in that, no proxy can show them one by one."
        )
    elif longest_ms >= 1000:
        told.append(f"The application itself pauses for up to {longest_ms / 1e3:.1f} s between two writes.")
    return told
