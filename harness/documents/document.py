"""Plain data and what is wrong with it: every complaint keeps its path, and the line if the data comes from a file.

Rules: complaints are gathered and raised together, those about a file in its order; what a schema keeps out of sight,
as it does a header's value, is quoted by none of them, and no list or mapping is that it may stand in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from harness.documents.keys import NAME
from harness.documents.yaml_text import Source
from harness.errors import Complaint, InputError, KeyPath, allowed, shortened

T = TypeVar("T")

MAX_COMPLAINTS = 30

_MUST = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be a valid boolean",
    "list_type": "must be a list",
    "dict_type": "must be keys and values",
    "model_type": "must be keys and values",
    "string_too_short": "must say something",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match pattern '{pattern}'",
    "too_short": "must have at least one value",
    "greater_than": "must be greater than {gt:.12g}",
    "greater_than_equal": "must be greater than or equal to {ge:.12g}",
    "less_than_equal": "must be less than or equal to {le:.12g}",
}
"""What a value must be, by the kind of error that pydantic tells, in whose words any other kind is told."""


class Document:
    """A file's data, or data that no file has. `reject` notes a complaint about a place in it, `settle` raises them.

    `source` is a file's text, which is YAML, or plain data.
    """

    def __init__(self, source: str | Mapping[str, object], file: str = "") -> None:
        read = Source(source, file) if isinstance(source, str) else None
        self.file = file
        self.text = source if isinstance(source, str) else ""
        self.data: object = read.data if read else source
        self._lines = read.lines if read else {}
        self._complaints: dict[Complaint, None] = dict.fromkeys(read.complaints if read else ())

    def reject(self, path: KeyPath, message: str) -> None:
        """Note that something is wrong at `path`."""
        self._complaints[replace(self.place(path), message=message)] = None

    def place(self, path: KeyPath) -> Complaint:
        """Return where `path` is: a complaint that says nothing yet."""
        path = self._existing(path)
        line = next((self._lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self._lines), None)
        return Complaint("", path, self.file, line)

    def settle(self) -> None:
        """Raise one InputError with everything that was rejected."""
        complaints = sorted(self._complaints, key=lambda one: (one.line, str(one)) if one.line else (0, ""))
        shown = complaints[:MAX_COMPLAINTS]
        if more := len(complaints) - len(shown):
            shown.append(Complaint(f"and {more} more", file=self.file))
        if shown:
            raise InputError(*shown)

    def shape(self, kind: type[T]) -> T:
        """Return the data as `kind`. Raises InputError with every way in which it is not."""
        try:
            shaped = TypeAdapter(kind).validate_python(self.data)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._explain(kind, detail)
        self.settle()
        return shaped

    def at(self, *path: str | int) -> Any:
        """Return the value at `path`, of whatever shape; None if there is none."""
        value: Any = self.data
        for step in path:
            try:
                value = value[step]
            except (LookupError, TypeError):
                return None
        return value

    def keys(self, *path: str | int) -> list[str]:
        """Return the keys of the mapping at `path`; none if there is no mapping."""
        value = self.at(*path)
        return list(value) if isinstance(value, dict) else []

    def _existing(self, path: KeyPath) -> KeyPath:
        """Cut `path` where the data has no such place: one value may stand for a list of one."""
        value: object = self.data
        for depth, step in enumerate(path):
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return path[:depth]
        return path

    def _explain(self, kind: object, detail: ErrorDetails) -> None:
        path = tuple(step for step in detail["loc"] if step != "[key]")
        if hidden := _is_hidden(kind, path):
            path = path if re.fullmatch(NAME, str(path[-1])) else path[:-1]  # `{a:b}` is a key that has a value in it
        given = detail["input"]
        match detail["type"]:
            case "extra_forbidden":
                key = str(path[-1])
                self.reject(path, f"unknown key; {allowed(key, _keys_at(kind, path[:-1]))}")
            case "missing":
                self.reject(path, "this key is required")
            case "literal_error":
                choices = get_args(_key_type(kind, path) if "[key]" in detail["loc"] else _type_at(kind, path))
                self.reject(path, f"{shortened(given)} is not allowed; {allowed(given, map(str, choices))}")
            case "value_error":
                self.reject(path, str(detail.get("ctx", {}).get("error", detail["msg"])))
            case kind_of_error:
                wording = _MUST.get(kind_of_error)
                must = wording.format(**detail.get("ctx", {})) if wording else detail["msg"]
                self.reject(path, must if hidden else f"{must}, not {_quoted(given)}")


def _quoted(given: object) -> str:
    """Return a value as a complaint quotes it: of keys and values, and of what may hold some, only what it is."""
    if isinstance(given, dict):
        return "keys and values"
    if isinstance(given, list) and any(isinstance(one, dict | list) for one in given):
        return "a list of collections"
    return shortened(given)


def _is_hidden(kind: object, path: KeyPath) -> bool:
    """Tell whether what stands at `path` is kept out of sight: a field with `repr=False` is on the way."""
    for depth, step in enumerate(path):
        model = _type_at(kind, path[:depth])
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = _fields(model).get(str(step))
            if field is None or not field.repr:
                return field is not None
    return False


def _type_at(kind: Any, path: KeyPath) -> Any:
    """Return the type that a schema has at `path`, Annotated and None peeled off."""
    kind = _bare_type(kind)
    for step in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = _fields(kind)[str(step)].annotation
        elif get_origin(kind) in (dict, list):
            kind = get_args(kind)[-1]
        kind = _bare_type(kind)
    return kind


def _key_type(kind: object, path: KeyPath) -> Any:
    """Return the type that a schema has for the key that `path` ends with."""
    return _bare_type(get_args(_type_at(kind, path[:-1]))[0])


def _bare_type(kind: Any) -> Any:
    while get_origin(kind) is not None and get_origin(kind) not in (dict, list, Literal):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    return kind


def _keys_at(kind: object, path: KeyPath) -> list[str]:
    model = _type_at(kind, path)
    return sorted(_fields(model)) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _fields(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Return the fields of a shape by the keys that files have for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}
