"""What shipped program files say of their programs, held against the programs' own words. Nothing is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import Complaint
from harness.proxies.catalog import PROXIES
from harness.proxies.complaints import ComplaintPatterns
from harness.proxies.described import Described
from harness.proxies.program_file import FILE, read_program
from harness.resources import configs

DESCRIBED = {name: proxy for name, proxy in PROXIES.items() if type(proxy) is Described}
VARIANTS = [
    pytest.param(proxy, path, id=f"{name}:{path.stem}")
    for name, proxy in DESCRIBED.items()
    for path in proxy.variants().values()
]
GIVEN, USERS = "/e/hop-1/given", Path("mine")
CADDY, ENVOY = (
    "Error: adapting config using caddyfile:",
    "[2026-01-01 00:00:00.000][7][critical][main] [s.cc:449] error",
)

LIGHTTPD, SQUID = "2026-01-01 00:00:00: ", "2026/01/01 00:00:00| "
ATS = "[Jan 01 00:00:00.000] traffic_server "
NGHTTPX = "2026-01-01T00:00:00.000Z 7 7 5e063b79 "


def told(program: str, log: str) -> list[Complaint]:
    """Return what a program is understood to complain of, if it was given a user's config."""
    patterns = read_program(configs() / program / FILE).complaints
    return ComplaintPatterns.of(patterns, {GIVEN: USERS}).found(log)


@pytest.mark.parametrize(("proxy", "config"), VARIANTS)
def test_a_shipped_config_says_in_its_first_line_what_it_stands_for_and_can_stand_in_a_chain(
    proxy: Described, config: Path
) -> None:
    assert proxy.describe(config) != config.name
    proxy.check(config)


@pytest.mark.parametrize(
    ("program", "log", "words", "line"),
    [
        (
            "caddy",
            f"{CADDY} {GIVEN}:8: unrecognized directive: reverse_prox",
            "unrecognized directive: reverse_prox",
            8,
        ),
        (
            "caddy",
            f'{{"level":"error","ts":1.5,"msg":"adapting config: {GIVEN}:8: unrecognized directive: x"}}',
            "unrecognized directive: x",
            8,
        ),
        (
            "caddy",
            f"{CADDY} parsing caddyfile tokens for 'reverse_proxy': {GIVEN}:9 - Error during parsing: bad duration 'x'",
            "bad duration 'x'",
            9,
        ),
        (
            "haproxy",
            f"[ALERT]    (7) : config : parsing [{GIVEN}:6] : unknown keyword 'mod' in 'defaults' section\n"
            f"[ALERT]    (7) : config : Error(s) found in configuration file : {GIVEN}\n"
            "[ALERT]    (7) : config : Fatal errors found in configuration.",
            "unknown keyword 'mod' in 'defaults' section",
            6,
        ),
        (
            "haproxy",
            f"[WARNING]  (7) : config : parsing [{GIVEN}:3] : 'x' is deprecated\n"
            f"[ALERT]    (7) : config : [{GIVEN}:16] : 'server app/app' : invalid character 'n' in port number 'nine'",
            "'server app/app' : invalid character 'n' in port number 'nine'",
            16,
        ),
        (
            "traefik",
            "2026-01-01T00:00:00Z ERR Cannot start the provider *file.Provider "
            f'error="{GIVEN}: yaml: line 4: mapping values are not allowed in this context"',
            "mapping values are not allowed in this context",
            4,
        ),
        (
            "traefik",
            "2026-01-01T00:00:00Z ERR Cannot start the provider *file.Provider "
            f'error="{GIVEN}: field not found, node: server"',
            "field not found, node: server",
            None,
        ),
        (
            "envoy",
            f"{ENVOY} `yaml-cpp: error at line 17, column 32: illegal map value` initializing config 'x\n"
            f"  {GIVEN}'\nyaml-cpp: error at line 17, column 32: illegal map value",
            "illegal map value",
            17,
        ),
        (
            "lighttpd",
            f"{LIGHTTPD}(configfile.c.2161) configfile parser failed at: (\n"
            f"{LIGHTTPD}(configfile.c.2164) source: {GIVEN} line: 10 pos: 0 parser failed somehow near here: (EOL)\n"
            f"{LIGHTTPD}(server.c.1442) setting default values failed",
            "parser failed somehow near here: (EOL)",
            10,
        ),
        (
            "squid",
            f"{SQUID}ACL not found: nobody\n"
            f"{SQUID}FATAL: Bungled {GIVEN} line 4: http_access allow nobody\n"
            f"{SQUID}Squid Cache (Version 5.7): Terminated abnormally.",
            "http_access allow nobody",
            4,
        ),
        (
            "varnish",
            "Message from VCC-compiler:\nExpected one of\n\t'acl', or 'vcl'\nFound: 'backed' at\n"
            f"('{GIVEN}' Line 4 Pos 1)\nbacked app {{\n######------\n\nVCL compilation failed",
            "Expected one of\n\t'acl', or 'vcl'\nFound: 'backed'",
            4,
        ),
        (
            "varnish",
            f"Message from VCC-compiler:\nCould not find VMOD std\n('{GIVEN}' Line 8 Pos 8)\nimport std;\n-------###-",
            "Could not find VMOD std",
            8,
        ),
        ("h2o", f"[{GIVEN}:2] unknown command: eror-log", "unknown command: eror-log", 2),
        (
            "nghttpx",
            f"{NGHTTPX}NOTICE (shrpx.cc:3519) Loading configuration from {GIVEN}\n"
            f"{NGHTTPX}ERROR (shrpx_config.cc:4208) Bad configuration format in {GIVEN} at line 6\n"
            f"{NGHTTPX}FATAL (shrpx.cc:3523) Failed to load configuration from {GIVEN}",
            "Bad configuration format",
            6,
        ),
        (
            "trafficserver",
            f"{ATS}ERROR: [ReverseProxy] failed to add remap rule at {GIVEN} line 2: unknown mapping type at line 2\n"
            f"{ATS}WARNING: something failed during BuildTable() -- check your remap plugins!\n"
            f"{ATS}FATAL: remap.config failed to load",
            "unknown mapping type at line 2",
            2,
        ),
        ("squid", f"{SQUID}{GIVEN}(4): unrecognized: 'http_acces'", "unrecognized: 'http_acces'", 4),
    ],
)
def test_a_complaint_with_a_place_is_led_back_to_the_users_file(
    program: str, log: str, words: str, line: int | None
) -> None:
    assert told(program, log) == [Complaint(words, file=str(USERS), line=line)]


