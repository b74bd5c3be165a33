"""What of a config stands for what in a chain, whichever its language: backend, listener, and what of it answers. Pure.

Rules: what the user says, stands (`Deployment`); what is left open is found where only one thing can be meant, and
else asked for, with the lines of all that could. Of routes the first counts that answers; where that cannot be known
before the request comes, nothing is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from harness.errors import Complaint, InputError, allowed
from harness.model import Deployment, Place, ServedBy
from harness.proxies.source_text import Token

OWN_PATH = "/stream/0"
"""What an application is asked for: a stream by its own path."""
NOBODY = "127.0.0.1:1"
"""An address that nobody listens on, that of a target which stands for nothing."""
LOCAL = "127.0.0.1"
"""Whom requests are for that name nobody."""

_SERVER = re.compile(r"(?P<name>[^:]*)(?::(?P<port>\d+))?")
_LOGIN = re.compile(r"^(?P<scheme>\w+://|(?=[^/@]*:))[^/@]*@")
"""Name and password before an address, which nobody is to be told."""


Answers = Callable[[str, str], bool | None]
"""Tells whether a host's request for a path is taken; None if only the request decides."""


def unless_false(takes: Answers, host: str, path: str) -> bool | None:
    """Tell the same of what takes a request for certain only where more holds than that: never for certain."""
    return None if takes(host, path) else takes(host, path)


@dataclass(eq=False)
class Target:
    """What a config passes requests on to, by all that it may be called. `why_not` says why no hop can stand there."""

    name: str
    at: Token
    addresses: tuple[str, ...] = ()
    why_not: str = ""

    def __post_init__(self) -> None:
        self.name, *others = (_LOGIN.sub(r"\g<scheme>", one) for one in (self.name, *self.addresses))
        self.addresses = tuple(others)

    @property
    def names(self) -> set[str]:
        """Its name, its addresses, and the hosts of these."""
        plain = {re.sub(r"^\w+://", "", one).rstrip("/") for one in self.addresses}
        return {self.name, *self.addresses, *plain} | {host for one in plain if (host := re.sub(r":\d+$", "", one))}


@dataclass(eq=False)
class Route:
    """One way that requests go. `answers` tells whether a host's request for a path takes it, if nothing before did;
    None if that cannot be known. Of `hosts` and `paths`, it may take each. One that `refuses` answers by itself, as any
    client sees: where that cannot be known, what comes after it answers whoever is let through.
    """

    text: str
    at: Token
    targets: Sequence[Target]
    answers: Answers = lambda host, path: True
    hosts: Sequence[str] = ()
    paths: Sequence[str] = ()
    refuses: bool = False

    @property
    def place(self) -> Place:
        return Place(self.text, str(self.at.source.path), self.at.line)


@dataclass(eq=False)
class Server:
    """One address that is listened at: what is there is called `text`, and by `--server` its `name`.

    One with the same name at another port is the same thing. `routes` are in the order in which they are tried.
    """

    name: str
    port: str
    tls: bool
    text: str
    at: Token
    routes: Sequence[Route] = field(default_factory=list)

    @property
    def called(self) -> str:
        """What it is called, as `--server` has it."""
        return f"{self.name}:{self.port}"

    @property
    def group(self) -> str:
        """What is one thing though it listens at two ports: all of a name, or by itself what has none."""
        return self.name or self.called

    def hosts(self) -> Iterator[str]:
        """Yield the names that its routes are for."""
        for route in self.routes:
            yield from route.hosts

    def answering(self, host: str, path: str) -> tuple[Route | None, bool]:
        """Return the route of a request, if any, and whether that is for certain."""
        route, is_known = self.deciding(host, path)
        return (route if is_known else None), is_known

    def deciding(self, host: str, path: str) -> tuple[Route | None, bool]:
        """Return the route of a request, if any; or the first of which that cannot be known, and that it cannot."""
        for route in self.routes:
            fits = route.answers(host.lower() or LOCAL, re.split(r"[?#]", path, maxsplit=1)[0])
            if fits or (fits is None and not route.refuses):
                return route, fits is not None
        return None, True


@dataclass(frozen=True)
class Config:
    """What a language has found in a config that lies at `file`."""

    file: Path
    servers: Sequence[Server]
    targets: Sequence[Target]


