"""Makes recordings by hand, as an application's answer comes to be one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.matrix.shapes import WorkloadShape
from harness.model import Method, Recording, Workload
from harness.probe.secrets import Secrets
from harness.recordings.answer import Answer
from harness.recordings.cutting import Recorded, Said, recorded

ASKED_NS = 1_000_000_000
WORDS = [b'data: {"text": "%b"}\n\n' % (b"word " * (number % 7 + 1)) for number in range(20)]
EVENTS = [b": hi\n\n", *WORDS, b"data: [DONE]\n\n"]


def answered(
    writes: Sequence[bytes], gap_ms: float = 20, content_type: str = "text/event-stream", **headers: str
) -> Answer:
    """Return a chunked answer whose writes came so far apart."""
    answer = Answer()
    fields = {"Content-Type": content_type, "Transfer-Encoding": "chunked", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    answer.feed(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode(), ASKED_NS)
    for number, data in enumerate(writes, 1):
        answer.feed(b"%x\r\n%b\r\n" % (len(data), data), ASKED_NS + int(number * gap_ms * 1e6))
    answer.feed(b"0\r\n\r\n", ASKED_NS + int(len(writes) * gap_ms * 1e6))
    return answer


def said(method: Method = "GET", secrets: Secrets | None = None) -> Said:
    """Return what was asked, which nobody need hide."""
    return Said(f"{method} http://app/chat", method, ASKED_NS, secrets or Secrets((), None))


def cut(writes: Sequence[bytes] = EVENTS, method: Method = "GET", **answer: Any) -> Recorded:
    """Return what an answer with these writes comes to."""
    return recorded(answered(writes, **answer), said(method))


def recording(writes: Sequence[bytes] = EVENTS, method: Method = "GET", **answer: Any) -> Recording:
    """Return the recording of an answer with these writes."""
    return cut(writes, method, **answer).recording


def load(of: Recording | None = None, **others: Any) -> Workload:
    """Return the workload that replays a recording."""
    shape = WorkloadShape.model_validate({"recording": "./r.json", **others})
    return shape.named("recorded", of or recording())
