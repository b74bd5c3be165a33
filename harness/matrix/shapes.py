"""What the catalogue and a matrix file may say: the shape of the data, before any name in it is looked up.

Rules: unknown keys are errors; nothing is converted (a number in quotes is text); where a list is expected, one
value stands for a list of one. What a key means and an example of it stand with the key, those of axes and
workloads in the model: reference.py makes the page.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    model_validator,
)

from harness.documents.keys import Listed, Name, Shape, Words, key, with_keys
from harness.documents.programs import OwnProxyShape
from harness.matrix.mitigation_shapes import Milliseconds, MitigationShape, RequestShape
from harness.matrix.report_shapes import ReportShape
from harness.model import (
    AXES,
    WORKLOAD_KEYS,
    Axis,
    Deployment,
    Effect,
    Manner,
    Payload,
    Recording,
    Verdict,
    Workload,
)


def _combined(value: object) -> object:
    """Read one entry of the mitigations axis: `none`, `all`, `a`, `a+b` or a list of names."""
    if not isinstance(value, str):
        return value
    return [] if value == "none" else [name.strip() for name in value.split("+")]


def _globbed(value: object) -> object:
    return {"cells": value} if isinstance(value, str) else value


def _in_folder(value: object) -> object:
    return {"folder": value} if isinstance(value, str) else value


Combination = Annotated[list[str], BeforeValidator(_combined, json_schema_input_type=str | list[str])]


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
            said["token_bytes"] = recording.bytes_through(last) // recording.closing
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
    head_held: bool | None = key("whether the head of the response waits until tokens have been sent", True, None)

    @model_validator(mode="after")
    def _expects_something(self) -> ExpectationShape:
        if all(one is None for one in (self.verdict, self.effect, self.shows, self.head_held)):
            raise ValueError("expects nothing; give verdict, effect, shows, head_held or several of them")
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
