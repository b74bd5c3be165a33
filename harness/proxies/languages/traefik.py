"""A Traefik config as it is deployed: its static file with what the file provider reads beside it, or a dynamic file.

Rules:
- an entry point is a listener, a router a route, a service with servers a target; all urls of the one that is mapped
  become the next hop's, all others are nobody's; health checks are taken out, as the next hop does not answer them;
- who else would be asked whether a request may pass (`forwardAuth`) is taken out, as he is not here;
- the entry point that is asked gets our address, all others a port that is nobody's business;
- services must stand in files: who else tells of them (Docker, Kubernetes, Consul) is not here;
- files are laid into one folder, which the file provider reads, with a throw-away certificate as the default one.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path, PurePath

from harness.errors import InputError, allowed
from harness.proxies.languages.base import Change, Fitted, Standing, Wanted
from harness.proxies.languages.choice import NOBODY, Chosen, Config, Route, Server, Target
from harness.proxies.languages.secrets import masked_tree
from harness.proxies.languages.traefik_mitigated import change, plain
from harness.proxies.languages.traefik_rules import Rule
from harness.proxies.languages.yaml_nodes import Entry, Value, YamlEdits
from harness.proxies.source_text import Source
from harness.resources import is_file

_RUN = ("${PROGRAM}", "--configFile=${CONFIG}")
_DYNAMIC = ("http", "tcp", "udp", "tls")
_PORTS = {"web": "80", "http": "80", "websecure": "443", "https": "443"}
"""Where entry points listen that only dynamic files name, as people call them."""
_FOLDER = "dynamic"
_CERTIFICATE = 'certFile: "${CERTIFICATE}", keyFile: "${CERTIFICATE_KEY}"'
_STORE = f"tls: {{stores: {{default: {{defaultCertificate: {{{_CERTIFICATE}}}}}}}}}\n"
_GONE = ("log", "accessLog", "metrics", "tracing", "ping", "certificatesResolvers", "spiffe", "hostResolver", "hub")
_NO_CALLS = "{checkNewVersion: false, sendAnonymousUsage: false}"
_USUAL = "/etc/traefik/"
_MOST = 1000  # files of a folder that is one of configs


def fitted(config: Path, standing: Standing) -> Fitted:
    """Return a config as it can stand in a chain. Raises InputError for what cannot be taken over."""
    found = _Reading(config, standing)
    chosen = Chosen(found.config, standing.said, standing.behind.knows_streams_only)
    store = Source(config.with_name("harness-store.yml"), _STORE)
    texts = _Edit(found, chosen, standing.scheme).made()
    has_store = any(one.get("tls", "stores", "default") for one in found.dynamic)
    if chosen.server.tls and not has_store:
        texts[store] = _STORE
    names = (f"{at}-{source.path.name}" for at, source in enumerate(texts))
    places = {source: PurePath(_FOLDER, name) for source, name in zip(texts, names, strict=True)}
    main = found.static.source
    return Fitted(
        texts,
        {**places, main: PurePath(main.path.name)},
        chosen.asked,
        chosen.host,
        chosen.server.tls,
        chosen.served_by(),
        frozenset({store, *(() if found.is_static else (main,))}),
        _RUN,
        masked=masked_tree,
        change=partial(_change, found, chosen),
        folders=found.folders,
    )


def _change(found: _Reading, chosen: Chosen, wanted: Wanted) -> Change | None:
    """Return what changes for the router that answers, if that is known."""
    router = found.routers.get(chosen.route) if chosen.route else None
    services = [entry for target, entry in found.services.items() if chosen.leads_to(target)]
    if router is None or len(services) != 1:
        return None
    documents = [found.static, *found.dynamic]
    uses = [router, found.points[chosen.server]]
    return change(documents, uses, services[0], wanted)


class _Reading:
    """What a static file and its dynamic ones say: entry points as servers, routers as routes, services as targets."""

    def __init__(self, config: Path, standing: Standing) -> None:
        given = _document(standing.read(config))
        self.is_static = any(one.name not in _DYNAMIC for one in given.entries)
        self.static = given if self.is_static else _static_around(given)
        files = _files(self.static, config) if self.is_static else []
        self.dynamic = [_document(standing.read(file)) for file in files] if self.is_static else [given]
        self.folders = _folders(self.static, config) if self.is_static else frozenset()
        self.urls: dict[Target, list[Value]] = {}
        self.points: dict[Server, Entry] = {}
        self.routers: dict[Route, Entry] = {}
        self.services: dict[Target, Entry] = {}
        self._targets = {name: self._target(name, one) for name, one in self._all("services") if _urls(one.value)}
        for point in self.static.get("entryPoints").entries:
            self._listens(point)
        self.config = Config(config, list(self.points), list(self._targets.values()))

    def _all(self, kind: str) -> Iterator[tuple[str, Entry]]:
        for document in self.dynamic:
            yield from ((entry.name, entry) for entry in document.get("http", kind).entries)

    def _target(self, name: str, service: Entry) -> Target:
        urls = _urls(service.value)
        why = ""
        if any(one.said.startswith("h2c://") for one in urls):
            why = "is spoken to by HTTP/2 only (`h2c://`), which the next hop does not know"
        target = Target(name, service.key.token, tuple(one.said for one in urls), why)
        self.urls[target], self.services[target] = urls, service
        return target

    def _listens(self, point: Entry) -> None:
        address = point.value.get("address").said
        port = re.search(r":(\d+)(/tcp)?$", address)
        if port is None:
            return
        said = point.value.get("http")
        routers = sorted(self._routers(point.name), key=lambda one: -_priority(one))
        for tls in (True, False):
            own = [one for one in routers if tls == bool(said.get("tls") or one.value.get("tls"))]
            if own and not said.get("redirections"):
                at = (point if self.is_static else own[0]).key.token
                server = Server(point.name, port[1], tls, f"entry point {point.name}", at)
                server.routes = [self._route(one) for one in own]
                self.points[server] = point

    def _routers(self, point: str) -> Iterator[Entry]:
        for _, router in self._all("routers"):
            said = router.value.get("entryPoints")
            names = [one.said for one in said.items] or [one for one in said.said.split(",") if one]
            if point in names or (not names and self._is_default(point)):
                yield router

    def _is_default(self, point: str) -> bool:
        """Whether an entry point is one of those that routers are at which name none."""
        entries = self.static.get("entryPoints").entries
        chosen = [one.name for one in entries if one.value.get("asDefault").said == "true"]
        return point in (chosen or [one.name for one in entries if one.name != "traefik"])

    def _route(self, router: Entry) -> Route:
        rule = Rule.of(router.value.get("rule").said)
        made = Route(
            f"router {router.name}",
            router.key.token,
            list(self._to(router, router.value.get("service").said)),
            rule.holds,
            rule.values("host"),
            rule.values("path", "pathprefix") or ["/"],
        )
        self.routers[made] = router
        return made

    def _to(self, router: Entry, name: str, above: tuple[str, ...] = ()) -> Iterator[Target]:
        """Yield the targets of a service: itself, or those that it shares requests out to."""
        plain, _, provider = name.partition("@")
        services = dict(self._all("services"))
        if provider == "internal" or plain in above:
            return
        if plain in self._targets and provider in ("", "file"):
            yield self._targets[plain]
        elif plain in services and provider in ("", "file"):
            for entry in services[plain].value.every():
                if entry.name in ("service", "fallback") and entry.value.said:
                    yield from self._to(router, entry.value.said, (*above, plain))
                elif entry.name == "services":
                    for one in entry.value.items:
                        yield from self._to(router, one.get("name").said, (*above, plain))
        else:
            why = f"is no service of the files; {allowed(plain, list(services))}"
            yield Target(name or router.name, router.value.get("service").token, why_not=why)


def _priority(router: Entry) -> int:
    said = router.value.get("priority").said
    return int(said) if re.fullmatch(r"-?[1-9]\d*", said) else len(router.value.get("rule").said)


def _urls(service: Value) -> list[Value]:
    return [one.get("url") for one in service.get("loadBalancer", "servers").items if one.get("url")]


def _is_of(middlewares: Value, names: set[str]) -> bool:
    """Tell whether a list names nothing but some middlewares."""
    return bool(middlewares.items) and all(plain(one) in names for one in middlewares.items)


def _document(source: Source) -> Value:
    """Read a file. Raises InputError if it is not YAML as it stands."""
    if source.path.suffix == ".toml":
        raise InputError(source.reject(0, "is TOML, which is not read as deployed: write it as YAML"))
    if at := source.text.find("{{") + 1:
        why = "holds a Go template, which only Traefik fills in: write what it comes to"
        raise InputError(source.reject(at - 1, why))
    return Value.of(source)


def _static_around(dynamic: Value) -> Value:
    """Return a static config of ours for a dynamic file that stands alone: the entry points that its routers name."""
    said = (router.value.get("entryPoints") for router in dynamic.get("http", "routers").entries)
    names = [point.said for one in said for point in one.items] or ["web"]
    points = "".join(f'  {name}: {{address: ":{_PORTS.get(name, "8000")}"}}\n' for name in dict.fromkeys(names))
    text = f"entryPoints:\n{points}providers:\n  file: {{filename: {dynamic.source.path.name}}}\n"
    return Value.of(Source(dynamic.source.path.with_name("harness.yml"), text))


def _files(static: Value, config: Path) -> list[Path]:
    """Return the files that the file provider reads. Raises InputError if there are none."""
    provider = static.get("providers", "file")
    others = [
        one for one in static.get("providers").entries if one.value and one.name != "file" and one.value.is_mapping
    ]
    if not provider:
        if others:
            why = f"`{others[0].name}` tells of services, and is not here: write routers and services into a file"
            raise InputError(others[0].key.reject(f"{why} (`providers.file`)"))
        raise InputError(static.reject("has no `providers.file`: routers and services must stand in a file"))
    said = provider.get("filename") or provider.get("directory")
    found = _beside(config.parent, said.said)
    if found.is_dir():
        below = glob.iglob(str(Path(glob.escape(str(found)), "**", "*")), recursive=True)
        there = sorted(map(Path, islice(below, _MOST)))
        if len(there) == _MOST:
            raise InputError(said.reject(f"has more below {found} than a config: name the folder that has it"))
        files = [one for one in there if one.suffix in (".yml", ".yaml", ".toml") and is_file(one)]
    else:
        files = [found] if is_file(found) else []
    if not files:
        raise InputError(said.reject(f"finds nothing at {found}: relative ones lie beside {config}"))
    return files


def _folders(static: Value, config: Path) -> frozenset[Path]:
    """Return the folder that the file provider reads, with those below; none of a file."""
    provider = static.get("providers", "file")
    found = _beside(config.parent, provider.get("directory").said) if provider.get("directory") else None
    if found is None or provider.get("filename"):
        return frozenset()
    return frozenset([found, *(one for one in found.rglob("*") if one.is_dir())])


def _beside(folder: Path, named: str) -> Path:
    """Return what a path means: relative ones lie beside the config, as those of the usual folder do in a copy."""
    given = Path(named)
    if given.is_absolute() and not given.exists() and named.startswith(_USUAL):
        given = Path(named.removeprefix(_USUAL))
    return folder / given


class _Edit:
    """What is changed of a config, so that what was chosen stands in a chain."""

    def __init__(self, found: _Reading, chosen: Chosen, scheme: str) -> None:
        self._found = found
        self._chosen = chosen
        self._scheme = scheme
        self._edits = YamlEdits(found.static.source, *(one.source for one in found.dynamic))

    def made(self) -> dict[Source, str]:
        """Return the texts, edited, the static one first."""
        self._without_logins()
        self._static(self._found.static)
        for document in self._found.dynamic:
            self._dynamic(document)
        for target, urls in self._found.urls.items():
            for url in urls:
                stands = target in self._chosen.targets
                self._edits.put(url, '"${UPSTREAM}"' if stands else f'"http://{NOBODY}"')
        texts = self._edits.texts
        main = self._found.static.source
        texts[main] = self._with_ours(texts[main])
        return texts

    def _static(self, static: Value) -> None:
        edits = self._edits
        if plugins := static.get("experimental", "plugins") or static.get("experimental", "localPlugins"):
            raise InputError(plugins.reject("plugins are fetched or compiled by Traefik: leave them out of a copy"))
        edits.drop(static, *_GONE, "global", *(["serversTransport"] if self._scheme == "https" else []))
        edits.put(static.get("api", "insecure"), "false")
        providers = static.get("providers")
        edits.drop(providers, *(one.name for one in providers.entries if one.value.is_mapping and one.name != "file"))
        edits.put(providers.get("file"), f"{{directory: {_FOLDER}, watch: false}}")
        for point in static.get("entryPoints").entries:
            address = point.value.get("address")
            is_asked = point is self._found.points[self._chosen.server]
            udp = "/udp" if address.said.endswith("/udp") else ""
            edits.put(address, '"${LISTEN}"' if is_asked else f'"127.0.0.1:0{udp}"')
            edits.drop(point.value, "http3")
            edits.drop(point.value.get("http", "tls"), "certResolver", "domains")

    def _with_ours(self, text: str) -> str:
        """Return the static text with what has to be said and stands nowhere: it is to call nobody by itself."""
        ours = [f"global: {_NO_CALLS}", *(["serversTransport: {insecureSkipVerify: true}"] * (self._scheme == "https"))]
        if self._found.static.node is not None and text.rstrip().endswith("}") and text.lstrip().startswith("{"):
            return f"{text.rstrip()[:-1].rstrip().removesuffix(',')}, {', '.join(ours)}}}\n"
        return "\n".join([text.removesuffix("\n"), *ours, ""])

    def _dynamic(self, document: Value) -> None:
        edits = self._edits
        edits.drop(document, "tcp", "udp")
        http, tls = document.get("http"), document.get("tls")
        for router in http.get("routers").entries:
            edits.drop(router.value.get("tls"), "certResolver", "domains")
        for service in http.get("services").entries:
            others = ["serversTransport"] if self._scheme == "https" else []
            edits.drop(service.value.get("loadBalancer"), "healthCheck", *others)
        for middleware in http.get("middlewares").entries:
            if plugin := middleware.value.get("plugin"):
                raise InputError(plugin.reject("a plugin is fetched or compiled by Traefik: leave it out of a copy"))
        for pair in [*tls.get("certificates").items, tls.get("stores", "default", "defaultCertificate")]:
            edits.put(pair.get("certFile"), '"${CERTIFICATE}"')
            edits.put(pair.get("keyFile"), '"${CERTIFICATE_KEY}"')
        edits.drop(tls.get("stores", "default"), "defaultGeneratedCert")
        for options in tls.get("options").entries:
            edits.put(options.value.get("sniStrict"), "false")

    def _without_logins(self) -> None:
        """Take out the middlewares that ask somebody else whether a request may pass, and chains of nothing else."""
        there = [entry for document in self._found.dynamic for entry in document.get("http", "middlewares").entries]
        gone = {one.name for one in there if one.value.get("forwardAuth")}
        while more := {one.name for one in there if _is_of(one.value.get("chain", "middlewares"), gone)} - gone:
            gone |= more
        documents = (self._found.static, *self._found.dynamic)
        uses = [entry for one in documents for entry in one.every() if entry.name == "middlewares"] if gone else []
        for entry in uses:
            if _is_of(entry.value, gone):
                self._edits.drop(entry.mapping, entry.name)
            elif entry.value.items:
                self._edits.drop_items(entry.value, lambda one: plain(one) not in gone)
        for document in self._found.dynamic:
            self._edits.drop(document.get("http", "middlewares"), *gone)
