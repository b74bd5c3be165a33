"""An Envoy bootstrap as it is deployed: its static listeners, routes and clusters, edited where they stand.

Rules:
- a filter chain of a listener is what is asked, a route what answers, a cluster a target; every address of the one that
  is mapped becomes the next hop's, all others are nobody's; health checks are taken out, as the next hop answers none;
- all other listeners and filter chains are taken out, and what the one that is asked wants of a connection: a name in
  TLS, the PROXY protocol; its virtual host is that of whoever asks, as a hop in front may ask by another name;
- who else would be asked whether a request may pass (`ext_authz`, `oauth2`, keys of JWTs from elsewhere) is taken out;
- what is put in is JSON, as a bootstrap may be;
- what is told by somebody else (xDS: dynamic_resources, RDS, EDS) is refused: he is not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePath

from harness.errors import InputError
from harness.proxies.languages.base import Change, Fitted, Standing, Wanted
from harness.proxies.languages.choice import Chosen, Config, Route, Server, Target, unless_false
from harness.proxies.languages.envoy_mitigated import change
from harness.proxies.languages.envoy_routes import Hosts, domains, paths
from harness.proxies.languages.secrets import masked_tree
from harness.proxies.languages.yaml_nodes import Value, YamlEdits
from harness.proxies.source_text import Source

_GONE = ("admin", "stats_sinks", "stats_config", "tracing", "hds_config", "flags_path")
_OF_CONNECTIONS = (
    *("additional_addresses", "bind_to_port", "use_original_dst", "transparent", "freebind", "socket_options"),
    *("tcp_fast_open_queue_length", "enable_reuse_port", "reuse_port", "traffic_direction"),
)
_OF_PEERS = (
    *("health_checks", "transport_socket_matches", "upstream_bind_config", "dns_resolvers"),
    *("dns_resolution_config", "typed_dns_resolver_config", "use_tcp_for_dns_lookups"),
)
_PAIR = '{"certificate_chain": {"filename": "${CERTIFICATE}"}, "private_key": {"filename": "${CERTIFICATE_KEY}"}}'
_CERTIFICATES = f'"tls_certificates": [{_PAIR}]'
_CONTEXT = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_TLS = f'"transport_socket": {{"name": "envoy.transport_sockets.tls", "typed_config": {{"@type": "{_CONTEXT}"}}}}'
_HTTP1 = '"explicit_http_config": {"http_protocol_options": {}}'
_NOBODY = '{"address": "127.0.0.1", "port_value": 1}'
_NEXT = '{"address": "${UPSTREAM_HOST}", "port_value": ${UPSTREAM_PORT}}'
_LISTEN = '{"address": "${LISTEN_HOST}", "port_value": ${PORT}}'


def fitted(config: Path, standing: Standing) -> Fitted:
    """Return a config as it can stand in a chain. Raises InputError for what cannot be taken over."""
    source = standing.read(config)
    found = _Reading(config, Value.of(source))
    chosen = Chosen(found.config, standing.said, standing.behind.knows_streams_only)
    return Fitted(
        _edited(source, found, chosen, standing.scheme),
        {source: PurePath(config.name)},
        chosen.asked,
        chosen.host,
        chosen.server.tls,
        chosen.served_by(),
        masked=masked_tree,
        change=partial(_change, found, chosen),
    )


def _change(found: _Reading, chosen: Chosen, wanted: Wanted) -> Change | None:
    """Return what changes for the route that answers, if that is known, and one of HTTP."""
    if chosen.route not in found.managers:
        return None
    manager, host, route = found.managers[chosen.route]
    return change(found.root, manager.get("http_filters"), (route, host, manager.get("route_config")), wanted)


class _Reading:
    """The filter chains of static listeners as servers, and static clusters as targets.

    `chains` are those of servers, with their listener; `managers` those of routes: the config of the filter that has
    them, the virtual host, and the route itself.
    """

    def __init__(self, config: Path, root: Value) -> None:
        self.root = root
        _refuse_what_others_tell(root)
        self.clusters = {
            self._target(one): one for one in root.get("static_resources", "clusters").items if one.get("name")
        }
        self.chains: dict[Server, tuple[Value, Value]] = {}
        self.managers: dict[Route | None, tuple[Value, Value, Value]] = {}
        for listener in root.get("static_resources", "listeners").items:
            self._listens(listener)
        self.config = Config(config, list(self.chains), list(self.clusters))

    def _target(self, cluster: Value) -> Target:
        addresses = tuple(_shown(one) for one in _addresses(cluster))
        why, options = "", cluster.get("typed_extension_protocol_options")
        if not addresses:
            why = "has no address of its own: write its endpoints (`load_assignment`)"
        elif cluster.entry("http2_protocol_options") or any(
            one.name == "explicit_http_config" and one.value.entry("http2_protocol_options") for one in options.every()
        ):
            why = "is spoken to by HTTP/2 only (`http2_protocol_options`), which the next hop does not know"
        return Target(cluster.get("name").said, cluster.get("name").token, addresses, why)

    def _listens(self, listener: Value) -> None:
        address = listener.get("address", "socket_address")
        port = address.get("port_value").said
        if not port.isdigit() or address.get("protocol").said == "UDP":
            return
        name = listener.get("name").said or f"at {port}"
        default = listener.get("default_filter_chain")
        for chain in [*listener.get("filter_chains").items, *([default] if default else [])]:
            said = chain.get("transport_socket", "typed_config", "@type").said
            named = listener.get("name") or listener
            server = Server(name, port, "DownstreamTls" in said, f"listener {name}", named.token)
            server.routes = [route for one in chain.get("filters").items for route in self._routes(one)]
            if server.routes:
                self.chains[server] = (listener, chain)

    def _routes(self, filter_: Value) -> Iterator[Route]:
        config = filter_.get("typed_config")
        if config.get("@type").said.endswith(".TcpProxy"):
            yield Route("tcp_proxy", config.token, self._to(config))
        hosts = Hosts(config.get("route_config", "virtual_hosts").items)
        for host in hosts.hosts:
            for route in host.get("routes").items:
                match = route.get("match")
                action = route.get("route")
                path = paths(match)
                takes = partial(hosts.takes, host, match)
                unknown = action and not (action.get("cluster") or action.get("weighted_clusters"))
                made = Route(
                    f"route {path[0] if path else match.get('safe_regex', 'regex').said or 'of a match'}",
                    route.token,
                    list(self.clusters) if unknown else self._to(action),
                    partial(unless_false, takes) if unknown else takes,
                    [one for one in domains(host) if one != "*"],
                    path or ["/"],
                )
                self.managers[made] = (config, host, route)
                yield made

    def _to(self, action: Value) -> list[Target]:
        shares = [one.get("name") for one in action.get("weighted_clusters", "clusters").items]
        named = [one for one in (action.get("cluster"), *shares) if one]
        known = {one.name: one for one in self.clusters}
        return [
            known.get(one.said) or Target(one.said, one.token, why_not="is no static cluster here") for one in named
        ]


def _addresses(cluster: Value) -> Iterator[Value]:
    """Yield the addresses of a cluster's endpoints, each a mapping with a `socket_address` or a `pipe`."""
    for entry in cluster.get("load_assignment").every():
        address = entry.value.get("address")
        if entry.name == "endpoint" and (address.get("socket_address") or address.get("pipe")):
            yield address


