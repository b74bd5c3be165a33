"""Mitigations: the catalogue of claimed fixes, and what a cell becomes when its own are applied.

Rules of composition, so that order never matters:
- two mitigations may set the same thing only to the same value; directives of Cache-Control add up;
- hops are replaced all at once, in the chain as the cell has it, and what replaces one hop has to go together
  (replacements.py);
- what is edited in one config adds up; `NAME@VARIANT` is the same mitigation in the config of that hop alone;
- a mitigation that changes nothing in its cell cannot apply, and says so: it would measure the baseline twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.documents.document import Document
from harness.errors import Complaint, InputError, allowed
from harness.formats import FORMATS
from harness.matrix.replacements import replaced_by_all, replacements
from harness.matrix.requests import Requests
from harness.matrix.shapes import Catalogue
from harness.model import (
    AXES,
    DEFAULT_CLIENT,
    Cell,
    Chain,
    Emission,
    Filler,
    Format,
    Hop,
    Method,
    Mitigation,
    Option,
    Plan,
    Recording,
    Workload,
    chain_text,
    in_order,
    is_secret,
    shown_urls,
)

SCALARS = ("content_type", "format", "method", "prelude", "padding", "heartbeat_ms", "delay_ms", "scale", "client")
RESERVED = {"none": "stands for no mitigation", "all": "stands for every mitigation"}
PARTS = {"response_headers": "response header", "request_headers": "request header"}


def parse(text: str, file: str) -> dict[str, Mitigation]:
    """Read a catalogue. Raises InputError with everything that is wrong in it."""
    document = Document(text, file)
    shapes = document.shape(Catalogue)
    for name in RESERVED.keys() & shapes.keys():
        document.reject((name,), f"this name {RESERVED[name]}; choose another")
    document.settle()
    return {name: shape.named(name) for name, shape in shapes.items()}


def placed(
    catalogue: Mapping[str, Mitigation], hops: Iterable[Hop], changes: Callable[[Hop, Mitigation], bool]
) -> dict[str, Mitigation]:
    """Return a catalogue in which mitigations know the hops whose configs they edit: those that `changes` tells.

    One that edits several is there for each of them alone, too, before it: a smaller change may do.
    """
    found: dict[str, Mitigation] = {}
    for name, one in catalogue.items():
        edited = tuple(
            hop for hop in hops if hop.proxy in one.edit and not replacements(hop, one) and changes(hop, one)
        )
        for hop in edited if len(edited) > 1 else ():
            alone = f"{name}@{hop.variant}"
            found[alone] = replace(one, name=alone, chain=None, edited=(hop,))
        found[name] = replace(one, edited=edited)
    return found


def plan(cell: Cell, catalogue: Mapping[str, Mitigation], requests: Requests) -> Plan:
    """Return the cell with its mitigations applied. Raises InputError if they contradict it or each other."""
    if refused := objections(cell, catalogue, requests):
        raise InputError(*(replace(one, message=f"cell {cell.id}: {one.message}") for one in refused))
    applied = [catalogue[name] for name in cell.mitigations]
    change, _ = merged(applied)
    transport, codec = FORMATS[change.format or cell.format]
    recording = cell.workload.recording
    method = change.method or (recording.method if recording else codec.method)
    usual_type = recording.content_type if recording else codec.content_type
    return Plan(
        chain=_chain(cell.chain, applied),
        method=method,
        request_headers=_request_headers(_profile(cell, change, requests), change, method),
        emission=Emission(
            workload=_workload(cell.workload, change),
            transport=transport.name,
            format=codec.name,
            body=cell.body,
            pace=cell.pace,
            content_type=change.content_type or usual_type,
            headers=_response_headers(recording, change),
            prelude=change.prelude,
            padding=change.padding,
            heartbeat_ms=change.heartbeat_ms,
            delay_ms=change.delay_ms,
        ),
        client=change.client if change.client and cell.client == DEFAULT_CLIENT else cell.client,
        path=codec.path,
        request_body=codec.request_body if method == "POST" else None,
    )


def objections(cell: Cell, catalogue: Mapping[str, Mitigation], requests: Requests) -> list[Complaint]:
    """Return what speaks against planning the cell, each with the key of its axis or workload that is to blame."""
    unknown = [name for name in cell.mitigations if name not in catalogue]
    if unknown:
        choices = sorted(catalogue)
        return [_of("mitigations", f"unknown mitigation {name!r}; {allowed(name, choices)}") for name in unknown]
    applied = [catalogue[name] for name in cell.mitigations]
    change, conflicts = merged(applied)
    conflicts += _torn(cell.chain, applied)
    if conflicts:
        return [_of("mitigations", conflict) for conflict in conflicts]
    idle = [_of("mitigations", why) for why in _idle_ones(cell, applied, change, requests)]
    return [*idle, *_impossible(cell, change), *_too_small(cell, change)]


def may_be_proposed(cell: Cell, catalogue: Mapping[str, Mitigation], requests: Requests) -> bool:
    """Tell whether nothing speaks against a cell, and each of its mitigations is something that can be changed.

    That somebody else reads is none: it has to be the hop in front that answers otherwise then.
    """
    if objections(cell, catalogue, requests):
        return False
    reading = (catalogue[name] for name in cell.mitigations if catalogue[name].client)
    return not any(_chain(cell.chain, [one])[:1] == cell.chain[:1] for one in reading)


def chain(cell: Cell, catalogue: Mapping[str, Mitigation]) -> Chain:
    """Return the chain that the cell, against which nothing speaks, is measured through."""
    return _chain(cell.chain, [catalogue[name] for name in cell.mitigations])


def concerned(cell: Cell, catalogue: Mapping[str, Mitigation], requests: Requests) -> bool:
    """Tell whether each of the cell's mitigations changes something in it, as far as the catalogue has them."""
    applied = [catalogue[name] for name in cell.mitigations if name in catalogue]
    return not any(_idle_ones(cell, applied, merged(applied)[0], requests))


