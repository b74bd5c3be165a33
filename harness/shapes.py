"""What the catalogue and a matrix file may say: the shape of the data, before any name in it is looked up.

Rules: unknown keys are errors; nothing is converted (a number in quotes is text); where a list is expected, one
value stands for a list of one.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from harness.model import (
    Body,
    Cost,
    Effect,
    Fill,
    Filler,
    Format,
    Method,
    Mitigation,
    Pace,
    Payload,
    RequestProfile,
    Verdict,
    Workload,
)

T = TypeVar("T")

NAME = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
WORKLOAD: dict[str, Any] = {field.name: field.default for field in fields(Workload)}
FRAMING = {
    "content-type": "content_type says it",
    "content-length": "the body axis decides it",
    "transfer-encoding": "the body axis decides it",
}


class OneOrMore:
    """Marks a list for which one value may stand, in the JSON schema too."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(
            lambda value: value if isinstance(value, list) else [value], handler(source)
        )

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(core)
        return {"anyOf": [many["items"], many]}


def _combined(value: object) -> object:
    """Read one entry of the mitigations axis: `none`, `a`, `a+b` or a list of names."""
    if not isinstance(value, str):
        return value
    return [] if value == "none" else [name.strip() for name in value.split("+")]


def _globbed(value: object) -> object:
    return {"cells": value} if isinstance(value, str) else value


Name = Annotated[str, StringConstraints(pattern=NAME, max_length=80)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*.^_`|~-]+$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]*[!-~])?$")]
Listed = Annotated[list[T], Field(min_length=1), OneOrMore()]
Combination = Annotated[list[str], BeforeValidator(_combined, json_schema_input_type=str | list[str])]
Milliseconds = Annotated[float, Field(gt=0, le=3_600_000, allow_inf_nan=False)]


class Shape(BaseModel):
    """What all shapes have in common."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FillerShape(Shape):
    """Bytes that mean nothing."""

    bytes: int = Field(ge=16, le=2**20)
    fill: Fill = "spaces"


class MitigationShape(Shape):
    """One entry of the catalogue, or of a matrix file's own `mitigations`."""

    claim: Words
    source: Words
    cost: Cost
    response_headers: dict[HeaderName, HeaderValue] = {}
    request_headers: dict[HeaderName, HeaderValue | None] = {}
    content_type: HeaderValue | None = None
    format: Format | None = None
    method: Method | None = None
    prelude: FillerShape | None = None
    padding: FillerShape | None = None
    heartbeat_ms: Milliseconds | None = None
    delay_ms: Milliseconds | None = None
    scale: int | None = Field(None, ge=2, le=100)
    client: Name | None = None
    chain: Literal["direct"] | dict[str, str] | None = None

    @field_validator("chain", mode="plain", json_schema_input_type=Literal["direct"] | dict[str, str])
    @classmethod
    def _chain(cls, value: Any) -> Any:
        if value == "direct":
            return value
        if isinstance(value, dict) and value and all(map(_is_hop, (*value, *value.values()))):
            return value
        raise ValueError("must be `direct`, or hops and what replaces them, like nginx:default: nginx:http11")

    @field_validator("response_headers", "request_headers")
    @classmethod
    def _headers(cls, headers: dict[str, str | None]) -> dict[str, str | None]:
        if len({name.lower() for name in headers}) < len(headers):
            raise ValueError("the same header is there twice; case does not count")
        return headers

    @field_validator("response_headers")
    @classmethod
    def _framing(cls, headers: dict[str, str]) -> dict[str, str]:
        for name in headers:
            if why := FRAMING.get(name.lower()):
                raise ValueError(f"{name} is not set here: {why}")
        return headers

    @model_validator(mode="after")
    def _something(self) -> MitigationShape:
        told = {"claim", "source", "cost"}
        if not any(getattr(self, key) for key in type(self).model_fields if key not in told):
            changes = (key for key in type(self).model_fields if key not in told)
            raise ValueError(f"changes nothing; give at least one of {', '.join(changes)}")
        return self

    def named(self, name: str) -> Mitigation:
        """Return the noun."""
        changes = {key: getattr(self, key) for key in type(self).model_fields}
        for key in ("prelude", "padding"):
            if filler := changes[key]:
                changes[key] = Filler(filler.bytes, filler.fill)
        return Mitigation(name=name, **changes)


class WorkloadShape(Shape):
    """One named workload."""

    tokens: int = Field(ge=1, le=100_000)
    token_bytes: int = Field(ge=1, le=2**20)
    interval_ms: Milliseconds = WORKLOAD["interval_ms"]
    payload: Payload = WORKLOAD["payload"]
    seed: int = Field(WORKLOAD["seed"], ge=0, le=2**31)
    patience_ms: Milliseconds = WORKLOAD["patience_ms"]

    def named(self, name: str) -> Workload:
        """Return the noun."""
        return Workload(name=name, **{key: getattr(self, key) for key in type(self).model_fields})


class Axes(Shape):
    """Values of each axis; an axis that is left out has its default, or that of the file's `axes`."""

    chain: Listed[str] | None = None
    format: Listed[Format] | None = None
    body: Listed[Body] | None = None
    request: Listed[RequestProfile] | None = None
    client: Listed[str] | None = None
    workload: Listed[str] | None = None
    mitigations: Listed[Combination] | None = None
    pace: Listed[Pace] | None = None


class Exclusion(Shape):
    """Cells to leave out: those in which every axis named here has one of the values, which may be globs."""

    cells: Listed[str] | None = None
    chain: Listed[str] | None = None
    format: Listed[str] | None = None
    body: Listed[str] | None = None
    request: Listed[str] | None = None
    client: Listed[str] | None = None
    workload: Listed[str] | None = None
    mitigations: Listed[str] | None = None
    pace: Listed[str] | None = None

    @model_validator(mode="after")
    def _something(self) -> Exclusion:
        if not any(getattr(self, key) for key in type(self).model_fields):
            raise ValueError(f"excludes nothing; give at least one of {', '.join(type(self).model_fields)}")
        return self


class ExpectationShape(Shape):
    """What is expected of the cells whose ids match a glob. Of several that match a cell the last one counts."""

    cells: Words
    why: Words
    verdict: Listed[Verdict] | None = None
    effect: Listed[Effect] | None = None

    @model_validator(mode="after")
    def _something(self) -> ExpectationShape:
        if self.verdict is None and self.effect is None:
            raise ValueError("expects nothing; give verdict, effect or both")
        return self


Files = dict[str, dict[Name, Words]]


class MatrixShape(Shape):
    """A matrix file."""

    title: Words
    workloads: dict[Name, WorkloadShape] = Field(min_length=1)
    axes: Axes = Axes()
    include: list[Axes] = []
    exclude: list[Annotated[Exclusion, BeforeValidator(_globbed, json_schema_input_type=str | Exclusion)]] = []
    expect: list[ExpectationShape] = []
    mitigations: dict[Name, MitigationShape] = {}
    variants: Files = Field({}, description="proxy, name, path of a native config of the user's own")
    profiles: Files = Field({}, description="the same for the profiles of emulators")


Catalogue = dict[Name, MitigationShape]


def _is_hop(text: object) -> bool:
    proxy, colon, variant = text.partition(":") if isinstance(text, str) else ("", "", "")
    return bool(proxy and colon and variant) and ">" not in variant
