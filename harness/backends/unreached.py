"""Why somebody elsewhere cannot be asked, or is no emitter, in plain words: what is wrong there, and the way out.

Rule: of what was answered nothing is told but what is handed in, from which whoever hands it in has taken the secrets.
"""

from __future__ import annotations

import re
import socket
import ssl

import aiohttp

from harness.backends.posting import TOKEN_VARIABLE
from harness.errors import BackendError, HarnessError, InputError, shortened
from harness.launchers.words import of_system
from harness.model import LIMITS

SELF_SIGNED, UNKNOWN, OTHER_NAMES = (18, 19), (2, 20, 21), (62, 64)
TIMES = {9: "is the clock here right?", 10: "what is there needs a new one"}
"""What OpenSSL's verification ends with: X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT and its like, by the numbers of
include/openssl/x509_vfy.h.in (openssl/openssl at 0365b1a)."""

LOGIN = "if whoever is in front asks for a login, let requests through to the emitter without: it has its own token"

TOO_MANY = 429
STREAMS = "/stream/"
"""Below which streams are asked for, and nothing else."""

_TITLE = re.compile(r"<title[^>]*>\s*([^<]*?)\s*</title", re.IGNORECASE)


def why_no_connection(error: OSError, trust: str) -> str:
    """Return why there is no connection; `trust` is the option that says whom to trust, with its value's name."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate is not trusted ({error.verify_message}): {_how_trusted(error.verify_code, trust)}"
        case ssl.SSLError():
            return f"no TLS is spoken there ({error.reason}); is it http://?"
        case socket.gaierror():
            return f"its name cannot be looked up ({of_system(error)}): is it spelled right?"
        case ConnectionRefusedError():
            return "nobody listens there: is it started, and is that its port?"
    return of_system(error)


def why_unreached(error: Exception, over_tls: bool, trust: str) -> str:
    """Return likewise what aiohttp's error comes of. What it has read of an answer may be in its own words."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"its name cannot be looked up ({of_system(error.os_error)}): is it spelled right?"
        case aiohttp.ClientConnectorError() if over_tls and isinstance(error.os_error, ConnectionResetError):
            return "whoever listens there hangs up on TLS; is it http://?"
        case aiohttp.ClientConnectorError():
            return why_no_connection(error.os_error, trust)
    return f"its answer breaks off, or is no HTTP{'' if over_tls else '; is it https://?'}"


def who_answers(status: int, text: str, location: str, asked: str) -> str:
    """Return who answers, who is no emitter, and what to do: by its status, its body, and where it sends those to who
    `asked` for a path.
    """
    if 300 <= status < 400:
        elsewhere = location.rstrip("/").removesuffix(asked)
        is_ours = elsewhere != location.rstrip("/") and bool(re.match("https?://[^/]", elsewhere))
        way_out = f"give {elsewhere} as the URL" if is_ours else LOGIN
        return f"status {status}, which sends to {location or 'nowhere'}; {way_out}"
    return f"status {status}, {_page(text) or shortened(text)}; {_way_out(status, asked)}"


def refusal(who: str, path: str, status: int, said: str, waited_s: float) -> HarnessError:
    """Return what an emitter, or who is in front of it, has against a request, after what is worth waiting for."""
    is_stream = path.startswith(STREAMS)
    if status == TOO_MANY:
        return BackendError(f"{who} takes no more requests (429), also {waited_s:g} s later: {said}")
    if is_stream and status not in LIMITS:
        return InputError(
            f"{who} leads to the emitter, but {STREAMS}..., which has to be passed on unchanged, came there as another"
            f" path: status {status}, {said}"
        )
    if status == 401:
        return InputError(f"{who} wants another token than {TOKEN_VARIABLE} says: {said}")
    return BackendError(f"{who} refuses {'streams' if is_stream else path.rpartition('/')[2]} with {status}: {said}")


def _how_trusted(code: int, trust: str) -> str:
    if code in SELF_SIGNED:
        return f"it is signed by itself, or by one that is: {trust} takes it for true"
    if code in UNKNOWN:
        return f"{trust} says who signed it"
    if code in OTHER_NAMES:
        return "ask by a name that is in it"
    return TIMES.get(code, f"{trust} says whom to trust")


def _page(text: str) -> str:
    """Return which page of HTML that is; nothing if it is none."""
    if not re.match(r"\s*(<!doctype html|<html|<head)", text, re.IGNORECASE):
        return ""
    title = _TITLE.search(text)
    return f"a page, {shortened(title[1])}" if title else "a page"


def _way_out(status: int, asked: str) -> str:
    match status:
        case 401 | 403 | 407:
            return LOGIN
        case 400:
            return "if TLS is spoken there, say https://"
        case 502 | 504:
            return "whoever is in front does not reach the emitter: is it started, and does it listen where PORT says?"
    if asked.startswith(STREAMS):
        return f"whoever is in front has to pass on GET {STREAMS}... to the emitter that --control reaches, unchanged"
    return (
        "the emitter is `python -m harness.backends.public`, its path is that of the URL, and --control says where else"
        " it is told what to send"
    )
