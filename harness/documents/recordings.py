"""Recordings as files: JSON that a person can read, and that is read back exactly. Pure: text in, text out.

Rules: a write that is UTF-8 stands as text, any other in base64; a file in which was changed what is replayed is no
recording any more (its digest tells); and what is wrong with one is told with the key.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import fields
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from harness.documents.keys import HeaderName, ReceivedValue
from harness.errors import Complaint, InputError
from harness.model import DIGEST, Body, CodecName, Method, Recording, Write, digest_of

VERSION: Literal[1] = 1
_APART = ("writes",)


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Write(_Shape):
    at_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    text: str | None = None
    base64: str | None = None
    whole: bool = True

    @property
    def noun(self) -> Write:
        data = self.text.encode() if self.text is not None else b64decode(self.base64 or "", validate=True)
        return Write(self.at_ms, data, self.whole)

    @model_validator(mode="after")
    def _says_one_thing(self) -> _Write:
        if (self.text is None) is (self.base64 is None):
            raise ValueError("give either text or base64")
        if not self.noun.data:
            raise ValueError("a write has at least one byte")
        return self


class _File(_Shape):
    recording: Literal[1]
    digest: Annotated[str, Field(pattern=f"^{DIGEST.pattern}$")]
    source: str
    method: Method
    format: CodecName
    body: Body
    content_type: ReceivedValue
    headers: list[tuple[HeaderName, ReceivedValue]]
    again: Annotated[int, Field(ge=0)]
    closing: Annotated[int, Field(ge=1)]
    coding: str = ""
    chunks_http10: bool = False
    plain_pieces: Annotated[int, Field(ge=0)] = 0
    coded_pieces: Annotated[int, Field(ge=0)] = 0
    writes: Annotated[list[_Write], Field(min_length=2)]

    @model_validator(mode="after")
    def _holds_together(self) -> _File:
        if not self.again < self.closing < len(self.writes):
            raise ValueError(f"again < closing < {len(self.writes)}, the number of writes, is not so")
        if any(after.at_ms < before.at_ms for before, after in pairwise(self.writes)):
            raise ValueError("at_ms of the writes falls: each is at the time of the one before it, or later")
        return self


def dump(recording: Recording) -> str:
    """Return a recording as the text of a file."""
    head = {one.name: getattr(recording, one.name) for one in fields(recording) if one.name not in _APART}
    head = {"recording": VERSION, **head, "writes": []}
    writes = ",\n".join(f"  {json.dumps(_write(write))}" for write in recording.writes)
    return json.dumps(head, indent=1).removesuffix("[]\n}") + f"[\n{writes}\n ]\n}}\n"


def load(text: str, file: str) -> Recording:
    """Read what `dump` wrote. Raises InputError, naming file and key, for what is no recording."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(Complaint(f"is no recording: it is no JSON ({error})", file=file)) from None
    if not isinstance(data, dict) or "recording" not in data:
        told = "is no recording: `harness run --backend URL` makes one, in the folder `recordings` of its run"
        raise InputError(Complaint(told, file=file))
    try:
        # JSON has no tuples: what comes from it is taken as it writes them
        said: _File = TypeAdapter(_File).validate_json(text)
    except ValidationError as error:
        raise InputError(*(_complaint(dict(one), file) for one in error.errors()[:3])) from None
    told_fields: dict[str, Any] = {name: getattr(said, name) for name in _File.model_fields if name != "recording"}
    headers = tuple((name, value) for name, value in said.headers)
    recording = Recording(**told_fields | {"headers": headers, "writes": tuple(write.noun for write in said.writes)})
    if (digest := digest_of(recording)) != recording.digest:
        told = f"the file was changed since it was recorded: write {digest} if that is meant, or record it again"
        raise InputError(Complaint(told, ("digest",), file=file))
    return recording


def _write(write: Write) -> dict[str, object]:
    try:
        said = {"text": write.data.decode()}
    except UnicodeDecodeError:
        said = {"base64": b64encode(write.data).decode("ascii")}
    return {"at_ms": write.at_ms, **said, **({} if write.whole else {"whole": False})}


def _complaint(error: dict[str, Any], file: str) -> Complaint:
    return Complaint(str(error["msg"]).removeprefix("Value error, "), tuple(error["loc"]), file=file)
