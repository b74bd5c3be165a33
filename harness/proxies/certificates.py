"""Throw-away certificates for proxies that speak TLS: made when one starts, gone with its folder.

The authority's own key is never written anywhere; its certificate is kept, so that clients can trust what it signed.
"""

from __future__ import annotations

from pathlib import Path

from harness.errors import Unavailable

CERTIFICATE = "certificate.pem"
KEY = f"{CERTIFICATE}.key"  # where HAProxy looks for it
OPENSSL = "SSL_CERT_FILE"
"""The variable that names a program with OpenSSL, Python too, the file of whom it is to trust."""
NAMES = ("127.0.0.1", "localhost")


def issue(folder: Path, authority: Path) -> None:
    """Put a certificate for this machine's loopback and its key into `folder`, and who signed it into `authority`."""
    try:
        import trustme
    except ModuleNotFoundError:
        raise Unavailable("TLS needs the trustme library, which is not installed", "pip install trustme") from None
    signer = trustme.CA(organization_name="token-stream-harness, for one run")
    issued = signer.issue_cert(*NAMES)
    (folder / CERTIFICATE).write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    (folder / KEY).touch(mode=0o600)
    (folder / KEY).write_bytes(issued.private_key_pem.bytes())
    signer.cert_pem.write_to_path(str(authority))
