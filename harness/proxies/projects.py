"""A web project of the user's in a chain: a copy of it that runs here, and which of its rules lead to the backend.

Rules:
- Nothing is run in the project itself, nor written there: a development server writes where it is started. Packages are
  hard links, as they are many and nobody writes into them; all else, which a server may write anew, is a copy.
- What its rules are, the program that reads its config says, in the copy; which of them leads to the next hop, the user
  says (`--map`), unless all that lead anywhere lead to one origin. A rule that leads there leads to the next hop, one
  that leads to another origin to nobody: what is deployed is not called.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness import resources
from harness.errors import Complaint, InputError, allowed, unwritable
from harness.model import Deployment, Place, ServedBy

PACKAGES = "node_modules"
MADE = (".git", ".next", ".turbo", ".vercel", ".cache", ".vite", ".output")
"""What programs make, wherever it lies: no part of a project."""
MANIFESTS = ("package.json", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock")
UNLINKED = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)
COPIES = "projects"
WORDS = 12
"""So many lines are told of what a program says instead of what it was asked."""
QUIET = {"npm_config_offline": "true", "NO_COLOR": "1", "FORCE_COLOR": "0"}
"""Of what is missing a program may install some by itself: not here."""
_ORIGIN = re.compile(r"(?:https?|wss?)://[^/]+")
_PARAMETER = re.compile(r"/?:\w+(?P<more>[*+?]?)(?P<pattern>\([^)]*\))?")


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a path is led to: by a rewrite of Next.js, with its parameters, or by an entry of Vite's `server.proxy`,
    which is meant by its start, or a pattern.
    """

    source: str
    destination: str
    by_start: bool = False

    @property
    def origin(self) -> str:
        """Scheme, host and port as they stand there; empty if it leads nowhere else."""
        found = _ORIGIN.match(self.destination)
        return found[0] if found else ""

    @property
    def target(self) -> str:
        """The origin as `--map` has it: `app:8000`; as it stands there, if that names no port that there could be."""
        parts = urlsplit(self.origin)
        try:
            return f"{parts.hostname}:{parts.port or (443 if parts.scheme in ('https', 'wss') else 80)}"
        except ValueError:
            return parts.netloc

    @property
    def example(self) -> str:
        """A path that it leads on; empty if only its author knows one."""
        if self.source.startswith("^"):
            return ""
        if self.by_start:
            return f"{self.source.rstrip('/')}/stream"
        path = _PARAMETER.sub(lambda found: "" if found["more"] == "?" else "/stream", self.source)
        return path if re.fullmatch(r"/[\w./~-]*", path) and self.leads(path) else ""

    def leads(self, path: str) -> bool | None:
        """Whether it leads a path on; None where its pattern is one that only JavaScript reads."""
        path = path.partition("?")[0]
        if self.by_start and self.source[:1] != "^":
            return path.startswith(self.source)
        try:
            return bool(re.search(self.source, path) if self.by_start else re.fullmatch(self._pattern(), path))
        except re.error:
            return None

    def _pattern(self) -> str:
        pattern, at = "", 0
        for found in _PARAMETER.finditer(self.source):
            pattern += re.escape(self.source[at : found.start()])
            inner = found["pattern"] or ("[^/]+" if found["more"] in ("", "?") else ".+")
            pattern += f"(?:/{inner})" + ("?" if found["more"] in ("*", "?") else "")
            at = found.end()
        return pattern + re.escape(self.source[at:])


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a package.json, whose `package` is installed in it, and its `configs`, the first that is there."""

    folder: Path
    package: str
    configs: Sequence[str]

    @property
    def config(self) -> Path:
        """The file that says where paths lead. Raises InputError if there is none."""
        for name in self.configs:
            if resources.is_file(self.folder / name):
                return self.folder / name
        raise self.refused(f"has no {self.configs[0]}, so it passes no requests on")

    @property
    def deciding(self) -> list[Path]:
        """The files that decide where paths lead and what is installed. Raises InputError likewise."""
        return [self.config, *filter(resources.is_file, (self.folder / name for name in MANIFESTS))]

    @property
    def version(self) -> str:
        """That of the package, as it says; `unknown`, if it says nothing that can be read."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return str(json.loads(self._manifest.read_text(encoding="utf-8"))["version"])
        return "unknown"

    @property
    def _manifest(self) -> Path:
        return self.folder / PACKAGES / self.package / "package.json"

    def check(self) -> None:
        """Raise InputError for a folder that is no project, or whose packages are not in it."""
        if not resources.is_file(self.folder / "package.json"):
            raise self.refused(f"is no {self.package} project: it has no package.json")
        if not resources.is_file(self._manifest):
            why = f"has no {PACKAGES}/{self.package}: install its packages there first (npm install); a workspace whose"
            raise self.refused(f"{why} packages lie in a folder above cannot be taken over")
        _ = self.config
        for link in _links(self.folder):
            if not link.resolve().is_relative_to(self.folder.resolve()):
                shown = link.relative_to(self.folder)
                raise self.refused(f"has {shown}, which leads to {os.readlink(link)}, out of it: that stays behind")

    def lay(self, copy: Path) -> None:
        """Lay a copy of the project into a folder. Raises InputError for what cannot be copied. Blocks."""
        ignored = shutil.ignore_patterns(*MADE)
        try:
            shutil.copytree(self.folder, copy, symlinks=True, ignore=ignored, copy_function=_laid, dirs_exist_ok=True)
        except shutil.Error as error:
            source, _, why = error.args[0][0]
            raise self.refused(f"cannot be copied: {source}: {why}") from error
        except OSError as error:
            raise unwritable(error)(f"{self.folder} cannot be copied: {error}") from error

    def rules(self, words: str) -> list[Rule]:
        """Return where its rules lead, which a program has said in its words. Raises InputError if it has not."""
        for line in reversed(words.splitlines()):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return [Rule(**one) for one in json.loads(line)["rules"]]
        raise self.refused(f"cannot be read by {self.package}:\n{self.told(words)}", self.config)

    def told(self, words: str) -> str:
        """Return the first of what a program says, as it would say it of the project itself."""
        return "\n".join(words.strip().splitlines()[:WORDS])

    def led(self, rules: Sequence[Rule], said: Deployment) -> tuple[list[str], str, ServedBy]:
        """Return which origins the next hop stands for, the path that is asked for, and what answers that.

        Raises InputError, with the lines of all that could be meant, for what is not there or fits twice.
        """
        leading = [rule for rule in rules if rule.origin]
        targets = list(dict.fromkeys(rule.target for rule in leading))
        if not leading:
            raise self.refused("passes no requests on: none of its rules leads to another origin", self.config)
        for name in said.map:
            if name not in targets:
                raise self.refused(f"leads nothing to {name!r}; {allowed(name, targets)}", self.config)
        if not said.map and len(targets) > 1:
            all_of_them = "; ".join(f"{rule.source} to {rule.target}" for rule in leading)
            raise self.refused(f"leads to several, and --map says which is the backend: {all_of_them}", self.config)
        meant = [rule for rule in leading if not said.map or rule.target in said.map]
        wished = said.wish if said.wish and _answering(rules, said.wish) in meant else ""
        path, rule = self._path(rules, meant, said.path or wished)
        others = () if said.path else tuple(self._place(one) for one in meant if one != rule)
        served_by = ServedBy(path, bool(said.path), Place(self.package, str(self.config), 0), self._place(rule), others)
        return list(dict.fromkeys(one.origin for one in meant)), path, served_by

    def _path(self, rules: Sequence[Rule], meant: Sequence[Rule], said: str) -> tuple[str, Rule]:
        sources = ", ".join(rule.source for rule in meant)
        if said:
            rule = _answering(rules, said)
            if rule and rule in meant:
                return said, rule
            instead = f": {rule.source} leads it to {rule.target if rule.origin else rule.destination}" if rule else ""
            raise self.refused(f"does not lead {said} to the backend, only {sources}{instead}", self.config)
        for rule in meant:
            if rule.example and _answering(rules, rule.example) == rule:
                return rule.example, rule
        raise self.refused(f"leads {sources} to the backend: --path says which path is asked for", self.config)

    def _place(self, rule: Rule) -> Place:
        """Return where a rule stands: somewhere in the file, unless its source is quoted there once and no more."""
        text = self.config.read_text(encoding="utf-8", errors="replace")
        found = [match.start() for match in re.finditer(rf"""(['"`]){re.escape(rule.source)}\1""", text)]
        return Place(rule.source, str(self.config), text.count("\n", 0, found[0]) + 1 if len(found) == 1 else 0)

    def refused(self, why: str, file: Path | None = None) -> InputError:
        return InputError(Complaint(why, file=str(file or self.folder)))


def _answering(rules: Sequence[Rule], path: str) -> Rule | None:
    """Return the rule that leads a path on, the first that is known to; one that may, if none is known to."""
    answers = [rule.leads(path) for rule in rules]
    return next((rules[answers.index(answer)] for answer in (True, None) if answer in answers), None)


def copies() -> Path:
    """Return where copies lie: in the cache, so that packages can be linked there if that is on the same disk."""
    place = resources.cache() / COPIES
    resources.own_folder(place)
    return place


def _links(folder: Path) -> Iterable[Path]:
    """Yield the symbolic links of a project, in none of the folders that programs make."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in MADE]
        yield from (Path(place, name) for name in (*folders, *files) if os.path.islink(Path(place, name)))


def _laid(source: str, copy: str) -> None:
    """Link a package's file, and copy any other, or where no link can be made."""
    if PACKAGES in Path(source).parts:
        try:
            os.link(source, copy, follow_symlinks=False)
        except OSError as error:
            if error.errno not in UNLINKED:
                raise
        else:
            return
    shutil.copy2(source, copy, follow_symlinks=False)
