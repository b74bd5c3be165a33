"""Runs the buffering emulator, which plays what somebody claims of a hop that cannot run here.

It stands in chains as `cloudrun` where it plays Cloud Run, about which most is claimed, and as `emulator` where it
plays others. A profile is a YAML file: what it is `about`, whose `claim` it
plays with its `source`, and the parameters of the hold (hold.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from harness.documents.document import Document
from harness.documents.keys import HeaderName, Shape, Words
from harness.errors import Complaint, InputError
from harness.launchers.base import ProgramLauncher
from harness.model import Endpoint, HopKind, Method
from harness.proxies import certificates
from harness.proxies.base import Running
from harness.proxies.hold import Compression, Policy
from harness.proxies.starting import Start, started

SERVER = "harness.proxies.emulator_server"
TOLD = ("--listen=${LISTEN}", "--upstream=${UPSTREAM}")
READY_S = 20.0

Glob = Annotated[str, StringConstraints(min_length=1)]
Positive = Annotated[float, Field(gt=0)]


class Profile(Shape):
    """One emulated hop: a hold policy, and who says that such a hop exists."""

    release_bytes: Annotated[int, Field(gt=0)] | None = None
    release_after_ms: Positive | None = None
    idle_ms: Positive | None = None
    store_and_forward: bool = False
    hold_head: bool = False
    honoured_headers: dict[HeaderName, Glob] = Field({})
    passing_content_types: list[Glob] = Field([])
    passing_methods: list[Method] = Field([])
    passing_unsized: bool = False
    compression: Compression = "none"
    request_timeout_s: Positive | None = None
    about: Words
    claim: Words
    source: Words

    @property
    def policy(self) -> Policy:
        """The noun. Raises ValueError as that does."""
        return Policy(**self.model_dump(exclude={"about", "claim", "source"}, exclude_defaults=True))

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        _ = self.policy
        return self


class Emulated:
    """An emulated proxy: its variants are `configs/<name>/*.yaml`."""

    kind: HopKind = "emulator"
    suffix = ".yaml"

    def __init__(self, name: str) -> None:
        self.name = name

    def version(self) -> str:
        return f"{version('token-stream-harness')} on aiohttp {version('aiohttp')}"

    def describe(self, config: Path) -> str:
        return f"emulator playing: {read_profile(config).claim}"

    def check(self, config: Path) -> None:
        read_profile(config)

    def install(self, progress: Callable[[str], None]) -> None:
        """Do nothing: the emulator is part of the harness."""

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        profile = read_profile(config)
        start = Start(
            name=self.name,
            command=[sys.executable, "-P", "-m", SERVER, *TOLD, f"--policy={profile.policy.to_json()}"],
            within_s=READY_S,
            evidence={f"{self.name}.yaml": config},
            env={certificates.OPENSSL: os.devnull},  # without TLS upstream it trusts nobody, and need not read whom
            trusts=certificates.OPENSSL,
        )
        program, endpoint = await started(start, upstream, evidence, launcher)
        return Running(self.name, endpoint, program, self.version(), profile.claim)


CLOUD_RUN, OTHERS = Emulated("cloudrun"), Emulated("emulator")


def read_profile(config: Path) -> Profile:
    """Return a profile. Raises InputError that names the file, the line, the key and what is allowed."""
    try:
        text = config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Complaint(f"cannot be read: {error}", file=str(config))) from error
    return Document(text, str(config)).shape(Profile)
