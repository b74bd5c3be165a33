"""What of an nginx config stands for what in a chain: the backend, the server that is asked, the location that answers.

Rules: what a placeholder says, stands; then what the user says (`Deployment`); what is left open is found where only
one can be meant, and else asked for, with the lines of all that could.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.errors import Complaint, InputError, allowed
from harness.model import Deployment, Place, ServedBy
from harness.proxies.nginx_config import Config
from harness.proxies.nginx_language import Directive
from harness.proxies.nginx_moves import Moves
from harness.proxies.nginx_serving import (
    PREFIXES,
    SUBREQUESTS,
    Location,
    Server,
    beside,
    every_location,
    internal,
    named,
    paths_beside,
    reached,
    uri_of,
)
from harness.proxies.nginx_targets import Target, Targets

OWN_PATH = "/stream/0"
"""What is asked for where a config was written for the harness: a stream by its own path."""

_LISTEN = re.compile(r"\$\{(LISTEN|PORT)\}")
_ADDRESS = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*?)(?::?(?P<port>\d+))?")
_SERVER = re.compile(r"(?P<name>[^:]*)(?::(?P<port>\d+))?")


@dataclass(frozen=True)
class Listen:
    """One address of a server; `directive` is None where it has none, which means port 80."""

    server: Server
    directive: Directive | None

    @property
    def address(self) -> str:
        """The address in the one way to write it: `*:80`; a placeholder, or a socket, is as it is."""
        text = self.directive.argument if self.directive else "80"
        if self.is_marked:
            return "${LISTEN}"
        if text.startswith("unix:"):
            return text
        found = re.fullmatch(r"(?P<host>)(?P<port>\d+)", text) or _ADDRESS.fullmatch(text)
        host, port = (found["host"], found["port"]) if found else (text, None)
        return f"{'*' if host in ('', '*', '0.0.0.0') else host}:{port or 80}"

    @property
    def port(self) -> str:
        return self.address.rpartition(":")[2]

    @property
    def options(self) -> list[str]:
        return self.directive.arguments[1:] if self.directive else []

    @property
    def is_marked(self) -> bool:
        return bool(self.directive and _LISTEN.search(self.directive.argument))

    @property
    def can_be_asked(self) -> bool:
        """Whether a client gets there: not by QUIC, and not to a socket."""
        return "quic" not in self.options and not self.address.startswith("unix:")

    @property
    def place(self) -> str:
        return (self.directive or self.server.directive).place


class Deployed:
    """A config's answers. Raises InputError, with lines and the way out, for what is not there or fits twice.

    If `streams_only`, streams are asked for by their own path where that leads to the backend.
    """

    def __init__(self, config: Config, said: Deployment, streams_only: bool = False) -> None:
        self.config = config
        self.said = said
        self._streams_only = streams_only
        http = [one for one in config.top if one.name == "http"]
        self.servers = [Server(one) for block in http for one in block.children("server") if one.opens_block]
        self.listens = [listen for server in self.servers for listen in _listens(server)]
        blocks = [server.directive for server in self.servers]
        self.targets = Targets(blocks, [one for block in http for one in block.children("upstream")])
        if not self.servers:
            why = "has no server: name the file that has one, or the one that includes it"
            raise InputError(Complaint(why, file=str(config.given)))
        of_all = [one for block in http for one in block.children(*SUBREQUESTS)]
        self._beside = {block: {*beside(block, paths_beside([*of_all, block]))} for block in blocks}
        self._unasked = {block: {*internal(block)} | self._beside[block] for block in blocks}
        errors = [one for block in http for one in block.children("error_page")]
        self._moves = {block: Moves(block, errors, self._beside[block]) for block in blocks}
        self.backends = self._backends()
        self.asked = self._asked()
        self.location, self.path = self._location()

    @cached_property
    def server(self) -> Server:
        """The server that is asked."""
        return self.asked.server

    @property
    def with_tls(self) -> bool:
        """Whether clients have to speak TLS to it."""
        return any("ssl" in one.options for one in self.listens if one.address == self.asked.address)

    @property
    def is_written_for_us(self) -> bool:
        """Whether it says itself where it passes requests on to: what else it does is meant so."""
        return any(one.is_marked for one in self.backends)

    @property
    def host(self) -> str:
        """Whom requests are for: the name that was said, or the first of the server's that is one; else nothing."""
        told = _SERVER.fullmatch(self.said.server)
        names = [told["name"] if told else "", *self.server.names]
        return next((name for name in names if re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", name, re.I)), "")

    def served_by(self) -> ServedBy:
        """Return what answers, and what else could have."""
        reachable = [*reached(self.server.directive)]
        measured = (self.location, self._passing)
        there = [one for one in self._passing_on(self.server) if one not in measured and one in reachable]
        called = " ".join(filter(None, ("server", _name(self.asked))))
        server = Place(called, str(self.server.directive.source.path), self._line)
        others = () if self.said.path else tuple(map(_place, there))
        location = _place(self._passing) if self._passing else None
        begins = _place(self.location) if self.location and self.location != self._passing else None
        return ServedBy(self.path or "/stream/N", bool(self.said.path), server, location, others, begins=begins)

    @property
    def answering(self) -> Location | None:
        """The location that passes requests on; where it is not known which, the one that they begin in."""
        return self._passing or self.location

    @cached_property
    def _passing(self) -> Location | None:
        """The location that passes requests on: where they begin, or the only one to which they may be moved that does;
        None if there are more.
        """
        ways = self._moves[self.server.directive].ways(self._begins(self.server, self.path or OWN_PATH))
        there = next(filter(None, (list(filter(self._passes, ends)) for ends in ways)), [])
        return there[0] if len(there) == 1 else None

    @cached_property
    def aside(self) -> set[Directive]:
        """The servers and locations that what is asked for does not get to, as far as that is known."""
        inner = every_location(self.server.directive) if self.path else ()
        begins = self._begins(self.server, self.path)
        ends = {one.directive for one in self._ends(self.server, *begins)}
        there = {one.directive for one in inner if ends.isdisjoint(below for below, _ in one.directive.walk())}
        return there | {one.directive for one in self.servers if one != self.server}

    @property
    def _line(self) -> int:
        return self.server.directive.line

    # ------------------------------------------------------------ the backend

    def _backends(self) -> list[Target]:
        every = [one for one in self.targets.all() if one.passes]
        found = [one for one in every if one.is_marked]
        for name in self.said.map:
            fits = [one for one in self.targets.all() if name in one.names]
            if not fits:
                names = list(dict.fromkeys(each for one in every for each in (one.name, *sorted(one.names))))
                raise self._refused(f"passes no requests on to {name!r}, which is to be mapped; {allowed(name, names)}")
            if len(fits) > 1:
                raise InputError(
                    *(
                        _at(one.place, f"{name!r} fits {one.name}, and others: map one by its name or address")
                        for one in fits
                    )
                )
            found += fits
        if not found:
            found = self._only(every)
        for one in found:
            if one.why_not:
                raise InputError(one.passes[0].reject(one.why_not))
        return list(dict.fromkeys(found))

    def _only(self, every: Sequence[Target]) -> list[Target]:
        """Return the one target that can be meant: that of what the path leads to, or the only one that there is."""
        if not every:
            raise self._refused("passes no requests on: it has no proxy_pass in a location of a server")
        answering = self._answering()
        every = [one for one in every if one in answering] or every
        possible = [one for one in every if not one.why_not] or list(every)
        if self.said.path and len(every) > 1:
            servers = ((one, self._begins(one, self.said.path)) for one in self._said_servers())
            led = dict.fromkeys(each for server, begins in servers for each in self._led(server, begins))
            possible = [one for one in led if not one.why_not] or list(led) or possible
        if len(possible) > 1:
            ways = (_at(one.place, f"`--map {one.name}` says that this stands for the next hop") for one in possible)
            head = Complaint("passes requests on to several: which is the backend?", file=str(self.config.given))
            raise InputError(head, *ways)
        return possible

    def _answering(self) -> set[Target]:
        """Return the targets that the servers which may be asked lead requests of clients to."""
        found: set[Target] = set()
        for server in self._said_servers():
            for begins in (None, *self._begun(server)):
                found.update(self._led(server, [begins]))
        return found

    def _led(self, server: Server, begins: Sequence[Location | None]) -> list[Target]:
        """Return the targets that a server leads requests to: by what they begin in, else by what may move them."""
        for ends in self._moves[server.directive].ways(begins):
            if led := [each for one in ends for each in self.targets.of(one)]:
                return led
        return []

    def _begins(self, server: Server, path: str) -> list[Location | None]:
        """Return the locations that requests for a path may begin in: the first, if no `if` of the server's holds."""
        return self._moves[server.directive].begins(uri_of(path))

    def _ends(self, server: Server, *begins: Location | None) -> list[Location]:
        """Return the locations that requests may end in which begin in some (None is the server itself)."""
        return self._moves[server.directive].ends(begins)

    # ------------------------------------------------------------ the server

    def _asked(self) -> Listen:
        listens = self._said_listens()
        leading = [one for one in listens if self._leads(one.server)]
        if not leading:
            raise self._nothing_leads(list(dict.fromkeys(one.server for one in listens)))
        servers = list(dict.fromkeys(one.server for one in leading))
        if len(servers) > 1 and len({one.address for one in leading}) == 1 and leading[0].is_marked:
            servers = [default_of([one for one in self.listens if one.is_marked]).server]
            servers = servers if any(one.server == servers[0] for one in leading) else [leading[0].server]
        if len(servers) > 1:
            what = (
                f"{self.said.server!r} fits several servers" if self.said.server else "several servers pass requests on"
            )
            once = {_name(one): one for one in reversed(leading) if one.can_be_asked}  # one may listen in IPv4 and IPv6
            told = (_at(one.place, f"`--server {name}` asks this one") for name, one in reversed(once.items()))
            raise InputError(Complaint(f"{what}: which is asked?", file=str(self.config.given)), *told)
        mine = [one for one in leading if one.server == servers[0]]
        return min(mine, key=lambda one: (not one.is_marked, "ssl" not in one.options, one.address.startswith("[")))

    def _said_servers(self) -> list[Server]:
        return list(dict.fromkeys(one.server for one in self._said_listens())) if self.said.server else self.servers

    def _said_listens(self) -> list[Listen]:
        """Return the addresses that may be asked, by what is said of the server."""
        there = [one for one in self.listens if one.can_be_asked]
        marked = [one for one in there if one.is_marked]
        there = marked or there
        if not self.said.server:
            return there
        said = _SERVER.fullmatch(self.said.server)
        fits = list(self._fitting(there, said["name"], said["port"])) if said else []
        if not fits:
            names = list(dict.fromkeys(map(_name, there)))
            raise self._refused(f"has no server {self.said.server!r}; {allowed(self.said.server, names)}")
        return fits

    def _fitting(self, there: Sequence[Listen], name: str, port: str | None) -> Iterator[Listen]:
        for address in dict.fromkeys(one.address for one in there):
            at = [one for one in there if one.address == address]
            if port and at[0].port != port and not at[0].is_marked:
                continue
            meant = named([one.server for one in at], name) if name else None
            yield from (one for one in at if not name or one.server == meant)

    def _leads(self, server: Server) -> bool:
        if not self.said.path:
            return self._has_a_way(server) if self.is_written_for_us else any(self._passing_on(server))
        return any(map(self._passes, self._ends(server, *self._begins(server, self.said.path))))

    def _has_a_way(self, server: Server) -> bool:
        return any(map(self._passes, every_location(server.directive)))

    def _nothing_leads(self, servers: Sequence[Server]) -> InputError:
        backend = " or ".join(one.name for one in self.backends)
        if not self.said.path:
            moving = [one for one in servers if self._has_a_way(one) and not self._moves[one.directive].answers_all]
            why = f"passes no requests on to {backend}"
            if moving:
                why += " but what is led there from elsewhere: say what is asked, with `--path /...`"
            return InputError(*(one.directive.reject(why) for one in moving or servers))
        told = []
        for server in servers:
            location, *_ = self._begins(server, self.said.path)
            there = ", ".join(f"`{one.directive.shown.strip('`')}`" for one in self._passing_on(server)) or "none"
            why = f"answers {self.said.path}, and passes nothing on to {backend}; of this server these do: {there}"
            told.append((location.directive if location else server.directive).reject(why))
        return InputError(*told)

    # ------------------------------------------------------------ the location

    def _location(self) -> tuple[Location | None, str]:
        """Return what answers, and the path that is asked; empty where streams are asked for by their own."""
        if self.said.path:
            return self._begins(self.server, self.said.path)[0], self.said.path
        leading = self._leading(self.server)
        own = self._begins(self.server, OWN_PATH)[0]
        if self.is_written_for_us or (self._streams_only and own in leading):
            return own, ""
        at_once = self._leading(self.server, by_errors=False)
        there = sorted(leading, key=lambda one: (one not in at_once, one.path == "/" and one.how in PREFIXES))
        for location in there:
            for path in (location.path, f"{location.path}stream"):
                if location.how in ("=", *PREFIXES) and self._begins(self.server, path)[0] == location:
                    return location, path
        if self._by_itself(self.server):
            return None, "/"
        told = (one.directive.reject("matches paths that only you know: say one, with `--path /...`") for one in there)
        raise InputError(*told)

    def _leading(self, server: Server, by_errors: bool = True) -> list[Location]:
        """Return the locations that pass requests of clients on to the backend, themselves or by named ones that they
        fall back on, in the order of the file.
        """
        moves = self._moves[server.directive]
        ends = ((one, moves.ends([one], by_errors=by_errors, by_name=True)) for one in self._begun(server))
        return [one for one, there in ends if any(map(self._passes, there))]

    def _passing_on(self, server: Server) -> list[Location]:
        return [*self._leading(server), *self._by_itself(server)]

    def _by_itself(self, server: Server) -> list[Location]:
        """Return the named locations that pass on to the backend what no location of a server takes: `/`, at least."""
        if self._begins(server, "/")[0]:
            return []
        return list(filter(self._passes, self._moves[server.directive].ends([None], by_name=True)))

    def _begun(self, server: Server) -> list[Location]:
        """Return the locations that requests of clients may begin in, in the order of the file."""
        unasked = self._unasked[server.directive]
        there = () if self._moves[server.directive].answers_all else every_location(server.directive)
        return [one for one in there if one.how != "@" and one not in unasked]

    def _passes(self, location: Location) -> bool:
        """Tell whether a location itself passes requests on to the backend."""
        return not set(self.backends).isdisjoint(self.targets.of(location))

    def _refused(self, why: str) -> InputError:
        return InputError(
            Complaint(why, file=str(self.config.main if not self.config.is_wrapped else self.config.given))
        )


def default_of(listens: Sequence[Listen]) -> Listen:
    """Return the default one of those at an address: the first, unless one says so."""
    return next((one for one in listens if {"default_server", "default"} & set(one.options)), listens[0])


def _listens(server: Server) -> list[Listen]:
    said = [one for one in server.directive.children("listen") if one.arguments]
    return [Listen(server, one) for one in said] or [Listen(server, None)]


def _place(location: Location) -> Place:
    directive = location.directive
    return Place(directive.shown.strip("`"), str(directive.source.path), directive.line)


def _at(place: str, why: str) -> Complaint:
    file, _, line = place.rpartition(":")
    return Complaint(why, file=file, line=int(line))


def _name(listen: Listen) -> str:
    """Return what a server that listens there is called, as `--server` has it; nothing if it has no name of its own."""
    name = listen.server.shown
    return name if listen.is_marked else f"{name}:{listen.port}"
