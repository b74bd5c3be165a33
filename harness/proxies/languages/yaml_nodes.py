"""A YAML config, read as nodes that know where they stand, and edited there: nothing is ever dumped again. Pure.

Rules: keys are compared as Traefik and Envoy have them, without case and underscores; merged mappings (`<<`) count as
one's own; what is taken out of a block leaves an empty line, of braces its comma goes, too; a mapping of which nothing
is left is `{}`; anchors stay. What an anchor shares is edited once, for all: where one of its uses wants it otherwise,
or would be left without it, it has to be written out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import yaml

from harness.documents.yaml_text import MAX_VALUES, composed
from harness.errors import Complaint, InputError
from harness.proxies.source_text import Edits, Source, Token

_COLON = re.compile(r"\s*:(?:[ \t]*[&*!][^\s,\[\]{}]*)*")
_PLACEHOLDER = re.compile(r"\$\{\w+\}")
_PROPERTIES = re.compile(r"(?:[&!][^\s,\[\]{}]*\s+)*")


@dataclass(frozen=True, eq=False)
class Value:
    """Something in a document: a mapping, a list or a scalar. Whatever is missing is one, too, with nothing in it."""

    source: Source
    node: yaml.Node | None = None

    @classmethod
    def of(cls, source: Source) -> Value:
        """Read a text. Raises InputError, with the line, if it holds no keys and values, has no end, or is no UTF-8."""
        root = cls(source, composed(source.in_utf8().text, str(source.path)))
        _size(root, {})
        return root

    def __bool__(self) -> bool:
        return self.node is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and self.node is other.node

    def __hash__(self) -> int:
        return id(self.node)

    @cached_property
    def entries(self) -> list[Entry]:
        """The keys of a mapping, with their values; none of anything else."""
        found: list[Entry] = []
        for key, value in self.node.value if isinstance(self.node, yaml.MappingNode) else ():
            if key.value == "<<":
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                found += [entry for one in merged for entry in Value(self.source, one).entries]
            elif isinstance(key, yaml.ScalarNode):
                found.append(Entry(self, Value(self.source, key), Value(self.source, value)))
        return found

    def entry(self, key: str) -> Entry | None:
        """Return the entry of a mapping that has a key; its own before one that is merged."""
        wanted = _plain(key)
        return next((one for one in reversed(self.entries) if _plain(one.key.said) == wanted), None)

    def get(self, *path: str) -> Value:
        """Return what a way of keys leads to."""
        value = self
        for key in path:
            entry = value.entry(key)
            value = entry.value if entry else Value(self.source)
        return value

    @cached_property
    def items(self) -> list[Value]:
        """The items of a list; none of anything else."""
        return [Value(self.source, one) for one in self.node.value] if isinstance(self.node, yaml.SequenceNode) else []

    def every(self) -> Iterator[Entry]:
        """Yield all entries in it, at whatever depth."""
        for entry in self.entries:
            yield entry
            yield from entry.value.every()
        for item in self.items:
            yield from item.every()

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)

    @property
    def said(self) -> str:
        """The text of a scalar, empty of anything else."""
        return str(self.node.value) if isinstance(self.node, yaml.ScalarNode) else ""

    @property
    def token(self) -> Token:
        """Where it stands, without what is said before it: anchor and tag."""
        if self.node is None:
            return Token(self.source, -1, -1, "")
        start, end = _start(self.source.text, self.node), _end(self.source.text, self.node)
        return Token(self.source, start, max(start, end), self.said)

    def reject(self, why: str) -> Complaint:
        return self.token.reject(why)


@dataclass(frozen=True, eq=False)
class Entry:
    """A key of a mapping, and its value."""

    mapping: Value
    key: Value
    value: Value

    @property
    def name(self) -> str:
        return self.key.said


class YamlEdits:
    """What is replaced and taken out in some documents."""

    def __init__(self, *sources: Source) -> None:
        self._sources = sources
        self._put: list[tuple[Token, str]] = []
        self._dropped: dict[yaml.Node, dict[int, Entry]] = {}
        self._wanted: dict[Value, str] = {}

    def put(self, value: Value, text: str) -> None:
        """Have a text stand for a scalar or a mapping, if that is there: one that is empty stands nowhere.

        Raises InputError, as the others do, if something else is to be there for another who shares it.
        """
        if value and (value.said or not isinstance(value.node, yaml.ScalarNode)):
            self._want(value, text)
            self._put.append((value.token, text))

    def drop(self, mapping: Value, *keys: str) -> None:
        """Take out keys of a mapping, as far as they are there."""
        for key in keys:
            if (entry := mapping.entry(key)) and entry.mapping.node is not None:
                self._want(entry.key, "")
                self._dropped.setdefault(entry.mapping.node, {})[id(entry.key.node)] = entry

    def change(self, mapping: Value, key: str, text: str) -> None:
        """Have another entry, or some, stand for one of a mapping."""
        if entry := mapping.entry(key):
            self._want(entry.key, text)
            self._put.append((span(entry), text))

    def _want(self, value: Value, text: str) -> None:
        if self._wanted.setdefault(value, text) != text:
            why = "this is shared by an anchor, and is to be one thing for one and another for others"
            raise InputError(value.reject(f"{why}: write it out for each"))

    def drop_items(self, items: Value, wanted: Callable[[Value], bool]) -> None:
        """Take out all items of a list but those that are wanted, of which there has to be one."""
        text, flows = items.source.text, isinstance(items.node, yaml.SequenceNode) and items.node.flow_style
        ends = [
            (one.token.start if flows else text.rindex("-", 0, one.token.start), one.token.end) for one in items.items
        ]
        self._put += [(token, "") for token in _gaps(items.source, ends, [*map(wanted, items.items)], bool(flows))]

    @property
    def texts(self) -> dict[Source, str]:
        """Every text as it is to be read."""
        made = [*self._put, *self._drops()]
        edits = Edits(*self._sources)
        for token, text in sorted(made, key=lambda one: (one[0].end - one[0].start, one[1])):  # the inner ones first
            edits.take_out(token, token)
            edits.replace(token, text)
        for source, text in edits.texts.items():
            _refuse_lost_anchors(source, text)
        return dict(edits.texts)

    def _drops(self) -> Iterator[tuple[Token, str]]:
        for node, entries in self._dropped.items():
            mapping = next(iter(entries.values())).mapping
            text = mapping.source.text
            ends = [(_start(text, key), _end_of_pair(text, key, value)) for key, value in node.value]
            kept = [id(key) not in entries for key, _ in node.value]
            flows = isinstance(node, yaml.MappingNode) and bool(node.flow_style)
            yield from ((token, "") for token in _gaps(mapping.source, ends, kept, flows))
            if not any(kept):
                yield mapping.token, "{}"


def _gaps(source: Source, ends: list[tuple[int, int]], kept: list[bool], flows: bool) -> Iterator[Token]:
    """Yield what is taken out where some of the parts of a collection are kept: in brackets with one comma for each."""
    last = -1
    for at, ((start, end), stays) in enumerate(zip(ends, kept, strict=True)):
        if stays:
            last = at
        elif flows and True in kept[at:]:
            yield Token(source, start, ends[at + 1][0], "")
        elif flows and last >= 0:
            before = ends[last][1] if last == at - 1 else ends[at - 1][1]
            yield Token(source, before, end, "")
        else:
            yield Token(source, start, end, "")


def _size(value: Value, sizes: dict[Value, int]) -> int:
    """Return how many values are in one, aliases followed. Raises InputError if it has no end, or none in sight."""
    if value in sizes:
        if sizes[value]:
            return sizes[value]
        raise InputError(_at_anchor(value, "has an anchor that holds itself: write it out, as far as it is meant"))
    sizes[value] = 0
    inner = value.node.value if isinstance(value.node, yaml.CollectionNode) else []
    parts = (part for one in inner for part in (one if isinstance(one, tuple) else (one,)))
    sizes[value] = 1 + sum(_size(Value(value.source, part), sizes) for part in parts)
    if sizes[value] > MAX_VALUES:
        raise InputError(_at_anchor(value, f"holds more than {MAX_VALUES} values, aliases followed"))
    return sizes[value]


def _at_anchor(value: Value, why: str) -> Complaint:
    return value.source.reject(int(value.node.start_mark.index) if value.node else 0, why)


def _refuse_lost_anchors(source: Source, text: str) -> None:
    """Raise InputError if something is left in a text that stands for what was taken out of it."""
    known = set()
    for token in yaml.scan(plain(text)) if "&" in source.text else ():
        if isinstance(token, yaml.AnchorToken):
            known.add(token.value)
        elif isinstance(token, yaml.AliasToken) and token.value not in known:
            why = "stands for what is taken out, where its anchor is: write it out"
            line = token.start_mark.line + 1
            raise InputError(Complaint(f"`*{token.value}` {why}", file=str(source.path), line=line))


def plain(text: str) -> str:
    """Return a text with words of the same length for its placeholders, which are no YAML between braces."""
    return _PLACEHOLDER.sub(lambda found: "X" * len(found[0]), text)


def _start(text: str, node: yaml.Node) -> int:
    found = _PROPERTIES.match(text, int(node.start_mark.index))
    return found.end() if found else int(node.start_mark.index)


def span(entry: Entry) -> Token:
    """Return from where to where an entry stands."""
    text = entry.key.source.text
    return Token(entry.key.source, entry.key.token.start, _end_of_pair(text, entry.key.node, entry.value.node), "")


def _end(text: str, node: yaml.Node) -> int:
    """Return where a node ends: of a block where its last value does, before blanks and comments that follow."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end_of_pair(text, *node.value[-1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return max(_end(text, node.value[-1]), int(node.value[-1].start_mark.index))
    end = int(node.end_mark.index)
    return len(text[:end].rstrip()) if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else end


def _end_of_pair(text: str, key: yaml.Node | None, value: yaml.Node | None) -> int:
    """Return where a key with its value ends; one that is an alias, or nothing, ends behind the colon."""
    assert key is not None
    assert value is not None
    colon = _COLON.match(text, int(key.end_mark.index))
    behind = colon.end() if colon else int(key.end_mark.index)
    return max(behind, _end(text, value)) if value.start_mark.index > key.start_mark.index else behind


def _plain(key: str) -> str:
    return key.replace("_", "").lower()
