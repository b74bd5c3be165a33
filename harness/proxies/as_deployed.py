"""A proxy whose program reads configs as they are deployed: unmodified files in, a copy that runs here out.

A config that says itself where it listens and passes requests on to (placeholders) is taken as it says. Of any other
its language (languages/) says what has to change, and where a mitigation's edit goes (mitigated.py); here that is
written, tested, started and kept as evidence.
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
from harness.model import Deployment, Edit, Endpoint
from harness.proxies import placeholders
from harness.proxies.base import Running
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.described import Described
from harness.proxies.languages import LANGUAGES
from harness.proxies.languages.base import Fitted, Standing, Texts, read
from harness.proxies.mitigated import Mitigated, mitigated
from harness.proxies.source_text import printable
from harness.proxies.starting import Start

FOLDER = "conf"
"""Where a config lies in the folder for evidence, laid out as it was."""
CHANGED = "mitigations.diff"
"""What is kept there of what mitigations change, secrets and all."""


@dataclass(frozen=True)
class AsDeployed(Described):
    """A proxy of `configs/<name>`, whose variants are those there, or any config of a user's, as `deployment` has it.

    `behind` is what it passes requests on to, `edits` are what mitigations change of a config. `made` is what has been
    made of the config that is about to run.
    """

    deployment: Deployment = field(default_factory=Deployment)
    behind: Endpoint = field(default_factory=lambda: Endpoint(1))
    edits: tuple[Edit, ...] = ()
    made: Mitigated | None = field(default=None, repr=False, compare=False)

    @property
    def diff_name(self) -> str:
        """What the diff is called that is kept as evidence."""
        return f"{self.name}.diff"

    def deployed(self, deployment: Deployment) -> AsDeployed:
        return replace(self, deployment=deployment)

    def edited(self, edits: Sequence[Edit]) -> AsDeployed:
        return replace(self, edits=tuple(edits))

    def changed(self, config: Path) -> str:
        if not self.takes(config):
            return ""
        try:
            return self.meant(config).mitigated(config, self.installed).told()
        except Unavailable as error:
            return str(error)

    def takes(self, config: Path) -> bool:
        said = placeholders.asked([read(config).text])
        return said.isdisjoint((*placeholders.LISTENS, *placeholders.UPSTREAMS))

    def read(self, config: Path, standing: Standing) -> Fitted:
        """Return a config as its language reads it. Raises InputError, or Unavailable without a program. Blocks."""
        return LANGUAGES[self.name](config, standing)

    def mitigated(self, config: Path, installed: Callable[[], Installed]) -> Mitigated:
        """Return a config as it can stand in a chain, with its edits. Raises likewise."""
        if self.made:
            return self.made
        complaints = ComplaintPatterns.of(self.said.complaints, {str(config.absolute()): config})
        standing = Standing(self.deployment, self.behind, installed, complaints)

        def reading(texts: Texts) -> Fitted:
            return self.read(config, replace(standing, texts=texts))

        return mitigated(reading, self.edits)

    def fitted(self, config: Path, installed: Callable[[], Installed]) -> Fitted:
        """Return the same, without what it was."""
        return self.mitigated(config, installed).fitted

    def meant(self, config: Path) -> Self:
        """Return the proxy with what is wished for as its path, if the config is known to lead that on. Blocks."""
        if self.deployment.wish and not self.deployment.path and self.takes(config):
            wished = replace(self, deployment=replace(self.deployment, path=self.deployment.wish))
            with contextlib.suppress(InputError, Unavailable):
                made = wished.mitigated(config, wished.installed)
                if made.fitted.served_by:
                    return replace(wished, made=made)
        return self

    def config_files(self, config: Path) -> Sequence[Path]:
        if not self.takes(config):
            return [config]
        fitted = self.meant(config).fitted(config, self.installed)
        files = [source.path for source in fitted.texts if source not in fitted.ours and source.path.is_file()]
        return fitted.files or files or [config]

    def config_folders(self, config: Path) -> frozenset[Path]:
        return self.meant(config).fitted(config, self.installed).folders if self.takes(config) else frozenset()

    def diff(self, config: Path) -> str:
        with contextlib.suppress(Unavailable):
            return printable(self.meant(config).fitted(config, self.installed).diff()) if self.takes(config) else ""
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
            super(AsDeployed, self._about_to_run(config)).check(config)

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        wish = self.deployment.wish or upstream.asked
        asked = replace(self, deployment=replace(self.deployment, wish=wish), behind=upstream)
        meant = await asyncio.to_thread(asked._about_to_run, config)
        try:
            return await super(AsDeployed, meant).start(config, upstream, evidence, launcher)
        except InputError as error:
            if not self.edits:
                raise
            edited = f"as mitigations edit it ({CHANGED} has how)"
            raise InputError(*(replace(one, message=f"{one.message}, {edited}") for one in error.complaints)) from error

    def _about_to_run(self, config: Path) -> Self:
        """Return the proxy that knows what it is to run, so that a config is read once. Blocks."""
        meant = self.meant(config)
        return replace(meant, made=meant.mitigated(config, meant.installed)) if meant.takes(config) else meant

    def start_of(self, config: Path, installed: Installed, evidence: Path) -> Start:
        if not self.takes(config):
            return super().start_of(config, installed, evidence)
        made = self.mitigated(config, lambda: installed)
        fitted = made.fitted
        places = {source: str(evidence / FOLDER / where) for source, where in fitted.places.items()}
        main = next(iter(places.values()))
        files = {places[source]: text for source, text in fitted.texts.items()}
        users_first = sorted(places, key=fitted.ours.__contains__)
        named = [(places[source], source) for source in users_first]
        named += [(str(where), source) for source, where in fitted.places.items()]  # as seen from where it runs
        complaints = replace(
            ComplaintPatterns.of(self.said.complaints, {name: source.path for name, source in named}),
            given={name: (source.text, fitted.texts[source]) for name, source in named if source in fitted.texts},
            masked=fitted.masked,
        )
        start = self._start_of(main, files, installed, complaints, fitted.command, fitted.explains)
        changes = {CHANGED: made.diff()} if self.edits else {}
        is_ours = config.is_relative_to(resources.configs())
        return replace(
            start,
            evidence={**({} if is_ours else {self.diff_name: fitted.diff()}), **changes},
            cwd=Path(main).parent,
            negotiates=start.negotiates or fitted.tls,
            tls=fitted.tls,
            asked=fitted.asked,
            host=fitted.host,
            served_by=None if is_ours else fitted.served_by,
            quote=fitted.quote,
        )
