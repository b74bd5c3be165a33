"""What a client does not declare is not asked of it: here, before anything is sent, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from harness.clients import CLIENTS
from harness.clients.base import Client
from harness.errors import Unavailable
from harness.model import HttpVersion, TransportName


def need(client: Client, transport: TransportName, first: str, spoken: Sequence[HttpVersion]) -> None:
    """Raise Unavailable, with the way out, for a transport or HTTP versions that a client does without.

    `first` is what it meets first, as people write it, and `spoken` what that answers in.
    """
    if transport not in client.transports:
        others = " or ".join(name for name, make in CLIENTS.items() if transport in make().transports)
        why = client.lacks.get(transport, f"does not speak {transport}")
        raise Unavailable(f"client {client.name} {why}", f"choose client {others}")
    if not set(client.http) & set(spoken):
        raise Unavailable(
            f"client {client.name} asks in HTTP/{' or '.join(client.http)}, and {first}, which it meets first, "
            f"only answers in HTTP/{' and '.join(spoken)}",
            "choose another client, or a first hop that answers in it: nginx:h2-tls answers in both",
        )
