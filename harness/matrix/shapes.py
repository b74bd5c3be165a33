"""What the catalogue and a matrix file may say: the shape of the data, before any name in it is looked up.

Rules: unknown keys are errors; nothing is converted (a number in quotes is text); where a list is expected, one
value stands for a list of one. What a key means and an example of it stand with the key, those of axes and
workloads in the model: reference.py makes the page.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from harness.documents import hops
from harness.documents.keys import HeaderName, Listed, Name, Shape, Words, key, with_keys
from harness.documents.programs import OwnProxyShape
from harness.errors import InputError
from harness.matrix.report_shapes import ReportShape
from harness.model import (
    AXES,
    WORKLOAD_KEYS,
    Axis,
    Cost,
    Deployment,
    Edit,
    Effect,
    Fill,
    Filler,
    Format,
    Handshake,
    Hop,
    Manner,
    Method,
    Mitigation,
    Payload,
    Recording,
    RequestProfile,
    Verdict,
    Workload,
)

V = TypeVar("V")

FRAMING = {
    "content-type": "content_type says it",
    "content-length": "the body axis decides it",
    "transfer-encoding": "the body axis decides it",
}


def _combined(value: object) -> object:
    """Read one entry of the mitigations axis: `none`, `all`, `a`, `a+b` or a list of names."""
    if not isinstance(value, str):
        return value
    return [] if value == "none" else [name.strip() for name in value.split("+")]


def _globbed(value: object) -> object:
    return {"cells": value} if isinstance(value, str) else value


def _in_folder(value: object) -> object:
    return {"folder": value} if isinstance(value, str) else value


def _once(headers: dict[str, V]) -> dict[str, V]:
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("the same header is there twice; case does not count")
    return headers


HeaderValue = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]*[!-~])?$")]
Combination = Annotated[list[str], BeforeValidator(_combined, json_schema_input_type=str | list[str])]
Milliseconds = Annotated[float, Field(gt=0, le=3_600_000, allow_inf_nan=False)]


class FillerShape(Shape):
    """Bytes that mean nothing."""

    bytes: int = key("how many", 4096, ge=16, le=2**20)
    fill: Fill = key("`random` bytes do not compress, `spaces` do", "random", "spaces")


def _directive(text: str) -> str:
    if not re.fullmatch(DIRECTIVE, text):
        raise ValueError("must be one directive and its arguments, without what ends it: `proxy_buffering off`")
    return text


DIRECTIVE = r"""[a-z][a-z0-9_]*( ([^\s;{}"'#\\][^\s;{}"'\\]*|"[^"{}\\\n]*"|'[^'{}\\\n]*'))+"""
Directive = Annotated[str, AfterValidator(_directive)]


class EditShape(Shape):
    """What of a config of yours is to be in effect in the block that answers, its location: directives."""

    set: Listed[Directive] = key("of each of these directives one is in effect", "proxy_buffering off", [])
    add: Listed[Directive] = key(
        "these go beside others of their name, be these inherited; one with the same first argument is replaced",
        "proxy_pass_header X-Accel-Buffering",
        [],
    )
    drop: Listed[Directive] = key(
        "arguments that are taken out, wherever the block has them from", "proxy_ignore_headers X-Accel-Buffering", []
    )

    @model_validator(mode="after")
    def _changes_something(self) -> EditShape:
        if not (self.set or self.add or self.drop):
            raise ValueError("changes nothing; give at least one of set, add, drop")
        names = [line.split(" ")[0] for line in self.set]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"sets {twice} twice; `add` is for directives that stand beside each other")
        return self

    def noun(self) -> Edit:
        """Return the noun."""
        return Edit(tuple(self.set), tuple(self.add), tuple(self.drop))


class MitigationShape(Shape):
    """One claimed fix: what it claims, who says so, what it asks of whoever applies it, and at least one change."""

    claim: Words = key("what it is said to do, in one sentence", "What must not be stored is not buffered.")
    source: Words = key("who says so", "our wiki")
    cost: Cost = key("what it asks of whoever applies it; the cheapest is told first", "header")
    response_headers: dict[HeaderName, HeaderValue] = key(
        "headers that the backend sends in addition", {"Cache-Control": "no-store"}, {}, repr=False
    )
    request_headers: dict[HeaderName, HeaderValue | None] = key(
        "headers that the client sends instead of the request profile's; `null` leaves one out",
        {"Accept-Encoding": "identity"},
        {},
        repr=False,
    )
    content_type: HeaderValue | None = key("another Content-Type than the format's", "text/plain", None)
    format: Format | None = key("another format than the cell's", "ndjson", None)
    method: Method | None = key("how the client asks; GET if nothing is said", "POST", None)
    prelude: FillerShape | None = key("bytes before the first token", {"bytes": 2048}, None)
    padding: FillerShape | None = key("bytes after every token", {"bytes": 4096, "fill": "random"}, None)
    heartbeat_ms: Milliseconds | None = key("how often a comment is sent between the tokens", 250, None)
    delay_ms: Milliseconds | None = key("how long the backend waits before each token", 10, None)
    scale: int | None = key("n: n times the tokens, each 1/n of the size, at n times the rate", 2, None, ge=2, le=100)
    client: Name | None = key("who reads instead of the default client, aiohttp", "h2", None)
    chain: Literal["direct"] | dict[str, str] | None = key(
        "`direct` goes past all proxies; a mapping replaces hops by others, which keep version and options of those"
        " unless it names them",
        {"nginx:default": "nginx:http11"},
        None,
    )
    edit: dict[Words, EditShape] = key(
        "what it changes in configs of your own, by proxy: measured so, `harness diagnose` prints it as their diff",
        {"nginx": {"set": "proxy_buffering off"}},
        {},
    )
    apply: dict[Words, Words] = key(
        "lines to paste, by the proxy whose config they are for or by who has to do it; `harness diagnose` prints them,"
        " and those of headers and bytes by itself",
        {"nginx": "proxy_buffering off;"},
        {},
    )

    @field_validator("chain", mode="plain", json_schema_input_type=Literal["direct"] | dict[str, str])
    @classmethod
    def _chain(cls, value: Any) -> Any:
        if value == "direct":
            return value
        texts = [*value, *value.values()] if isinstance(value, dict) else []
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError("must be `direct`, or hops and what replaces them, like nginx:default: nginx:http11")
        meant: dict[Hop, str] = {}
        for old, new in value.items():
            _hop(new)
            if (first := meant.setdefault(_hop(old), old)) != old:
                raise ValueError(f"{first} and {old} are the same hop")
        return value

    @field_validator("response_headers", "request_headers")
    @classmethod
    def _headers(cls, headers: dict[str, str | None]) -> dict[str, str | None]:
        return _once(headers)

    @field_validator("response_headers")
    @classmethod
    def _framing(cls, headers: dict[str, str]) -> dict[str, str]:
        for name in headers:
            if why := FRAMING.get(name.lower()):
                raise ValueError(f"{name} is not set here: {why}")
        return headers

    @model_validator(mode="after")
    def _changes_something(self) -> MitigationShape:
        described = {"claim", "source", "cost", "apply"}
        if self.edit and self.chain == "direct":
            raise ValueError("goes past the proxies with `chain: direct`, and edits the config of one: give either")
        if not any(getattr(self, key) for key in type(self).model_fields if key not in described):
            changes = (key for key in type(self).model_fields if key not in described)
            raise ValueError(f"changes nothing; give at least one of {', '.join(changes)}")
        return self

    def named(self, name: str) -> Mitigation:
        """Return the noun."""
        changes = {key: getattr(self, key) for key in type(self).model_fields}
        for filling in ("prelude", "padding"):
            if filler := changes[filling]:
                changes[filling] = Filler(filler.bytes, filler.fill)
        changes["edit"] = {proxy: shape.noun() for proxy, shape in self.edit.items()}
        return Mitigation(name=name, **changes)


class RequestShape(Shape):
    """Whose headers a client sends; a fix that is claimed for other headers is a mitigation, told against this."""

    about: Words = key("who sends this", "our app")
    source: str = key("where that was seen", "our proxy's log", "")
    headers: dict[HeaderName, HeaderValue] = key(
        "what is sent when something is fetched, in this order", {"Accept-Encoding": "gzip"}, repr=False
    )
    handshake: Handshake = key(
        "how it asks for a WebSocket: with the same headers (`fetched`), or as browsers do", "browser", "fetched"
    )

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: dict[str, str]) -> dict[str, str]:
        return _once(headers)

    def named(self, name: str) -> RequestProfile:
        """Return the noun."""
        return RequestProfile(name, tuple(self.headers.items()), self.handshake)


def _workload_key(name: str, **limits: Any) -> Any:
    one = WORKLOAD_KEYS[name]
    return key(one.about, one.example, one.default, **limits)


def _either(schema: dict[str, Any]) -> None:
    """Tell editors what a workload has to say: its tokens, or whose they are."""
    needed = [name for name, one in WORKLOAD_KEYS.items() if one.default is ...]
    schema.pop("required", None)
    schema["anyOf"] = [{"required": needed}, {"required": ["recording"]}]


class WorkloadShape(Shape):
    """What the backend emits."""

    model_config = ConfigDict(json_schema_extra=_either)
    tokens: int = _workload_key("tokens", ge=1, le=100_000)
    token_bytes: int = _workload_key("token_bytes", ge=1, le=2**20)
    interval_ms: Milliseconds = _workload_key("interval_ms")
    payload: Payload = _workload_key("payload")
    seed: int = _workload_key("seed", ge=0, le=2**31)
    patience_ms: Milliseconds = _workload_key("patience_ms")
    exact: bool = _workload_key("exact")
    recording: Words | None = key(
        "an answer of an application, as `harness run --backend` records it, in place of all other keys but `exact`:"
        " its writes are the tokens, in its format and framing",
        "./recordings/chat.json",
        None,
    )

    @model_validator(mode="before")
    @classmethod
    def _says_the_rest_itself(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not value.get("recording"):
            return value
        if beside := [key for key in WORKLOAD_KEYS if key in value and key != "exact"]:
            raise ValueError(f"a recording says that itself; leave out {', '.join(beside)}")
        return {name: 1 for name, one in WORKLOAD_KEYS.items() if one.default is ...} | value

    def named(self, name: str, recording: Recording | None = None) -> Workload:
        """Return the noun; of a recording with its figures."""
        said = {field.name: getattr(self, field.name) for field in fields(Workload)[1:]}
        if recording:
            last = recording.closing - 1
            said["tokens"] = recording.closing
            said["token_bytes"] = max(recording.bytes_through(last) // recording.closing, 1)
            said["interval_ms"] = max(recording.at_ms(last) / max(last, 1), 1.0)
        return Workload(name=name, **said | {"recording": recording})


def _values(axis: Axis) -> Any:
    """Return the type of an axis' values: one or a list of words that the cell's field allows, of names, or of sets."""
    listed: Any = Listed
    return listed[Combination if axis.reads == "names" else axis.type if axis.words else str]


@with_keys({axis.name: (_values(axis) | None, key(axis.about, axis.example, None)) for axis in AXES.values()})
class Axes(Shape):
    """Values of each axis, one or a list. What a block of `include` leaves out, it takes from the file's `axes`."""


@with_keys({axis.name: (Listed[str] | None, key(axis.glob_about, axis.glob_example, None)) for axis in AXES.values()})
class Exclusion(Shape):
    """Cells to leave out: those in which every key given here has one of its globs. A glob alone is one for `cells`."""

    cells: Listed[str] | None = key("the whole id", "*/browser/*", None)

    @model_validator(mode="after")
    def _excludes_something(self) -> Exclusion:
        if not any(getattr(self, key) for key in type(self).model_fields):
            raise ValueError(f"excludes nothing; give at least one of {', '.join(type(self).model_fields)}")
        return self


class ExpectationShape(Shape):
    """What is expected of the cells whose ids match a glob. Of several that match a cell the last one counts."""

    cells: Words = key("a glob on the whole id; `*` crosses `/`", "nginx:gateway/*/x-accel-buffering/*")
    why: Words = key("what a failure will be explained with", "The gateway must not hold what asks not to be held.")
    verdict: Listed[Verdict] | None = key("any of these will do", ["streamed", "delayed"], None)
    effect: Listed[Effect] | None = key("any of these will do; for cells with mitigations", "defeats", None)
    shows: Listed[Manner] | None = key(
        "what the stream as asked shows is one of these; that it is `streamed` is only met `one by one`",
        ["in bursts", "at the end"],
        None,
    )

    @model_validator(mode="after")
    def _expects_something(self) -> ExpectationShape:
        if self.verdict is None and self.effect is None and self.shows is None:
            raise ValueError("expects nothing; give verdict, effect, shows or several of them")
        return self


RequestPath = Annotated[str, StringConstraints(pattern=r"^/[!-~]*$")]
ServerName = Annotated[str, StringConstraints(pattern=r"^[^:\s]*(:[0-9]{1,5})?$", min_length=1)]


class VariantShape(Shape):
    """A config as it is deployed, for which the path may stand alone: what is left out is found where only one thing
    can be meant. [own-configs.md](own-configs.md) tells what becomes of it.
    """

    file: Words = key("where it lies, from this file: for nginx a folder will do", "/etc/nginx")
    map: Listed[Words] = key("what it passes requests on to that stands for the next hop", "app:8000", [])
    server: ServerName | None = key("which server of it is asked: name, port, or both", "shop.example:443", None)
    path: RequestPath | None = key("what it is asked for", "/api/chat", None)

    @property
    def deployment(self) -> Deployment:
        """Return the noun."""
        return Deployment(tuple(self.map), self.server or "", self.path or "")


def _as_file(value: object) -> object:
    return {"file": value} if isinstance(value, str) else value


Files = dict[str, dict[Name, Words]]
Variant = Annotated[VariantShape, BeforeValidator(_as_file, json_schema_input_type=str | VariantShape)]
OwnProxy = Annotated[OwnProxyShape, BeforeValidator(_in_folder, json_schema_input_type=str | OwnProxyShape)]


class MatrixShape(Shape):
    """Every combination of the axes' values is a cell; its control and its baseline come by themselves."""

    title: Words = key("what the matrix is about; stands above the report", "Our gateway")
    workloads: dict[Name, WorkloadShape] = key(
        "what the backend emits, by names of yours", {"chat": {"tokens": 40, "token_bytes": 120}}, min_length=1
    )
    axes: Axes = key(
        "values that are combined; without a chain only what `include` starts from", {"chain": "nginx:default"}, Axes()
    )
    include: list[Axes] = key("more cells, block by block", [{"chain": "nginx:gzip", "request": "browser"}], [])
    exclude: list[Annotated[Exclusion, BeforeValidator(_globbed, json_schema_input_type=str | Exclusion)]] = key(
        "cells to leave out again", ["*/paced", {"request": "browser", "format": "text"}], []
    )
    expect: list[ExpectationShape] = key(
        "what has to be found for exit status 0", [{"cells": "direct/*", "verdict": "streamed", "why": "control"}], []
    )
    mitigations: dict[Name, MitigationShape] = key(
        "fixes of your own, by names of yours",
        {"post": {"claim": "POST passes.", "source": "us", "cost": "request", "method": "POST"}},
        {},
    )
    variants: dict[str, dict[Name, Variant]] = key(
        "configs of your own: proxy, name of yours, path from this file", {"nginx": {"mine": "./my.conf"}}, {}
    )
    profiles: Files = key(
        "the same for an emulator's profiles, which are like those in configs/emulator",
        {"emulator": {"slow": "./slow.yaml"}},
        {},
    )
    requests: dict[Name, RequestShape] = key(
        "request profiles of your own, by names of yours",
        {"app": {"about": "our app", "headers": {"Accept-Encoding": "gzip"}}},
        {},
    )
    proxies: dict[Name, OwnProxy] = key(
        "proxies of your own, by names of yours: a folder, or what is run", {"gateway": "./my-proxy"}, {}
    )
    report: ReportShape | None = key(
        "a field report, and its claims put to the test",
        {
            "source": "our wiki",
            "story": "Tokens came at once.",
            "symptom": "nginx:*",
            "claims": [{"claim": "nginx buffers", "cells": "nginx:*", "verdict": "buffered"}],
        },
        None,
    )


Catalogue = dict[Name, MitigationShape]


def _hop(text: str) -> Hop:
    try:
        return hops.read(text)
    except InputError as error:
        raise ValueError(str(error)) from error
