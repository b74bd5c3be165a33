"""The model's client: asks the LLM at MODEL_URL and hands its answer on as it comes in.

An app here asks the model for the path, query, method and body that it was itself asked for, so that the model can be
the harness's emitter, or whatever stands behind the app in a chain. While it waits for the model, its thread waits.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx

MODEL_URL = os.environ["MODEL_URL"]
NOT_PASSED_ON = {"connection", "content-length", "content-type", "date", "keep-alive", "server", "transfer-encoding"}

_client = httpx.Client(
    headers={"Accept-Encoding": "identity"},  # as a model's API answers: whatever compresses is not the model
    timeout=httpx.Timeout(600),
    trust_env=False,
    verify=ssl.create_default_context(),  # which heeds SSL_CERT_FILE
)


@dataclass(frozen=True)
class Answer:
    """What the model answers with. `headers` are those that an app passes on; the content type is apart."""

    status: int
    media_type: str | None
    headers: Mapping[str, str]
    messages: Iterator[bytes]


def ask(method: str, target: str, body: bytes, media_type: str | None) -> Answer:
    """Ask the model for a path and query; return once the head of its answer is here."""
    headers = {"Content-Type": media_type} if media_type else {}
    asked = _client.build_request(method, MODEL_URL + target, content=body, headers=headers)
    response = _client.send(asked, stream=True)
    passed_on = {name: value for name, value in response.headers.items() if name.lower() not in NOT_PASSED_ON}
    return Answer(response.status_code, response.headers.get("content-type"), passed_on, _messages(response))


def _messages(response: httpx.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_raw()
    finally:
        response.close()
