"""A program in an image, which a container engine has or pulls: it runs there, and nothing of it comes here.

Rules: an image is only meant by who names its tag (`nginx:default@docker:1.30-alpine`), and by that exact tag; what
runs is the image that the engine has under it now, which the result tells by its digest, or by its id if it was made
here; the version is the one that the program in it tells, asked once in a container.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import ProxyError, Unavailable
from harness.launchers.at_once import pause
from harness.launchers.base import Box, Fetching, Installed, Source, SourceName
from harness.launchers.commands import ASKED_S, apart
from harness.launchers.containers import EMITTER_IMAGE
from harness.launchers.engine import WAY_OUT, Engine, connected, told
from harness.launchers.process import Launcher, until
from harness.launchers.system import VersionQuestion

if TYPE_CHECKING:
    from docker.models.images import Image

TELLS_EVERY_BYTES = 20_000_000
BUILD = "in a checkout of this project: docker compose build backend"
_VERSIONS: dict[str, str] = {}
"""What programs in images told, by the image's id and what was asked."""


@dataclass(frozen=True, slots=True)
class Docker(Source):
    """`program` in `image`, of the `tag` that a hop names: nothing if it names none."""

    image: str
    program: str
    tag: str
    question: VersionQuestion

    name: ClassVar[SourceName] = "docker"

    @property
    def reference(self) -> str:
        return f"{self.image}:{self.tag}"

    def offers(self) -> Sequence[str]:
        """Return the tag that is named, which is here or to be pulled. Raises Unavailable if no engine answers."""
        if not self.tag:
            return []
        connected().close()
        return [self.tag]

    def installed(self, version: str) -> Installed:
        with contextlib.closing(connected()) as engine:
            _image(engine, EMITTER_IMAGE, BUILD)
            image = _image(engine, self.reference, f"docker pull {self.reference}")
            version = self._told(str(image.id))
        build = pinned(self.reference, image.attrs.get("RepoDigests") or []) or f"{self.reference} {image.id}"
        return Installed(self.name, version, Path(self.program), build, image=str(image.id))

    def fetch(self, version: str, fetching: Fetching) -> None:
        """Pull the image unless it is here; the emitter's is in no registry. Blocks. Raises Unavailable."""
        with contextlib.closing(connected()) as engine:
            _image(engine, EMITTER_IMAGE, BUILD)
            with contextlib.suppress(Unavailable):
                _image(engine, self.reference, "")
                return  # what is wrong with one that is here is no reason to pull
            fetching.progress(f"pulling {self.reference}")
            try:
                with told(f"{self.reference} cannot be pulled"):
                    steps = engine.client.api.pull(self.image, self.tag, stream=True, decode=True)
                    for so_far_bytes in pulled(steps):
                        fetching.progress(f"{self.reference}: {so_far_bytes / 1e6:.0f} MB so far")
                    _image(engine, self.reference, "")
            except ProxyError as error:
                raise Unavailable(str(error), "name a tag that there is, where there is a network") from error

    def _told(self, image: str) -> str:
        """Return the version that the program in an image tells, asked for it in a container that is then gone."""
        asked = f"{image} {self.program} {self.question}"
        if asked not in _VERSIONS:
            try:
                words = apart(self._said(image))
            except ProxyError as error:
                raise Unavailable(f"{self.reference}: {error}", "name another tag") from error
            if not (found := re.search(self.question.pattern, words)):
                raise Unavailable(f"{self.program} in {self.reference} tells no version: {words}", "name another tag")
            _VERSIONS[asked] = found[1]
        return _VERSIONS[asked]

    async def _said(self, image: str) -> str:
        async with Launcher() as launcher:
            log = launcher.folder("version") / "log"
            box = Box(image, [self.program, *self.question.arguments], ports=(), reads={})
            program, _ = await launcher.containers.run(self.program, box, log)
            await until(program.death, ASKED_S)
            return program.words().strip()


def pinned(reference: str, digests: Iterable[str]) -> str | None:
    """Return what pulls the very same image again, `nginx:1.30@sha256:...`; None for one that was built here.

    An image may have the digests of several repositories, whose names Podman writes in full.
    """
    image = reference.rpartition(":")[0]
    for digest in digests:
        repository, _, hashed = digest.partition("@")
        if repository == image or repository.endswith(f"/{image}"):
            return f"{reference}@{hashed}"
    return None


def pulled(steps: Iterable[Mapping[str, Any]]) -> Iterator[int]:
    """Yield how many bytes have come whenever that is much more than before, of what an engine tells while it pulls.

    Raises ProxyError with its words if it fails, CancelledError once all is to end.
    """
    came: dict[str, int] = {}
    told_bytes = 0
    for step in steps:
        pause(0)
        if words := step.get("error"):
            raise ProxyError(str(words))
        if step.get("status") == "Downloading":
            came[step["id"]] = int(step["progressDetail"].get("current", 0))
            if sum(came.values()) >= told_bytes + TELLS_EVERY_BYTES:
                told_bytes = sum(came.values())
                yield told_bytes


def _image(engine: Engine, reference: str, remedy: str) -> Image:
    try:
        image = engine.image(reference)
    except ProxyError as error:
        raise Unavailable(str(error), WAY_OUT) from error
    if image is None:
        raise Unavailable(f"there is no image {reference} here", remedy)
    return image
