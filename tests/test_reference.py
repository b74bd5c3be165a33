"""The page about matrix files is what the shapes say, and what it shows as examples is allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness import reference, shapes
from harness.document import Document

PAGE = Path(__file__).parents[1] / "docs/matrix-files.md"
SHAPES = [getattr(shapes, name) for name in reference.SECTIONS]
KEYS = [(shape, name) for shape in SHAPES for name in shape.model_fields]


def test_the_page_is_what_the_shapes_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference.page(), "python -m harness.reference > docs/matrix-files.md"


def test_every_shape_of_a_matrix_file_has_a_section() -> None:
    every = {shape for shape in vars(shapes).values() if isinstance(shape, type) and issubclass(shape, shapes.Shape)}
    assert set(SHAPES) == every - {shapes.Shape}


def section(shape: type[shapes.Shape]) -> str:
    title = reference.SECTIONS[shape.__name__]
    return PAGE.read_text(encoding="utf-8").split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize(("shape", "key"), KEYS, ids=[f"{shape.__name__}.{name}" for shape, name in KEYS])
def test_the_example_of_a_key_is_yaml_that_its_shape_takes(shape: type[shapes.Shape], key: str) -> None:
    row = re.search(rf"^\| `{key}` \|.* \| `(?P<example>[^|]+)` \|$", section(shape), re.MULTILINE)
    assert row
    required = {
        name: field.examples[0]  # type: ignore[index]
        for name, field in shape.model_fields.items()
        if field.is_required() or name in ("verdict", "method")
    }
    given = Document(f"{key}: {row['example']}", "page").data
    assert isinstance(given, dict)
    assert key in shape(**{**required, **given}).model_dump(exclude_unset=True)


def test_links_lead_to_sections() -> None:
    text = PAGE.read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for title in re.findall("^## (.*)", text, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
    for file in re.findall(r"\]\(([^#)]+)", text):
        assert (PAGE.parent / file).exists()