def is_detour(one: Mitigation, word: Format) -> bool:
    """Tell whether it leaves the chain, or takes another transport than a stream in this format has."""
    return one.chain == "direct" or (one.format is not None and FORMATS[one.format][0] != FORMATS[word][0])


def _of(axis: str, why: str) -> Complaint:
    return Complaint(why, ("axes", axis))


def _settings(mitigation: Mitigation) -> Iterator[tuple[str, str, Any]]:
    """Yield field, part of the field, value; header names are capitalized, for their case does not count."""
    for field in SCALARS:
        if (value := getattr(mitigation, field)) is not None:
            yield field, "", value
    for field in ("response_headers", "request_headers"):
        for name, value in getattr(mitigation, field).items():
            yield field, "-".join(word.capitalize() for word in name.split("-")), value


def merged(applied: Sequence[Mitigation]) -> tuple[Mitigation, list[str]]:
    """Return one mitigation that does what all of `applied` do, and where they contradict each other."""
    setters: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for mitigation in applied:
        for field, part, value in _settings(mitigation):
            setters[field, part][mitigation.name] = value
    fields: dict[str, Any] = {}
    conflicts = []
    for (field, part), values in setters.items():
        agreed = _agreed(part, list(values.values()))
        if len(agreed) > 1:
            what = f"{PARTS[field]} {part}" if part else field.removesuffix("_ms").replace("_", " ")
            how = "" if is_secret(part) else f": {_listed(map(_shown, agreed))}"
            conflicts.append(f"{_listed(values)} set the {what} differently{how}")
        if part:
            fields.setdefault(field, {})[part] = agreed[0]
        else:
            fields[field] = agreed[0]
    return Mitigation("+".join(mitigation.name for mitigation in applied), "", "", "header", **fields), conflicts


