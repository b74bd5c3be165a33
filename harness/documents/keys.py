"""What the shapes of all files are made of: keys that say what they mean, each with an example and its limits.

Rules: unknown keys are errors; nothing is converted (a number in quotes is text).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    create_model,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

T = TypeVar("T")
S = TypeVar("S", bound=BaseModel)

NAME = "^[A-Za-z0-9][A-Za-z0-9._-]*$"


class OneOrMore:
    """Marks a list for which one value may stand, in the JSON schema too."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(
            lambda value: value if isinstance(value, list) else [value], handler(source)
        )

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(core)
        return {"anyOf": [many["items"], many]}


Name = Annotated[str, StringConstraints(pattern=NAME, max_length=80)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
"""RFC 9110, 5.1."""
ReceivedValue = Annotated[str, StringConstraints(pattern=r"^[\t -~\x80-\xff]*$")]
"""What a header may say that somebody else wrote, as bytes of Latin-1: RFC 9110, 5.5."""
Listed = Annotated[list[T], Field(min_length=1), OneOrMore()]


class Shape(BaseModel):
    """What all shapes have in common."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def with_keys(keys: Mapping[str, Any]) -> Callable[[type[S]], type[S]]:
    """Give a shape keys that a table has, after its own: their names, each with a type and what `key` returns."""

    def extended(shape: type[S]) -> type[S]:
        return create_model(shape.__name__, __base__=shape, __doc__=shape.__doc__, __module__=shape.__module__, **keys)

    return extended


def key(about: str, example: object, default: Any = ..., **limits: Any) -> Any:
    """Return a key of a shape: what it means, an example, its default (none: it is required), and its limits."""
    return Field(default, description=about, examples=[example], **limits)
