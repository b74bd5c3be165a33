"""The reference of matrix files, from their schema: `python -m harness.matrix.reference > docs/matrix-files.md`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.matrix.reading import schema
from harness.model import AXES

SECTIONS = {
    "MatrixShape": "The file",
    "WorkloadShape": "workloads.NAME",
    "Axes": "axes, include",
    "Exclusion": "exclude",
    "ExpectationShape": "expect",
    "RequestShape": "requests.NAME",
    "MitigationShape": "mitigations.NAME",
    "FillerShape": "prelude, padding",
    "EditShape": "edit",
    "VariantShape": "variants.PROXY.NAME",
    "OwnProxyShape": "proxies.NAME",
    "SourcesShape": "proxies.NAME.sources",
    "FromSystem": "proxies.NAME.sources.system",
    "FromWheel": "proxies.NAME.sources.wheel",
    "FromNpm": "proxies.NAME.sources.npm",
    "FromApt": "proxies.NAME.sources.apt",
    "FromImage": "proxies.NAME.sources.docker",
    "VersionShape": "proxies.NAME.version",
    "ReportShape": "report",
    "PartShape": "report.parts",
    "ClaimShape": "report.claims",
    "LimitShape": "report.claims.metrics.NAME",
    "FactsShape": "report.claims.facts",
}
HEAD = """\
# Matrix files

Every key of a matrix file. `harness matrix FILE` measures one, `harness list cells FILE` shows what it expands to, and
`harness list schema` prints its JSON schema, for editors. A whole file stands in the
[README](../README.md#your-own-set-up), what a proxy config of yours has to say in [own-configs.md](own-configs.md).

An unknown key or name is an error that names the line and what is allowed. NAME is a name of yours: letters, digits,
`.`, `_` and `-`. Where a list is expected, one value stands for a list of one. Durations are in ms, sizes in bytes.

<!-- Made by `python -m harness.matrix.reference > docs/matrix-files.md` from harness/matrix/. -->
"""


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([HEAD, *_sections(schema())])


def _sections(whole: Mapping[str, Any]) -> Iterator[str]:
    shapes = {**whole["$defs"], "MatrixShape": whole}
    for name, title in SECTIONS.items():
        shape = shapes[name]
        yield f"## {title}\n\n{shape['description']}\n"
        yield "| key | what it is | type | default | example |\n| --- | --- | --- | --- | --- |"
        for key, about in shape["properties"].items():
            default = _default(name, key, about["default"]) if "default" in about else "**required**"
            (example,) = about["examples"]
            yield _row(f"`{key}`", about["description"], _type(about), default, _code(example))
        yield ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type(about: Mapping[str, Any]) -> str:
    """Return a JSON schema's type in words: what is allowed, and within which limits."""
    if "$ref" in about:
        title = SECTIONS[about["$ref"].rsplit("/", 1)[-1]]
        return f"keys of [{title}](#{_anchor(title)})"
    if choices := about.get("anyOf"):
        given = [choice for choice in choices if choice.get("type") != "null"]
        return " or ".join(dict.fromkeys("a list of them" if _many(one, given[0]) else _type(one) for one in given))
    if words := about.get("enum") or ([about["const"]] if "const" in about else None):
        return ", ".join(f"`{word}`" for word in words)
    match about["type"]:
        case "array":
            return f"list of {_type(about['items'])}"
        case "object":
            values = next(iter(about.get("patternProperties", {}).values()), None) or about["additionalProperties"]
            return f"names, each with {_type(values)}"
        case "string":
            return "text"
        case "boolean":
            return "`true` or `false`"
    return {"integer": "whole number", "number": "number"}[about["type"]] + _limits(about)


def _many(about: Mapping[str, Any], one: object) -> bool:
    """Tell whether a type is a list for which one value may stand."""
    return about.get("items") == one and "minItems" in about


def _limits(about: Mapping[str, Any]) -> str:
    if "maximum" not in about:
        return ""
    least = f" from {about['minimum']}" if "minimum" in about else f" above {about['exclusiveMinimum']}"
    return f"{least} to {about['maximum']}"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")


def _default(shape: str, key: str, value: object) -> str:
    """Return what holds where a key is left out."""
    if shape == "Axes":
        return f"`{AXES[key].default}`" if AXES[key].default else AXES[key].otherwise
    return _code(value) if isinstance(value, str | int | float) else ""


def _code(value: object) -> str:
    """Return a value as YAML: JSON is, and quotes are only needed where a word is more than a word."""
    text = re.sub(r'"([A-Za-z][A-Za-z0-9_./+>-]*)"', r"\1", json.dumps(value))
    return f"`{text}`"


if __name__ == "__main__":
    print(page(), end="")
