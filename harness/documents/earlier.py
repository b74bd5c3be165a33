"""Makes records that an earlier harness wrote into what today's nouns expect. Pure: plain data in, plain data out.

Rules: what is read is never rewritten on disk; a record is known by its shape, for a line of results.jsonl bears no
version; what an earlier harness did not write down stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from harness.documents import hops
from harness.errors import InputError
from harness.model import Hop

Fields = dict[str, Any]

KINDS = {"asgi": "application", "cloudrun": "emulator", "emulator": "emulator"}
"""Of the four proxies that version 1 knew, those that are none."""

KEEPS_LINES = {"keeps a line until more has come": True, "hands over every line": False, "reads as it does": None}
STOOD_IN = {"the emitter speaks HTTP/1.1 only": None, "awk may hold lines itself": "awk"}

Sense = Callable[[re.Match[str]], Fields]

SENTENCES: dict[str, Sense] = {
    r"emulator: plays (.*)": lambda said: {"emulates": [said[1]]},
    r"application, not a proxy: (.*)": lambda said: {"applications": [said[1]]},
    r"EventSource shows no bytes: its events were written anew as SSE, and padding is not counted": (
        lambda said: {"remark": {"reader": "EventSource", "rewritten": True}}
    ),
    rf"reader: what awk has printed counts, and (.*) ({'|'.join(KEEPS_LINES)})": (
        lambda said: {"remark": {"reader": "awk", "printed_by": said[1], "keeps_lines": KEEPS_LINES[said[2]]}}
    ),
    r"clock: what the reader saw may be told up to ([0-9.]+) ms late": (
        lambda said: {"clock_uncertainty_ms": float(said[1])}
    ),
    r"screen: ([0-9]+) tokens that came over ([0-9]+) ms were painted together": (
        lambda said: {"screen": {"tokens": int(said[1]), "over_ms": float(said[2])}}
    ),
    rf"control: read by (.*), as ({'|'.join(STOOD_IN)})": (
        lambda said: {"stand_in": {"reader": said[1], "holder": STOOD_IN[said[2]]}}
    ),
    r"guard: the chain answered no pulse; only the direct control stream guarded the patience": (
        lambda said: {"unguarded": True}
    ),
    r"lockstep: time was up after ([0-9]+) tokens; the rest was sent without waiting": (
        lambda said: {"sampled_after": int(said[1])}
    ),
}
"""All that version 1 could note of a result, as patterns, and the facts that it stands for."""

REFUSED: dict[int, tuple[bytes, ...]] = {
    404: (b"no such stream was announced", b"a proxy has to pass /stream/N and /pulse on unchanged; asked for "),
    409: (b"this stream was already asked for\n",),
    426: (b"the WebSocket handshake came without ",),
}
"""By its status, how a refusal of the emitter's begins that bears no mark yet."""

ABOUT_NOTES = "its rule is about notes, which were sentences then; rules ask facts today: give it one and measure again"


def result(fields: Fields) -> Fields:
    """Return a line of results.jsonl as it would be written today. Raises ValueError for what was never written so."""
    ids = ("id", "baseline_id")
    return _with_facts(_with_hops_of_today(_with_hops_apart(fields, "cell", ids), "cell", ids))


def trace(fields: Fields, body: bytes) -> Fields:
    """Return a trace.json as it would be written today, given the body that was kept beside it.

    Raises ValueError for what was never written so.
    """
    ids = ("cell_id",)
    today = _with_hops_of_today(_with_hops_apart(fields, "plan", ids), "plan", ids)
    return _with_answerer(_with_remark(_with_kinds(_with_transport(today))), body)


def matrix(data: Any) -> Any:
    """Return what a run's matrix file says, as far as it can be asked today: of notes nobody can be asked any more."""
    match data:
        case {"report": {"claims": [*claims]} as report}:
            return {**data, "report": {**report, "claims": list(map(_without_notes, claims))}}
    return data


def _with_facts(fields: Fields) -> Fields:
    """Make sentences into the facts that they told."""
    match fields:
        case {"notes": [*notes], **others}:
            facts: Fields = {}
            for note in notes:
                for name, value in _sense(note).items():
                    facts[name] = facts.get(name, []) + value if isinstance(value, list) else value
            return {**others, "facts": facts}
    return fields


