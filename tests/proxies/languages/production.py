"""Configs as people deploy them, one for each language, with what hinders them to run anywhere else."""

from __future__ import annotations

HAPROXY = """\
global
    log /dev/log local0   # to syslog
    chroot /var/lib/haproxy
    stats socket /run/haproxy/admin.sock mode 660 level admin
    user haproxy
    daemon
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    log     global
    mode    http
    timeout connect 5s
    errorfile 503 /nowhere/503.http
resolvers docker
    nameserver dns1 127.0.0.11:53
frontend www
    bind :80
    bind *:443 ssl crt /etc/haproxy/a.pem crt /etc/haproxy/b.pem strict-sni alpn h2,http/1.1
    acl is_api hdr(host) -i api.example
    acl is_chat path_beg -i /api/chat /api/stream
    use_backend chat if is_api is_chat
    use_backend admin if { path_beg /admin } !is_api
    default_backend web
backend chat
    option http-no-delay
    option httpchk GET /healthz
    default-server check inter 2s resolvers docker init-addr none
    server app1 app-1:8000 maxconn 200
    server app2 app-2:8000 ssl verify required ca-file /etc/ssl/ca.pem backup
backend web
    server web1 "web:3000" check cookie w1
backend admin
    server admin1 10.0.0.5:9000 track chat/app1
"""

CADDY = """\
{
\temail ops@shop.example
\tadmin :2019
\tlog default {
\t\toutput file /nowhere/caddy/default.log
\t}
}

(common) {
\tencode zstd gzip
\theader -Server
}

shop.example, www.shop.example {
\timport common
\tlog {
\t\toutput file /nowhere/caddy/access.log
\t}
\t@chat path /api/chat /api/chat/*
\thandle @chat {
\t\treverse_proxy app:8000 app2:8000 {
\t\t\tflush_interval -1
\t\t\thealth_uri /healthz
\t\t}
\t}
\thandle_path /admin/* {
\t\treverse_proxy admin:9000
\t}
\thandle {
\t\treverse_proxy https://web:3443 {
\t\t\tresponse_buffers 64KiB
\t\t}
\t}
}

http://internal.example:8080 {
\treverse_proxy unix//run/app.sock
}
import sites/*.caddy
"""
CADDY_SITE = """\
other.example {
\ttls /nowhere/o.pem /nowhere/o.key
\troot * /nowhere
\tfile_server
}
"""

TRAEFIK = """\
global:
  checkNewVersion: true
entryPoints:
  web:
    address: ":80"
    http:
      redirections:
        entryPoint: {to: websecure, scheme: https}
  websecure:
    address: ":443"
    http3: {}
    http:
      tls:
        certResolver: le
certificatesResolvers:
  le:
    acme:
      email: ops@shop.example
      storage: /letsencrypt/acme.json
providers:
  docker:
    exposedByDefault: false
  file:
    directory: /etc/traefik/dynamic
    watch: true
api:
  insecure: true  # behind the firewall
log:
  filePath: /var/log/traefik.log
accessLog: {}
metrics:
  prometheus: {}
"""
TRAEFIK_DYNAMIC = """\
http:
  routers:
    chat:
      rule: "Host(`shop.example`) && PathPrefix(`/api/chat`)"
      entryPoints: [websecure]
      service: chat
    app:
      rule: Host(`shop.example`)
      service: app
      middlewares: [limits]
  services:
    chat:
      loadBalancer:
        servers:
          - url: http://app:8000
          - url: "http://app2:8000/"
        healthCheck:
          path: /healthz
    app:
      loadBalancer:
        servers: [{url: "http://web:3000"}]
  middlewares:
    limits: {buffering: {maxResponseBodyBytes: 2000000}}
tls:
  certificates:
    - certFile: /certs/a.pem
      keyFile: /certs/a.key
  options:
    default: {minVersion: VersionTLS12, sniStrict: true}
"""

