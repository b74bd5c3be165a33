"""Configs of every language that hold for want of a line: found, measured in them, printed, and patched into them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commanding import Harness
from tests.proxies.languages.reading import write
from tests.sampling import sampled, some_of
from tests.sandbox import missing

SECRET = "s3cr3t"


@dataclass(frozen=True)
class Held:
    """A config of the user's, the first of its files, that holds what `path` asks for; what mends it, in which file."""

    files: Mapping[str, str]
    path: str
    mended_by: str
    changes: str

    @property
    def chain(self) -> str:
        return f"{self.language}:./{next(iter(self.files))}"

    @property
    def language(self) -> str:
        return next(iter(self.files)).partition(".")[0]


HAPROXY = f"""\
global
    daemon
    log /dev/log local0   # to syslog
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend www
    bind :80
    use_backend api if {{ path_beg /api }}
    default_backend web
backend api
    http-request set-header Authorization "Bearer {SECRET}"
    option forwardfor   # who asks
    server app1 app:8000 check
backend web
    option http-no-delay
    server web1 web:3000 check
"""
CADDY = """\
{
\temail ops@shop.example
}
shop.example {
\timport snippets/*.caddy
\thandle /api/* {
\t\timport chat
\t}
\thandle {
\t\treverse_proxy web:3000
\t}
}
"""
CHAT = f"""\
(chat) {{
\treverse_proxy app:8000 {{   # the chat
\t\theader_up Authorization "Bearer {SECRET}"
\t\tresponse_buffers 64KiB
\t\theader_up X-Shop chat
\t}}
}}
"""
TRAEFIK = f"""\
http:
  routers:
    chat:
      rule: PathPrefix(`/api`)
      service: chat
      middlewares:
        - login
        - usual@file
    web: {{rule: PathPrefix(`/`), service: web, middlewares: [limits]}}
  services:
    chat:
      loadBalancer:
        servers:
          - url: http://app:8000   # the chat
    web: {{loadBalancer: {{servers: [{{url: "http://web:3000"}}]}}}}
  middlewares:
    login: {{headers: {{customRequestHeaders: {{Authorization: "Bearer {SECRET}"}}}}}}
    limits: {{buffering: {{maxResponseBodyBytes: 2000000}}}}
    zip: {{compress: {{}}}}
    usual:
      chain: {{middlewares: [zip, limits]}}
"""
_FILTERS = "type.googleapis.com/envoy.extensions.filters"
ENVOY = f"""\
static_resources:
  listeners:
    - name: web
      address: {{socket_address: {{address: 0.0.0.0, port_value: 80}}}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": {_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: web
                route_config:
                  virtual_hosts:
                    - name: app
                      domains: ["*"]
                      routes:
                        - match: {{prefix: /api}}
                          request_headers_to_add: [{{header: {{key: Authorization, value: "Bearer {SECRET}"}}}}]
                          route: {{cluster: app, timeout: 0s}}  # the chat
                        - match: {{prefix: /}}
                          route: {{cluster: app}}
                http_filters:
                  - name: scripts
                    typed_config:
                      "@type": {_FILTERS}.http.lua.v3.Lua
                      default_source_code:
                        inline_string: |
                          function envoy_on_response(handle)
                            handle:headers():replace("X-Length", handle:body():length())
                          end
                  - name: envoy.filters.http.router
                    typed_config: {{"@type": {_FILTERS}.http.router.v3.Router}}
  clusters:
    - name: app
      type: STRICT_DNS
      load_assignment:
        cluster_name: app
        endpoints:
          - lb_endpoints:
              - endpoint: {{address: {{socket_address: {{address: app, port_value: 8000}}}}}}
"""
APACHE = f"""\
<VirtualHost *:80>
    ServerName shop.example
    ErrorLog ${{APACHE_LOG_DIR}}/error.log
    RequestHeader set Authorization "Bearer {SECRET}"
    <Location "/">
        OutputSed "s/teh/the/"
        SetOutputFilter SED;DEFLATE
    </Location>
    <Location "/api">
        ProxyPass http://app:8000/api flushpackets=on
        ProxyPassReverse http://app:8000/api
    </Location>
    ProxyPass / http://web:3000/
</VirtualHost>
"""
HELD = (
    Held({"apache.conf": APACHE}, "/api/chat", "apache-sed-off", "apache.conf"),
    Held({"haproxy.cfg": HAPROXY}, "/api/chat", "haproxy-no-delay", "haproxy.cfg"),
    Held(
        {"caddy.conf": f"import chat.caddy\n{CADDY}".replace("\timport snippets/*.caddy\n", ""), "chat.caddy": CHAT},
        "/api/chat",
        "caddy-response-buffers-off",
        "chat.caddy",
    ),
    Held({"envoy.yaml": ENVOY}, "/api/chat", "envoy-lua-off", "envoy.yaml"),
    Held({"traefik.yml": TRAEFIK}, "/api/chat", "traefik-buffering-off", "traefik.yml"),
)
NDJSON = ("--format", "ndjson", "--body", "length")
BROWSER = ("--request", "browser")
FILTER = f"""\
                  - name: scripts
                    typed_config:
                      "@type": {_FILTERS}.http.lua.v3.Lua
"""
COMPRESSED = ENVOY.replace(
    FILTER,
    f"""\
                  - name: zstd
                    typed_config:
                      "@type": {_FILTERS}.http.compressor.v3.Compressor
                      response_direction_config: {{common_config: {{content_type: [text/event-stream]}}}}
                      compressor_library:
                        name: zstd
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.compression.zstd.compressor.v3.Zstd
{FILTER}""",
).replace(":body():length()", ":status()")
BUFFERED = ENVOY.replace(
    FILTER,
    f"""\
                  - name: buffer
                    typed_config:
                      "@type": {_FILTERS}.http.file_system_buffer.v3.FileSystemBufferFilterConfig
                      manager_config: {{thread_pool: {{thread_count: 1}}}}
                      response: {{behavior: {{fully_buffer: {{}}}}}}
{FILTER}""",
).replace(":body():length()", ":status()")
PROXIED = "(p) {\n\tencode zstd gzip\n\treverse_proxy {args[0]}\n}\na.example {\n\timport p app:8000\n}\n"
UNDELAYED = HAPROXY.replace("option forwardfor", "option http-no-delay")
TYPES = "defaults\n    compression algo gzip\n    compression type text/html text/event-stream\n"
FILTERED = """\
ExtFilterDefine cat mode=output cmd="/bin/cat"
SetEnv rate-limit 40
ProxyPass /api http://app:8000/api
<Location /api>
    SetOutputFilter %s
</Location>
"""
FORWARDED = TRAEFIK.replace("zip, limits", "zip")
OTHERS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("caddy-flush-interval", "caddy.conf", PROXIED, NDJSON),
    ("apache-ext-filter-off", "apache.conf", FILTERED % "cat;DEFLATE", ()),
    ("apache-ratelimit-off", "apache.conf", FILTERED % "RATE_LIMIT", ()),
    ("caddy-encode-off", "caddy.conf@2.8.4", PROXIED, (*BROWSER, "--token-bytes", "1000")),
    ("envoy-compressor-off", "envoy.yaml", COMPRESSED, BROWSER),
    ("envoy-response-buffers-off", "envoy.yaml", BUFFERED, ()),
    (
        "haproxy-wait-for-body-off",
        "haproxy.cfg",
        f"{UNDELAYED}    http-response wait-for-body time 2s\n",
        ("--path", "/"),
    ),
    ("no-compression-of-events", "haproxy.cfg@2.6.12", UNDELAYED.replace("defaults\n", TYPES), BROWSER),
    ("no-compression-of-events", "traefik.yml@3.3.4", FORWARDED, BROWSER),
    ("traefik-flush-interval", "traefik.yml", FORWARDED, NDJSON),
)
pytestmark = [pytest.mark.proxies, pytest.mark.skipif(not shutil.which("patch"), reason="no patch")]
POINTS = [pytest.param(one, id=one.language) for one in HELD]


