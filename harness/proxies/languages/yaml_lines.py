"""A YAML text with something more or less in it, as whoever wrote it would have put it. Pure.

Rules: what is put into a block gets a line of its own, into braces a comma; what is taken out takes its line along, or
its comma. What an anchor shares is refused: others would have it otherwise, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import chain

import yaml

from harness.errors import InputError
from harness.proxies.languages.yaml_nodes import Entry, Value, span
from harness.proxies.source_text import Source, Token

_PLAIN = re.compile(r"[A-Za-z_][\w.-]*")


def with_value(root: Value, mapping: Value, path: Sequence[str], text: str) -> str | None:
    """Return the text of a document in which a way of keys from a mapping of it leads to a value; None if it does.

    Raises InputError, with the line, where an anchor is in the way.
    """
    key, *rest = path
    entry = mapping.entry(key)
    if entry is None:
        _refuse_shared(root, mapping)
        return _with_entry(mapping, f"{_key(key)}: {_nested(rest, text)}")
    _refuse_shared(root, entry.value if entry.value.is_mapping else entry.key)
    if rest and entry.value.is_mapping:
        return with_value(root, entry.value, rest, text)
    if not rest and text in (entry.value.said, entry.value.token.raw):
        return None
    return _put(entry, _nested(rest, text))


def with_item(root: Value, mapping: Value, path: Sequence[str], item: str) -> str | None:
    """Return the text in which a way of keys leads to a list that has an item; None if it has. Raises likewise."""
    there = mapping.get(*path)
    if not there.items:
        return with_value(root, mapping, path, f"[{item}]")
    if any(one.said == item for one in there.items):
        return None
    _refuse_shared(root, there)
    last = there.items[-1].token
    if _flows(there):
        return last.source.replaced(last.end, last.end, f", {item}")
    dash = last.source.text.rindex("-", 0, last.start)
    return last.source.with_lines(last.end, [f"{' ' * _column(last, dash)}- {item}"])


def without_item(root: Value, entry: Entry, item: Value) -> str:
    """Return the text without an item of the list that an entry has; without the entry, if that is all it has."""
    items = entry.value.items
    if len(items) == 1:
        return without_entry(root, entry)
    _refuse_shared(root, entry.value)
    token = item.token
    if _flows(entry.value):
        return _from_between([one.token for one in items], items.index(item))
    return token.source.without(token.source.text.rindex("-", 0, token.start), token.end)


def without_entry(root: Value, entry: Entry) -> str:
    """Return the text without an entry of a mapping."""
    _refuse_shared(root, entry.mapping)
    whole = span(entry)
    if _flows(entry.mapping):
        own = [span(one) for one in entry.mapping.entries if one.mapping == entry.mapping]
        return _from_between(own, [one.start for one in own].index(whole.start))
    return whole.source.without(whole.start, whole.end)


def _put(entry: Entry, text: str) -> str:
    """Return the text in which an entry has another value."""
    token, source = entry.value.token, entry.key.source
    is_block = isinstance(entry.value.node, yaml.CollectionNode) and not _flows(entry.value)
    if token.end > token.start >= 0 and not is_block:
        return source.replaced(token.start, token.end, text)
    rest = Source(source.path, source.without(token.start, token.end)) if is_block else source
    colon = source.text.index(":", entry.key.token.end) + 1
    return rest.replaced(colon, colon, f" {text}")


def _with_entry(mapping: Value, line: str) -> str:
    token, own = mapping.token, [one for one in mapping.entries if one.mapping == mapping]
    source = mapping.source
    if mapping.entries and not own:
        raise InputError(mapping.reject("has nothing of its own that a line could stand beside: write it out"))
    if _flows(mapping):
        if not own:
            return source.replaced(token.start, token.end, f"{{{line}}}")
        end = span(own[-1]).end
        return source.replaced(end, end, f", {line}")
    return source.with_lines(span(own[-1]).end, [" " * _column(own[0].key.token, own[0].key.token.start) + line])


def _from_between(tokens: list[Token], at: int) -> str:
    """Return the text without one of the parts between brackets, and without its comma."""
    source = tokens[at].source
    if at + 1 < len(tokens):
        return source.replaced(tokens[at].start, tokens[at + 1].start, "")
    return source.replaced(tokens[at - 1].end if at else tokens[at].start, tokens[at].end, "")


def _nested(path: Sequence[str], text: str) -> str:
    for key in reversed(path):
        text = f"{{{_key(key)}: {text}}}"
    return text


def _key(key: str) -> str:
    return key if _PLAIN.fullmatch(key) else json.dumps(key)


def _flows(value: Value) -> bool:
    return isinstance(value.node, yaml.CollectionNode) and bool(value.node.flow_style)


def _column(token: Token, offset: int) -> int:
    return offset - token.source.text.rfind("\n", 0, offset) - 1


def _refuse_shared(root: Value, value: Value) -> None:
    if "&" in root.source.text and _uses(root.node, value.node, set()) > 1:
        raise InputError(value.reject("this is shared by an anchor, and is to be changed for one of its uses alone"))


def _uses(node: yaml.Node | None, wanted: yaml.Node | None, seen: set[int]) -> int:
    """Return how many ways lead to a node, those through what is shared itself included."""
    if node is wanted:
        return 1
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return 0
    inner = chain(*node.value) if isinstance(node, yaml.MappingNode) else node.value
    return sum(_uses(one, wanted, {*seen, id(node)}) for one in inner)
