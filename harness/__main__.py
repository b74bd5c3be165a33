"""`harness` and `python -m harness`: from the first moment on, Ctrl-C ends them with 130 and without a traceback."""

import contextlib
import os
import signal
import time


def stop(*_: object) -> None:
    """End the program at once: nothing has been started or printed yet."""
    with contextlib.suppress(OSError):  # nobody may be there to read it
        os.write(2, b"Interrupted: nothing was started yet.\n")
    os._exit(130)


def main() -> None:
    """Load the command line, which takes a while, and run it; it says itself what Ctrl-C does meanwhile."""
    began = time.monotonic()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)

    from harness.cli import commands

    commands.main(began=began, at_last=True)


if __name__ == "__main__":
    main()
