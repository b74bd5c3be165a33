"""A baseline as the text that is committed: a line for each cell, sorted, so that one that changes is a line's change.

Rules: what is as usual is not said; the same baseline is always the same text; a text without its last line, `...`, was
cut off, and is refused as a whole. Of a query the `?` is kept, which for a while was followed by `(redacted)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, replace
from typing import Any, Literal

import yaml
from pydantic import model_validator

from harness.baseline.addresses import cell_of
from harness.baseline.changes import TOO_SHORT
from harness.documents.document import Document
from harness.documents.keys import Shape, Words, key
from harness.errors import Complaint, InputError, shortened
from harness.judge.rules import RULES
from harness.model import HIDDEN, Baseline, Effect, Kept, KeptRelease, Manner, Verdict

SCHEMA: Literal[1] = 1
END = "..."
"""What ends a document in YAML."""
NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
BLOB = re.compile(r"[0-9a-f]{40}")
SECTIONS = ("workloads", "standing", "digests", "configs", "renewed", "judged", "programs", "cells")
HEAD = """\
# What `harness check` expects of {matrix}: written by `harness check {matrix} --update`, which is
# how to change it, and committed beside it. Configs are told by their git blob ids.
"""
PLAIN_BYTES = 1000
"""A longer key is no simple one to YAML: 1024 characters are."""


class DamagedBaseline(InputError):
    """Nobody can read it; whoever has measured all of its matrix can write it anew."""


class NewerBaseline(InputError):
    """It is a newer harness's, which knows what it says."""


class ReleaseShape(Shape):
    """What let held tokens go."""

    bytes: int | None = key("after so many more bytes", 4096, None, ge=0)
    ms: int | None = key("after so many ms, by a timer", 500, None, ge=0)
    by: Literal["end", "unknown"] | None = key("by what else", "unknown", None)
    within: int = key("what two measurements of it may differ by", 112, 0, ge=0)
    idle: bool | None = key("whether the timer counts from the last byte", True, None)

    @model_validator(mode="after")
    def _one_thing(self) -> ReleaseShape:
        if sum(one is not None for one in (self.bytes, self.ms, self.by)) != 1:
            raise ValueError("says one of bytes, ms and by")
        if self.idle is not None and self.ms is None:
            raise ValueError("says idle of a timer only, which has ms")
        return self

    def named(self) -> KeptRelease:
        """Return the noun."""
        if self.by:
            return KeptRelease(self.by)
        if self.bytes is not None:
            return KeptRelease("bytes", self.bytes, self.within)
        return KeptRelease("timer", self.ms or 0, self.within, self.idle)


class KeptShape(Shape):
    """What is kept of a cell."""

    verdict: Literal[Verdict, "too short"] = key("what the hop does", "coalesced")
    shows: Manner | None = key("what the stream as asked shows, computed", "at the end", None)
    effect: Effect | None = key("what its mitigations do", "defeats", None)
    released: ReleaseShape | None = key("what let held tokens go", {"bytes": 4096, "within": 112}, None)
    passed_bytes: int = key("so much passed before anything was held", 1024, 0, ge=0)
    held_bytes: int = key("so much had to be sent before the first token came", 4096, 0, ge=0)
    within_bytes: int = key("the step in which these were found", 112, 0, ge=0)
    head_held: bool = key("the head of the response was held until tokens had been sent", True, False)
    lag_ms: int | None = key("how late tokens come that nothing lets go; 300 may be less", 2010, None, ge=0)

    def named(self) -> Kept:
        """Return the noun."""
        verdict = None if self.verdict == TOO_SHORT else self.verdict
        release = self.released.named() if self.released else None
        facts = {one.name: getattr(self, one.name) for one in fields(Kept)[4:]}
        return Kept(verdict, self.shows, self.effect, release, **facts)


class BaselineShape(Shape):
    """A baseline."""

    schema_: Literal[1] = key("the schema of this file", SCHEMA, alias="schema")
    harness: Words = key("the version of the harness that wrote it", "0.1.0")
    rules: int = key("the number of the rules of judgement", 1, ge=1)
    workloads: dict[str, dict[str, str | bool | int | float]] = key("what is emitted, by name", {}, {})
    standing: dict[str, str] = key("how configs stand in chains, by hop", {}, {})
    digests: dict[Literal["request", "mitigations"], dict[str, str]] = key("of definitions, by axis and key", {}, {})
    configs: dict[str, str] = key("git blob ids, by file", {}, {})
    renewed: dict[str, str] = key("digests of newer configs, by the id of a cell that was measured with them", {}, {})
    judged: dict[str, int] = key("the number of the rules that judged a cell, where these are others", {}, {})
    programs: dict[str, dict[str, str]] = key("versions, by platform and program", {}, {})
    cells: dict[str, KeptShape] = key("what is kept, by id", {})


