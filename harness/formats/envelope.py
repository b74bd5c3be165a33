"""The JSON object in which SSE and NDJSON carry a token: `{"n":12,"t":1234,"d":"..."}`.

`n` is the sequence number, `t` the emission time in ns of CLOCK_MONOTONIC, `d` the text. Members of other
names are ignored.
"""

from __future__ import annotations

import json

from harness.errors import StreamError
from harness.formats import payload
from harness.formats.base import Token
from harness.model import Workload

SEQ_DIGITS = 7
AT_NS_DIGITS = 19
_decode = json.JSONDecoder().decode  # what json.loads comes to, for thousands of tokens
MIN_BYTES = len('{"n":,"t":,"d":"x"}') + SEQ_DIGITS + AT_NS_DIGITS


def write(workload: Workload, seq: int, at_ns: int, size_bytes: int) -> str:
    """Return the object, exactly `size_bytes` long in UTF-8: the text takes what the numbers leave."""
    head = f'{{"n":{seq},"t":{at_ns},"d":"'
    return f'{head}{payload.text(workload, seq, size_bytes - len(head) - 2)}"}}'


def read(source: str, offset: int) -> Token | None:
    """Return the token; None for an object without `n`. Raises StreamError, naming `offset`, for all else."""
    try:
        fields = _decode(source)
    except (ValueError, RecursionError) as error:
        raise StreamError(f"not JSON at byte {offset}: {error}: {source[:80]!r}") from error
    if type(fields) is dict:
        if "n" not in fields:
            return None
        seq, at_ns, text = fields["n"], fields.get("t"), fields.get("d")
        if type(seq) is int and type(at_ns) is int and type(text) is str:
            return Token(seq, at_ns, text)
    raise StreamError(f"not a token at byte {offset}: {source[:80]!r}")
