"""A YAML text as plain data, with the line that each place of it stands on.

Rules: scalars are YAML 1.2's (`no` is text, only `true` and `false` are booleans); keys are text and occur once;
aliases are followed, but neither in circles nor for ever. What is no mapping at all is refused at once, any other
fault noted beside the data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache

import yaml

from harness.errors import Complaint, InputError, KeyPath, shortened

MAX_DEPTH = 12
MAX_VALUES = 50_000

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
_UNWRITABLE = re.compile("[\ud800-\udfff]")  # half a surrogate pair, which YAML can escape and nobody can print

_QUOTED = re.compile(r" '[^'<][^']+'")  # of the text, which may be a secret; not a character or the kind of a token


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and shape; None stands for any first character
        None: [(tag, pattern) for tag, (pattern, _) in _SCALARS.items() if not tag.endswith("str")]
    }


class Source:
    """A text taken in: its `data`, the `lines` of all places in it, and `complaints` about what is no data.

    Raises InputError if it holds no keys and values.
    """

    def __init__(self, text: str, file: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.complaints: list[Complaint] = []
        self._file = file
        self._values = 0
        self.data = self._value(composed(text, file), (), 0)

    def _value(self, node: yaml.Node, path: KeyPath, depth: int) -> object:
        self._values += 1
        if depth > MAX_DEPTH:
            raise InputError(self._complaint(f"nested deeper than {MAX_DEPTH} levels", path, _line(node)))
        if self._values > MAX_VALUES:
            raise InputError(self._complaint(f"more than {MAX_VALUES} values, aliases followed", (), _line(node)))
        self.lines.setdefault(path, _line(node))
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
                given = shortened(str(key_node.value)) if isinstance(key_node, yaml.ScalarNode) else "a collection"
                self._note(f"keys must be text, not {given}; put it in quotes", path, line)
                continue
            key = key_node.value
            inner = (*path, key)
            if key in first:
                self._note(f"this key is there twice (first on line {first[key]})", inner, line)
                continue
            first[key] = self.lines[inner] = line
            mapping[key] = self._value(value_node, inner, depth + 1)
        return mapping

    def _scalar(self, node: yaml.Node, path: KeyPath) -> object:
        known = _SCALARS.get(node.tag)
        if known and isinstance(node, yaml.ScalarNode):
            pattern, convert = known
            if pattern.match(node.value) and not _UNWRITABLE.search(node.value):
                return convert(node.value)
        if node.tag.startswith(_CORE):
            self._note(f"not a value of type {node.tag.removeprefix(_CORE)}", path, _line(node))
        else:
            self._note("a tag makes no value here; put text that starts with ! in quotes", path, _line(node))
        return None

    def _note(self, message: str, path: KeyPath, line: int) -> None:
        self.complaints.append(self._complaint(message if path else f"top level: {message}", path, line))

    def _complaint(self, message: str, path: KeyPath, line: int) -> Complaint:
        return Complaint(message, path, self._file, line)


def spans(text: str, file: str, *steps: Callable[[str], bool]) -> list[tuple[int, int]]:
    """Return where in a text those scalars start and end that keys lead to, one taken by each of these steps; in order.

    One that is null or empty is left out. Raises InputError if the text holds no keys and values.
    """
    nodes: Collection[yaml.Node] = [composed(text, file)]
    for step in steps:
        pairs = [pair for node in nodes if isinstance(node, yaml.MappingNode) for pair in node.value]
        taken = (value for key, value in pairs if isinstance(key, yaml.ScalarNode) and step(key.value))
        nodes = {id(value): value for value in taken}.values()  # aliases lead to the same ones
    ends = {node.end_mark.index for node in nodes if node.value and node.tag != f"{_CORE}null"}
    tokens = yaml.scan(text, Loader=_Loader) if ends else ()  # where a node begins that has an anchor or a tag
    scalars = (token for token in tokens if isinstance(token, yaml.ScalarToken))
    return [(one.start_mark.index, one.end_mark.index) for one in scalars if one.end_mark.index in ends]


@lru_cache(maxsize=32)  # a matrix is read for its title, then for its cells; a program's file once for each config
def composed(text: str, file: str) -> yaml.MappingNode:
    """Return a text's mapping, which is nobody's to change. Raises InputError if it is none."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = _QUOTED.sub("", ", ".join(filter(None, (error.context, error.problem))))
        raise _refused(f"not YAML: {what}", file, mark.line + 1 if mark else 1) from error
    except yaml.reader.ReaderError as error:
        raise _refused(f"not YAML: {error.reason}", file, text.count("\n", 0, error.position) + 1) from error
    except RecursionError as error:
        raise _refused("nested too deeply", file) from error
    except (ValueError, OverflowError) as error:  # PyYAML turns escapes and versions into numbers unchecked
        raise _refused(f"not YAML: {error}", file) from error
    if root is None:
        raise _refused("the file is empty", file)
    if not isinstance(root, yaml.MappingNode):
        given = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
        raise _refused(f"must be keys and values (`key: value`), not {given}", file, _line(root))
    return root


def _refused(message: str, file: str, line: int = 1) -> InputError:
    return InputError(Complaint(message, file=file, line=line))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