def _torn(chain: Chain, applied: Sequence[Mitigation]) -> Iterator[str]:
    """Yield where mitigations would make different things of one chain."""
    direct = [one.name for one in applied if one.chain == "direct"]
    replacing = sorted(one.name for one in applied if isinstance(one.chain, Mapping) or one.edit)
    if direct and replacing:
        yield f"{_listed(direct)} bypasses the chain, which does not go with {_listed(replacing)}"
        return
    for hop in dict.fromkeys(chain):
        if len(distinct := sorted(replaced_by_all(hop, applied), key=str)) > 1:
            news = [one.name for one in applied if replacements(hop, one)]
            how = f"set{'s' if len(news) == 1 else ''} the replacement of {hop} differently"
            yield f"{_listed(news)} {how}: {_listed(map(_shown, map(str, distinct)))}"
    for hop in dict.fromkeys(_chain(chain, applied)):
        yield from _at_odds(hop, [one for one in applied if hop.bare in one.edited])


def _at_odds(hop: Hop, editing: Sequence[Mitigation]) -> Iterator[str]:
    """Yield which directives mitigations would have otherwise in one config."""
    wanted: dict[str, dict[str, str]] = defaultdict(dict)
    for one in editing:
        edit = one.edit[hop.proxy]
        for words, lines in ((1, edit.set), (2, edit.add)):
            for line in lines:
                wanted[" ".join(line.split(" ")[:words])][one.name] = line
    for directive, said in wanted.items():
        if len(distinct := dict.fromkeys(said.values())) > 1:
            yield f"{_listed(said)} set {directive} of {hop.bare} differently: {_listed(map(_shown, distinct))}"


def _agreed(part: str, values: list[Any]) -> list[Any]:
    """Return the distinct values, sorted; Cache-Control is a list, in which directives add up."""
    distinct = sorted(set(values), key=str)
    if part == "Cache-Control" and len(distinct) > 1:
        return [", ".join(sorted({directive.strip() for value in distinct for directive in value.split(",")}))]
    return distinct


def _idle_ones(cell: Cell, applied: Iterable[Mitigation], change: Mitigation, requests: Requests) -> Iterator[str]:
    return (f"{each.name} {why}" for each in applied for why in _idle(each, cell, change, requests))


def _idle(one: Mitigation, cell: Cell, change: Mitigation, requests: Requests) -> Iterator[str]:
    """Yield why a mitigation would change nothing in this cell."""
    if one.chain == "direct" and not cell.chain:
        yield "bypasses a chain that is direct already"
    reads = one.client and cell.client == DEFAULT_CLIENT  # it changes who does
    replaces = one.chain if isinstance(one.chain, Mapping) else {}
    if (replaces or one.edit) and not reads and _chain(cell.chain, [one]) == cell.chain:
        if any(replacements(each, one) for each in cell.chain):
            yield f"replaces {chain_text(cell.chain)} by what it is already"
        else:
            idle = [f"replaces {_listed(replaces, 'or')}, which the chain does not have"] if replaces else []
            idle += [f"edits {proxy} configs of yours, of which none here would change, or can" for proxy in one.edit]
            yield ", and ".join(idle)
    if one.format == cell.format:
        yield f"changes the format to {one.format}, which it is already"
    _, codec = FORMATS[change.format or cell.format]
    recording = cell.workload.recording
    if one.content_type == (recording.content_type if recording else codec.content_type):
        yield f"changes the content type to {one.content_type}, which it is already"
    if one.method == (recording.method if recording else codec.method):
        yield f"changes the method to {one.method}, which it is already"
    said = {name.lower(): value for name, value in recording.headers} if recording else {}
    for name, given in one.response_headers.items():
        if said.get(name.lower()) == given:
            yield f"sends {name}: {given}, which the application sends already"
    sent = {name.lower(): value for name, value in _profile(cell, change, requests)}
    for name, value in one.request_headers.items():
        if sent.get(name.lower()) == value:
            yield f"leaves the request header {name} of profile {cell.request} as it is"


