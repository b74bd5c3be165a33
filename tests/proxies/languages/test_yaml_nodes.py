"""YAML that is edited where it stands: what is taken out or put, and that all else stays byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from harness.errors import InputError
from harness.proxies.languages.yaml_nodes import Value, YamlEdits
from harness.proxies.source_text import Source

BLOCK = """\
a: &x  # first
  b_c: 1  # one
  d: [2, {e: 3}]

f:
- g: 'h'
  i:
    j: |
      text

# last
k: *x
l:
"""
FLOW = '{"a": {"bC": 1, "d": [2, {"e": 3}]}, "f": [{"g": "h", "i": {"j": "text"}}], "k": null, "l": null}\n'


def edits(text: str) -> tuple[Value, YamlEdits]:
    source = Source(Path("c.yaml"), text)
    return Value.of(source), YamlEdits(source)


@pytest.mark.parametrize("text", [BLOCK, FLOW], ids=["block", "flow"])
@pytest.mark.parametrize(
    "dropped",
    [(), ("a",), ("f",), ("k",), ("l",), ("a", "l"), ("a", "f", "k"), ("f", "k", "l"), ("a", "f", "k", "l")],
    ids="".join,
)
def test_what_is_taken_out_leaves_the_rest_as_it_was(text: str, dropped: tuple[str, ...]) -> None:
    if text is BLOCK and "a" in dropped and "k" not in dropped:
        dropped = (*dropped, "k")  # which stands for it
    root, made = edits(text)
    made.drop(root, *dropped)
    (after,) = made.texts.values()
    expected = {key: value for key, value in yaml.safe_load(text).items() if key not in dropped}
    assert yaml.safe_load(after) == expected, after
    if text is FLOW:
        assert json.loads(after) == expected
    assert after.count("\n") == text.count("\n")


def test_inner_edits_give_way_to_outer_ones_and_anchors_stay() -> None:
    root, made = edits(BLOCK)
    made.put(root.get("a", "bC"), "7")
    made.put(root.get("f").items[0].get("g"), '"new"')
    made.drop(root.get("f").items[0].get("i"), "J")
    made.drop(root.get("a"), "d")
    (after,) = made.texts.values()
    assert yaml.safe_load(after) == {"a": {"b_c": 7}, "f": [{"g": "new", "i": {}}], "k": {"b_c": 7}, "l": None}
    made.put(root.get("a"), "{z: 1}")
    made.drop(root, "f")
    (after,) = made.texts.values()
    assert yaml.safe_load(after) == {"a": {"z": 1}, "k": {"z": 1}, "l": None}
    assert "# one" not in after
    assert "# last" in after


def test_merged_keys_count_as_ones_own_and_what_is_missing_is_nothing() -> None:
    root, _ = edits("base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\n")
    assert (root.get("own", "x").said, root.get("own", "y").said) == ("1", "3")
    assert not root.get("own", "z", "deeper")
    assert root.get("own", "z").said == ""
    assert [one.name for one in root.every()] == ["base", "x", "y", "own", "x", "y", "y"]
    assert root.get("own").token.line == 3


@pytest.mark.parametrize("text", ["a: [1, 22, 333]\n", "a:\n- 1\n- 22\n- 333\n", '{"a": [1, 22, 333]}\n'])
@pytest.mark.parametrize("kept", ["1", "22", "333", "1 22", "22 333", "1 333", "1 22 333"])
def test_items_that_are_not_wanted_are_taken_out_with_their_sign(text: str, kept: str) -> None:
    root, made = edits(text)
    made.drop_items(root.get("a"), lambda item: item.said in kept.split())
    (after,) = made.texts.values()
    assert yaml.safe_load(after) == {"a": [int(one) for one in kept.split()]}
    if text[0] == "{":
        assert json.loads(after) == yaml.safe_load(after)


# ---------------------------------------------------------------- anchors


SHARED = "a: &x {k: 1, l: 2}\nb: *x\nc: {<<: *x}\n"


def test_what_an_anchor_shares_is_edited_once_for_all_that_want_the_same() -> None:
    root, made = edits(SHARED)
    for one in ("a", "b", "c"):
        made.put(root.get(one, "k"), "7")
        made.drop(root.get(one), "l")
    (after,) = made.texts.values()
    assert yaml.safe_load(after) == {"a": {"k": 7}, "b": {"k": 7}, "c": {"k": 7}}


@pytest.mark.parametrize("other", ["b", "c"])
@pytest.mark.parametrize("verb", ["put", "change", "drop"])
def test_where_the_uses_of_an_anchor_want_it_otherwise_it_has_to_be_written_out(verb: str, other: str) -> None:
    root, made = edits(SHARED)
    made.put(root.get("a", "k"), "7") if verb == "put" else made.change(root.get("a"), "k", "k: 7")
    again: Mapping[str, Callable[[], None]] = {
        "put": lambda: made.put(root.get(other, "k"), "8"),
        "change": lambda: made.change(root.get(other), "k", "k: 8"),
        "drop": lambda: made.drop(root.get(other), "k"),
    }
    with pytest.raises(InputError, match=r"c\.yaml:1: this is shared by an anchor, .*: write it out for each"):
        again[verb]()


def test_what_stands_for_something_that_is_taken_out_has_to_be_written_out() -> None:
    root, made = edits("a: &x {k: 1}\nb: {c: 1}\nd: *x\n")
    made.put(root.get("b", "c"), "${PORT}")
    made.drop(root, "a")
    with pytest.raises(InputError, match=r"c\.yaml:3: `\*x` stands for what is taken out"):
        _ = made.texts


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a:\n  b: &x {c: *x}\n", "c.yaml:2: has an anchor that holds itself"),
        ("a: &x\n- [*x]\n", "c.yaml:1: has an anchor that holds itself"),
        ("a: &x\n  <<: *x\n", "c.yaml:1: has an anchor that holds itself"),
        (
            "a0: &a0 [1, 1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
            "c.yaml:15: holds more than 50000 values, aliases followed",
        ),
    ],
)
def test_what_has_no_end_is_refused_with_its_line(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        edits(text)
