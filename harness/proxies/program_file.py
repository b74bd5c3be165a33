"""What a proxy's own file says: where the program comes from, how it is run, and by what one knows that it serves.

It is `configs/NAME/program.yaml`, or a user's; the native configs beside it are the proxy's variants. All that runs it
is in described.py. Rules: texts may have placeholders (placeholders.py); what is left out is as the defaults say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveFloat, StringConstraints, model_validator

from harness.documents.document import Document
from harness.documents.keys import Listed, Shape, Words
from harness.errors import Complaint, InputError
from harness.launchers.wheel import LockedFile
from harness.proxies.starting import Ready

FILE = "program.yaml"
LOCK = "lock.yaml"
OURS = (FILE, LOCK)
"""Files of a proxy's folder that are no variants, whatever they are called."""

Suffix = Annotated[str, StringConstraints(pattern=r"^\.[A-Za-z0-9.]+$")]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


def _with_group(text: str) -> str:
    if not re.compile(_pattern(text)).groups:
        raise ValueError("must have a group, as v([0-9.]+)")
    return text


def _with_words(text: str) -> str:
    groups = re.compile(_pattern(text)).groupindex.keys()
    if "words" not in groups or not groups <= {"words", "file", "line"}:
        raise ValueError("must have a group (?P<words>...), and may have (?P<file>...) and (?P<line>...)")
    return text


Finds = Annotated[str, AfterValidator(_with_group)]
Complains = Annotated[str, AfterValidator(_with_words)]


class FromSystem(Shape):
    """A command on PATH, and the packages that bring it."""

    program: Words
    apt: str = ""
    brew: str = ""


class FromWheel(Shape):
    """A package of PyPI's; `program` is a pattern for where in its files it lies, `libraries` likewise.

    One written in Python has `requirements` instead, a file beside this one with a hash of all that it needs.
    """

    package: Words
    program: str = ""
    libraries: str = ""
    requirements: str = ""

    @model_validator(mode="after")
    def _is_somewhere(self) -> FromWheel:
        if bool(self.program) == bool(self.requirements):
            raise ValueError("must have either `program`, where it lies in the wheel, or `requirements`")
        return self


class FromNpm(Shape):
    """Packages of npm's: package.json and its lock lie beside the file, or in a folder beside it for each version."""

    package: Words
    node: Words = "20.9"


class FromApt(Shape):
    """Packages of Debian's or Ubuntu's; the first has the version. `program` is where it lies in them."""

    packages: Listed[Words]
    program: Words


class SourcesShape(Shape):
    """Where it comes from; each that is there is tried in the order of these keys."""

    system: FromSystem | None = None
    wheel: FromWheel | None = None
    npm: FromNpm | None = None
    apt: FromApt | None = None


class VersionShape(Shape):
    """How a program tells its version: asked with `arguments`, it writes what the first group of `pattern` finds."""

    arguments: Listed[Words] = Field(default=["--version"])
    pattern: Finds = r"(\d+\.\d+[.\d]*)"


class ProgramFile(Shape):
    """A proxy as data."""

    about: Words
    kind: Literal["proxy", "application"] = "proxy"
    suffix: Suffix = ".conf"
    sources: SourcesShape = SourcesShape()
    version: VersionShape = VersionShape()
    command: Annotated[list[str], Field(min_length=1)]
    env: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    path: str = ""
    ready: Ready = "passes"
    announces: Finds | None = None
    negotiates: bool = False
    within_s: PositiveFloat = 20.0
    complaints: list[Complains] = Field(default_factory=list)
    remedy: str = ""


class LockedShape(Shape):
    """What a file of a locked version is."""

    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    bytes: NonNegativeInt


def read_program(file: Path) -> ProgramFile:
    """Return what a file says. Raises InputError with file, line, key and what is allowed."""
    return _read(file).shape(ProgramFile)


def read_lock(folder: Path) -> Mapping[str, Mapping[str, LockedFile]]:
    """Return the lock that lies in a folder, by version and file; nothing if there is none. Raises likewise."""
    if not (folder / LOCK).is_file():
        return {}
    shaped = _read(folder / LOCK).shape(dict[str, dict[str, LockedShape]])
    return {
        version: {name: LockedFile(one.sha256, one.bytes) for name, one in files.items()}
        for version, files in shaped.items()
    }


def _read(file: Path) -> Document:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Complaint(f"cannot be read: {error}", file=str(file))) from error
    return Document(text, str(file))