def laid(folder: Path, held: Held) -> None:
    if why := missing(held.language):
        pytest.skip(why)
    write(folder, held.files)


def patches(said: str, folder: Path, held: Held) -> None:
    """Patch the files with what was said, which passes over what is no diff, and see that one has changed."""
    patch = ["patch", "-p0", "--no-backup-if-mismatch"]
    subprocess.run(patch, input=said.encode(), check=True, timeout=60, cwd=folder)
    assert [name for name, text in held.files.items() if (folder / name).read_text() != text] == [held.changes]
    assert SECRET not in said


@some_of("held", POINTS, each=2)
def test_what_a_mitigation_changes_in_a_config_is_measured_and_patches_it(
    harness: Harness, tmp_path: Path, held: Held
) -> None:
    laid(tmp_path, held)
    options = ("--chain", held.chain, "--map", "app:8000", "--path", held.path)
    said = harness("run", *options, "-m", held.mended_by, "--expect", "streamed")
    assert said.status == 0, said.out
    assert "defeats" in said.out
    patches(said.out, tmp_path, held)
    streams = harness("run", *options, "--expect", "streamed")
    assert streams.status == 0, streams.out
    again = harness("run", *options, "-m", held.mended_by)
    assert "of which none here would change" in again.err


@some_of("held", POINTS, each=len(POINTS))
def test_it_is_what_a_diagnosis_finds_and_prints(harness: Harness, tmp_path: Path, held: Held) -> None:
    laid(tmp_path, held)
    said = harness("diagnose", "--chain", held.chain, "--map", "app:8000", "--path", held.path)
    assert said.status == 0, said.err
    told = " ".join(said.out.split())
    assert f"{held.mended_by} (config): with that, the whole chain streams (curl, browser)" in told
    assert harness("report").out == said.out
    patches(said.out, tmp_path, held)


@pytest.mark.parametrize(
    ("name", "file", "text", "options"),
    sampled([pytest.param(*one, id=f"{one[0]}-{one[1]}") for one in OTHERS], each=len(OTHERS)),
)
def test_each_other_edit_of_the_catalogue_mends_what_it_is_about(
    harness: Harness, tmp_path: Path, name: str, file: str, text: str, options: tuple[str, ...]
) -> None:
    laid(tmp_path, Held({file.partition("@")[0]: text}, "", name, file))
    language, where = file.partition(".")[0], () if "--path" in options else ("--path", "/api/chat")
    target = "web:3000" if "--path" in options else "app:8000"
    chain = ("--chain", f"{language}:./{file}", "--map", target, *where)
    said = harness("run", *chain, *options, "-m", name, "--expect", "streamed")
    assert said.status == 0, said.out + said.err
    assert f"{name}: defeats" in said.out
    assert "was measured with this in your config" in said.out
