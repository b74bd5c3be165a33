"""Request profiles: whose headers a client sends. The shipped ones are a file, and a matrix file may have its own."""

from __future__ import annotations

from collections.abc import Mapping

from harness.documents.document import Document
from harness.matrix.mitigation_shapes import RequestShape
from harness.model import RequestProfile

Requests = Mapping[str, RequestProfile]


def parse(text: str, file: str) -> dict[str, RequestProfile]:
    """Read a file of request profiles. Raises InputError with everything that is wrong in it."""
    shapes = Document(text, file).shape(dict[str, RequestShape])
    return {name: shape.named(name) for name, shape in shapes.items()}
