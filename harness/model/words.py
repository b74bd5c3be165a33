"""Words of addresses and requests that more than one of the nouns is made of."""

from __future__ import annotations

from typing import Literal

CodecName = Literal["sse", "ndjson", "text", "openai"]
TransportName = Literal["http", "websocket"]
Body = Literal["chunked", "length", "close"]
Method = Literal["GET", "POST"]

HIDDEN = "(redacted)"
"""Stands for what is a secret."""
