"""A proxy whose program reads configs as they are deployed: unmodified files in, a copy that runs here out.

A config that says itself where it listens and passes requests on to (placeholders) is taken as it says. Of any other
its language (languages/) says what has to change; here that is written, tested, started and kept as evidence.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from harness import resources
from harness.errors import Complaint, InputError, Unavailable
from harness.launchers.base import Installed, ProgramLauncher
from harness.model import Deployment, Endpoint
from harness.proxies import placeholders
from harness.proxies.base import Running
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.described import Described
from harness.proxies.languages import LANGUAGES
from harness.proxies.languages.base import Fitted, Standing, read
from harness.proxies.starting import Start

FOLDER = "conf"
"""Where a config lies in the folder for evidence, laid out as it was."""


@dataclass(frozen=True)
class AsDeployed(Described):
    """A proxy of `configs/<name>`, whose variants are those there, or any config of a user's, as `deployment` has it.

    `behind` is what it passes requests on to.
    """

    deployment: Deployment = field(default_factory=Deployment)
    behind: Endpoint = field(default_factory=lambda: Endpoint(1))

    @property
    def diff_name(self) -> str:
        """What the diff is called that is kept as evidence."""
        return f"{self.name}.diff"

    def deployed(self, deployment: Deployment) -> AsDeployed:
        return replace(self, deployment=deployment)

    def takes(self, config: Path) -> bool:
        said = placeholders.asked([read(config).text])
        return said.isdisjoint(("LISTEN", "PORT", *placeholders.UPSTREAMS))

    def fitted(self, config: Path, installed: Callable[[], Installed]) -> Fitted:
        """Return a config as it can stand in a chain. Raises InputError, or Unavailable without a program. Blocks."""
        complaints = ComplaintPatterns.of(self.said.complaints, {})
        return LANGUAGES[self.name](config, Standing(self.deployment, self.behind, installed, complaints))

    def meant(self, config: Path) -> Self:
        """Return the proxy with what is wished for as its path, if the config is known to lead that on. Blocks."""
        if self.deployment.wish and not self.deployment.path and self.takes(config):
            wished = replace(self, deployment=replace(self.deployment, path=self.deployment.wish))
            with contextlib.suppress(InputError, Unavailable):
                if wished.fitted(config, wished.installed).served_by:
                    return wished
        return self

    def config_files(self, config: Path) -> Sequence[Path]:
        if not self.takes(config):
            return [config]
        fitted = self.meant(config).fitted(config, self.installed)
        return [source.path for source in fitted.texts if source not in fitted.ours]

    def diff(self, config: Path) -> str:
        with contextlib.suppress(Unavailable):
            return self.meant(config).fitted(config, self.installed).diff() if self.takes(config) else ""
        return ""

    def asks(self, config: Path) -> set[str]:
        if not self.takes(config):
            return super().asks(config)
        fitted = self.fitted(config, self.installed)
        return placeholders.asked([*fitted.command, *fitted.texts.values()])

    def check(self, config: Path) -> None:
        """Raise InputError if a config could not stand in a chain, or the program has anything against it."""
        if self.deployment and not self.takes(config):
            why = (
                "says itself where it listens and passes requests on (`${LISTEN}`, `${UPSTREAM}`): map, server and path"
            )
            raise InputError(Complaint(f"{why} are for a config that does not", file=str(config)))
        with contextlib.suppress(Unavailable):  # which the start tells
            super(AsDeployed, self.meant(config)).check(config)

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        wish = self.deployment.wish or upstream.asked
        asked = replace(self, deployment=replace(self.deployment, wish=wish), behind=upstream)
        meant = await asyncio.to_thread(asked.meant, config)
        return await super(AsDeployed, meant).start(config, upstream, evidence, launcher)

    def start_of(self, config: Path, installed: Installed, evidence: Path) -> Start:
        if not self.takes(config):
            return super().start_of(config, installed, evidence)
        fitted = self.fitted(config, lambda: installed)
        places = {source: str(evidence / FOLDER / where) for source, where in fitted.places.items()}
        main = next(iter(places.values()))
        files = {places[source]: text for source, text in fitted.texts.items()}
        origins = {place: source.path for source, place in places.items()}
        start = self._start_of(main, files, installed, origins, fitted.command, fitted.explains)
        is_ours = config.is_relative_to(resources.configs())
        return replace(
            start,
            evidence={} if is_ours else {self.diff_name: fitted.diff()},
            cwd=Path(main).parent,
            negotiates=start.negotiates or fitted.tls,
            tls=fitted.tls,
            asked=fitted.asked,
            host=fitted.host,
            served_by=None if is_ours else fitted.served_by,
            quote=fitted.quote,
        )
