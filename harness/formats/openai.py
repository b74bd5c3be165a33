"""The stream of OpenAI's chat completions, as the public API sends it, so that real SDKs can read it.

`POST .../v1/chat/completions` with `stream: true` is answered by server-sent events whose data are
`chat.completion.chunk` objects: the role first, then one token each, then the reason to finish, then `[DONE]`
(https://platform.openai.com/docs/api-reference/chat-streaming). A token's number and emission time travel in
`system_fingerprint`, which is an opaque word to everybody else; all filling is comments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from harness.errors import StreamError
from harness.formats import envelope, payload
from harness.formats.base import Decoder, Token
from harness.formats.sse import Event, EventParser, Sse
from harness.model import CodecName, Method, Workload

MODEL = "token-stream-harness"
CREATED = 1_700_000_000  # whoever reads it wants a number, and the same bytes each time
DONE = "[DONE]"
_STAMP = re.compile(r"fp_([0-9]{1,19})_([0-9]{1,19})")


def _chunk(delta: dict[str, str], stamp: str = "fp_0", finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    chunk = {
        "id": "chatcmpl-harness",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": MODEL,
        "system_fingerprint": stamp,
        "choices": [choice],
    }
    return f"data: {json.dumps(chunk, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


_BEFORE, _BETWEEN, _BEHIND = _chunk({"content": "|"}, "|").split(b"|")
"""What a token's stamp and text stand between: neither needs an escape, and thousands of chunks are made alike."""

_FRAME_BYTES = len(_BEFORE + _BETWEEN + _BEHIND)


class OpenAiDecoder:
    """Tokens out of chunks; those with no content (the role, the reason to finish) are not for us."""

    def __init__(self) -> None:
        self._parser = EventParser()
        self._done = False

    def feed(self, data: bytes) -> Sequence[Token]:
        """Return the tokens that `data` completes. Raises StreamError for what is no chunk, or follows `[DONE]`."""
        tokens = []
        for event in self._parser.feed(data):
            if self._done:
                raise StreamError(f"an event follows {DONE} at byte {event.offset}: {event.data[:80]!r}")
            self._done = event.data == DONE
            if not self._done and (token := _token(event)):
                tokens.append(token)
        return tokens

    def finish(self) -> Sequence[Token]:
        """Return nothing. Raises StreamError if the stream was not said to be done."""
        if not self._done:
            raise StreamError(f"the stream ended without {DONE}")
        return ()


class OpenAi(Sse):
    """The format `openai`."""

    name: CodecName = "openai"
    method: Method = "POST"
    path = "/v1/chat/completions"
    request_body = json.dumps(
        {"model": MODEL, "messages": [{"role": "user", "content": "Stream some tokens."}], "stream": True}
    )

    min_token_bytes = _FRAME_BYTES + len("fp__x") + envelope.SEQ_DIGITS + envelope.AT_NS_DIGITS

    def token(self, workload: Workload, seq: int, at_ns: int) -> bytes:
        stamp = b"fp_%d_%d" % (seq, at_ns)
        text = payload.text(workload, seq, workload.token_bytes - _FRAME_BYTES - len(stamp))
        return b"".join((_BEFORE, stamp, _BETWEEN, text.encode(), _BEHIND))

    def opening(self) -> bytes:
        return _chunk({"role": "assistant", "content": ""})

    def closing(self) -> bytes:
        return _chunk({}, finish="stop") + f"data: {DONE}\n\n".encode()

    def decoder(self) -> Decoder:
        return OpenAiDecoder()


def _token(event: Event) -> Token | None:
    """Return the token that a chunk carries; None for one that carries no text. Raises StreamError for no chunk."""
    try:
        chunk: Any = json.loads(event.data)
        text, stamp = chunk["choices"][0]["delta"].get("content"), _STAMP.fullmatch(chunk["system_fingerprint"])
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise StreamError(f"not a chat completion chunk at byte {event.offset}: {event.data[:80]!r}") from error
    return Token(int(stamp[1]), int(stamp[2]), text) if stamp and isinstance(text, str) else None
