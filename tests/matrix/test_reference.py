"""The page about matrix files is what the shapes say, and what it shows as examples is allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.documents import programs
from harness.documents.document import Document
from harness.documents.keys import Shape
from harness.matrix import mitigation_shapes, reference, report_shapes, shapes

PAGE = Path(__file__).parents[2] / "docs/matrix-files.md"
PLACES = (report_shapes, shapes, mitigation_shapes, programs)
SHAPES = [next(getattr(place, name) for place in PLACES if hasattr(place, name)) for name in reference.SECTIONS]
KEYS = [(shape, name) for shape in SHAPES for name in shape.model_fields]
ALTERNATIVES = {"verdict", "method", "at_most"}
"""Keys that stand for those of which a shape wants at least one."""


def test_the_page_is_what_the_shapes_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference.page(), (
        "python -m harness.matrix.reference > docs/matrix-files.md"
    )


def test_every_shape_of_a_matrix_file_has_a_section() -> None:
    every = {
        one for module in PLACES for one in vars(module).values() if isinstance(one, type) and issubclass(one, Shape)
    }
    assert set(SHAPES) == every - {Shape, programs.ProgramShape}


def section(shape: type[Shape]) -> str:
    title = reference.SECTIONS[shape.__name__]
    return PAGE.read_text(encoding="utf-8").split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def beside(shape: type[Shape], key: str) -> dict[str, object]:
    """Return examples of the other keys without which one cannot stand."""
    conditions = {*report_shapes.CONDITIONS, "untestable"}
    needed = {name for name, field in shape.model_fields.items() if field.is_required() or name in ALTERNATIVES}
    if shape is report_shapes.ClaimShape and key in conditions:
        needed -= conditions
    if shape is report_shapes.ClaimShape and key != "untestable":
        needed.add("cells")
    if key.endswith("_times"):
        needed.add("of")
    if key == "of":
        needed.add("at_most_times")
    if shape is programs.FromWheel and key not in ("program", "requirements"):
        needed.add("program")
    if shape is programs.OwnProxyShape and key not in ("folder", "command"):
        return {"command": ["${PROGRAM}"] if key == "sources" else ["my-gateway"]}
    if shape is shapes.WorkloadShape and key == "recording":
        return {}
    share = {"of": "reads"} if key.endswith("_share") else {}
    return {name: (shape.model_fields[name].examples or [None])[0] for name in needed - {key}} | share


@pytest.mark.parametrize(("shape", "key"), KEYS, ids=[f"{shape.__name__}.{name}" for shape, name in KEYS])
def test_the_example_of_a_key_is_yaml_that_its_shape_takes(shape: type[Shape], key: str) -> None:
    row = re.search(rf"^\| `{key}` \|.* \| `(?P<example>[^|]+)` \|$", section(shape), re.MULTILINE)
    assert row
    given = Document(f"{key}: {row['example']}", "page").data
    assert isinstance(given, dict)
    assert key in shape(**{**beside(shape, key), **given}).model_dump(exclude_unset=True)


def test_links_lead_to_sections() -> None:
    text = PAGE.read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for title in re.findall("^## (.*)", text, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
    for file in re.findall(r"\]\(([^#)]+)", text):
        assert (PAGE.parent / file).exists()
