"""The options of an application's hop: `asgi:plain@hypercorn,uvloop,PAUSE_S=0.01,starlette==0.45.3`. Pure.

Rules: one server, one loop, one HTTP parser, any number of settings and pinned versions, in any order; nothing is given
twice. The canonical text has them in that order, settings and pins sorted, and leaves out what is so anyway: equal hops
are equal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from harness.errors import InputError

Server = Literal["uvicorn", "hypercorn", "gunicorn"]
Loop = Literal["asyncio", "uvloop"]
Parser = Literal["httptools", "h11"]

SERVERS: tuple[Server, ...] = get_args(Server)
LOOPS: tuple[Loop, ...] = get_args(Loop)
PARSERS: tuple[Parser, ...] = get_args(Parser)
CHOICES: tuple[tuple[str, ...], ...] = (SERVERS, LOOPS, PARSERS)
OURS = ("MODEL_URL", "SSL_CERT_FILE")
MACHINES = ("HOME", "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
"""What a program runs on: with another one it would not be the environment that was made for it."""

_SETTING = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
_VALUE = re.compile(r"[A-Za-z0-9._:+-]*")
_PIN = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==([A-Za-z0-9][A-Za-z0-9.!+]*)")
_ALLOWED = (
    f"an option is a server ({', '.join(SERVERS)}), a loop ({', '.join(LOOPS)}), uvicorn's HTTP parser"
    f" ({', '.join(PARSERS)}), a setting as PAUSE_S=0.01 (its name in capitals, its value of letters, digits and"
    " ._:+-), or a version as starlette==0.45.3"
)


@dataclass(frozen=True, slots=True)
class Options:
    """How a variant runs: `settings` go to its environment, `pins` replace versions of its packages."""

    server: Server = SERVERS[0]
    loop: Loop = LOOPS[0]
    parser: Parser = PARSERS[0]
    settings: dict[str, str] = field(default_factory=dict)
    pins: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the canonical text."""
        chosen = zip((self.server, self.loop, self.parser), CHOICES, strict=True)
        parts: list[str] = [name for name, (usual, *_) in chosen if name != usual]
        parts += [f"{name}={value}" for name, value in sorted(self.settings.items())]
        parts += [f"{name}=={version}" for name, version in sorted(self.pins.items())]
        return ",".join(parts)


def parse(text: str) -> Options:
    """Read what stands after the `@`. Raises InputError with what is allowed."""
    choices: dict[str, list[str]] = {"server": [], "loop": [], "HTTP parser": []}
    settings: dict[str, str] = {}
    pins: dict[str, str] = {}
    for option in text.split(","):
        if what := next((what for what, names in zip(choices, CHOICES, strict=True) if option in names), None):
            choices[what].append(option)
        elif pin := _PIN.fullmatch(option):
            _add(pins, package(pin[1]), pin[2])
        elif setting := _SETTING.fullmatch(option):
            _check(*setting.groups())
            _add(settings, setting[1], setting[2])
        else:
            raise InputError(f"{option!r} is no option; {_ALLOWED}" if option else f"an option is empty; {_ALLOWED}")
    for what, given in choices.items():
        if len(given) > 1:
            raise InputError(f"there can only be one {what}, not {' and '.join(given)}")
    server, loop, parser = ([*given, names[0]][0] for given, names in zip(choices.values(), CHOICES, strict=True))
    if server == "hypercorn" and choices["HTTP parser"]:
        raise InputError("hypercorn has one HTTP parser only; leave it out")
    return Options(cast(Server, server), cast(Loop, loop), cast(Parser, parser), settings, pins)


def package(name: str) -> str:
    """Return a package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _check(name: str, value: str) -> None:
    """Raise InputError for a setting that an app cannot be given."""
    if name in OURS:
        raise InputError(f"{name} is what the harness tells the app; choose another name")
    if name in MACHINES:
        raise InputError(f"{name} is what the app's environment runs on and cannot be set; choose another name")
    if not _VALUE.fullmatch(value):
        raise InputError(f"the value of {name} may only have letters, digits and ._:+-, as it is in the cell's id")


def _add(to: dict[str, str], name: str, value: str) -> None:
    if name in to:
        raise InputError(f"{name} is given twice")
    to[name] = value
