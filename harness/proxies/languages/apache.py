"""An Apache site as it is deployed: a file with its virtual hosts, or a whole httpd.conf that includes nothing.

Rules:
- a virtual host is a listener, what its `ProxyPass` and the like name a target; every address of the one that is mapped
  becomes the next hop's, all others are nobody's; health checks are taken out, as the next hop answers none;
- the virtual host that is asked gets our address, all others one that nobody listens at;
- what a site is put into (modules, logs, where to listen, whose process) is said on the command line, before it: the
  modules are those that its directives need, be they loaded once more by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from harness.errors import InputError
from harness.proxies.languages.apache_lines import Directive, parse
from harness.proxies.languages.apache_mitigated import change
from harness.proxies.languages.apache_modules import ROOT, before
from harness.proxies.languages.base import Change, Fitted, Standing, Wanted, looked_in
from harness.proxies.languages.choice import (
    NOBODY,
    OWN_PATH,
    Answers,
    Chosen,
    Config,
    Route,
    Server,
    Target,
    unless_false,
)
from harness.proxies.source_text import Edits, Token
from harness.resources import is_file

_OURS = re.compile(
    r"listen|user|group|serverroot|pidfile|errorlog|customlog|transferlog|globallog|forensiclog|mutex|lockfile|scoreboardfile"
    r"|defaultruntimedir|coredumpdirectory|chrootdir|sslsessioncache|sslstapling\w*|sslusestapling|sslrandomseed|md\w+"
    r"|sslcertificatechainfile|sslproxy(verify\w*|ca\w+|machine\w+|checkpeer\w+)|proxysourceaddress|proxyremote(match)?"
    r"|namevirtualhost|sslocsp\w+"
)
_CERTIFICATES = {"sslcertificatefile": '"${CERTIFICATE}"', "sslcertificatekeyfile": '"${CERTIFICATE_KEY}"'}
_PASSES = ("proxypass", "proxypassmatch")
_PROXIES = {"p", "proxy"}
_CONDITIONS = ("if", "elseif", "else")
_FILES = ("directory", "directorymatch", "files", "filesmatch")
_BALANCER = "balancer://"
_URL = re.compile(r"(?:unix:[^|\s]+\|)?(?P<scheme>[a-z0-9]+)://(?:[^/\s\"'@]*@)?(?P<address>[^/\s\"']*)", re.IGNORECASE)
_HTTP = ("http", "https", "ws", "wss")


def fitted(config: Path, standing: Standing) -> Fitted:
    """Return a config as it can stand in a chain. Raises InputError for what cannot be taken over."""
    source = standing.read(config)
    top = parse(source)
    found = _Reading(config, top)
    chosen = Chosen(found.config, standing.said, standing.behind.knows_streams_only)
    edits = Edits(source)
    _edit(edits, top, found, chosen, standing)
    around = [word for one in before(top, standing.scheme) for word in ("-C", one)]
    command = ("${PROGRAM}", "-d", ROOT, *around, "-f", "${CONFIG}")
    return Fitted(
        dict(edits.texts),
        {source: PurePath(config.name)},
        chosen.asked,
        chosen.host,
        chosen.server.tls,
        chosen.served_by(),
        command=(*command, "-D", "FOREGROUND"),
        explains=(*command, "-t"),
        change=partial(_change, top, found, chosen),
        folders=looked_in(config.parent / one for one in _includes(top)),
    )


def _change(top: Directive, found: _Reading, chosen: Chosen, wanted: Wanted) -> Change | None:
    """Return what changes in the place that answers, if that is known."""
    if chosen.route is None:
        return None
    host, path = found.hosts[chosen.server], chosen.asked or OWN_PATH
    outer = [host, top] if host is not top else [top]
    places = [one for level in outer for one in reversed([*level.of("location", "locationmatch")]) if one.arguments]
    inner = [one for one in places if _place(one)(chosen.host, path)]
    at = chosen.route.at
    answers = next(one for one in top.every() if one.words[0] is at)
    answers = next(answers.of(*_PASSES), answers) if answers.is_section else answers
    return change([*inner, *outer], answers, wanted)


@dataclass(eq=False)
class _Address:
    """An address in a word that requests are passed on by: of which target, and where in the text."""

    target: Target
    word: Token
    found: re.Match[str]


class _Reading:
    """The virtual hosts of a config as servers, and what they pass requests on to as targets."""

    def __init__(self, config: Path, top: Directive) -> None:
        self.addresses: list[_Address] = []
        self.hosts: dict[Server, Directive] = {}
        self._targets: dict[str, Target] = {}
        self._balancers = {name: self._balancer(name, some) for name, some in _members(top).items()}
        self._led = {one: self._target(one, word) for one in top.every() if (word := _url_of(one))}
        hosts = [one for one in top.every() if one.name == "virtualhost"]
        for host in hosts or [top] * bool(top.inner):
            self._listens(host, top)
        self.config = Config(config, list(self.hosts), list(self._targets.values()))

    def _listens(self, host: Directive, top: Directive) -> None:
        listens = [one.arguments[0].said for one in top.of("listen") if one.arguments]
        said = [one.said for one in host.arguments] if host.name else listens or ["80"]
        names = [word.said for one in host.of("servername", "serveralias") for word in one.arguments]
        plain = [re.sub(r"^\w+://|:\d+$", "", one) for one in names]
        port = next((found[1] for one in said if (found := re.search(r"(?:^|:)(\d+)$", one))), "80")
        tls = any(one.arguments and one.arguments[0].said.lower() == "on" for one in host.of("sslengine"))
        at = (host if host.words else top.inner[0]).words[0]
        name = plain[0] if plain else ""
        server = Server(name, port, tls, f"virtual host {name}".strip() if host.name else "main server", at)
        server.routes = list(self._routes([host, top] if host is not top else [top], plain))
        self.hosts[server] = host

    def _routes(self, levels: list[Directive], names: list[str]) -> Iterator[Route]:
        """Yield the ways of requests in the order in which they are tried (apache/httpd, mod_proxy.c, `proxy_trans`).

        Those of mod_rewrite come first, then what an `<If>` or a rule in a place may lead elsewhere, then the last
        `<Location>` that fits, then each `ProxyPass` as it stands; what maps files comes last. What stands outside of
        all virtual hosts is in each of them: its `ProxyPass` before one's own (`merge_proxy_config`), its `<Location>`
        behind; mod_rewrite inherits nothing.
        """
        conditions = False
        for one in levels[0].of("rewritecond", "rewriterule"):
            if one.name == "rewriterule" and len(one.arguments) > 1:
                rewrites = partial(_rewrites, one.arguments[0].said, one in self._led and not conditions)
                yield Route(one.shown, one.words[0], self._to(one), rewrites, names)
            conditions = one.name == "rewritecond"
        places = [
            (place, _place(place))
            for level in levels
            for place in reversed([*level.of("location", "locationmatch")])
            if place.arguments
        ]
        deeper = [(one, takes) for place, takes in places for one in place.deeper("rewriterule", *_CONDITIONS)]
        deeper += [(one, _anything) for level in levels for one in level.deeper(*_CONDITIONS)]
        for one, takes in deeper:
            yield from (
                Route(each.shown, each.words[0], [self._led[each]], partial(unless_false, takes), names)
                for each in (one, *one.every())
                if each in self._led
            )
        for place, takes in places:
            for one in place.of(*_PASSES, "sethandler"):
                if one in self._led or _is_none(one):
                    path, is_regex = place.arguments[-1].said, _is_pattern(place)
                    answers: Answers = partial(_takes, path, True) if one.name == "proxypassmatch" else takes
                    if is_regex and one.name == "proxypass":
                        answers = partial(unless_false, takes)
                    yield Route(place.shown, place.words[0], self._to(one), answers, names, [] if is_regex else [path])
        for one in (one for level in reversed(levels) for one in level.of(*_PASSES)):
            if len(one.arguments) > 1:
                path, is_regex = one.arguments[0].said, one.name == "proxypassmatch"
                takes, paths = partial(_takes, path, is_regex), [] if is_regex else [path]
                yield Route(one.shown, one.words[0], self._to(one), takes, names, paths)
        for one in (one for level in levels for one in level.deeper(*_FILES)):
            yield from (
                Route(one.shown, one.words[0], [self._led[each]], partial(unless_false, _anything), names)
                for each in one.every()
                if each in self._led
            )

    def _to(self, directive: Directive) -> list[Target]:
        return [self._led[directive]] if directive in self._led else []

    def _target(self, directive: Directive, word: Token) -> Target:
        """Return what a url leads to, and take note of where that stands."""
        found = _URL.search(word.raw)
        if found is None:
            raise InputError(directive.words[0].reject(f"`{directive.shown}` names no url"))
        if found["scheme"].lower() == "balancer":
            known = self._balancers.get(found["address"].lower())
            return known or Target(found["address"], word, why_not="is no `<Proxy balancer://...>` here")
        return self._noted(self._targets.setdefault(found["address"], self._plain(word, found)), word, found)

    def _plain(self, word: Token, found: re.Match[str]) -> Target:
        scheme, address, why = found["scheme"].lower(), found["address"], ""
        if scheme not in _HTTP:
            why = f"is spoken to by {scheme}, which is no HTTP/1.1 as other hops have it"
        elif "$" in address or "%" in address:
            why = "is only known as requests come: write the address itself"
        return Target(address, word, (address,), why)

    def _balancer(self, name: str, members: list[Token]) -> Target:
        urls = [(word, found) for word in members if (found := _URL.search(word.raw))]
        plain = [self._plain(word, found) for word, found in urls]
        why = next((one.why_not for one in plain if one.why_not), "")
        target = Target(name, members[0], tuple(one.name for one in plain), why)
        self._targets[name] = target
        for word, found in urls:
            self._noted(target, word, found)
        return target

    def _noted(self, target: Target, word: Token, found: re.Match[str]) -> Target:
        self.addresses.append(_Address(target, word, found))
        return target


def _members(top: Directive) -> dict[str, list[Token]]:
    """Return the words that name the members of each balancer: those of its section, and those that name it."""
    found: dict[str, list[Token]] = {}
    for section in (top, *top.every()):
        around = section.arguments[0].said if section.name == "proxy" and section.arguments else ""
        if around.lower().startswith(_BALANCER):
            found.setdefault(_plain_name(around), [])
        for one in section.inner:
            words = one.arguments if one.name == "balancermember" else []
            named = [word for word in words if word.said.lower().startswith(_BALANCER)]
            name = named[0].said if named else around
            urls = [word for word in words if word not in named and _URL.match(word.said)]
            found.setdefault(_plain_name(name), []).extend(urls[:1]) if urls else None
    return {name: members for name, members in found.items() if members}


def _plain_name(balancer: str) -> str:
    return balancer.lower().removeprefix(_BALANCER).rstrip("/")


def _url_of(directive: Directive) -> Token | None:
    """Return the word of a directive that says whom requests are passed on to; None if it passes none on."""
    words = directive.arguments
    match directive.name:
        case "proxypass" | "proxypassmatch" if words and not _is_none(directive):
            return next((word for word in words if _URL.match(word.said)), words[-1])
        case "sethandler" if words and "proxy:" in words[0].said:
            return words[0]
        case "rewriterule" if len(words) > 2 and not _PROXIES.isdisjoint(_flags(words[2])):
            return words[1]
        case _:
            return None


def _flags(word: Token) -> set[str]:
    """Return the flags of a rewrite rule, which know no case (mod_rewrite.c, `cmd_rewriterule_setflag`)."""
    return {flag.strip().lower() for flag in word.said.strip("[]").split(",")}


def _is_none(directive: Directive) -> bool:
    """Tell whether a `ProxyPass` says of a path that it is passed on to nobody."""
    return directive.name in _PASSES and any(word.said == "!" for word in directive.arguments[:2])


def _is_pattern(place: Directive) -> bool:
    return place.name == "locationmatch" or len(place.arguments) > 1


def _place(place: Directive) -> Answers:
    """Return which paths a `<Location>` takes."""
    return partial(_takes, place.arguments[-1].said, _is_pattern(place))


def _anything(host: str, asked: str) -> bool:
    return True


def _takes(path: str, is_regex: bool, host: str, asked: str) -> bool | None:
    """Tell whether a path is below another, by whole parts of it."""
    if is_regex:
        try:
            return re.search(path, asked) is not None
        except re.error:
            return None
    if re.search(r"[*?\[]", path):
        return None
    return asked.startswith(path) and (path.endswith("/") or asked[len(path) : len(path) + 1] in ("", "/"))


def _rewrites(pattern: str, for_certain: bool, host: str, asked: str) -> bool | None:
    """Tell whether a rule of mod_rewrite takes a path; None where only the request decides, or it leads elsewhere."""
    try:
        fits = (re.search(pattern.removeprefix("!"), asked) is not None) != pattern.startswith("!")
    except re.error:
        return None
    return (True if for_certain else None) if fits else False


# ---------------------------------------------------------------- the edit


def _edit(edits: Edits, top: Directive, found: _Reading, chosen: Chosen, standing: Standing) -> None:
    for one in top.every():
        if one.name == "virtualhost" and one.arguments:
            asked = one is found.hosts[chosen.server]
            edits.take_out(one.arguments[0], one.arguments[-1])
            address = Token(one.words[0].source, one.arguments[0].start, one.arguments[-1].end, "")
            edits.replace(address, "${LISTEN}" if asked else NOBODY)
        elif one.name in ("include", "includeoptional"):
            _include(edits, one)
        elif one.name == "loadmodule" and len(one.arguments) == 2:
            _module(edits, one, standing)
        elif _OURS.fullmatch(one.name) and not one.is_section:
            edits.take_out(one.words[0], one.words[-1])
        elif one.name in _CERTIFICATES and one.arguments:
            edits.replace(one.arguments[0], _CERTIFICATES[one.name])
        elif one.name in ("proxypass", "proxypassmatch", "balancermember"):
            for word in one.arguments:
                if re.match(r"hc\w+=", word.said):
                    edits.take_out(word, word)
    for led in found.addresses:
        stands, scheme = led.target in chosen.targets, led.found["scheme"].lower()
        if stands:
            scheme = _scheme(scheme, standing.scheme == "https")
        start, end = led.word.start + led.found.start(), led.word.start + led.found.end()
        where = "${UPSTREAM_ADDRESS}" if stands else NOBODY
        edits.replace(Token(led.word.source, start, end, ""), f"{scheme}://{where}")


def _scheme(scheme: str, secure: bool) -> str:
    """Return how the next hop is spoken to: a WebSocket stays one."""
    if scheme in ("ws", "wss"):
        return "wss" if secure else "ws"
    return "https" if secure else "http"


def _includes(top: Directive) -> Iterator[str]:
    """Yield what may be included once it is there."""
    yield from (one.arguments[0].said for one in top.every() if one.name == "includeoptional" and one.arguments)


def _include(edits: Edits, directive: Directive) -> None:
    """Take out what need not be here; what is here, has to be in the file itself, as it may hold what must change."""
    named = directive.arguments[0].said if directive.arguments else ""
    folder = directive.words[0].source.path.parent
    here = [Path(named)] if named.startswith("/") else [folder / named]
    here = [one for file in here for one in ([file] if is_file(file) else sorted(file.parent.glob(file.name)))]
    needless = directive.name == "includeoptional" or Path(named).name == "options-ssl-apache.conf"
    if not here and needless:
        edits.take_out(directive.words[0], directive.words[-1])
        return
    what = "is not read along" if here else "finds no file here"
    why = f"`{directive.shown}` {what}: write what it says into a copy, or leave it out of it"
    raise InputError(directive.words[0].reject(why))


def _module(edits: Edits, directive: Directive, standing: Standing) -> None:
    """Have a module loaded from where this Apache has it; one that it has not, or has built in, is taken out."""
    name = Path(directive.arguments[1].said).name
    installed = standing.installed()
    if is_file(Path(ROOT.replace("${INSTALLED}", str(installed.folder or "")), "modules", name)):
        edits.replace(directive.arguments[1], f"modules/{name}")
    else:
        edits.take_out(directive.words[0], directive.words[-1])
