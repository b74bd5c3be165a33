"""The formats by name: how a token is written, and read back. Pure codecs.

In: a token to write, or bytes that may be cut anywhere.
Out: bytes, or the tokens that they complete.
Enter: backends, `measure/`, and the two of the pure rooms that must: the judge's metrics and the matrix' mitigations.
"""

from harness.formats.base import Codec
from harness.formats.ndjson import Ndjson
from harness.formats.openai import OpenAi
from harness.formats.sse import Sse
from harness.formats.text import Text
from harness.formats.websocket import WebSocket

CODECS: dict[str, Codec] = {codec.name: codec for codec in (Sse(), Ndjson(), Text(), OpenAi(), WebSocket())}