def _with_transport(fields: Fields) -> Fields:
    """Tell the transport from the format: `websocket` was one, and what it carries has always been NDJSON."""
    match fields:
        case {"plan": {"emission": {"format": "websocket"} as emission} as plan}:
            told = {**emission, "transport": "websocket", "format": "ndjson"}
            return {**fields, "plan": {**plan, "emission": told}}
    return fields


def _with_kinds(fields: Fields) -> Fields:
    """Say of what kind each hop of the chain was: then a proxy's name told."""
    match fields:
        case {"plan": {"chain": [*hops]}} if "hops" not in fields:
            return {**fields, "hops": [KINDS.get(hop["proxy"], "proxy") for hop in hops]}
    return fields


def _with_answerer(fields: Fields, body: bytes) -> Fields:
    """Say whose answer it was where the emitter refused in its own words; whose any other was, nobody took note."""
    match fields:
        case {"status": int(status)} if "answered_by" not in fields and body.startswith(REFUSED.get(status, ())):
            return {**fields, "answered_by": "emitter"}
    return fields


def _with_remark(fields: Fields) -> Fields:
    """Make what a reader said of itself into what is particular about it."""
    match fields:
        case {"remark": str(said)}:
            return {**fields, **_sense(said)}
    return fields


def _sense(sentence: object) -> Fields:
    """Return the fact that a sentence told. Raises ValueError if it is none of version 1."""
    for pattern, sense in SENTENCES.items():
        if said := re.fullmatch(pattern, str(sentence), re.DOTALL):
            return sense(said)
    raise ValueError(f"no harness has ever noted {sentence!r}")


def _without_notes(claim: Any) -> Any:
    """Return a claim that can be tested, or the words of one that cannot, as its rule is about notes."""
    match claim:
        case {"note": _}:
            kept = {name: value for name, value in claim.items() if name in ("claim", "where", "ours")}
            return {**kept, "untestable": ABOUT_NOTES}
    return claim


def _with_hops_apart(fields: Fields, within: str, ids: tuple[str, ...]) -> Fields:
    """Take hops apart whose `variant` is all that follows the colon: version 1 had `plain@uvloop,PAUSE_S=0`.

    Where it had several words, they were in the proxy's order, which their ids follow no more.
    """
    match fields.get(within) if isinstance(fields, dict) else None:
        case {"chain": list(chain), **rest} if any(map(_is_whole, chain)):
            apart = [asdict(_hop(f"{hop['proxy']}:{hop['variant']}")) if _is_whole(hop) else hop for hop in chain]
            again = {key: _id(fields[key]) for key in ids if isinstance(fields.get(key), str)}
            return {**fields, within: {**rest, "chain": apart}, **again}
    return fields


def _with_hops_of_today(fields: Fields, within: str, ids: tuple[str, ...]) -> Fields:
    """Call what plays others than Cloud Run as it is called today."""
    match fields.get(within) if isinstance(fields, dict) else None:
        case {"chain": list(chain), **rest} if any(_former(hop) for hop in chain):
            today = [{**hop, "proxy": now.proxy} if (now := _former(hop)) else hop for hop in chain]
            again = {key: _id(fields[key]) for key in ids if isinstance(fields.get(key), str)}
            return {**fields, within: {**rest, "chain": today}, **again}
    return fields


def _former(hop: Any) -> Hop | None:
    match hop:
        case {"proxy": str(proxy), "variant": str(variant)}:
            return hops.FORMER.get(Hop(proxy, variant))
    return None


def _is_whole(hop: Any) -> bool:
    match hop:
        case {"proxy": str(), "variant": str(variant)}:
            return "@" in variant
    return False


def _id(text: str) -> str:
    chain, slash, rest = text.partition("/")
    apart = (str(_hop(hop)) if ":" in hop else hop for hop in chain.split(">"))
    return ">".join(apart) + slash + rest


def _hop(text: str) -> Hop:
    try:
        return hops.read(text)
    except InputError as error:
        raise ValueError(str(error)) from error