class Chosen:
    """What stands for what. Raises InputError, with lines and the way out, for what is not there or fits twice.

    If `streams_only`, streams are asked for by their own path where that leads to the backend.
    """

    def __init__(self, config: Config, said: Deployment, streams_only: bool = False) -> None:
        self._config = config
        self._said = said
        self._streams_only = streams_only
        told = _SERVER.fullmatch(said.server)
        self._name: str = told["name"] if told else ""
        self._port: str | None = told["port"] if told else None
        if not config.servers:
            raise self._refused("listens nowhere that a client could ask")
        self.targets = self._targets()
        self.server = self._server()
        self.route, self.host, self.asked = self._route()

    def served_by(self) -> ServedBy | None:
        """Return what answers, and what else could have; None where that is only known as requests come."""
        if self.route is None:
            return None
        others = () if self._said.path else (one.place for one in self._leading(self.server) if one is not self.route)
        called = f"{self.server.text}:{self.server.port}"
        server = Place(called, str(self.server.at.source.path), self.server.at.line)
        return ServedBy(self.asked or "/stream/N", bool(self._said.path), server, self.route.place, tuple(others))

    def leads_to(self, target: Target) -> bool:
        """Tell whether what answers is known, and may pass requests on to something that stands for the next hop."""
        return self.route is not None and target in self.route.targets and target in self.targets

    # ------------------------------------------------------------ the backend

    def _targets(self) -> list[Target]:
        used = (one for server in self._config.servers for route in server.routes for one in route.targets)
        every, found = list(dict.fromkeys(used)), list[Target]()
        for name in self._said.map:
            fits = [one for one in self._config.targets if name in one.names]
            if not fits:
                names = list(dict.fromkeys(each for one in every for each in (one.name, *sorted(one.names))))
                raise self._refused(f"passes no requests on to {name!r}, which is to be mapped; {allowed(name, names)}")
            if len(fits) > 1:
                why = "and others: map one by its name or address"
                raise InputError(*(one.at.reject(f"{name!r} fits {one.name}, {why}") for one in fits))
            found += fits
        for one in found or (found := self._only(every)):
            if one.why_not:
                raise InputError(one.at.reject(f"{one.name} {one.why_not}"))
        return list(dict.fromkeys(found))

    def _only(self, every: Sequence[Target]) -> list[Target]:
        """Return the one target that can be meant: that of what the path leads to, or the only one that there is."""
        if not every:
            raise self._refused("passes no requests on to anybody")
        possible = [one for one in every if not one.why_not] or list(every)
        if self._said.path and len(possible) > 1:
            routes = [route for server in self._fitting() for route, _ in self._answers(server)]
            possible = list(dict.fromkeys(one for route in routes if route for one in route.targets)) or possible
        if len(possible) > 1:
            ways = (one.at.reject(f"`--map {one.name}` says that this stands for the next hop") for one in possible)
            raise InputError(self._complaint("passes requests on to several: which is the backend?"), *ways)
        return possible

    # ------------------------------------------------------------ the server

    def _fitting(self) -> list[Server]:
        """Return the servers that may be asked, by what is said of them."""
        there = self._config.servers
        fits = [one for one in there if self._is_called(one) and self._port in (None, one.port)]
        if not fits:
            names = list(dict.fromkeys(each for one in there for each in (one.called, *one.hosts())))
            raise self._refused(f"has no server {self._said.server!r}; {allowed(self._said.server, names)}")
        return fits

    def _is_called(self, server: Server) -> bool:
        names = (server.name, *server.hosts())
        return not self._name or any(fnmatchcase(self._name.lower(), one.lower()) for one in names)

    def _server(self) -> Server:
        fits = self._fitting()
        leading = [one for one in fits if self._leads(one)]
        if not leading:
            raise InputError(*(one.at.reject(self._why_nothing_leads(one)) for one in fits))
        if len({one.group for one in leading}) > 1:
            what = f"{self._said.server!r} fits several" if self._said.server else "several pass requests on"
            told = (one.at.reject(f"`--server {one.called}` asks this one") for one in leading)
            raise InputError(self._complaint(f"{what}: which is asked?"), *told)
        return min(leading, key=lambda one: not one.tls)

    def _leads(self, server: Server) -> bool:
        if not self._said.path:
            return bool(self._leading(server))
        return any(
            self._passes(route) if is_known else self._leading(server) for route, is_known in self._answers(server)
        )

    def _leading(self, server: Server) -> list[Route]:
        return [one for one in server.routes if self._passes(one)]

    def _passes(self, route: Route | None) -> bool:
        return route is not None and not set(self.targets).isdisjoint(route.targets)

    def _why_nothing_leads(self, server: Server) -> str:
        backend = " or ".join(one.name for one in self.targets)
        if not self._said.path:
            return f"{server.text} passes no requests on to {backend}"
        route = next((one for one, _ in self._answers(server) if one), None)
        there = ", ".join(str(one.place) for one in self._leading(server)) or "none"
        who = str(route.place) if route else server.text
        return f"{who} answers {self._said.path}, and passes nothing on to {backend}; of this server these do: {there}"

    # ------------------------------------------------------------ the route

    def _hosts(self, server: Server, route: Route | None) -> list[str]:
        """Return whom a request may be for: who was said, else those that a route is for, else whoever listens."""
        if self._name and self._name != server.name:
            return [self._name]
        hosts = (one.replace("*", "www", 1) for one in (route.hosts if route else ()))
        return [one for one in hosts if re.fullmatch(r"[\w-]+(\.[\w-]+)*", one)] or [""]

    def _answers(self, server: Server) -> list[tuple[Route | None, bool]]:
        """Return what answers the path that was said, and whether that is known, for each host that can be meant."""
        hosts = dict.fromkeys(host for one in (None, *server.routes) for host in self._hosts(server, one))
        return [server.answering(host, self._said.path) for host in hosts]

    def _route(self) -> tuple[Route | None, str, str]:
        """Return what answers, if that is known, whom requests are for, and what they ask for."""
        leading = sorted(self._leading(self.server), key=lambda one: set(one.paths) <= {"/"})
        for route in leading:
            for host in self._hosts(self.server, route):
                own = [OWN_PATH] if self._streams_only else []
                for path in [self._said.path] if self._said.path else [*own, *(route.paths or ["/"])]:
                    if self.server.answering(host, path)[0] is route:
                        return route, host, "" if path in own else path
        if not self._said.path:
            why = "takes requests that only you know: say for what, with `--path /...`"
            blamed = dict.fromkeys(map(self._undecided, leading))
            raise InputError(*(one.at.reject(f"`{one.text}` {why}") for one in blamed))
        return None, self._hosts(self.server, leading[0])[0], self._said.path

    def _undecided(self, leading: Route) -> Route:
        """Return the route by which it is not known whether another one is ever reached: often that itself."""
        paths = leading.paths or ["/"]
        tried = [self.server.deciding(host, path) for host in self._hosts(self.server, leading) for path in paths]
        return next((route for route, is_known in tried if route and not is_known), leading)

    def _complaint(self, why: str) -> Complaint:
        return Complaint(why, file=str(self._config.file))

    def _refused(self, why: str) -> InputError:
        return InputError(self._complaint(why))
