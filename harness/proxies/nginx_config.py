"""An nginx config of anybody's, with all that it includes: a file, a folder such as /etc/nginx, or a part of a config.

Rules: a relative file lies beside the main config, whichever file includes it, as nginx has it; of a folder the main
config is its nginx.conf, or else all its *.conf are parts; around a part we write what nginx needs (WRAPPER), and a
part in a folder that is called as distributions call it (conf.d) has its files beside that folder.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from types import MappingProxyType

from harness.errors import Complaint, InputError
from harness.proxies.languages.base import read
from harness.proxies.nginx_language import Directive, parse
from harness.proxies.source_text import Source
from harness.resources import is_file

WRAPPER = "harness.conf"
DATA = ("map", "geo", "types", "split_clients", "charset_map")  # blocks of keys and values, not of directives

_MAIN = {"events", "http", "stream", "mail"}
_PART_FOLDERS = ("conf.d", "http.d", "sites-enabled", "sites-available", "snippets", "default.d")
_USUAL = re.compile(r"/etc/nginx/|/usr/local/etc/nginx/|/opt/homebrew/etc/nginx/|/usr/local/nginx/conf/")
"""Where builds of nginx have their configs: such a path in a copy of that folder means the copy."""
_NEEDLESS = re.compile(
    r"(.*/)?(mime\.types|(fastcgi|uwsgi|scgi)_params|fastcgi\.conf|options-ssl-nginx\.conf)|(.*/)?modules-enabled/.*"
)
"""What may be missing here and changes nothing that is measured: types of static files, what other protocols than HTTP
are told of a request, TLS options of certbot's.
"""


class Config:
    """A main config and all that it includes; `top` are its directives, `root` the folder that includes start from.

    `texts` are files that are to be read as if they said that.
    Raises InputError if a file cannot be read, or is none that can be measured.
    """

    def __init__(self, given: Path, texts: Mapping[Path, str] = MappingProxyType({})) -> None:
        self.given = given
        self._texts = texts
        self.sources: dict[Path, Source] = {}
        self._directives: dict[Path, list[Directive]] = {}
        main = given if is_file(given) or not given.is_dir() else given / "nginx.conf"
        whole = main == given or is_file(main)
        sources = [self._source(part) for part in ([main] if whole else _parts(given))]
        source = sources[0] if whole and sources[0].text and not _is_part(sources[0]) else _wrapped(sources)
        self.main, self.root = source.path, source.path.parent
        self.top = self._read(source, ())

    @property
    def is_wrapped(self) -> bool:
        """Whether the main config is ours, around parts of the user's."""
        return self.main.name == WRAPPER

    def walk(self) -> Iterator[tuple[Directive, str]]:
        """Yield all directives, each with the name of the block that it is in."""
        for directive in self.top:
            yield from directive.walk()

    def where(self, path: Path) -> PurePath:
        """Return where a file belongs below the folder of the main config: outside files have a folder of their own."""
        if path.is_relative_to(self.root):
            return path.relative_to(self.root)
        return PurePath("outside", f"{list(self.sources).index(path)}-{path.name}")

    def included(self, directive: Directive) -> list[Path]:
        """Return the files that an include means, in nginx' order; none of one that the harness is to write."""
        if directive.name != "include" or "${" in directive.argument or len(directive.words) != 2:
            return []
        named = directive.argument
        for pattern in (self.in_copy(named), named):
            if pattern is None:
                continue
            file = self.root / pattern
            if glob.has_magic(pattern):
                if found := sorted(glob.glob(str(file))):
                    return list(map(Path, found))
            elif is_file(file):
                return [file]
        return [] if glob.has_magic(named) else [self.root / named]

    def patterns(self) -> Iterator[Path]:
        """Yield the globs of its includes, as paths."""
        for directive, _ in self.walk():
            if directive.name == "include" and len(directive.words) == 2 and glob.has_magic(directive.argument):
                named = (self.in_copy(directive.argument), directive.argument)
                yield from (self.root / one for one in named if one is not None)

    def in_copy(self, path: str) -> str | None:
        """Return a path of the folder that nginx was built for, relative to it; None of any other."""
        return path[usual.end() :] if (usual := _USUAL.match(path)) else None

    def is_needless(self, directive: Directive) -> bool:
        """Whether it includes a file that is not here and changes nothing that is measured."""
        files = self.included(directive)
        return len(files) == 1 and not is_file(files[0]) and bool(_NEEDLESS.fullmatch(str(files[0])))

    def _read(self, source: Source, above: tuple[Path, ...]) -> list[Directive]:
        self.sources[source.path] = source
        above = (*above, source.path)
        self._directives[source.path] = directives = parse(source)
        for directive in [below for top in directives for below, _ in top.walk() if below.name == "include"]:
            for file in [] if self.is_needless(directive) else self.included(directive):
                if file in above:
                    raise InputError(directive.reject("includes a file that is being included"))
                if not is_file(file):
                    raise InputError(directive.reject(self._why_none(file)))
                if file not in self._directives:
                    self._read(replace(self._source(file), way_in=self._way_in(directive, file)), above)
                directive.inner.extend(self._directives[file])
        return directives

    def _source(self, path: Path) -> Source:
        """Return a file as it is to be read."""
        return Source(path, self._texts[path]) if path in self._texts else read(path)

    def _why_none(self, file: Path) -> str:
        if file.is_dir():
            return f"names a folder, {file}: nginx includes files, as {file.name}/*"
        beside = self.root if self.is_wrapped else self.main
        return f"finds no file {file}; relative ones lie beside {beside}: put it there, or leave this out of a copy"

    def _way_in(self, directive: Directive, file: Path) -> str:
        if file.absolute().is_relative_to(self.root.absolute()) or not directive.argument.startswith("/"):
            return directive.source.way_in
        return f"; included from {directive.place}: make that include relative, or this copy reads the original"


def _parts(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.glob("*.conf") if is_file(path))
    if not found:
        why = "is a folder with neither an nginx.conf nor any *.conf: name the file, or the folder that has them"
        raise InputError(Complaint(why, file=str(folder)))
    return found


def _is_part(source: Source) -> bool:
    names = {directive.name for directive in parse(source)}
    return _MAIN.isdisjoint(names) and not names.isdisjoint({"server", "location", "upstream"})


def _wrapped(sources: list[Source]) -> Source:
    """Return the config that we write around parts: what stands in `server`, or what stands in `http`."""
    folder = sources[0].path.parent
    root = folder.parent if folder.name in _PART_FOLDERS else folder
    inner = " ".join(f'include "{escaped(source.path.relative_to(root))}";' for source in sources)
    names = {directive.name for source in sources for directive in parse(source)}
    if "location" in names and "server" not in names:
        inner = f"server {{ listen 80; {inner} }}"
    return Source(root / WRAPPER, f"events {{}}\nhttp {{ {inner} }}\n")


def escaped(path: PurePath | str) -> str:
    """Return a path as it stands between double quotes in nginx's language."""
    return re.sub(r'(["\\])', r"\\\1", str(path))
