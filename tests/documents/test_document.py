"""A YAML file as data: what is refused, where, and that nothing else ever comes out of it."""

from __future__ import annotations

import random
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.documents.document import Document
from harness.documents.keys import Shape, key
from harness.errors import Complaint, InputError, key_text
from harness.matrix.reading import parse
from harness.resources import configs
from tests.matrix.knowing import KNOWN


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse(text, "m.yaml", KNOWN)
    return str(caught.value)


BAD_FILES = [
    ("", "m.yaml:1: the file is empty"),
    ("# nothing", "m.yaml:1: the file is empty"),
    ("\n- a\n", "m.yaml:2: must be keys and values (`key: value`), not a list"),
    ("word", "m.yaml:1: must be keys and values (`key: value`), not a single value"),
    ("a: [1,\nb: 2", "m.yaml:2: not YAML: "),
    ("a: 1\n---\nb: 1", "m.yaml:2: not YAML: expected a single document"),
    ("a: x\nb: \x01", "m.yaml:2: not YAML: special characters are not allowed"),
    ('a: "\\UFFFFFFFF"', "m.yaml:1: not YAML: "),
    ('a: "\\ud800"', "m.yaml:1: a: not a value of type str"),
    ("a: *b", "m.yaml:1: not YAML: found undefined alias"),
    ("a: &a [*a]", "nested deeper than 12 levels"),
    ("[" * 600, "nested too deeply"),
    ("a: !!python/name:os.system x", "m.yaml:1: a: not a value of type python/name:os.system"),
    ("a: !!int x", "m.yaml:1: a: not a value of type int"),
    ("title: x\n\ntitle: y", "m.yaml:3: title: this key is there twice (first on line 1)"),
    ("title: x\n1: y", "m.yaml:2: top level: keys must be text, not '1'; put it in quotes"),
    ("title: x\n? [a]\n: y", "m.yaml:2: top level: keys must be text, not a collection"),
    ("title: x", "m.yaml:1: workloads: this key is required"),
    ("title: x\nworkloads: {}", "m.yaml:2: workloads: must have at least one"),
    ("title: [x]", "m.yaml:1: title: must be text, not ['x']"),
    ("title:", "m.yaml:1: title: must be text, not nothing"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES)
def test_what_is_no_matrix_is_told_with_its_line(text: str, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("", None),
        ("12", 12),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("1.5e3", 1500.0),
        (".inf", ".inf"),
        ("=", "="),
        ("<<", "<<"),
        ("'12'", "12"),
        ("!!str 12", "12"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert Document(f"a: {text}", "f").data == {"a": value}


def test_a_complaint_about_a_missing_place_is_told_at_the_nearest_one() -> None:
    document = Document("a:\n  b:\n    - c\n", "f")
    document.reject(("a", "b", 0), "x")
    document.reject(("a", "b", 1), "y")
    document.reject(("a", "z"), "z")
    with pytest.raises(InputError) as caught:
        document.settle()
    assert str(caught.value).splitlines() == ["f:1: a.z: z", "f:2: a.b: y", "f:3: a.b[0]: x"]


def test_data_that_no_file_has_is_complained_of_by_path_in_the_order_that_it_was_looked_at() -> None:
    document = Document({"b": ["x"], "a": "y"})
    document.reject(("b", 0), "first")
    document.reject(("a", 3), "second")
    document.reject((), "third")
    with pytest.raises(InputError) as caught:
        document.settle()
    assert caught.value.complaints == (Complaint("first", ("b", 0)), Complaint("second", ("a",)), Complaint("third"))
    assert str(caught.value).splitlines() == ["b[0]: first", "a: second", "third"]


def test_a_complaint_keeps_its_path_and_its_place() -> None:
    with pytest.raises(InputError) as caught:
        parse("title: x\nworkloads: {w: {tokens: 0, token_bytes: 99}}", "m.yaml", KNOWN)
    (complaint,) = caught.value.complaints
    assert (complaint.file, complaint.line, complaint.path) == ("m.yaml", 2, ("workloads", "w", "tokens"))
    assert complaint.message == "must be greater than or equal to 1, not 0"


@pytest.mark.parametrize(
    ("given", "must"),
    [
        ("interval_ms: 3600000.5", "must be less than or equal to 3600000, not 3600000.5"),
        ("interval_ms: 0", "must be greater than 0, not 0"),
        ("interval_ms: 1e999", "must be a finite number, not inf"),
        ("seed: 2147483649", "must be less than or equal to 2147483648, not 2147483649"),
        ("seed: -1", "must be greater than or equal to 0, not -1"),
    ],
)
def test_a_limit_is_told_as_the_shape_has_it(given: str, must: str) -> None:
    assert f"workloads.w.{given.split(':')[0]}: {must}" in refusal(
        f"title: x\nworkloads: {{w: {{tokens: 1, token_bytes: 99, {given}}}}}"
    )


def test_a_name_is_told_how_long_it_may_be() -> None:
    told = refusal(f"title: x\nworkloads: {{{'n' * 81}: {{tokens: 1, token_bytes: 99}}}}")
    assert "must have at most 80 characters, not 'nnn" in told


def test_key_paths_are_readable_whatever_the_key() -> None:
    assert key_text(("a", 0, "b c")) == "a[0].b c"
    assert "\n" not in key_text(("a\nb",))
    assert len(key_text(("x" * 1000,))) < 100


def test_too_many_errors_are_counted() -> None:
    told = refusal("\n".join(f"key{n}: x" for n in range(50)))
    assert told.splitlines()[-1] == "m.yaml: and 22 more"


def test_aliases_are_not_followed_for_ever() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"{n}: &{n} [{', '.join([f'*{p}'] * 10)}]\n" for p, n in zip("abcde", "bcdef", strict=True))
    assert "more than 50000 values, aliases followed" in refusal(bomb)


def test_aliases_are_followed() -> None:
    assert Document("a: &x [1, 2]\nb: *x", "f").data == {"a": [1, 2], "b": [1, 2]}


# ---------------------------------------------------------------- whatever comes

TOP = ["title", "workloads", "axes", "include", "exclude", "expect", "mitigations", "variants", "profiles"]
INNER = ["chain", "format", "body", "cells", "verdict", "why", "tokens", "token_bytes", "claim", "cost", "short"]
VALUES = ["direct", "nginx:default", "nginx:./x.conf", "sse", "none", "pad-2k", "a+b", "*", "streamed"]
WORDS = st.sampled_from([*TOP, *INNER, *VALUES])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)


def survives(text: str) -> None:
    """Read any text: a matrix or an InputError that can be printed, nothing else."""
    try:
        parse(text, "m.yaml", KNOWN)
    except InputError as error:
        told = str(error)
    else:
        return
    assert told.startswith("m.yaml:")
    assert told.encode()


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    survives(text)


@given(st.text(alphabet="ab:-?[]{},&*!|>%@#'\"\\x0Uu \n\t~<=.1"))
def test_any_yaml_is_read_or_refused(text: str) -> None:
    survives(text)


@given(st.dictionaries(WORDS, TREES, max_size=8))
def test_any_data_is_read_or_refused(data: dict[str, object]) -> None:
    survives(yaml.dump({"title": "t", "workloads": {"short": {"tokens": 4, "token_bytes": 112}}, **data}))


@given(st.integers(0, 2**32), st.sampled_from(["smoke", "default"]))
def test_a_damaged_file_is_read_or_refused(seed: int, name: str) -> None:
    text = (configs() / "matrices" / f"{name}.yaml").read_text()
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text))
        text = text[:start] + chance.choice(["", ":", "\n", "- ", "[", "'", "x"]) + text[start + chance.randint(0, 9) :]
    survives(text)


class OfWords(Shape):
    """Keys that are words of a list, wherever in a shape."""

    plain: dict[Literal["red", "grey"], int] = key("numbers", {"red": 1}, {})
    deep: dict[str, list[dict[Literal["red"], int] | None]] = key("numbers", {"a": [{"red": 1}]}, {})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("plain: {rad: 1}", "m.yaml:1: plain.rad: 'rad' is not allowed; allowed: red, grey (did you mean 'red'?)"),
        ("plain: {blue: 1}", "m.yaml:1: plain.blue: 'blue' is not allowed; allowed: red, grey"),
        ("deep: {a: [{rad: 1}]}", "m.yaml:1: deep.a[0].rad: 'rad' is not allowed; allowed: red (did you mean 'red'?)"),
    ],
)
def test_a_key_that_is_none_of_its_words_is_told_with_them(said: str, told: str) -> None:
    with pytest.raises(InputError) as refused:
        Document(said, "m.yaml").shape(OfWords)
    assert str(refused.value) == told
