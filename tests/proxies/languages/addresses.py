"""Configs that name an address wherever their program takes one: `app.internal` is mapped, all other hosts are not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

APP = "app.internal"

_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

EVERYWHERE: Mapping[str, Mapping[str, str]] = {
    "apache": {
        "s.conf": """\
ProxyRemote http://via.internal:7 http://forward.internal:8
ProxyPass /top http://top.internal:9/
<Location /toploc>
ProxyPass http://app.internal:8000/
</Location>
BalancerMember balancer://b http://named.internal:10
<VirtualHost *:81>
ServerName other.test
RewriteRule ^/o http://flag.internal:11/ [qsa,Proxy]
<If "%{QUERY_STRING} == 'x'">
ProxyPass http://if.internal:12/
</If>
<FilesMatch \\.php$>
SetHandler "proxy:fcgi://php.internal:13"
</FilesMatch>
</VirtualHost>
<VirtualHost *:80>
ServerName shop.test
ProxyPass /static !
ProxyPassMatch ^/m/(.*)$ http://match.internal:1/$1
RewriteEngine on
RewriteRule ^/r(.*)$ http://rewrite.internal:2$1 [P,L]
<Proxy balancer://b>
BalancerMember http://member.internal:3
BalancerMember http://other.internal:4
</Proxy>
<Location /l>
ProxyPass http://location.internal:5/
ProxyPassReverse http://location.internal:5/
</Location>
<Location /rl>
RewriteRule ^ http://inner.internal:14/ [p]
<If "true">
ProxyPass http://deep.internal:15/
</If>
</Location>
<Location /h>
SetHandler "proxy:http://handler.internal:6"
</Location>
ProxyPass /b balancer://b/
ProxyPass / http://app.internal:8000/
</VirtualHost>
""",
    },
    "caddy": {
        "c.json": json.dumps(
            {
                "admin": {"listen": "admin.internal:1"},
                "apps": {
                    "layer4": {"servers": {"s": {"listen": ["four.internal:6"]}}},
                    "http": {
                        "servers": {
                            "a": {
                                "listen": [":80"],
                                "routes": [
                                    {
                                        "match": [{"path": ["/x"]}],
                                        "handle": [
                                            {"handler": "reverse_proxy", "upstreams": [{"dial": "x.internal:2"}]}
                                        ],
                                    },
                                    {
                                        "handle": [
                                            {
                                                "handler": "reverse_proxy",
                                                "upstreams": [{"dial": "app.internal:8000"}],
                                                "transport": {
                                                    "protocol": "http",
                                                    "resolver": {"addresses": ["d.internal:3"]},
                                                },
                                                "health_checks": {"active": {"upstream": "h.internal:4"}},
                                            }
                                        ]
                                    },
                                ],
                            },
                            "b": {"listen": ["lan.internal:5"]},
                        }
                    },
                },
            },
            indent=1,
        )
    },
    "envoy": {
        "e.yaml": f"""\
admin: {{address: {{socket_address: {{address: admin.internal, port_value: 1}}}}}}
static_resources:
  listeners:
  - address: {{socket_address: {{address: lan.internal, port_value: 80}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/{_MANAGER}
          route_config:
            virtual_hosts:
            - name: all
              domains: ['*']
              routes:
              - {{match: {{prefix: /x}}, route: {{cluster: x}}}}
              - {{match: {{prefix: /}}, route: {{cluster: app}}}}
  clusters:
  - name: x
    load_assignment:
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: x.internal, port_value: 2}}}}}}
  - name: app
    dns_resolvers: [{{socket_address: {{address: d.internal, port_value: 3}}}}]
    load_assignment:
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: app.internal, port_value: 8000}}}}}}
""",
    },
    "haproxy": {
        "h.cfg": """\
global
 log log.internal:1 local0
peers p
 peer a peer.internal:2
resolvers r
 nameserver d d.internal:3
frontend f
 bind :80
 bind lan.internal:81
 use_backend x if { path /x }
 default_backend app
backend x
 server x x.internal:4 check addr health.internal port 5
 dispatch dispatch.internal:6
backend app
 source source.internal:7
 server app app.internal:8000 resolvers r socks4 socks.internal:8
 server-template t 2 app.internal:8001
""",
    },
    "traefik": {
        "traefik.yml": """\
entryPoints: {web: {address: ":80"}, other: {address: "lan.internal:81"}}
providers: {file: {filename: d.yml}, consul: {endpoints: ["consul.internal:1"]}}
metrics: {statsD: {address: "metrics.internal:2"}}
tracing: {otlp: {http: {endpoint: "http://trace.internal:3"}}}
""",
        "d.yml": """\
http:
  routers:
    x: {rule: "PathPrefix(`/x`)", service: x, entryPoints: [web]}
    app: {rule: "PathPrefix(`/`)", service: app, entryPoints: [web], middlewares: [login@file, size]}
  services:
    x: {loadBalancer: {servers: [{url: "http://x.internal:4"}]}}
    app: {loadBalancer: {servers: [{url: "http://app.internal:8000"}, {url: "http://app.internal:8001/"}]}}
  middlewares:
    login: {chain: {middlewares: [ask]}}
    ask: {forwardAuth: {address: "http://auth.internal:6"}}
    size: {buffering: {maxRequestBodyBytes: 9}}
tcp: {services: {t: {loadBalancer: {servers: [{address: "tcp.internal:5"}]}}}}
""",
    },
}

STAYS = re.compile(r"^\s*ProxyPassReverse\b")
"""Lines that name an address which nobody is asked at: they only say what an answer's headers are read as."""


def addresses(text: str) -> list[str]:
    """Return the hosts that a text names where somebody is spoken to."""
    lines = (line for line in text.splitlines() if not STAYS.match(line))
    return [host for line in lines for host in re.findall(r"[\w-]+\.internal\b", line)]
