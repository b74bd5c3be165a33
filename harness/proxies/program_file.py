"""Reads a proxy's own files: `program.yaml`, which describes it, and `lock.yaml`, the hashes of its wheels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from pydantic import AfterValidator, NonNegativeInt, StringConstraints

from harness.documents.document import Document
from harness.documents.keys import Shape
from harness.documents.programs import ProgramShape
from harness.errors import Complaint, InputError
from harness.launchers.wheel import LockedFile

FILE = "program.yaml"
LOCK = "lock.yaml"
OURS = (FILE, LOCK)
"""Files of a proxy's folder that are no variants, whatever they are called."""


def _wheel(name: str) -> str:
    try:
        parse_wheel_filename(name)
    except InvalidWheelFilename as error:
        raise ValueError(f"is no name of a wheel: {error}") from None
    return name


WheelName = Annotated[str, AfterValidator(_wheel)]


class LockedShape(Shape):
    """What a file of a locked version is."""

    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    bytes: NonNegativeInt


def read_program(file: Path) -> ProgramShape:
    """Return what a file says. Raises InputError with file, line, key and what is allowed."""
    return _read(file).shape(ProgramShape)


def read_lock(folder: Path) -> Mapping[str, Mapping[str, LockedFile]]:
    """Return the lock that lies in a folder, by version and file; nothing if there is none. Raises likewise."""
    if not (folder / LOCK).is_file():
        return {}
    shaped = _read(folder / LOCK).shape(dict[str, dict[WheelName, LockedShape]])
    return {
        version: {name: LockedFile(one.sha256, one.bytes) for name, one in files.items()}
        for version, files in shaped.items()
    }


def variants_in(folder: Path, program: ProgramShape) -> dict[str, Path]:
    """Return the configs of a proxy's folder, by name; of one that reads none, `default`, which is the folder."""
    if not program.has_config:
        return {"default": folder}
    files = sorted(folder.glob(f"*{program.suffix}"))
    kept = (file for file in files if file.name not in (*OURS, *program.files))
    return {file.name.removesuffix(program.suffix): file for file in kept}


def _read(file: Path) -> Document:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Complaint(f"cannot be read: {error}", file=str(file))) from error
    return Document(text, str(file))
