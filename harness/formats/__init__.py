"""The formats by name."""

from harness.formats.base import Codec
from harness.formats.ndjson import Ndjson
from harness.formats.sse import Sse
from harness.formats.text import Text

CODECS: dict[str, Codec] = {codec.name: codec for codec in (Sse(), Ndjson(), Text())}
