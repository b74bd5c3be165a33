"""What to paste: a set of mitigations in the words of who has to apply it. Pure.

Rules: headers and filling follow from what a mitigation changes, and are put together as the harness puts them together
when it measures, and so do lines of a config that are edited; what follows from nothing stands in the catalogue
(`apply`), by proxy or by who has to do it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.matrix.mitigations import merged
from harness.model import Filler, Mitigation

EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Framework:
    """How a backend says it. `headers` takes those of a response and its type; `spaces` and `random` write a comment of
    `{n}` characters, which are as many as `{half}` bytes in hexadecimal.
    """

    name: str
    headers: Callable[[Mapping[str, str], str], list[str]]
    spaces: str
    random: str
    comment: str = "//"


def _fastapi(headers: Mapping[str, str], content_type: str) -> list[str]:
    told = f"headers={_quoted(headers)}" if headers else ""
    given = [f"media_type={json.dumps(content_type)}", *filter(None, [told])]
    return [f"return StreamingResponse(events(), {', '.join(given)})"]


def _express(headers: Mapping[str, str], content_type: str) -> list[str]:
    return [f"res.set({_quoted({'Content-Type': content_type, **headers})})"]


def _go(headers: Mapping[str, str], content_type: str) -> list[str]:
    every = {"Content-Type": content_type, **headers}
    return [f"w.Header().Set({json.dumps(name)}, {json.dumps(value)})" for name, value in every.items()]


FRAMEWORKS = (
    Framework(
        "FastAPI",
        _fastapi,
        'yield ":" + " " * {n} + "\\n"',
        'yield ":" + secrets.token_hex({half}) + "\\n"',
        comment="#",
    ),
    Framework(
        "Express",
        _express,
        'res.write(":" + " ".repeat({n}) + "\\n")',
        'res.write(":" + crypto.randomBytes({half}).toString("hex") + "\\n")',
    ),
    Framework(
        "Go",
        _go,
        'fmt.Fprint(w, ":", strings.Repeat(" ", {n}), "\\n")',
        'noise := make([]byte, {half}); rand.Read(noise); fmt.Fprintf(w, ":%x\\n", noise)',
    ),
)


def recipes(
    applied: Sequence[Mitigation], proxies: Collection[str], patched: Collection[str] = ()
) -> dict[str, list[str]]:
    """Return the lines that apply mitigations to a chain of these proxies, by where they belong.

    What those edit in configs of proxies that are to be patched is said by patches.
    """
    change, _ = merged(applied)
    found: dict[str, list[str]] = {}
    for framework in FRAMEWORKS:
        if lines := list(_said(framework, change)):
            found[framework.name] = lines
    for one in applied:
        for where, lines in _applied(one).items():
            if where not in _other_proxies(one, proxies) and not (one.edited and where in patched):
                found.setdefault(where, []).extend(lines)
    return found


def _applied(one: Mitigation) -> dict[str, list[str]]:
    """Return what the catalogue says of a mitigation, and its edits for proxies of which it says no more."""
    edits = {
        proxy: [*edit.set, *edit.add, *(f"# without {line}" for line in edit.drop)] for proxy, edit in one.edit.items()
    }
    return edits | {where: text.splitlines() for where, text in one.apply.items()}


def _said(framework: Framework, change: Mitigation) -> Iterator[str]:
    if change.response_headers or change.content_type:
        yield from framework.headers(change.response_headers, change.content_type or EVENTS)
    for filler, when in ((change.prelude, "before the first event"), (change.padding, "after each event")):
        if filler:
            yield f"{_filled(framework, filler)}  {framework.comment} {when}"


def _filled(framework: Framework, filler: Filler) -> str:
    """Return what writes so many bytes, of which a colon and the line's end are two."""
    template = framework.spaces if filler.fill == "spaces" else framework.random
    return template.replace("{n}", str(filler.bytes - 2)).replace("{half}", str(filler.bytes // 2 - 1))


def _other_proxies(one: Mitigation, proxies: Collection[str]) -> set[str]:
    """Return the proxies that a mitigation also knows and the chain does not have."""
    replaced: Iterable[str] = one.chain if isinstance(one.chain, Mapping) else ()
    return {*one.edit, *(old.partition(":")[0] for old in replaced)} - {*proxies}


def _quoted(headers: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in headers.items()) + "}"
