"""The options of an application's hop: `asgi:plain@hypercorn,uvloop,PAUSE_S=0.01,starlette==0.45.3`. Pure.

Rules: one server, one loop, one HTTP parser, any number of settings and pinned packages. What is so anyway is left out,
and a package has one name however it is written, so that equal hops are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

from harness.errors import InputError
from harness.model import Hop, Option, in_order

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

_ALLOWED = (
    f"an option is a server ({', '.join(SERVERS)}), a loop ({', '.join(LOOPS)}), uvicorn's HTTP parser"
    f" ({', '.join(PARSERS)}), a setting as PAUSE_S=0.01, or a package's version as starlette==0.45.3"
)


@dataclass(frozen=True, slots=True)
class Serving:
    """How an app is served: `settings` go to its environment, `pins` replace versions of its packages."""

    server: Server = SERVERS[0]
    loop: Loop = LOOPS[0]
    parser: Parser = PARSERS[0]
    settings: dict[str, str] = field(default_factory=dict)
    pins: dict[str, str] = field(default_factory=dict)

    def as_options(self) -> Iterator[Option]:
        """Yield what a hop says of it."""
        chosen = zip((self.server, self.loop, self.parser), CHOICES, strict=True)
        yield from (Option("word", name) for name, (usual, *_) in chosen if name != usual)
        yield from (Option("setting", name, value) for name, value in self.settings.items())
        yield from (Option("pin", name, version) for name, version in self.pins.items())


def canonical(hop: Hop) -> Hop:
    """Return an application's hop in the one way to write it. Raises InputError with what is allowed."""
    return replace(hop, options=in_order(serving(hop).as_options()))


def serving(hop: Hop) -> Serving:
    """Return how the app of a hop is to be served. Raises InputError with what is allowed."""
    if hop.version:
        raise InputError(f"an application takes no version {hop.version}; {_ALLOWED}")
    choices: dict[str, list[str]] = {"server": [], "loop": [], "HTTP parser": []}
    settings: dict[str, str] = {}
    pins: dict[str, str] = {}
    for option in hop.options:
        match option.kind:
            case "setting":
                _check(option.name)
                settings[option.name] = option.value
            case "pin" if (name := package(option.name)) not in pins:
                pins[name] = option.value
            case "pin":
                raise InputError(f"{name} is given twice")
            case _:
                of_one = (what for what, names in zip(choices, CHOICES, strict=True) if str(option) in names)
                if (what := next(of_one, None)) is None:
                    raise InputError(f"{str(option)!r} is no option; {_ALLOWED}")
                choices[what].append(option.name)
    for what, given in choices.items():
        if len(given) > 1:
            raise InputError(f"there can only be one {what}, not {' and '.join(given)}")
    server, loop, parser = ([*given, names[0]][0] for given, names in zip(choices.values(), CHOICES, strict=True))
    if server == "hypercorn" and choices["HTTP parser"]:
        raise InputError("hypercorn has one HTTP parser only; leave it out")
    return Serving(cast(Server, server), cast(Loop, loop), cast(Parser, parser), settings, pins)


def package(name: str) -> str:
    """Return a package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _check(name: str) -> None:
    """Raise InputError for a setting that an app cannot be given."""
    if name in OURS:
        raise InputError(f"{name} is what the harness tells the app; choose another name")
    if name in MACHINES:
        raise InputError(f"{name} is what the app's environment runs on and cannot be set; choose another name")
