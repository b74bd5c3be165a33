"""The options of an application's hop: `asgi:plain@hypercorn,uvloop,PAUSE_S=0.01,starlette==0.45.3`. Pure.

Rules: one server, and one of whatever else there is to choose; any number of settings and pinned packages. What is so
anyway is left out, and a package has one name however it is written, so that equal hops are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from harness.errors import InputError
from harness.model import Hop, Option, in_order


@dataclass(frozen=True, slots=True)
class Interface:
    """Between servers and applications: its name is the word in a chain, and the folder of its variants in configs/.

    `choices` are what there is to choose, by what it is, the usual one first; `serving` the packages that serve an app,
    whatever it needs itself; `frameworks` those whose versions are told.
    """

    name: str
    choices: Mapping[str, tuple[str, ...]]
    serving: tuple[str, ...]
    frameworks: tuple[str, ...]


ASGI = Interface(
    "asgi",
    {
        "server": ("uvicorn", "hypercorn", "gunicorn"),
        "loop": ("asyncio", "uvloop"),
        "HTTP parser": ("httptools", "h11"),
    },
    serving=("uvicorn", "httptools", "websockets", "uvloop", "hypercorn", "gunicorn", "uvicorn-worker"),
    frameworks=("fastapi", "starlette", "sse-starlette", "django"),
)
WSGI = Interface(
    "wsgi",
    {"server": ("gunicorn", "hypercorn"), "worker": ("sync", "gthread")},
    serving=("gunicorn", "hypercorn"),
    frameworks=("flask", "flask-compress", "django"),
)
ALONE = {"hypercorn": ("HTTP parser", "worker")}
"""What a server has only one of."""
OURS = ("MODEL_URL", "SSL_CERT_FILE")
MACHINES = ("HOME", "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
"""What a program runs on: with another one it would not be the environment that was made for it."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How an app is served, through `interface`: `chosen` has what is not usual, by what it is.

    `settings` go to its environment, `pins` replace versions of its packages.
    """

    interface: Interface
    chosen: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    pins: dict[str, str] = field(default_factory=dict)

    def of(self, what: str) -> str:
        """Return what is chosen."""
        return self.chosen.get(what, self.interface.choices[what][0])

    def as_options(self) -> Iterator[Option]:
        """Yield what a hop says of it."""
        yield from (Option("word", name) for name in self.chosen.values())
        yield from (Option("setting", name, value) for name, value in self.settings.items())
        yield from (Option("pin", name, version) for name, version in self.pins.items())


def canonical(hop: Hop, interface: Interface) -> Hop:
    """Return an application's hop in the one way to write it. Raises InputError with what is allowed."""
    return replace(hop, options=in_order(serving(hop, interface).as_options()))


def serving(hop: Hop, interface: Interface) -> Serving:
    """Return how the app of a hop is to be served. Raises InputError with what is allowed."""
    if hop.version:
        raise InputError(f"an application takes no version {hop.version}; {_allowed(interface.choices)}")
    given: dict[str, list[str]] = {what: [] for what in interface.choices}
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
                of_one = (what for what, names in interface.choices.items() if str(option) in names)
                if (what := next(of_one, None)) is None:
                    raise InputError(f"{str(option)!r} is no option; {_allowed(interface.choices)}")
                given[what].append(option.name)
    for what, names in given.items():
        if len(names) > 1:
            raise InputError(f"there can only be one {what}, not {' and '.join(names)}")
    chosen = {what: names[0] for what, names in given.items() if names}
    server = chosen.get("server", "")
    if more_than_one := [what for what in ALONE.get(server, ()) if what in chosen]:
        raise InputError(f"{server} has one {more_than_one[0]} only; leave it out")
    unusual = {what: name for what, name in chosen.items() if name != interface.choices[what][0]}
    return Serving(interface, unusual, settings, pins)


def _allowed(choices: Mapping[str, tuple[str, ...]]) -> str:
    ones = ", ".join(f"a {what} ({', '.join(names)})" for what, names in choices.items())
    return f"an option is {ones}, a setting as PAUSE_S=0.01, or a package's version as starlette==0.45.3"


def package(name: str) -> str:
    """Return a package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _check(name: str) -> None:
    """Raise InputError for a setting that an app cannot be given."""
    if name in OURS:
        raise InputError(f"{name} is what the harness tells the app; choose another name")
    if name in MACHINES:
        raise InputError(f"{name} is what the app's environment runs on and cannot be set; choose another name")