def _represented(dumper: Any, value: Any) -> yaml.ScalarNode:
    style = '"' if NUMBER.fullmatch(value) else None
    return yaml.SafeDumper.represent_scalar(dumper, "tag:yaml.org,2002:str", value, style)


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.2 takes for a number: PyYAML writes 1.1, in which a blob id as `12e34` is none."""

    yaml_representers = {**yaml.SafeDumper.yaml_representers, str: _represented}  # noqa: RUF012 - PyYAML's own shape


def text(baseline: Baseline, matrix: str) -> str:
    """Return the text of a baseline of a matrix, which is named in its head."""
    return "".join(_lines(baseline, matrix))


def _lines(baseline: Baseline, matrix: str) -> Iterator[str]:
    yield HEAD.format(matrix=_on_a_line(matrix))
    yield f"schema: {SCHEMA}\nharness: {_flow(baseline.harness_version)}\nrules: {baseline.rules}\n"
    for section in SECTIONS:
        told = getattr(baseline, section)
        told = {name: value for name, value in told.items() if value or section not in ("digests", "programs")}
        if told or section == "cells":
            yield f"{section}:\n" if told else f"{section}: {{}}\n"
        for name in sorted(told):
            value = told[name]
            if section in ("digests", "programs"):
                yield _entry("  ", name, "")
                yield from (_entry("    ", each, value[each]) for each in sorted(value))
            else:
                yield _entry("  ", name, _said(value) if isinstance(value, Kept) else value)
    yield f"{END}\n"


def _said(kept: Kept) -> Mapping[str, Any]:
    """Return what a line says of a cell."""
    usual = {one.name: one.default for one in fields(Kept)}
    told = {name: value for name, value in asdict(kept).items() if name not in ("verdict", "release")}
    said = {name: value for name, value in told.items() if value != usual[name]}
    released = {"released": _released(kept.release)} if kept.release else {}
    return {"verdict": kept.verdict or TOO_SHORT, **said, **released}


def _released(release: KeptRelease) -> Mapping[str, object]:
    if release.by in ("bytes", "timer"):
        told = {"bytes" if release.by == "bytes" else "ms": release.after, "within": release.within}
        return told if release.idle is None else {**told, "idle": release.idle}
    return {"by": release.by}


def _entry(indent: str, name: str, value: object) -> str:
    said = f" {_flow(value)}" if value else ""
    if len(key := _flow(name)) < PLAIN_BYTES:
        return f"{indent}{key}:{said}\n"
    return f"{indent}? {key}\n{indent}:{said}\n"


def _flow(value: object) -> str:
    """Return a value on one line."""
    said = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=10**9)
    return said.removesuffix(f"{END}\n").rstrip("\n")


def _on_a_line(name: str) -> str:
    return name if name.isprintable() else repr(name)


def read(text: str, name: str) -> Baseline:
    """Return the baseline of a text; `name` is what people call it. Raises InputError with the line of all that is
    wrong, and the way out.
    """
    try:
        return _read(text, name)
    except InputError as error:
        if isinstance(error, NewerBaseline):
            raise
        way_out = "`--update` writes it anew where the whole matrix can be measured; git has it as it was"
        told = Complaint(f"this baseline cannot be used; {way_out}", file=name)
        raise DamagedBaseline(*error.complaints, told) from error


def _read(text: str, name: str) -> Baseline:
    if conflict := re.search(r"^(<{7}|={7}|>{7})( .*)?$", text, re.MULTILINE):
        line = text.count("\n", 0, conflict.start()) + 1
        raise InputError(Complaint("has a merge that git left open", file=name, line=line))
    document = Document(text, name)
    for name_of, known in (("schema", SCHEMA), ("rules", RULES)):
        if isinstance(said := document.at(name_of), int) and said > known:
            why = f"is {said}, and this harness knows {known}: use one as new as that which wrote it"
            raise NewerBaseline(replace(document.place((name_of,)), message=why))
    if not f"\n{text.rstrip()}".endswith(f"\n{END}"):
        document.reject((), f"was cut off: a baseline ends with a line `{END}`")
        document.settle()
    shaped = document.shape(BaselineShape)
    for cell in shaped.cells:
        try:
            cell_of(cell, shaped.workloads)
        except InputError as error:
            document.reject(("cells", cell), str(error))
    for path, blob in shaped.configs.items():
        if not BLOB.fullmatch(blob):
            document.reject(("configs", path), f"{shortened(blob)} is no blob id of git's: 40 hexadecimal digits are")
    document.settle()
    cells = {cell: one.named() for cell, one in shaped.cells.items()}
    sections = {section: getattr(shaped, section) for section in SECTIONS[:-1]}
    sections["standing"] = {hop: said.replace(f"?{HIDDEN}", "?") for hop, said in shaped.standing.items()}
    return Baseline(name, shaped.rules, shaped.harness, cells, **sections)
