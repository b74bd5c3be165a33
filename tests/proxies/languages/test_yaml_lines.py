"""A YAML text with something more or less in it: a line, an item, a comma, and nothing else. No programs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.proxies.languages.yaml_lines import with_item, with_value, without_entry, without_item
from harness.proxies.languages.yaml_nodes import Entry, Value
from harness.proxies.source_text import Source


def read(text: str) -> Value:
    return Value.of(Source(Path("a.yml"), text))


def put(text: str, path: str, value: str) -> str:
    """Return a text in which a way of keys from `top` leads to a value."""
    root = read(text)
    made = with_value(root, root.get("top"), path.split("."), value)
    return text if made is None else made


def added(text: str, path: str, item: str) -> str:
    root = read(text)
    made = with_item(root, root.get("top"), path.split("."), item)
    return text if made is None else made


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("top:\n  a: 1 # c\nz: 2\n", "b", "top:\n  a: 1 # c\n  b: x\nz: 2\n"),
        ("top:\r\n    a:\r\n      b: 1\r\n", "a.b", "top:\r\n    a:\r\n      b: x\r\n"),
        ("top:\n  a: 1", "b.c", "top:\n  a: 1\n  b: {c: x}"),
        ("top: {a: 1} # c\n", "b", "top: {a: 1, b: x} # c\n"),
        ("top: {a: {}}\n", "a.b.c", "top: {a: {b: {c: x}}}\n"),
        ("top:\n  a: # why\n  c: 1\n", "a.b", "top:\n  a: {b: x} # why\n  c: 1\n"),
        ("top:\n  a: 'y' # c\n", "a", "top:\n  a: x # c\n"),
        ('top: {"a": [1, 2]}\n', "a", 'top: {"a": x}\n'),
        ("top:\n  a: 1\n", "b/c d.e", 'top:\n  a: 1\n  "b/c d": {e: x}\n'),
        ("top:\n  a: # c\n  - 1\n  - 2 # d\n  b: 1\n", "a", "top:\n  a: x # c\n  # d\n  b: 1\n"),
    ],
)
def test_a_value_stands_where_its_keys_lead(text: str, path: str, expected: str) -> None:
    assert put(text, path, "x") == expected
    assert put(expected, path, "x") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("top: {}\n", "top: {l: [x]}\n"),
        ("top: {l: [a]}\n", "top: {l: [a, x]}\n"),
        ("top:\n  l: # c\n    - a # d\nz: 1\n", "top:\n  l: # c\n    - a # d\n    - x\nz: 1\n"),
        ("top:\n  l: []\n", "top:\n  l: [x]\n"),
        ("top: {l: ['x']}\n", "top: {l: ['x']}\n"),
    ],
)
def test_an_item_goes_behind_the_others(text: str, expected: str) -> None:
    assert added(text, "l", "x") == expected
    assert added(expected, "l", "x") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("l: [x, a]\nz: 1\n", "l: [a]\nz: 1\n"),
        ("l: [a, x, b]\nz: 1\n", "l: [a, b]\nz: 1\n"),
        ("l: [a, x ]\nz: 1\n", "l: [a ]\nz: 1\n"),
        ("l: [x] # c\nz: 1\n", "# c\nz: 1\n"),
        ("l:\n  - a\n  - x # c\n  - b\nz: 1\n", "l:\n  - a\n  # c\n  - b\nz: 1\n"),
        ("l:\n- x\n- a\nz: 1\n", "l:\n- a\nz: 1\n"),
        ("{z: 1, l: [x]}\n", "{z: 1}\n"),
        ("{l: [x], z: 1}\n", "{z: 1}\n"),
    ],
)
def test_an_item_goes_with_its_line_or_its_comma_and_the_last_with_its_key(text: str, expected: str) -> None:
    root = read(text)
    entry = root.entry("l")
    assert isinstance(entry, Entry)
    (item,) = (one for one in entry.value.items if one.said == "x")
    assert without_item(root, entry, item) == expected


def test_what_is_shared_is_refused_with_its_line() -> None:
    root = read("a: &a\n  b: 1\nc: *a\nd: {<<: *a}\n")
    for name in ("a", "c"):
        with pytest.raises(InputError, match=r"a\.yml:2: this is shared by an anchor"):
            with_value(root, root.get(name), ["x"], "1")
    with pytest.raises(InputError, match=r"a\.yml:4: has nothing of its own"):
        with_value(root, root.get("d"), ["x"], "1")
    entry = root.get("c").entry("b")
    assert entry
    with pytest.raises(InputError, match="shared"):
        without_entry(root, entry)


KEYS = st.sampled_from(["a", "b", "c"])
DATA = st.recursive(
    st.sampled_from([1, "y", None, True]),
    lambda inner: st.dictionaries(KEYS, inner, min_size=1) | st.lists(inner, min_size=1, max_size=3),
    max_leaves=8,
)


@given(data=st.dictionaries(KEYS, DATA, min_size=1), path=st.lists(KEYS, min_size=1, max_size=3), flows=st.booleans())
def test_nothing_else_is_another_value_then(data: dict[str, object], path: list[str], flows: bool) -> None:
    text = yaml.safe_dump({"top": data, "z": 1}, default_flow_style=flows, width=1000)
    text = text.replace("\n", " # c\n")
    made = put(text, ".".join(path), "x")
    expected, inner = yaml.safe_load(text), None
    inner = expected["top"]
    for key in path[:-1]:
        inner[key] = inner[key] if isinstance(inner.get(key), dict) else {}
        inner = inner[key]
    inner[path[-1]] = "x"
    assert yaml.safe_load(made) == expected
    gone = [line for line in text.splitlines() if line not in made.splitlines()]
    if not flows and not isinstance(yaml.safe_load(text)["top"].get(path[0]), list | dict):
        assert len(gone) <= 1
