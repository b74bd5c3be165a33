"""Whatever ends a command, as a line for people and an exit status: never a traceback, and never a 1 by chance."""

from __future__ import annotations

import contextlib
import signal
import sys
import traceback
from collections.abc import Iterator

import typer

from harness import session
from harness.cli import screen
from harness.errors import HarnessError, Interrupted, NoRoom, unwritable

MEASURING = ("check", "diagnose", "matrix", "reports", "run", "watch")
"""The commands that measure: whoever interrupts one has to know whether it has begun to."""


@contextlib.contextmanager
def told_with_status(command: str = "") -> Iterator[None]:
    """Tell what ends the block, and exit with the status of that (`errors.EXIT_MEANINGS`)."""
    try:
        yield
    except SystemExit as ended:
        if ended.__context__ and isinstance(ended.__context__.__cause__, KeyboardInterrupt):  # in which typer has it
            _tell_interrupted(command)
        match ended.__context__:
            case BrokenPipeError() as error if _place(error).startswith(("rich.", "typer.")):
                screen.out.mute()  # nobody reads the help or a complaint any more, which is no fault
                sys.exit(getattr(error.__context__, "exit_code", 0))
            case typer.Abort() | BrokenPipeError() as error:
                screen.complain(_in_words(error.__cause__ or error))
                sys.exit(HarnessError.exit_status)
        raise
    except KeyboardInterrupt:
        _tell_interrupted(command)
        sys.exit(Interrupted.exit_status)
    except Interrupted as error:
        _tell_interrupted(command, str(error))
        sys.exit(error.exit_status)
    except HarnessError as error:
        screen.complain(error)
        sys.exit(error.exit_status)
    except Exception as error:
        screen.complain(_in_words(error))
        sys.exit(HarnessError.exit_status)


@contextlib.contextmanager
def breakable(at_last: bool = False) -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt in the block, unless it is ignored, as in what a shell runs in background.

    After that it is what it was; or nothing any more, if the program ends with the block, whose status stands.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        if callable(before):
            signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN if at_last else before)


def _tell_interrupted(command: str, said: str = "Interrupted.") -> None:
    """Tell of an interruption what is said of it; of what was to measure and has no run yet, that there is none."""
    is_early = command in MEASURING and not screen.begun
    screen.err.print("Interrupted: nothing was measured yet." if is_early else said, markup=False)


def _in_words(error: BaseException) -> str:
    """Return an error that nobody has expected as a sentence: the machine's, or else a fault of ours and its place."""
    if session.is_on("HARNESS_TRACEBACK"):
        return "".join(traceback.format_exception(error))
    if isinstance(error, OSError) and unwritable(error) is NoRoom:
        screen.out.mute()
        return f"cannot write {error.filename or 'the output'}: {error.strerror}"
    said = f"{type(error).__name__}: {error} ({_place(error)}; HARNESS_TRACEBACK=1 tells more)"
    return f"a fault of the harness's own: {said}"


def _place(error: BaseException) -> str:
    """Return the module and line that an error comes from."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"{frame.f_globals.get('__name__')}:{line}"
