"""A haproxy.cfg as it is deployed: who listens, whom it passes on to, and the edit by which it runs beside others.

Rules:
- a backend, or a `listen` with servers, is a target; all addresses of the one that is mapped become the next hop's, all
  others are nobody's; health checks are taken out, as the next hop does not answer them: every server counts as up;
- of the listeners one is asked; all other `bind`s are taken out;
- what is the machine's (process, users, logs, sockets, peers, resolvers) is taken out: no stream is another for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePath

from harness.errors import InputError
from harness.proxies.languages.base import Change, Fitted, Standing, Wanted
from harness.proxies.languages.choice import NOBODY, Chosen, Config, Route, Server, Target
from harness.proxies.languages.haproxy_lines import Asked, Condition, Line, Section, acls_of, parse
from harness.proxies.languages.haproxy_mitigated import change
from harness.proxies.languages.secrets import masked
from harness.proxies.source_text import Edits, Source, Token, printable
from harness.resources import is_file

_OURS = re.compile(
    r"daemon|master-worker|mworker-.*|pidfile|chroot|user|group|uid|gid|setcap|log-send-hostname|ulimit-n|maxconn|cpu-map"
    r"|unix-bind|server-state-(base|file)|default-path|external-check|insecure-fork-wanted|zero-warning"
)
"""Of `global`. A `maxconn` may want more files than are allowed here."""
_OTHERS = ("peers", "mailers", "program", "ring", "log-forward", "log-profile", "traces", "crt-store", "acme")
"""Sections that are no proxies, and talk to somebody."""
_ELSEWHERE = re.compile(
    r"log|log-send-hostname|email-alert|source|load-server-state-from-file|hash-balance-factor-file"
)
_NAMES = ("nameserver", "parse-resolv-conf")
_SCRIPTS = re.compile(r"lua-(load|load-per-thread|prepend-path)")

_STAGES = ("connection", "content", "session")
_REWRITES = re.compile(r"(set|replace)-(path|pathq|uri)|normalize-uri")
_ANSWERS = re.compile(r"return|deny|redirect|tarpit|auth|reject|silent-drop|use-service")
"""Actions of rules that change the path by which a backend is chosen, and that answer before one is."""

_BIND_WORDS = re.compile(
    r"accept-proxy|accept-netscaler-cip|expect-proxy|strict-sni|transparent|v[46]only|v4v6|defer-accept|tfo"
)
_BIND_PAIRS = re.compile(r"interface|namespace|uid|gid|user|group|mode|mss|process|thread|level|ca-sign-(file|pass)")
_CERTIFICATES = ("crt", "crt-list")
_SERVER_WORDS = re.compile(r"(agent-)?check(-ssl|-send-proxy|-via-socks4)?|ssl|send-proxy(-v2(-ssl(-cn)?)?)?")
_SERVER_PAIRS = re.compile(
    r"resolvers|init-addr|resolve-(prefer|net|opts)|ca-file|crt|crl-file|verify|verifyhost|(check-)?(sni|alpn)|npn|track|socks4"
    r"|namespace|proxy-v2-options|check-proto|agent-(addr|port|send)|addr|port|source|interface"
)
_SERVERS = ("server", "server-template", "default-server", "dispatch")
_USUAL = "/etc/haproxy/"


def fitted(config: Path, standing: Standing) -> Fitted:
    """Return a config as it can stand in a chain. Raises InputError for what cannot be taken over."""
    source = standing.read(config)
    sections = parse(source)
    found = _Reading(config, sections)
    chosen = Chosen(found.config, standing.said, standing.behind.knows_streams_only)
    edit = _Edit(source, found, chosen, standing)
    return Fitted(
        edit.made(sections),
        {source: PurePath(config.name)},
        chosen.asked,
        chosen.host,
        chosen.server.tls,
        chosen.served_by(),
        change=partial(_change, found, chosen),
    )


def _change(found: _Reading, chosen: Chosen, wanted: Wanted) -> Change | None:
    """Return what changes in the backend that answers, if that is known."""
    backs = [one for one, target in found.targets.items() if chosen.leads_to(target)]
    if len(backs) != 1:
        return None
    return change(found.levels(backs[0]), found.levels(found.fronts[chosen.server]), wanted)


class _Reading:
    """The servers and the targets of a config; `binds` are the lines by which each server listens, in its `fronts`."""

    def __init__(self, config: Path, sections: list[Section]) -> None:
        self.binds: dict[Server, Line] = {}
        self.fronts: dict[Server, Section] = {}
        self._defaults: dict[Section, Section | None] = {}
        self.targets = {one: target for one in sections if (target := _target(one))}
        self._named = {one.name: target for one, target in self.targets.items()}
        defaults: dict[str, Section] = {}
        for section in sections:
            if section.kind == "defaults":
                defaults[""] = defaults[section.name] = section
                continue
            said = [word.said for word in section.head]
            self._defaults[section] = defaults.get("".join(said[3:4]) if said[2:3] == ["from"] else "")
            if section.kind in ("frontend", "listen"):
                self._listens(section, self._defaults[section])
        self.config = Config(config, list(self.binds), list(self.targets.values()))

    def levels(self, section: Section) -> list[Section]:
        """Return a section, and the defaults that it has what it does not say from."""
        defaults = self._defaults[section]
        return [section, *([defaults] if defaults else [])]

    def _listens(self, section: Section, defaults: Section | None) -> None:
        seen = set()
        for line in section.of("bind"):
            words = [word.said for word in line]
            port = re.search(r":(\d+)", words[1]) if len(words) > 1 else None
            if port is None or port[1] in seen or words[1].startswith("quic"):
                continue  # a socket, a variable, the same for IPv6, or no TCP
            seen.add(port[1])
            tls = "ssl" in words
            server = Server(section.name, port[1], tls, f"{section.kind} {section.name}", section.head[0])
            server.routes = list(self._routes(section, defaults, tls))
            self.binds[server], self.fronts[server] = line, section

    def _routes(self, section: Section, defaults: Section | None, tls: bool) -> Iterator[Route]:
        """Yield what may answer, in order: all rules come before backends are chosen, wherever they stand."""
        acls = acls_of(section)
        rewrites: list[Condition] = []
        for line in (*(defaults.lines if defaults else ()), *section.lines):
            kind, action = line[0].said, next((word.said for word in line[1:] if word.said not in _STAGES), "")
            at = next((at for at, word in enumerate(line) if word.said in ("if", "unless")), len(line))
            condition = Condition.of([word.said for word in line[at:]], acls)
            if kind == "http-request" and _REWRITES.fullmatch(action):
                rewrites.append(condition)
            elif kind == "redirect" or (kind in ("http-request", "tcp-request") and _ANSWERS.fullmatch(action)):
                takes = partial(_takes, [*rewrites], condition, tls, False)
                yield Route(_shown(line), line[0], [], takes, refuses=True)
        for line in section.of("use_backend"):
            if len(line) < 2:
                raise InputError(line[0].reject("`use_backend` names no backend"))
            words = [word.said for word in line]
            condition = Condition.of(words[2:], acls)
            yield Route(
                _shown(line),
                line[0],
                self._to(line),
                partial(_takes, rewrites, condition, tls, "%[" in words[1]),
                condition.literals("hdr(host)", "req.hdr(host)", "req.fhdr(host)"),
                condition.literals("path", "url") or ["/"],
            )
        last = [*(defaults.of("default_backend") if defaults else ()), *section.of("default_backend")]
        if last and len(last[-1]) > 1:
            yield Route(_shown(last[-1]), last[-1][0], self._to(last[-1]), paths=["/"])
        elif section in self.targets:
            yield Route(f"{section.kind} {section.name}", section.head[0], [self.targets[section]], paths=["/"])

    def _to(self, line: Line) -> list[Target]:
        """Return what a rule may pass requests on to: any backend, if that is only known as they come."""
        if "%[" in line[1].said:
            return list(self._named.values())
        return [self._named.get(line[1].said) or Target(line[1].said, line[0], why_not="has no server here")]


def _target(section: Section) -> Target | None:
    """Return the target that a section is; None if it passes nothing on."""
    lines = [line for line in section.of("server", "server-template", "dispatch") if len(line) > 1]
    addresses = tuple(word.said for line in lines if (word := _address(line)))
    if section.kind not in ("backend", "listen") or not addresses:
        return None
    why = ""
    for line in section.of("use-fcgi-app"):
        why = f"is spoken to by FastCGI (line {line[0].line}), which is no HTTP/1.1 as other hops have it"
    for line in lines:
        said = [word.said for word in line]
        if ("proto", "h2") in pairwise(said):
            why = f"is spoken to by HTTP/2 only (line {line[0].line}, `proto h2`), which the next hop does not know"
    return Target(section.name, section.head[0], addresses, why)


def _address(line: Line) -> Token | None:
    """Return the word that has the address of a server."""
    at = {"server": 2, "server-template": 3, "dispatch": 1}.get(line[0].said, len(line))
    return line[at] if at < len(line) else None


def _takes(
    rewrites: list[Condition], condition: Condition, tls: bool, leads_anywhere: bool, host: str, path: str
) -> bool | None:
    """Tell whether a rule takes a request, behind those that rewrite its path where their conditions hold."""
    asked = Asked(host, path, tls)
    if any(one.holds(asked) is not False for one in rewrites):
        asked = replace(asked, path=None)
    holds = condition.holds(asked)
    return None if holds and leads_anywhere else holds


def _is_taken_out(section: Section, name: str) -> bool:
    if section.kind == "global" and (_OURS.fullmatch(name) or name == "stats"):
        return True
    return bool(_ELSEWHERE.fullmatch(name)) or (section.kind == "resolvers" and name in _NAMES)


def _shown(line: Line) -> str:
    """Return a line as a message quotes it, without its secrets."""
    text = printable(masked(" ".join(word.raw for word in line)))
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Edit:
    """What is changed of a config, so that what was chosen stands in a chain."""

    def __init__(self, source: Source, found: _Reading, chosen: Chosen, standing: Standing) -> None:
        self._edits = Edits(source)
        self._folder = source.path.parent
        self._found = found
        self._bind = found.binds[chosen.server]
        self._chosen = chosen
        self._scheme = standing.scheme

    def made(self, sections: list[Section]) -> dict[Source, str]:
        """Return the text of the config, edited."""
        for section in sections:
            if section.kind in _OTHERS:
                for line in (section.head, *section.lines):
                    self._take_out(line)
                continue
            for line in section.lines:
                self._line(section, line)
        return dict(self._edits.texts)

    def _line(self, section: Section, line: Line) -> None:
        name = line[0].said
        if _SCRIPTS.fullmatch(name):
            why = "runs a script, which may do anything to a stream: leave it out of a copy, with what calls it"
            raise InputError(line[0].reject(f"`{_shown(line)}` {why}"))
        if _is_taken_out(section, name):
            self._take_out(line)
        elif name == "bind":
            self._listen(line) if line is self._bind else self._take_out(line)
        elif name in _SERVERS:
            self._server(section, line)
        elif name in ("errorfile", "errorfiles"):
            self._file(line)
        else:
            self._words(line)

    def _take_out(self, line: Line) -> None:
        self._edits.take_out(line[0], line[-1])

    def _listen(self, line: Line) -> None:
        self._edits.replace(line[1], "${LISTEN}")
        has_one = False
        for at, word in enumerate(line[2:], 2):
            if word.said in _CERTIFICATES and at + 1 < len(line):
                if has_one:
                    self._drop(line, at, 2)
                else:
                    self._edits.replace(word, "crt")
                    self._edits.replace(line[at + 1], '"${CERTIFICATE}"')
                has_one = True
            elif _BIND_PAIRS.fullmatch(word.said):
                self._drop(line, at, 2)
            elif _BIND_WORDS.fullmatch(word.said):
                self._drop(line, at, 1)

    def _server(self, section: Section, line: Line) -> None:
        address, stands = _address(line), self._found.targets.get(section) in self._chosen.targets
        if address:
            secure = " ssl verify none" if stands and self._scheme == "https" else ""
            self._edits.replace(address, f"${{UPSTREAM_ADDRESS}}{secure}" if stands else NOBODY)
        at = line.index(address) + 1 if address else 1
        while at < len(line):
            length = 2 if _SERVER_PAIRS.fullmatch(line[at].said) else 1
            if length == 2 or _SERVER_WORDS.fullmatch(line[at].said):
                self._drop(line, at, length)
            at += length

    def _drop(self, line: Line, at: int, length: int) -> None:
        """Take out some words, with what is between them and the one before."""
        before, last = line[at - 1], line[min(at + length, len(line)) - 1]
        self._edits.take_out(Token(before.source, before.end, before.end, ""), last)

    def _file(self, line: Line) -> None:
        """Have a page for errors found; one that is not here changes no stream."""
        word = line[-1]
        file = self._beside(word.said)
        if file is None and not is_file(Path(word.said)) and not Path(word.said).is_dir():
            self._take_out(line)
        elif file:
            self._edits.replace(word, f'"{file}"')

    def _words(self, line: Line) -> None:
        """Have a list that lies beside the config found where it lies."""
        if line[0].said == "stick-table":
            for at, word in enumerate(line):
                if word.said == "peers":
                    self._drop(line, at, 2)
        for before, word in pairwise(line):
            if _USUAL in word.said or before.said in ("-f", "ca-file", "crl-file"):
                inner = re.search(rf"{_USUAL}[\w./-]+", word.said)
                named = inner[0] if inner else word.said
                if file := self._beside(named):
                    self._edits.replace(word, word.raw.replace(named, str(file)))

    def _beside(self, named: str) -> Path | None:
        """Return the file that a path means which is relative, or of the usual folder and only there in this copy."""
        if named.startswith("/") and (is_file(Path(named)) or not named.startswith(_USUAL)):
            return None
        file = self._folder.absolute() / named.removeprefix(_USUAL)
        return file if is_file(file) else None
