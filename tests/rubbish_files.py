"""Rubbish that stands in matrix files: by the keys of the real shapes, each with its example, and things put wrong."""

from __future__ import annotations

import copy
import math
from typing import Any

import yaml
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from harness.documents.keys import Shape
from harness.matrix import report_shapes, shapes

SMALL = {
    "title": "Small",
    "workloads": {"short": {"tokens": 8, "token_bytes": 112}},
    "axes": {"chain": ["direct", "nginx:default"]},
}
SIGNS = st.characters(exclude_characters="\0", exclude_categories=())
TEXTS = st.one_of(
    st.text(SIGNS, max_size=12),
    st.text("nginx:default>direct/@=.,*+-_ 0123456789[]{}!&'\"\\\t\n\x1b\udce9é☃", max_size=40),
    st.sampled_from(["", "-", "--", ".", "..", "/", "~", "*", "nan", "inf", "-1", "1e999", "0x10", "null", "[" * 50]),
    st.sampled_from(
        ["n" * 260, ">".join(["nginx:default"] * 70), "../" * 300, "9" * 5000, "m.yaml", "runs", "no/such"]
    ),
)
VALUES: SearchStrategy[object] = st.recursive(
    st.one_of(
        TEXTS,
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.sampled_from([10**400, -(2**63), 2**64, math.inf, 1e308, 5e-324]),
        st.dates(),
        st.binary(max_size=4),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=4,
)
DOCUMENTS_OF_SORTS = st.one_of(
    st.binary(max_size=40),
    TEXTS.map(lambda text: text.encode("utf-8", "surrogateescape" if text.isprintable() else "replace")),
    st.sampled_from(
        [
            b"[" * 3000,
            b"{a: " * 3000,
            b"- " * 3000,
            b"a: &a [*a]",
            b"a: &a {b: *a}",
            b"title: !!python/object:os.system x",
            b"title: 2026-99-99",
            b"? [a, b]\n: c",
            b"<<: 1",
            b"title: " + b"9" * 5000,
            b"title: 0b2",
            b"title: 1:99:99.9",
            b"\xff\xfe\x00",
            b"%YAML 9.9\n---\na",
            b"--- a\n--- b",
            b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]",
        ]
    ),
)


def _all_shapes() -> list[type[Shape]]:
    every = (one for module in (shapes, report_shapes) for one in vars(module).values())
    return list(dict.fromkeys(filter(_is_shape, every)))


def _is_shape(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, Shape) and one is not Shape


EXAMPLES = {
    key: (about.examples or [None])[0] for shape in _all_shapes() for key, about in sorted(shape.model_fields.items())
}
"""An example of every key of every shape."""


@st.composite
def matrices(draw: DrawFn) -> bytes:
    """Draw the text of a matrix file: a small one, with some of the keys that there are, some of them at fault."""
    document: dict[Any, Any] = copy.deepcopy(SMALL)
    keys = st.sampled_from(sorted(shapes.MatrixShape.model_fields))
    for key in draw(st.lists(keys, max_size=3, unique=True)):
        document[key] = copy.deepcopy(EXAMPLES[key])
    for _ in range(draw(st.integers(0, 3))):
        _spoil(draw, document)
    try:
        return yaml.safe_dump(document, allow_unicode=draw(st.booleans())).encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, ValueError):  # not everything that is a value can be written
        return repr(document).encode("utf-8", "replace")


def _spoil(draw: DrawFn, document: Any) -> None:
    """Change one thing, at a random depth."""
    place = document
    while True:
        steps = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not steps:
            return
        step = draw(st.sampled_from(steps))
        if isinstance(place[step], dict | list) and draw(st.integers(0, 3)):
            place = place[step]
            continue
        break
    match draw(st.sampled_from(["replace", "another", "remove", "add", "wrap"])):
        case "replace":
            place[step] = draw(VALUES)
        case "another":
            place[step] = copy.deepcopy(draw(st.sampled_from(list(EXAMPLES.values()))))
        case "remove":
            del place[step]
        case "add" if isinstance(place, dict):
            key = draw(st.one_of(st.sampled_from(sorted(EXAMPLES)), TEXTS))
            place[key] = draw(st.one_of(VALUES, st.just(EXAMPLES.get(key))))
        case _:
            place[step] = [place[step]]
