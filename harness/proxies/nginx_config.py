"""An nginx config of anybody's, with all that it includes, made fit to run beside others.

Rules: a relative file lies beside the main config, as nginx has it; what the harness sees to itself (OURS) is taken
out; an address or a cache of the config's own is an error that says what to write instead; every directive stays on
its line, so that nginx's complaints can be led back to the file they are about.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.errors import Complaint, InputError
from harness.proxies import placeholders
from harness.resources import is_file

OURS = re.compile(r"daemon|pid|user|error_log|access_log|\w+_temp_path")
FILES = re.compile(r"js_(import|path)|auth_basic_user_file|ssl_(dhparam|crl|password_file)|\w+_certificate(_key)?")
DATA = ("map", "geo", "types", "split_clients", "charset_map")  # blocks of keys and values, not of directives
PATHS = "${FOLDER}/paths.conf"
TLS = {
    "CERTIFICATE": 'ssl_certificate "${CERTIFICATE}";',
    "CERTIFICATE_KEY": 'ssl_certificate_key "${CERTIFICATE_KEY}";',
}

_TOKEN = re.compile(r"""\#[^\n]*|[;{}]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:\\.|\$\{|[^\s;{\\])+""", re.DOTALL)


@dataclass(frozen=True, eq=False)
class Directive:
    """A directive, up to its `;` or `{`. `inner` are those of its block, or those that it includes."""

    source: ConfigFile
    tokens: Sequence[re.Match[str]]
    end: int
    inner: list[Directive] = field(default_factory=list)

    @property
    def start(self) -> int:
        return self.tokens[0].start()

    @cached_property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def opens_block(self) -> bool:
        return self.text.endswith("{")

    @property
    def includes(self) -> bool:
        """Whether it names files of the config's own, as against one that the harness is to write."""
        return self.name == "include" and "$" not in self.argument

    @cached_property
    def words(self) -> list[str]:
        """Its name and its arguments, without quotes."""
        return [token[0][1:-1] if token[0][0] in "\"'" else token[0] for token in self.tokens]

    @property
    def name(self) -> str:
        return self.words[0]

    @property
    def argument(self) -> str:
        """The first argument."""
        return self.words[1] if len(self.words) > 1 else ""

    @property
    def line(self) -> int:
        return 1 + self.source.text.count("\n", 0, self.start)

    def reject(self, why: str) -> Complaint:
        """Return a complaint about it."""
        shown = " ".join(self.text.rstrip(";{").split())
        quoted = f"`{shown if len(shown) <= 60 else shown[:57] + '...'}`"
        return Complaint(f"{quoted} {why}{self.source.way_in}", file=str(self.source.path), line=self.line)

    def walk(self, inside: str = "") -> Iterator[tuple[Directive, str]]:
        """Yield it and all below it, each with the name of the block that it is in."""
        yield self, inside
        for directive in self.inner:
            yield from directive.walk(self.name if self.opens_block else inside)


class ConfigFile:
    """One file of a config. `way_in` says which include reaches for it outside the config's folder, if one does."""

    def __init__(self, path: Path, way_in: str = "") -> None:
        self.path = path
        self.way_in = way_in
        try:
            self.text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(Complaint(f"cannot be read: {error}", file=str(path))) from error
        self.directives: list[Directive] = []
        blocks = [self.directives]
        tokens: list[re.Match[str]] = []
        for token in _TOKEN.finditer(self.text):
            if token[0] in (";", "{"):
                if tokens:
                    directive = Directive(self, tokens, token.end())
                    blocks[-1].append(directive)
                    blocks += [directive.inner] if token[0] == "{" else []
                tokens = []
            elif token[0] == "}":
                blocks, tokens = blocks[:-1] or blocks, []
            elif token[0][0] != "#":
                tokens.append(token)

    def edited(self, edits: Mapping[int, tuple[int, str]]) -> str:
        """Return the text with spans (start: end, text) replaced, and every line where it was."""
        parts, at = [], 0
        for start, (end, text) in sorted(edits.items()):
            lost = self.text.count("\n", start, end) - text.count("\n")
            parts += [self.text[at:start], text, "\n" * lost]
            at = end
        return "".join([*parts, self.text[at:]])