def _shown(address: Value) -> str:
    socket = address.get("socket_address")
    return (
        f"{socket.get('address').said}:{socket.get('port_value').said}" if socket else address.get("pipe", "path").said
    )


def _refuse_what_others_tell(root: Value) -> None:
    why = "is told by a management server, which is not here: write it into static_resources (its /config_dump has it)"
    for entry in root.every():
        plain = entry.name.replace("_", "").lower()
        is_eds = plain == "type" and entry.value.said == "EDS"
        if plain in ("dynamicresources", "rds", "scopedroutes", "edsclusterconfig") or is_eds:
            raise InputError(entry.key.reject(f"`{entry.name}{': EDS' if is_eds else ''}` {why}"))


def _edited(source: Source, found: _Reading, chosen: Chosen, scheme: str) -> dict[Source, str]:
    edits = YamlEdits(source)
    listener, chain = found.chains[chosen.server]
    edits.drop(found.root, *_GONE)
    edits.drop_items(found.root.get("static_resources", "listeners"), lambda one: one is listener)
    edits.put(listener.get("address", "socket_address"), _LISTEN)
    edits.drop(listener, *_OF_CONNECTIONS)
    _listener_filters(edits, listener)
    if chain is not listener.get("default_filter_chain"):
        edits.drop(listener, "default_filter_chain")
        edits.drop_items(listener.get("filter_chains"), lambda one: one is chain)
        edits.drop(chain, "filter_chain_match")
    else:
        edits.drop(listener, "filter_chains")
    tls = chain.get("transport_socket", "typed_config", "common_tls_context")
    for key in ("tls_certificates", "tls_certificate_sds_secret_configs", "tls_certificate_provider_instance"):
        edits.change(tls, key, _CERTIFICATES)
    for secret in found.root.get("static_resources", "secrets").items:
        edits.put(secret.get("tls_certificate", "certificate_chain"), '{"filename": "${CERTIFICATE}"}')
        edits.put(secret.get("tls_certificate", "private_key"), '{"filename": "${CERTIFICATE_KEY}"}')
    for entry in chain.every():
        if entry.name in ("access_log", "accessLog"):
            edits.drop(entry.mapping, entry.name)
    edits.drop(listener, "access_log")
    for filters in (
        chain.get("filters"),
        *(one.get("typed_config", "http_filters") for one in chain.get("filters").items),
    ):
        if any(map(_asks_leave, filters.items)):
            edits.drop_items(filters, lambda one: not _asks_leave(one))
    if chosen.route in found.managers:
        manager, host, _ = found.managers[chosen.route]
        edits.drop_items(manager.get("route_config", "virtual_hosts"), lambda one: one is host)
        edits.change(host, "domains", '"domains": ["*"]')
    for target, cluster in found.clusters.items():
        _cluster(edits, cluster, target in chosen.targets, scheme)
    return edits.texts


