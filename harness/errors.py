"""Who is at fault, and what to do about it.

Every error says what happened, where, and the way out; its class says whose turn it is and so the exit status.
"""

from __future__ import annotations

import errno
from typing import ClassVar, Literal

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class HarnessError(Exception):
    """Root of all errors that are shown to people without a traceback. `exit_status` is the command's.

    `fault` is how an error that only costs some cells is listed: by whose turn it is.
    """

    exit_status: ClassVar[int] = 3
    fault: ClassVar[Literal["configuration", "proxy", "harness"]] = "harness"


class InputError(HarnessError):
    """The user's: a file, key, name or option is wrong. The message names it and what is allowed."""

    exit_status = 2
    fault = "configuration"


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


def unwritable(error: OSError) -> type[HarnessError]:
    """Return whose turn it is if something cannot be written: the user chose where, but not how much room is there."""
    return NoRoom if error.errno in NO_ROOM else InputError
