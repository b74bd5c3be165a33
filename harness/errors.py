"""Who is at fault, and what to do about it.

Every error says what happened, where, and the way out; its class says whose turn it is and so the exit status.
"""

from __future__ import annotations


class HarnessError(Exception):
    """Root of all errors that are shown to people without a traceback. `exit_status` is the command's."""

    exit_status = 3


class InputError(HarnessError):
    """The user's: a file, key, name or option is wrong. The message names it and what is allowed."""

    exit_status = 2


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


class BackendError(HarnessError):
    """Ours: the emitter or its control connection failed."""


class ClientError(HarnessError):
    """Ours: the program that reads the stream died or misbehaved, whatever the stream did."""


class StreamError(Exception):
    """The stream's: reset, time-out, undecodable. Ends as verdict `broken`, never as a traceback."""
