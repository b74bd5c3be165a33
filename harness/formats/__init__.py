"""Formats by name: how a token is written and read back; and what carries them. Pure codecs.

In: a token to write, or bytes that may be cut anywhere.
Out: bytes, or the tokens that they complete.
Enter: backends, `measure/`, and the two of the pure rooms that must: the judge's metrics and the matrix' mitigations.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.formats.base import Codec, Transport
from harness.formats.ndjson import Ndjson
from harness.formats.openai import OpenAi
from harness.formats.sse import Sse
from harness.formats.text import Text
from harness.formats.transports import Http, WebSocket
from harness.model import Format

CODECS: Mapping[str, Codec] = {codec.name: codec for codec in (Sse(), Ndjson(), Text(), OpenAi())}
TRANSPORTS: Mapping[str, Transport] = {transport.name: transport for transport in (Http(), WebSocket())}

FORMATS: Mapping[Format, tuple[Transport, Codec]] = {
    "sse": (TRANSPORTS["http"], CODECS["sse"]),
    "ndjson": (TRANSPORTS["http"], CODECS["ndjson"]),
    "text": (TRANSPORTS["http"], CODECS["text"]),
    "openai": (TRANSPORTS["http"], CODECS["openai"]),
    "websocket": (TRANSPORTS["websocket"], CODECS["ndjson"]),
}
"""What the format of an address stands for: what carries it, and how it is written."""