class Config:
    """A main file and all that it includes. Raises InputError with everything that has to be written otherwise."""

    def __init__(self, main: Path) -> None:
        self.main = main
        self._sources: dict[Path, ConfigFile] = {}
        self._read(main, ())
        if complaints := list(self._complaints()):
            raise InputError(*complaints)

    @cached_property
    def placeholders(self) -> set[str]:
        """The placeholders that its directives have, as against its comments."""
        return placeholders.asked(word for directive, _ in self._walk() for word in directive.words)

    @property
    def listens_with_tls(self) -> bool:
        """Whether clients have to speak TLS to the address that the harness chose."""
        return any(_has_tls(directive) for directive, inside in self._walk() if inside not in DATA)

    def names(self, folder: Path) -> dict[Path, Path]:
        """Return where in `folder` each file is to be written."""
        main, *others = self._sources
        return {main: folder / main.name} | {
            path: folder / "included" / f"{number}-{path.name}" for number, path in enumerate(others, 1)
        }

    def templates(self, folder: Path, prefix: str) -> dict[str, str]:
        """Return the text of each file to write, by its path: all but its placeholders is as this nginx is to read it.

        `prefix` is the folder that nginx was built for, where its modules lie.
        """
        names = self.names(folder)
        edits: dict[Path, dict[int, tuple[int, str]]] = {path: {} for path in names}
        own_paths = any(directive.words == ["include", PATHS] for directive, _ in self._walk())
        for directive, inside in self._walk():
            if directive.includes:
                text = " ".join(f'include "{escaped(names[path])}";' for path in self._included(directive))
            elif inside in DATA:
                continue
            elif OURS.fullmatch(directive.name):
                text = ""
            elif directive.name == "http" and not own_paths:
                text = f'{directive.text} include "{PATHS}";'
            elif directive.name == "load_module" or FILES.fullmatch(directive.name):
                text = _from(prefix if directive.name == "load_module" else self.main.parent.resolve(), directive)
            else:
                continue
            edits[directive.source.path][directive.start] = directive.end, text
        return {str(names[path]): source.edited(edits[path]) for path, source in self._sources.items()}

    def _read(self, path: Path, above: tuple[Path, ...], way_in: str = "") -> list[Directive]:
        if path not in self._sources:
            source = self._sources[path] = ConfigFile(path, way_in)
            for directive in [below for top in source.directives for below, _ in top.walk()]:
                for file in self._included(directive):
                    if file in (*above, path):
                        raise InputError(directive.reject("includes a file that is being included"))
                    if not is_file(file):
                        missing = f"finds no file {file}; relative ones lie beside {self.main}"
                        raise InputError(directive.reject(missing))
                    directive.inner.extend(self._read(file, (*above, path), self._way_in(directive)))
        return self._sources[path].directives

    def _included(self, directive: Directive) -> list[Path]:
        """Return the files that an include means: nginx looks from the main config, whichever file includes."""
        if not directive.includes:
            return []
        file = self.main.parent / directive.argument
        return sorted(map(Path, glob.glob(str(file)))) if glob.has_magic(directive.argument) else [file]

    def _way_in(self, directive: Directive) -> str:
        folder = self.main.parent.resolve()
        if not directive.argument.startswith("/") or Path(directive.argument).is_relative_to(folder):
            return directive.source.way_in
        place = f"{directive.source.path}:{directive.line}"
        return f"; included from {place}: make that include relative, or this copy reads the original"

    def _walk(self) -> Iterator[tuple[Directive, str]]:
        for directive in self._sources[self.main].directives:
            yield from directive.walk()

    def _complaints(self) -> Iterator[Complaint]:
        addresses = [
            directive for directive, inside in self._walk() if directive.name == "listen" and inside not in DATA
        ]
        for directive, inside in self._walk():
            if directive.name == "server" and directive.opens_block:
                if not inside:
                    yield directive.reject(
                        "stands outside http: this is a part of a config; write a file with"
                        f" `events {{}} http {{ include {directive.source.path.name}; }}` beside it, and name that one"
                    )
                if not any(below in addresses for below, _ in directive.walk()):
                    yield directive.reject("has no listen, which means port 80; write `listen ${LISTEN};` in it")
            elif directive in addresses and not directive.argument.startswith(("${LISTEN}", "unix:${FOLDER}/")):
                yield directive.reject(
                    "is an address that may be somebody's; write `listen ${LISTEN};` in the server to measure, and"
                    " leave out the others, or let them `listen unix:${FOLDER}/NAME.sock;`"
                )
            elif (
                directive in addresses
                and _has_tls(directive)
                and (missing := [name for name in TLS if name not in self.placeholders])
            ):
                yield directive.reject(
                    f"has no {' and no '.join(f'${{{name}}}' for name in missing)}; for a certificate that the harness"
                    f" makes and its clients trust write {' and '.join(f'`{TLS[name]}`' for name in missing)}"
                )
            elif directive.name.endswith("_cache_path") and not directive.argument.startswith("${FOLDER}/"):
                yield directive.reject(
                    f'is a cache that may be somebody\'s; write `{directive.name} "${{FOLDER}}/cache" ...`'
                )
        if not addresses:
            yield Complaint("has no ${LISTEN}; write `listen ${LISTEN};` in the server to measure", file=str(self.main))
        if self.placeholders.isdisjoint({"UPSTREAM", "UPSTREAM_ADDRESS"}):
            yield self._goes_elsewhere()

    def _goes_elsewhere(self) -> Complaint:
        for directive, inside in self._walk():
            if directive.name == "server" and inside == "upstream":
                return directive.reject("does not lead to the emitter; write `server ${UPSTREAM_ADDRESS};`")
        for directive, _ in self._walk():
            if directive.name == "proxy_pass":
                return directive.reject("does not lead to the emitter; write `proxy_pass ${UPSTREAM}/;`")
        why = "has no ${UPSTREAM}; write `proxy_pass ${UPSTREAM}/;` where it passes requests on"
        return Complaint(why, file=str(self.main))


def _has_tls(directive: Directive) -> bool:
    return directive.name == "listen" and directive.argument.startswith("${LISTEN}") and "ssl" in directive.words


def escaped(path: Path | str) -> str:
    """Return a path as it stands between double quotes in nginx's language."""
    return re.sub(r'(["\\])', r"\\\1", str(path))


def _from(folder: Path | str, directive: Directive) -> str:
    """Return a directive whose last argument is a file, looked for in `folder` unless it says itself where."""
    file = directive.words[-1]
    if len(directive.words) == 1 or re.match(r"/|\$|\w+:|off$", file):
        return directive.text
    last = directive.tokens[-1]
    return f'{directive.source.text[directive.start : last.start()]}"{escaped(Path(folder, file))}";'