def _asks_leave(filter_: Value) -> bool:
    """Tell whether a filter asks somebody else whether a request may pass."""
    kind = filter_.get("typed_config", "@type").said
    remote = any(one.name.replace("_", "").lower() == "remotejwks" for one in filter_.get("typed_config").every())
    return kind.endswith((".ExtAuthz", ".OAuth2")) or (kind.endswith(".JwtAuthentication") and remote)


def _listener_filters(edits: YamlEdits, listener: Value) -> None:
    """Have nothing expected before a request that only a balancer in front sends."""
    filters = listener.get("listener_filters")
    kept = [one for one in filters.items if not _is_of_a_balancer(one)]
    if kept:
        edits.drop_items(filters, kept.__contains__)
    else:
        edits.drop(listener, "listener_filters")


def _is_of_a_balancer(filter_: Value) -> bool:
    return filter_.get("name").said.endswith(("proxy_protocol", "original_dst", "original_src"))


def _cluster(edits: YamlEdits, cluster: Value, stands: bool, scheme: str) -> None:
    edits.drop(cluster, *_OF_PEERS)
    for address in _addresses(cluster):
        where = _NEXT if stands else _NOBODY
        edits.change(address, "socket_address", f'"socket_address": {where}')
        edits.change(address, "pipe", f'"socket_address": {where}')
    for entry in cluster.get("typed_extension_protocol_options").every():
        if entry.name in ("auto_config", "use_downstream_protocol_config"):
            edits.change(entry.mapping, entry.name, _HTTP1)
    if stands and scheme == "https" and not cluster.entry("transport_socket"):
        name = cluster.get("name")
        column = name.token.start - name.source.text.rfind("\n", 0, name.token.start) - 1
        block = not (cluster.node and getattr(cluster.node, "flow_style", False))
        indent = " " * (column - len("name: "))
        edits.put(name, f"{name.token.raw}{chr(10) + indent if block else ', '}{_TLS}")
    elif stands and scheme == "https":
        edits.change(cluster, "transport_socket", _TLS)
    else:
        edits.drop(cluster, "transport_socket")
