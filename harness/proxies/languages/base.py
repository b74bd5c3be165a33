"""What each language of configs makes of one that is deployed: its texts, fit to stand in a chain."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Literal

from harness.errors import Complaint, InputError
from harness.launchers.base import Installed
from harness.model import Deployment, Edit, Endpoint, ServedBy
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.diffs import unified
from harness.proxies.languages.secrets import masked
from harness.proxies.source_text import Source, text_of

Texts = Mapping[Path, str]
"""What files say, by where they lie."""


@dataclass(frozen=True)
class Standing:
    """How a config is to stand in a chain: what is said of it, what is behind it, and which program is to read it.

    `installed` raises Unavailable if that is not here, and blocks; `complaints` are how its words are read. `texts` are
    files that are to be read as if they said that.
    """

    said: Deployment
    behind: Endpoint
    installed: Callable[[], Installed]
    complaints: ComplaintPatterns = field(default_factory=ComplaintPatterns)
    texts: Texts = field(default_factory=dict)

    @property
    def scheme(self) -> str:
        """How the next hop is spoken to."""
        return "https" if self.behind.authority else "http"

    def read(self, path: Path) -> Source:
        """Return a file as it is to be read. Raises InputError if it cannot be."""
        return Source(path, self.texts[path]) if path in self.texts else read(path)


Verb = Literal["set", "add", "drop"]
_WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s"'])+""")


@dataclass(frozen=True)
class Wanted:
    """One line of an edit: what is to become of it where a config answers, and the line in that config's language."""

    verb: Verb
    line: str

    @classmethod
    def of(cls, edit: Edit) -> Iterator[Wanted]:
        """Yield the lines of an edit, in the order in which they are applied."""
        for verb, lines in (("set", edit.set), ("add", edit.add), ("drop", edit.drop)):
            yield from (cls(verb, line) for line in lines)  # type: ignore[arg-type]  # they are those

    @property
    def words(self) -> list[str]:
        """Its words as they are written."""
        return _WORD.findall(self.line)

    @property
    def name(self) -> str:
        return self.words[0]

    @property
    def arguments(self) -> list[str]:
        return self.words[1:]


Change = tuple[Source, str]
"""A file, and what it is to say."""


def _nothing(wanted: Wanted) -> Change | None:
    return None


@dataclass(frozen=True)
class Fitted:
    """A config that can stand in a chain.

    `texts` are its files, the main one first, as the program is to read them but for placeholders; `places` where each
    lies below the folder of them all; those in `ours` the harness wrote. `asked` is what requests ask for, `host` whom
    they are for, `tls` whether with TLS, `served_by` what answers, if that is known. `command` and `explains` are how
    the program is run with it, if not as its own file says; `quote` writes a path as the language has it, `masked`
    leaves secrets out of a text in it. `change` returns what one of the user's files is to say so that a line is in
    effect where the config answers, or a step further; None if it is so already, or what answers is not known. It
    raises InputError, with the line, where that cannot be said. `files` are the user's where `texts` are what the
    program made of them; in `folders` a file that is new may be one more.
    """

    texts: Mapping[Source, str]
    places: Mapping[Source, PurePath]
    asked: str = ""
    host: str = ""
    tls: bool = False
    served_by: ServedBy | None = None
    ours: frozenset[Source] = frozenset()
    command: Sequence[str] = field(default=())
    explains: Sequence[str] = field(default=())
    quote: Callable[[str], str] = str
    masked: Callable[[str], str] = masked
    change: Callable[[Wanted], Change | None] = _nothing
    files: Sequence[Path] = ()
    folders: frozenset[Path] = frozenset()

    def diff(self) -> str:
        """Return what was changed of the user's files, as a unified diff without their secrets."""
        changed = ((one, text) for one, text in self.texts.items() if one not in self.ours)
        told = ((one.path, self.masked(one.text), self.masked(text)) for one, text in changed)
        return "".join(unified(*one) for one in told)


Language = Callable[[Path, Standing], Fitted]
"""Reads a config, and makes it fit. Raises InputError for what cannot be taken over, with line and way out; Unavailable
if it needs the program for that, and it is not here. Blocks."""


def looked_in(patterns: Iterable[Path]) -> frozenset[Path]:
    """Return the folders in which something new may be what glob patterns mean, as far as they are there."""
    parts = (part for pattern in patterns for part in (pattern, *pattern.parents) if glob.has_magic(part.name))
    return frozenset(Path(folder) for part in parts for folder in _there(part.parent))


def _there(folder: Path) -> list[str]:
    """Return the folders that a pattern means, or, if it names one that is to come, the nearest above it."""
    while not (found := [one for one in glob.glob(str(folder)) if Path(one).is_dir()]) and folder.parent != folder:
        folder = folder.parent
    return found


def read(path: Path) -> Source:
    """Return what a file says. Raises InputError if it cannot be read."""
    try:
        return Source(path, text_of(path.read_bytes()))
    except OSError as error:
        raise InputError(Complaint(f"cannot be read: {error}", file=str(path))) from error
    except InputError as error:
        raise InputError(*(replace(one, file=str(path)) for one in error.complaints)) from None