_TYPE = "type.googleapis.com/envoy.extensions"
_ROUTER = f'{{name: router, typed_config: {{"@type": {_TYPE}.filters.http.router.v3.Router}}}}'
ENVOY = f"""\
admin:
  address:
    socket_address: {{ address: 0.0.0.0, port_value: 9901 }}
static_resources:
  listeners:
    - name: https
      address:
        socket_address:
          address: 0.0.0.0
          port_value: 443
      listener_filters:
        - name: envoy.filters.listener.proxy_protocol
          typed_config: {{"@type": {_TYPE}.filters.listener.proxy_protocol.v3.ProxyProtocol}}
        - name: envoy.filters.listener.tls_inspector
          typed_config: {{"@type": {_TYPE}.filters.listener.tls_inspector.v3.TlsInspector}}
      filter_chains:
        - filter_chain_match:
            server_names: [shop.example]
          transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": {_TYPE}.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                alpn_protocols: [h2, http/1.1]
                tls_certificates:
                  - certificate_chain: {{ filename: /etc/envoy/certs/tls.crt }}
                    private_key: {{ filename: /etc/envoy/certs/tls.key }}
          filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": {_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: shop
                access_log:
                  - name: file
                    typed_config:
                      "@type": {_TYPE}.access_loggers.file.v3.FileAccessLog
                      path: /nowhere/access.log
                route_config:
                  virtual_hosts:
                    - name: shop
                      domains: ["shop.example", "shop.example:*"]
                      routes:
                        - match: {{ prefix: "/api/chat" }}
                          route: {{ cluster: chat, timeout: 0s }}
                        - match: {{ prefix: "/" }}
                          route: {{ cluster: web }}
                http_filters: [{_ROUTER}]
    - name: http
      address:
        socket_address: {{ address: 0.0.0.0, port_value: 80 }}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": {_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: redirect
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes: [{{ match: {{ prefix: "/" }}, redirect: {{ https_redirect: true }} }}]
                http_filters: [{_ROUTER}]
  clusters:
    - name: chat
      type: STRICT_DNS
      health_checks:
        - {{timeout: 1s, interval: 5s, unhealthy_threshold: 2, healthy_threshold: 1, http_health_check: {{path: /up}}}}
      load_assignment:
        cluster_name: chat
        endpoints:
          - lb_endpoints:
              - endpoint: {{ address: {{ socket_address: {{ address: app, port_value: 8000 }} }} }}
    - name: web
      type: LOGICAL_DNS
      load_assignment:
        cluster_name: web
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address:
                    socket_address:
                      address: web.internal
                      port_value: 3000
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": {_TYPE}.transport_sockets.tls.v3.UpstreamTlsContext
          sni: web.internal
"""

APACHE = """\
<VirtualHost *:80>
    ServerName shop.example
    Redirect permanent / https://shop.example/
</VirtualHost>
<IfModule mod_ssl.c>
<VirtualHost _default_:443 [::]:443>
    ServerName shop.example
    ServerAlias www.shop.example
    DocumentRoot /var/www/html

    ErrorLog ${APACHE_LOG_DIR}/error.log
    CustomLog ${APACHE_LOG_DIR}/access.log \\
        combined

    SSLEngine on
    SSLCertificateFile /etc/ssl/shop.pem
    SSLCertificateKeyFile /etc/ssl/shop.key
    Include /etc/letsencrypt/options-ssl-apache.conf

    ProxyPreserveHost On
    RequestHeader set X-Forwarded-Proto "https"
    <Location "/api/chat">
        ProxyPass http://app:8000/api/chat flushpackets=on
        ProxyPassReverse http://app:8000/api/chat
    </Location>
    <Proxy "balancer://web">
        BalancerMember http://web-1:3000 hcmethod=GET hcuri=/up
        BalancerMember "http://web-2:3000"
        ProxySet lbmethod=bytraffic
    </Proxy>
    ProxyPass /static !
    ProxyPass / balancer://web/
    <Location "/reports">
        SetOutputFilter SED
        OutputSed "s/teh/the/"
    </Location>
</VirtualHost>
</IfModule>
"""
