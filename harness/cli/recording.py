"""What stands at the end of a chain in place of our emitter: an application that is asked, or what one has answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from harness import session
from harness.cli.arguments import forget
from harness.cli.asking import Spoken, authority_of, check_url
from harness.cli.interrupts import interruptible
from harness.errors import InputError
from harness.model import Recording
from harness.store.runs import load_recording

SCHEMES = ("http", "https")
_ENDPOINT = re.compile(r"(?:(?P<chain>.*?)>)?(?P<url>https?://.*)", re.DOTALL)


def chain_and_endpoint(chain: str) -> tuple[str, str]:
    """Return a chain without the URL that it may end with, and that URL; the chain of a URL alone is `direct`."""
    found = _ENDPOINT.fullmatch(chain.strip())
    return (found["chain"] or "direct", found["url"]) if found else (chain, "")


def hops_and_endpoint(hops: Sequence[str]) -> tuple[list[str], str]:
    """Return hops without the URL that may be the last, and that URL. Raises InputError if one stands before others."""
    chain, url = chain_and_endpoint(">".join(hops))
    if url and ">" in url and any(_ENDPOINT.fullmatch(hop) for hop in hops[:-1]):
        raise InputError("--hop: a URL is what answers: it stands last, behind all hops")
    return (chain.split(">") if url else list(hops)), url


def recording_of(
    named: str,
    last: str,
    replay: Path | None,
    said: Spoken,
    path: str,
    authority: Path | None,
    say: Callable[[str], object],
) -> Recording | None:
    """Return what is to be replayed: of the application that --backend names or that stands `last` in the chain, which
    is asked now, or of a file; None if it is our emitter's own tokens. Raises InputError.
    """
    sources = {"--backend": named, "the URL at the end of the chain": last, "--replay": str(replay or "")}
    given = [what for what, source in sources.items() if source]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} say each what answers: give one of them")
    if not (named or last):
        if said or authority:
            raise InputError(
                "-X, -H, -d and --cacert are for an application: name it with --backend, or last in the chain"
            )
        return load_recording(replay) if replay else None
    spec = named or last
    forget([query for query in (urlsplit(spec).query, urlsplit(path).query) if query])
    if spec.startswith(SCHEMES):
        check_url(given[0], spec, SCHEMES)
    if len(said.methods) > 1:
        raise InputError("-X: an application is asked once, so by one method")
    if said.body is not None and said.methods == ("GET",):
        raise InputError("-d: GET has no body; say -X POST, or leave -X out")
    method = said.methods[0] if said.methods else "GET" if said.body is None else "POST"
    asked = session.application(spec, path, method, said.typed, said.body, authority_of(authority))
    found = interruptible(session.record(asked, say))
    for fact in found.facts:
        say(fact)
    return found.recording
