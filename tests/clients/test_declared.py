"""What a client cannot read is refused in one place, with who can."""

from __future__ import annotations

from typing import get_args

import pytest

from harness.clients import CLIENTS
from harness.clients.declared import need
from harness.errors import Unavailable
from harness.model import TransportName

WHO_DOES = " or ".join(name for name, make in CLIENTS.items() if "websocket" in make().transports)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("h2", "client h2 does not open WebSockets: nginx does not in HTTP/2"),
        ("curl", "client curl hands over no messages of a WebSocket"),
        ("curl-awk", "client curl-awk hands over no messages of a WebSocket"),
        (
            "chromium-eventsource",
            "client chromium-eventsource cannot ask so: EventSource only reads sse, not websocket",
        ),
    ],
)
def test_who_opens_no_websocket_says_why_and_who_does(name: str, says: str) -> None:
    with pytest.raises(Unavailable) as told:
        need(CLIENTS[name](), "websocket", "the emitter", ("1.1", "2"))
    assert str(told.value) == f"{says} (choose client {WHO_DOES})"


@pytest.mark.parametrize("transport", get_args(TransportName))
@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_reads_a_transport_or_says_why_not(name: str, transport: TransportName) -> None:
    client = CLIENTS[name]()
    assert (transport in client.transports) != (transport in client.lacks)