@pytest.mark.parametrize(
    ("program", "log", "words"),
    [
        ("caddy", "Error: loading initial config: listen tcp: bad", "loading initial config: listen tcp: bad"),
        (
            "haproxy",
            "[ALERT]    (7) : config : Proxy 'web': unable to find required default_backend: 'ap'.\n"
            "[ALERT]    (7) : config : Fatal errors found in configuration.",
            "Proxy 'web': unable to find required default_backend: 'ap'.",
        ),
        (
            "traefik",
            '2026-01-01T00:00:00Z ERR error="middleware \\"no@file\\" does not exist" routerName=a@file\n'
            '2026-01-01T00:00:09Z ERR error="accept tcp 127.0.0.1:1: use of closed network connection"',
            'middleware \\"no@file\\" does not exist',
        ),
        (
            "traefik",
            '2026-01-01T00:00:00Z ERR error="unsupported default encoding: no" routerName=app@file',
            "unsupported default encoding: no",
        ),
        ("envoy", f"{ENVOY} `route: unknown cluster 'ap'` initializing config 'x", "route: unknown cluster 'ap'"),
        (
            "envoy",
            f'{ENVOY} `goo.gle/debugonly\nstat_prefix: "web"\n}}\n: Proto constraint validation failed (D)` x\n'
            '  x\'\nstat_prefix: "web"\n: Proto constraint validation failed (D)',
            "Proto constraint validation failed (D)",
        ),
        (
            "lighttpd",
            f"{LIGHTTPD}(configfile.c.1289) WARNING: unknown config-key: server.modulez (ignored)\n"
            f"{LIGHTTPD}(server.c.1704) server started (lighttpd/1.4.69)\n"
            f"{LIGHTTPD}(server.c.2078) server stopped by UID = 0 PID = 7",
            "unknown config-key: server.modulez (ignored)",
        ),
        (
            "nghttpx",
            f"{NGHTTPX}ERROR (shrpx_config.cc:4186) Unknown option: worker\n"
            f"{NGHTTPX}FATAL (shrpx.cc:3523) Failed to load configuration from {GIVEN}",
            "Unknown option: worker",
        ),
    ],
)
def test_a_complaint_about_a_config_as_a_whole_is_told_once_and_names_it(program: str, log: str, words: str) -> None:
    assert told(program, log) == [Complaint(words, file=str(USERS))]


@pytest.mark.parametrize(
    ("program", "log", "words"),
    [
        ("caddy", "Error: no room", "no room"),
        ("haproxy", "[ALERT]    (7) : Starting frontend web: cannot bind", "Starting frontend web: cannot bind"),
        ("traefik", '2026-01-01T00:00:00Z ERR error="no room"', "no room"),
        (
            "squid",
            f"{SQUID}ERROR: loading file '/usr/share/squid/errors/templates/ERR_NO_RELAY': (2) No such file\n"
            f"{SQUID}FATAL: Icon Directory /nope: (2) No such file or directory",
            "Icon Directory /nope: (2) No such file or directory",
        ),
        (
            "trafficserver",
            f"{ATS}WARNING: Unable to access() directory '/nope': 2, No such file or directory\n"
            f"{ATS}EMERGENCY: Please set 'proxy.config.body_factory.template_sets_dir'",
            "Please set 'proxy.config.body_factory.template_sets_dir'",
        ),
        (
            "varnish",
            "Message from C-compiler:\nsh: 1: exec: gcc: not found\nRunning C-compiler failed, exited with 127\n"
            "Error: Child (7) died signal=15\nError: Manager got SIGTERM",
            "sh: 1: exec: gcc: not found",
        ),
    ],
)
def test_what_is_about_no_config_blames_none(program: str, log: str, words: str) -> None:
    assert told(program, log) == [Complaint(words)]


def test_a_file_is_recognised_as_the_program_sees_it_from_where_it_runs() -> None:
    patterns = read_program(configs() / "traefik" / FILE).complaints
    said = 'error="collecting file configs: dynamic/1-a.yaml: strconv.ParseInt: parsing \\"x\\": invalid syntax"'
    (one,) = ComplaintPatterns.of(patterns, {"dynamic/1-a.yaml": USERS}).found(f"2026-01-01T00:00:00Z ERR No {said}")
    assert (one.file, one.message) == (str(USERS), 'strconv.ParseInt: parsing \\"x\\": invalid syntax')
