"""Asks whatever listens at an endpoint which versions of HTTP it answers in."""

from __future__ import annotations

import asyncio
import ssl

from harness.model import Endpoint, HttpVersion

NO_REQUEST = b"?\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0"  # a server's first frame in HTTP/2 begins with its length, which is less than 65,536


async def spoken(endpoint: Endpoint) -> tuple[HttpVersion, ...]:
    """Return the versions, oldest first. Raises OSError or IncompleteReadError if there is no answer."""
    if endpoint.authority:
        return ("1.1", "2") if await _agreed(endpoint, endpoint.authority) == "h2" else ("1.1",)
    plain: tuple[HttpVersion, ...] = ("1.1",) if await _first_byte(endpoint, NO_REQUEST) != SETTINGS else ()
    return (*plain, "2") if await _first_byte(endpoint, PREFACE) == SETTINGS else plain


async def _first_byte(endpoint: Endpoint, words: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    try:
        writer.write(words)
        return await reader.readexactly(1)
    finally:
        writer.close()


async def _agreed(endpoint: Endpoint, authority: str) -> str | None:
    trusting = ssl.create_default_context(cafile=authority)
    trusting.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection(endpoint.host, endpoint.port, ssl=trusting)
    try:
        agreed: str | None = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        return agreed
    finally:
        writer.transport.abort()
