"""A YAML file as plain data that remembers its lines, so that every complaint says where it is meant.

Rules: scalars are YAML 1.2's (`no` is text, only `true` and `false` are booleans); keys are text and occur
once; aliases are followed, but neither in circles nor for ever. Complaints are gathered and raised together.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from harness.errors import InputError

KeyPath = tuple[str | int, ...]
T = TypeVar("T")

MAX_DEPTH = 12
MAX_VALUES = 50_000
MAX_COMPLAINTS = 30

_CORE = "tag:yaml.org,2002:"
_SCALARS: dict[str, tuple[re.Pattern[str], Callable[[str], object]]] = {
    f"{_CORE}null": (re.compile(r"(?:~|null|Null|NULL|)\Z"), lambda _: None),
    f"{_CORE}bool": (re.compile(r"(?:[Tt]rue|TRUE|[Ff]alse|FALSE)\Z"), lambda text: text.lower() == "true"),
    f"{_CORE}int": (re.compile(r"[-+]?[0-9]{1,18}\Z"), int),
    f"{_CORE}float": (
        re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"),
        float,
    ),
    f"{_CORE}str": (re.compile(""), str),
}

_MUST = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be keys and values",
    "model_type": "must be keys and values",
    "string_too_short": "must say something",
    "too_short": "must have at least one value",
}
_UNWRITABLE = re.compile("[\ud800-\udfff]")  # half a surrogate pair, which YAML can escape and nobody can print


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and shape; None stands for any first character
        None: [(tag, pattern) for tag, (pattern, _) in _SCALARS.items() if not tag.endswith("str")]
    }


class Document:
    """One file's data. `reject` notes a complaint about a place in it, `settle` raises what was noted."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self._lines: dict[KeyPath, int] = {}
        self._complaints: dict[tuple[int, str], None] = {}
        self._values = 0
        root = self._compose(text)
        self._top(root)
        self.data = self._value(root, (), 0)

    def reject(self, path: KeyPath, message: str) -> None:
        """Note that something is wrong at `path`."""
        path = self._existing(path)
        line = next(self._lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self._lines)
        self._complain(line, f"{key_text(path)}: {message}" if path else message)

    def settle(self) -> None:
        """Raise one InputError with everything that was rejected, in the order of the file."""
        complaints = sorted(self._complaints)
        shown = [f"{self.file}:{line}: {message}" for line, message in complaints[:MAX_COMPLAINTS]]
        if more := len(complaints) - len(shown):
            shown.append(f"{self.file}: and {more} more")
        if shown:
            raise InputError("\n".join(shown))

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

    def _compose(self, text: str) -> yaml.Node:
        try:
            root = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = ", ".join(filter(None, (error.context, error.problem)))
            raise self._hopeless(f"not YAML: {what}", mark.line + 1 if mark else 1) from error
        except yaml.reader.ReaderError as error:
            raise self._hopeless(f"not YAML: {error.reason}", text.count("\n", 0, error.position) + 1) from error
        except RecursionError as error:
            raise self._hopeless("nested too deeply") from error
        except (ValueError, OverflowError) as error:  # PyYAML turns escapes and versions into numbers unchecked
            raise self._hopeless(f"not YAML: {error}") from error
        if root is None:
            raise self._hopeless("the file is empty")
        return root

    def _top(self, root: yaml.Node) -> None:
        if not isinstance(root, yaml.MappingNode):
            given = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
            raise self._hopeless(f"must be keys and values (`key: value`), not {given}", _line(root))

    def _hopeless(self, message: str, line: int = 1) -> InputError:
        return InputError(f"{self.file}:{line}: {message}")

    def _value(self, node: yaml.Node, path: KeyPath, depth: int) -> object:
        self._values += 1
        if depth > MAX_DEPTH:
            raise self._hopeless(f"{key_text(path)}: nested deeper than {MAX_DEPTH} levels", _line(node))
        if self._values > MAX_VALUES:
            raise self._hopeless(f"more than {MAX_VALUES} values, aliases followed", _line(node))
        self._lines.setdefault(path, _line(node))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_CORE}map":
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_CORE}seq":
            return [self._value(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, depth: int) -> dict[str, object]:
        mapping: dict[str, object] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            if key_node.tag != f"{_CORE}str" or not isinstance(key_node, yaml.ScalarNode):
                given = _shortened(str(key_node.value)) if isinstance(key_node, yaml.ScalarNode) else "a collection"
                self._complain(line, f"{key_text(path)}: keys must be text, not {given}; put it in quotes")
                continue
            key = key_node.value
            inner = (*path, key)
            if key in first:
                self._complain(line, f"{key_text(inner)}: this key is there twice (first on line {first[key]})")
                continue
            first[key] = self._lines[inner] = line
            mapping[key] = self._value(value_node, inner, depth + 1)
        return mapping

    def _scalar(self, node: yaml.Node, path: KeyPath) -> object:
        known = _SCALARS.get(node.tag)
        if known and isinstance(node, yaml.ScalarNode):
            pattern, convert = known
            if pattern.match(node.value) and not _UNWRITABLE.search(node.value):
                return convert(node.value)
        self._complain(_line(node), f"{key_text(path)}: not a value of type {node.tag.removeprefix(_CORE)}")
        return None

    def _complain(self, line: int, message: str) -> None:
        self._complaints[line, message] = None

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
        given = detail["input"]
        match detail["type"]:
            case "extra_forbidden":
                key = str(path[-1])
                self.reject(path, f"unknown key; {allowed(key, _keys(kind, path[:-1]))}")
            case "missing":
                self.reject(path, "this key is required")
            case "literal_error":
                choices = get_args(_at(kind, path))
                self.reject(path, f"{_shortened(given)} is not allowed; {allowed(given, choices)}")
            case "value_error":
                self.reject(path, str(detail.get("ctx", {}).get("error", detail["msg"])))
            case kind_of_error:
                must = _MUST.get(kind_of_error) or re.sub("(Input|String|Value) should", "must", detail["msg"])
                self.reject(path, f"{must}, not {_shortened(given)}")


def key_text(path: KeyPath) -> str:
    """Return a key path as people write it: `axes.chain[2]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{_plain(step)}" if text else _plain(step)
    return text or "top level"


def allowed(given: object, choices: Iterable[str]) -> str:
    """Return the end of a complaint: what is allowed, and which of it was probably meant."""
    names = list(choices)
    text = f"allowed: {', '.join(names) or 'nothing'}"
    near = difflib.get_close_matches(str(given), names, n=1)
    return f"{text} (did you mean {near[0]!r}?)" if near else text


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _shortened(given: object) -> str:
    text = "nothing" if given is None else repr(given)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _plain(key: str) -> str:
    return key if key.isprintable() and len(key) <= 60 else _shortened(key)


def _at(kind: Any, path: KeyPath) -> Any:
    """Return the type that a schema has at `path`, Annotated and None peeled off."""
    kind = _peeled(kind)
    for step in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(step)].annotation
        elif get_origin(kind) in (dict, list):
            kind = get_args(kind)[-1]
        kind = _peeled(kind)
    return kind


def _peeled(kind: Any) -> Any:
    while get_origin(kind) is not None and get_origin(kind) not in (dict, list, Literal):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    return kind


def _keys(kind: object, path: KeyPath) -> list[str]:
    model = _at(kind, path)
    return sorted(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
