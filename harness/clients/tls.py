"""The TLS that a client speaks: it trusts one authority, that of whoever it asks, and nobody else.

Somebody's endpoint has an authority that nobody names: then those count that the system trusts.
"""

from __future__ import annotations

import functools
import ssl

PEER_CONTEXTS = 64


@functools.lru_cache(PEER_CONTEXTS)
def context(authority: str | None, *protocols: str) -> ssl.SSLContext:
    """Return how to meet a server whose certificate that authority (a PEM file) signed, offering these by ALPN.

    None stands for those that the system trusts.
    """
    trusting = ssl.create_default_context(cafile=authority)
    trusting.set_alpn_protocols(protocols)
    return trusting


def refusal(error: Exception) -> str:
    """Return in words why there was no TLS connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS handshake failed: the certificate does not verify: {error.verify_message}"
    reason = (error.reason or "").lower().replace("_", " ") if isinstance(error, ssl.SSLError) else ""
    return f"TLS handshake failed: {reason or error}"
