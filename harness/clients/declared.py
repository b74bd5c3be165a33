"""What a client does not declare is not asked of it: here, before anything is sent, and nowhere else."""

from __future__ import annotations

from harness.clients import CLIENTS
from harness.clients.base import Client
from harness.errors import Unavailable
from harness.model import TransportName


def need_transport(client: Client, transport: TransportName) -> None:
    """Raise Unavailable if a client does without a transport, and name those that do not."""
    if transport in client.transports:
        return
    others = " or ".join(name for name, make in CLIENTS.items() if transport in make().transports)
    why = client.lacks.get(transport, f"does not speak {transport}")
    raise Unavailable(f"client {client.name} {why}", f"choose client {others}" if others else "")
