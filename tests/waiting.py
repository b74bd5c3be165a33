"""Waits for what a look at something shows; a wait that fails says what for, and what was there instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tenacity import RetryError, Retrying, retry_if_not_result, stop_after_delay
from tenacity.wait import wait_fixed

from harness.launchers.process import until

T = TypeVar("T")

DEADLINE_S = 180.0


def wait_for(look: Callable[[], T], wanted: Callable[[T], object] = bool, within_s: float = DEADLINE_S) -> T:
    """Return what `look()` shows once that is `wanted`. Raises AssertionError if that takes too long."""
    shown = _Shown(look, wanted)
    try:
        Retrying(retry=retry_if_not_result(bool), stop=stop_after_delay(within_s), wait=wait_fixed(0.02))(shown)
    except RetryError:
        raise shown.failure(within_s) from None
    return shown.last


async def eventually(look: Callable[[], T], wanted: Callable[[T], object] = bool, within_s: float = DEADLINE_S) -> T:
    """Wait as `wait_for` does, while the event loop goes on."""
    shown = _Shown(look, wanted)
    if not await until(shown, within_s):
        raise shown.failure(within_s)
    return shown.last


@dataclass
class _Shown(Generic[T]):
    """What the last look showed; called, it looks again, and tells whether that was it."""

    look: Callable[[], T]
    wanted: Callable[[T], object]

    def __call__(self) -> bool:
        self.last = self.look()
        return bool(self.wanted(self.last))

    def failure(self, within_s: float) -> AssertionError:
        words = dict.fromkeys([_words(self.look), _words(self.wanted)])  # two lambdas may stand in one line
        return AssertionError(f"waited {within_s:g} s for: {', '.join(words)}\nthere was instead: {self.last!r}")


def _words(function: Callable[..., Any]) -> str:
    """Return the line that a lambda stands in, and the name of anything else."""
    name = getattr(function, "__qualname__", repr(function))
    return inspect.getsource(function).strip() if name.endswith("<lambda>") else name
