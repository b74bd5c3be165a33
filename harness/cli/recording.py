"""What stands at the end of a chain in place of our emitter: an application that is asked, or what one has answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import session
from harness.cli.arguments import Typed
from harness.cli.asking import Spoken, authority_of, check_url
from harness.cli.interrupts import interruptible
from harness.errors import InputError
from harness.model import Deployment, Recording
from harness.store.runs import load_recording

SCHEMES = ("http", "https")
Make = Callable[[Deployment, Recording | None], session.Job]
"""Makes a job of how a config stands in the chain, and of what is replayed."""
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


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who answers at the end of a chain, as options say: `named` by --backend, the URL that stands `last`, what is
    recorded in `replay`; our emitter, if it is none of them. `path` is what it is asked for, if its URL says nothing.
    Of what was `typed`, what is secret is forgotten.
    """

    named: str
    last: str
    replay: Path | None
    said: Spoken
    path: str
    authority: Path | None
    typed: Typed


def job_of(
    answerer: Answerer, deployed: Deployment, make: Make, usual: Recording, say: Callable[[str], object]
) -> session.Job:
    """Return the job that is made of who answers. An application is asked now, once `make` has nothing against the
    rest, which it is shown with a `usual` answer. Raises InputError.
    """
    sources = {
        "--backend": answerer.named,
        "the URL at the end of the chain": answerer.last,
        "--replay": str(answerer.replay or ""),
    }
    given = [what for what, source in sources.items() if source]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} say each what answers: give one of them")
    if not (spec := answerer.named or answerer.last):
        if answerer.said or answerer.authority:
            raise InputError(
                "-X, -H, -d and --cacert are for an application: name it with --backend, or last in the chain"
            )
        return make(deployed, load_recording(answerer.replay) if answerer.replay else None)
    asked = _application(answerer, spec, given[0])
    deployed = replace(deployed, path=deployed.path.partition("?")[0])  # what a query says is for the application alone
    deployed, job = session.in_front_of(spec, deployed, lambda one: make(one, usual))
    found = interruptible(session.record(asked, say, session.may_ask_in_http10(job)))
    for fact in found.facts:
        say(fact)
    return make(deployed, found.recording)


def _application(answerer: Answerer, spec: str, option: str) -> session.Application:
    """Return who is asked for what. What is secret in it is forgotten."""
    said, path = answerer.said, answerer.path
    answerer.typed.forget_queries("chain", "hop", "backend", "path")
    if spec.startswith(SCHEMES):
        check_url(option, spec, SCHEMES)
    if len(said.methods) > 1:
        raise InputError("-X: an application is asked once, so by one method")
    if said.body is not None and said.methods == ("GET",):
        raise InputError("-d: GET has no body; say -X POST, or leave -X out")
    method = said.methods[0] if said.methods else "GET" if said.body is None else "POST"
    return session.application(spec, path, method, said.typed, said.body, authority_of(answerer.authority, spec))
