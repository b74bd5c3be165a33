"""The formats by name."""

from harness.formats.base import Codec
from harness.formats.ndjson import Ndjson
from harness.formats.openai import OpenAi
from harness.formats.sse import Sse
from harness.formats.text import Text
from harness.formats.websocket import WebSocket

CODECS: dict[str, Codec] = {codec.name: codec for codec in (Sse(), Ndjson(), Text(), OpenAi(), WebSocket())}
