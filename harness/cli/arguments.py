"""What was typed and is nobody else's to read: it goes from our own command line, which any list of processes shows.

Rules: where a value stands is read as the command itself reads it, and nothing but that is forgotten: a body whole, of
a URL what begins with its query, of `@FILE` nothing, for a name is no secret. What is forgotten is in no list of our
arguments either, which a run keeps; arguments are overwritten where the kernel has them, as far as it tells where that
is (Linux, proc(5): `arg_start` and `arg_end` of /proc/PID/stat, which only the process itself and who may trace it can
see).
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from harness.errors import InputError
from harness.model import HIDDEN

ARG_START, ARG_END = 45, 46
"""Fields 48 and 49 of /proc/PID/stat, counted from 0 behind the name of the program, which is the second."""
_QUERY = re.compile(r"(?!\s*command:)(?:(?:.*>)?\s*(?:https?|wss?)://|/)[^?#]*[?#]", re.DOTALL | re.IGNORECASE)
_OPTION = r"(?:--[\w-]+=|-\w+)"
_LOGIN = rf"(?:.*>)?\s*[a-z]+://{re.escape(HIDDEN)}@.*"
_HIDDEN = rf"(?:[^\s:]+:\s*|{_QUERY.pattern})?{re.escape(HIDDEN)}"
_FORGOTTEN = re.compile(rf"{_OPTION}?(?:{_HIDDEN}|{_LOGIN})", _QUERY.flags)
"""What is shown of a value that is hidden whole, of a header, or of what has a query or a login."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A parameter of a command: `words` are its options (none: it is positional); a flag takes no value."""

    name: str
    words: Sequence[str] = ()
    is_flag: bool = False


@dataclass(frozen=True, slots=True)
class Typed:
    """How the command line is read that this process was started with: by which command, and what that reads."""

    command: str
    readers: Sequence[Reader]

    @classmethod
    def of(cls, context: typer.Context) -> Typed:
        """Return how the command that runs reads it."""
        readers = []
        for one in context.command.get_params(context):
            is_option = one.param_type_name == "option"
            words = (*one.opts, *one.secondary_opts) if is_option else ()
            name = (
                max(words, key=len).lstrip("-") if words else one.name or ""
            )  # a parameter's name is its group's, too
            readers.append(Reader(name, words, bool(getattr(one, "is_flag", False))))
        return cls(context.info_name or "", readers)

    def forget(self, *names: str) -> None:
        """Overwrite all that these parameters read, but for names of files."""
        self._forget(names, lambda value: None if value.startswith("@") else 0)

    def forget_queries(self, *names: str) -> None:
        """Overwrite what of a URL, of a path, or of a chain that ends with a URL, begins with the query."""
        self._forget(names, lambda value: found.end() if (found := _QUERY.match(value)) else None)

    def _forget(self, names: Sequence[str], begins: Callable[[str], int | None]) -> None:
        if sys.argv[1:2] != [self.command]:
            return  # somebody else's command line: we were called, not started
        for name, at, start in places(sys.argv[2:], self.readers):
            value = sys.argv[2 + at][start:]
            if name in names and (begin := begins(value)) is not None and value[begin:] not in ("", HIDDEN):
                _overwrite(2 + at - len(sys.argv), sys.argv[2 + at][: start + begin])


def refuse_forgotten(words: Sequence[str]) -> None:
    """Raise InputError for a command that was copied from where something of it had been forgotten.

    It names where that stands, and quotes nothing: a secret that was written out again may stand beside it.
    """
    for before, word in zip(("", *words), words, strict=False):
        if _FORGOTTEN.fullmatch(word):
            option = re.match(r"--[\w-]+(?==)|-\w", word) or re.match("-.*", before)
            where = option[0] if option else f"argument {words.index(word) + 1}"
            raise InputError(
                f"{where}: {HIDDEN} stands for what was typed there, and is kept nowhere: write it out again"
            )


def places(arguments: Sequence[str], readers: Sequence[Reader]) -> Iterator[tuple[str, int, int]]:
    """Yield of each value the name of who reads it, in which argument it stands, and where in that it begins.

    That is `--word VALUE`, `--word=VALUE`, `-w VALUE` and `-wVALUE`, also behind flags in the same word; what is left,
    and all behind `--`, is positional: https://click.palletsprojects.com/en/stable/options/.
    """
    options = {word: one for one in readers for word in one.words}
    positional = iter([one.name for one in readers if not one.words])
    todo = iter(enumerate(arguments))
    for at, argument in todo:
        if argument == "--":
            yield from ((name, behind, 0) for (behind, _), name in zip(todo, positional, strict=False))
        elif argument.startswith("--"):
            word, given, _ = argument.partition("=")
            if (one := options.get(word)) and not one.is_flag:
                yield (one.name, at, len(word) + 1) if given else (one.name, next(todo, (at, ""))[0], 0)
        elif argument.startswith("-") and argument != "-":
            for end, letter in enumerate(argument[1:], start=2):
                if (one := options.get(f"-{letter}")) and not one.is_flag:
                    yield (one.name, at, end) if argument[end:] else (one.name, next(todo, (at, ""))[0], 0)
                    break
        elif name := next(positional, ""):
            yield name, at, 0


def _overwrite(place: int, kept: str) -> None:
    """Leave of an argument, counted from the last, which is -1, only how it begins. Where nobody tells where it lies,
    it stays there.
    """
    typed = sys.argv[place]
    for words in (sys.argv, sys.orig_argv):
        if len(words) >= -place and words[place] == typed:
            words[place] = f"{kept}{HIDDEN}"
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        shown = Path("/proc/self/cmdline").read_bytes()
        start, end = int(fields[ARG_START]), int(fields[ARG_END])
    except (OSError, ValueError, IndexError):
        return
    if not start or end - start != len(shown) or ctypes.string_at(start, end - start) != shown:
        return
    arguments = shown.removesuffix(b"\0").split(b"\0")
    begins = os.fsencode(kept)
    if len(arguments) >= -place and arguments[place].startswith(begins):
        at = sum(len(one) + 1 for one in arguments[:place]) + len(begins)
        ctypes.memset(start + at, ord("x"), len(arguments[place]) - len(begins))
