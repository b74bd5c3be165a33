"""Who is at fault, and what to do about it.

Every error says what happened, where, and the way out; its class says whose turn it is and so the exit status.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

KeyPath = tuple[str | int, ...]
"""The way to a place in data: keys and indices from the top."""

MOST_TOLD = 8
"""So many of the values that are allowed are told: of more, nobody reads any."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


EXIT_MEANINGS: Mapping[int, str] = {
    0: "everything as expected, as far as it can run here",
    1: "an expectation failed, or a layer is broken",
    2: "wrong input or usage, a proxy's config included",
    3: "the run says too little: no cell with a hop or not what is required could be measured, the harness or a proxy"
    " failed, a cell was unstable, an expectation could not be judged, or the run did not finish",
    5: "nothing was selected",
    130: "interrupted",
}
"""What every command's exit status means. Nothing else ends with 1: neither an error of ours nor a lost terminal."""


class HarnessError(Exception):
    """Root of all errors that are shown to people without a traceback. `exit_status` is the command's.

    `fault` is how an error that only costs some cells is listed: by whose turn it is.
    """

    exit_status: ClassVar[int] = 3
    fault: ClassVar[Literal["configuration", "proxy", "harness"]] = "harness"


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong, and where: under which keys, in which file and line, as far as there are any.

    As text it is what a reader of the file is told. A door that took the data in another way says the place so.
    """

    message: str
    path: KeyPath = ()
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        keys = key_text(self.path) if self.path else ""
        return ": ".join(filter(None, (place, keys, self.message)))


class InputError(HarnessError):
    """The user's: a file, key, name or option is wrong. Each complaint names it and what is allowed."""

    exit_status = 2
    fault = "configuration"

    def __init__(self, *complaints: Complaint | str) -> None:
        self.complaints = tuple(Complaint(one) if isinstance(one, str) else one for one in complaints)
        super().__init__("\n".join(map(str, self.complaints)))


class SelectionError(HarnessError):
    """The user's: the filters select no cell."""

    exit_status = 5


class Unavailable(HarnessError):
    """Nobody's: something is not installed here. `remedy` is the command or act that mends it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason} ({remedy})" if remedy else reason)
        self.reason = reason
        self.remedy = remedy


class ProxyError(HarnessError):
    """The proxy's or its configuration's: it did not start, or it died. Carries its own words."""

    fault = "proxy"


class BackendError(HarnessError):
    """Ours: the emitter or its control connection failed."""


class ClientError(HarnessError):
    """Ours: the program that reads the stream died or misbehaved, whatever the stream did."""


class NoRoom(HarnessError):
    """The machine's: the disk is full. Nothing that was asked for is wrong."""


class Interrupted(HarnessError):
    """The user's wish: Ctrl-C or SIGTERM."""

    exit_status = 130


class StreamError(Exception):
    """The stream's: reset, time-out, undecodable. Ends as verdict `broken`, never as a traceback."""


class Unwritable(InputError):
    """The user's: where something is to be written, nothing can be, however often it is tried."""


def unwritable(error: OSError) -> type[HarnessError]:
    """Return whose turn it is if something cannot be written: the user chose where, but not how much room is there."""
    return NoRoom if error.errno in NO_ROOM else Unwritable


def key_text(path: KeyPath) -> str:
    """Return a key path as people write it: `axes.chain[2]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{_plain(step)}" if text else _plain(step)
    return text or "top level"


def allowed(given: object, choices: Iterable[str]) -> str:
    """Return the end of a complaint: what is allowed, the first of it if that is much, and what was probably meant."""
    names = list(choices)
    more = f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else ""
    text = f"allowed: {', '.join(names[:MOST_TOLD]) or 'nothing'}{more}"
    near = difflib.get_close_matches(str(given), names, n=1)
    return f"{text} (did you mean {near[0]!r}?)" if near else text


def shortened(value: object) -> str:
    """Return a value as a message quotes it: on one line, and not for ever."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _plain(key: str) -> str:
    return key if key.isprintable() and len(key) <= 60 else shortened(key)