def _impossible(cell: Cell, change: Mitigation) -> Iterator[Complaint]:
    """Yield a complaint about what the transport, format or body of the cell does not allow."""
    word = change.format or cell.format
    transport, codec = FORMATS[word]
    if cell.workload.recording:
        yield from (_of("mitigations", why) for why in _unlike_recorded(cell, change))
    for what, why in transport.objections(cell.body, change.method or codec.method, change.content_type):
        if what in AXES:
            yield _of(what, why)
        else:
            yield _of("mitigations" if getattr(change, what) else "format", why)
    if change.heartbeat_ms and codec.heartbeat() is None:
        yield _of("mitigations", f"format {word} has no heartbeat")
    if change.heartbeat_ms and cell.body == "length":
        yield _of("mitigations", "with body length nobody knows how many heartbeats to count")


def _unlike_recorded(cell: Cell, change: Mitigation) -> Iterator[str]:
    """Yield what asks for other tokens than those that were recorded."""
    if change.format and change.format != cell.format:
        yield f"a recorded answer is {cell.format}, and is not written anew as {change.format}"
    if change.scale:
        yield "the writes of a recorded answer are not cut anew"
    if change.heartbeat_ms:
        yield "between the writes of a recorded answer nothing is sent: a message may go on there"
    if (change.prelude or change.padding) and cell.format == "text":
        yield "in a recorded answer that is neither events nor lines of JSON no bytes are known to mean nothing"


def _too_small(cell: Cell, change: Mitigation) -> Iterator[Complaint]:
    """Yield a complaint if a token of the workload has no room for its format."""
    word = change.format or cell.format
    _, codec = FORMATS[word]
    if cell.workload.recording:
        return
    if _workload(cell.workload, change).token_bytes < codec.min_token_bytes:
        scaled = f" divided by {change.scale}" if change.scale else ""
        why = f"{cell.workload.token_bytes}{scaled} is too small: format {word} needs {codec.min_token_bytes}"
        yield Complaint(why, ("workloads", cell.workload.name, "token_bytes"))


def _chain(chain: Chain, applied: Sequence[Mitigation]) -> Chain:
    if any(one.chain == "direct" for one in applied):
        return ()
    replaced = (next(iter(replaced_by_all(each, applied)), each) for each in chain)
    return tuple(_edited(hop, applied) for hop in replaced)


def _edited(hop: Hop, applied: Sequence[Mitigation]) -> Hop:
    """Return a hop with the mitigations that change its config, each as an option."""
    edits = {Option("edit", one.entry) for one in applied if hop.bare in one.edited}
    return replace(hop, options=in_order({*hop.options, *edits})) if edits else hop


def _profile(cell: Cell, change: Mitigation, requests: Requests) -> tuple[tuple[str, str], ...]:
    """Return the headers that the cell's request profile sends."""
    transport, _ = FORMATS[change.format or cell.format]
    return transport.request_headers(requests[cell.request])


def _request_headers(
    profile: tuple[tuple[str, str], ...], change: Mitigation, method: Method
) -> tuple[tuple[str, str], ...]:
    posted = (("Content-Type", "application/json"),) if method == "POST" else ()
    sent = {name.lower(): (name, value) for name, value in (*profile, *posted)}
    for name, value in sorted(change.request_headers.items()):
        if value is None:
            sent.pop(name.lower(), None)
        else:
            sent[name.lower()] = (name, value)
    return tuple(sent.values())


def _response_headers(recording: Recording | None, change: Mitigation) -> tuple[tuple[str, str], ...]:
    """Return what is sent: of a recording what it has, but for what a mitigation sets in its place."""
    set_anew = {name.lower() for name in change.response_headers}
    recorded = recording.headers if recording else ()
    return (
        *(header for header in recorded if header[0].lower() not in set_anew),
        *sorted(change.response_headers.items()),
    )


def _workload(workload: Workload, change: Mitigation) -> Workload:
    times = change.scale or 1
    return replace(
        workload,
        tokens=workload.tokens * times,
        token_bytes=workload.token_bytes // times,
        interval_ms=workload.interval_ms / times,
    )


def _listed(names: Iterable[str], conjunction: str = "and") -> str:
    *others, last = names
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def _shown(value: object) -> str:
    if isinstance(value, Filler):
        return f"{value.bytes} bytes of {value.fill}"
    return "nothing" if value is None else shown_urls(repr(value))
