"""Work in forks of this process, which is warm: all is imported, and nothing that a fork does comes back."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

MEMORY_BYTES = 4 * 1024**3

Job = TypeVar("Job")


def in_forks(jobs: Iterable[Job], work: Callable[[Job], bool], workers: int) -> Iterator[tuple[Job, bool]]:
    """Yield each job when it is done, with what `work` returned of it in a fork; False if it did not return.

    So many are done at once. What a fork leaves running ends with it; all end with this generator.
    """
    waiting = iter(jobs)
    running: dict[int, tuple[BaseProcess, Job]] = {}
    parent = os.getppid()
    try:
        while os.getppid() == parent:
            while len(running) < workers:
                try:
                    job = next(waiting)
                except StopIteration:
                    break
                process: BaseProcess = multiprocessing.get_context("fork").Process(target=_at_work, args=(work, job))
                process.start()
                running[process.sentinel] = process, job
            if not running:
                return
            for sentinel in wait(list(running), timeout=1):
                assert isinstance(sentinel, int)
                process, job = running.pop(sentinel)
                yield job, _ended(process) == 0
    finally:
        for process, _ in running.values():
            _ended(process)


def _at_work(work: Callable[[Job], bool], job: Job) -> None:
    os.setsid()  # what it starts can be ended with it, and Ctrl-C is for the one that forked it
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    os._exit(0 if work(job) else 1)


def silence() -> None:
    """Let nothing of this process be seen: a mutant may say anything."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__


def _ended(process: BaseProcess) -> int | None:
    """End a fork and all of its session; return its exit status."""
    assert process.pid is not None
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its leader is not waited for yet, so that the number is still its own
    process.join()
    return process.exitcode
