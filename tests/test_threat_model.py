"""What docs/threat-model.md promises and no other test holds, and that every test it names exists."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.clients import CLIENTS
from harness.clients.base import Launching
from harness.documents.yaml_text import Source
from harness.errors import InputError
from harness.launchers.installation import Installation
from harness.launchers.process import Launcher
from harness.matrix.reading import parse
from harness.model import DEFAULT_CLIENT, EMITTER_HEADER, Endpoint, is_secret
from harness.proxies.starting import Start
from harness.session.shipped import known
from harness.store.runs import Run, check_folder, load_traces, slug
from tests.planning import REQUESTS
from tests.proxies.relaying import RELAY
from tests.reports import samples
from tests.sandbox import Sandbox, missing

HOUSE = Path(harness.__file__).parent
DOC = HOUSE.parent / "docs/threat-model.md"
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", DOC.read_text())))


@cache
def defined_in(file: Path) -> set[str]:
    defined = ast.walk(ast.parse(file.read_text()))
    return {node.name for node in defined if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_the_page_names_exists(file: str, test: str) -> None:
    assert test in defined_in(HOUSE.parent / file)


def test_every_threat_has_a_test() -> None:
    text = DOC.read_text()
    rows = text[text.index("| who |") : text.index("## Ports")].strip().splitlines()[2:]
    assert len(rows) > 10
    assert [row for row in rows if "::test_" not in row] == []


# ---------------------------------------------------------------- folders


def of_a_start(root: Path) -> Path:
    start = Start("program", [], 1.0, files={"inner/file": "text"})
    start.write(1, Endpoint(1), root, root)
    return root / "inner"


def of_an_installation(root: Path) -> Path:
    what = Installation(root / "cache/what", "what", "What", "set up", "some")
    what.ensure(lambda steps: "made", lambda said: None)
    return what.folder


def checked(root: Path) -> Path:
    check_folder(root / "a/b")
    return root / "a/b"


MAKERS: dict[str, Callable[[Path], Path]] = {
    "a run": lambda root: Run.create(root / "runs", samples.run_info()).folder,
    "evidence": lambda root: Run.create(root / "runs", samples.run_info()).evidence(samples.cell()),
    "a temporary one": lambda root: Launcher(keep=str).folder("some", root),
    "a folder for runs": checked,
    "what a program reads": of_a_start,
    "an installation": of_an_installation,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_every_folder_is_this_users_alone(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    before = os.umask(0)
    try:
        made = make(tmp_path)
    finally:
        os.umask(before)
    new = [folder for folder in (made, *made.parents) if tmp_path in folder.parents]
    assert new
    assert {folder: stat.S_IMODE(folder.stat().st_mode) for folder in new} == dict.fromkeys(new, 0o700)


MAKING = {"mkdir", "makedirs", "mkdtemp", "TemporaryDirectory"}
MADE_IN = {
    ("resources.py", "mkdir"): "own_folder, through which all others go",
    ("launchers/process.py", "mkdir"): "0700, once the janitor knows of it",
    ("launchers/fake.py", "mkdir"): "for tests only",
    ("store/runs.py", "mkdir"): "a run, which must be new, and records that are published",
}


def test_folders_are_made_nowhere_else() -> None:
    found = set()
    for file in HOUSE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MAKING:
                found.add((str(file.relative_to(HOUSE)), node.func.attr))
    assert found == MADE_IN.keys()


# ---------------------------------------------------------------- matrix files

NAMES = st.text(st.sampled_from("./\\\x00~a\n:é-\u202e"), max_size=40) | st.sampled_from(
    ["..", "/etc/x", "../../x", "a/../b"]
)


@given(NAMES)
def test_whatever_names_say_nothing_is_written_outside_the_run(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "runs"
    run = Run.create(root, replace(samples.run_info(), name=name, title=name, matrix_file=name))
    assert run.folder.parent == root
    assert not run.folder.is_symlink()
    assert (run.folder / "cells" / slug(name)).resolve().parent == (run.folder / "cells").resolve()
    assert re.fullmatch(r"[\w.+-]+", slug(name), re.ASCII)


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [id]", "!!python/name:os.system", "!mine x"])
def test_a_tag_of_yaml_makes_nothing(tag: str) -> None:
    source = Source(f"title: a\nvalue: {tag}\n", "m.yaml")
    assert source.complaints


# ---------------------------------------------------------------- secrets

CANARY = "canary-5d1f0b77"
GIVEN = {"Authorization": f"Bearer {CANARY}", "Cookie": f"sid={CANARY}", "X-Api-Key": f"{CANARY}-key"}
ANSWERED = {"Set-Cookie": f"sid={CANARY}; HttpOnly"}


# fmt: off
SECRETS = [
    "Authorization", "Proxy-Authorization", "X-Authorization", "Helicone-Auth", "X-Auth-Token",
    "X-Auth-Key", "Cookie", "Set-Cookie", "Private-Token", "Api-Key", "X-Api-Key", "X_API_KEY", "ApiKey",
    "X-Goog-Api-Key", "X-Goog-Iap-Jwt-Assertion", "Anthropic-Api-Key", "DD-API-KEY", "X-RapidAPI-Key",
    "Ocp-Apim-Subscription-Key", "X-Functions-Key", "Aeg-Sas-Key", "X-Ms-Token-Aad-Access-Token",
    "X-Amz-Security-Token", "X-Amz-Signature", "X-Amzn-Oidc-Data", "X-Amzn-Oidc-Accesstoken",
    "CF-Access-Client-Secret", "Cf-Access-Jwt-Assertion", "X-Forwarded-Access-Token",
    "X-Portkey-Virtual-Key", "X-Litellm-Key", "X-Vault-Token", "X-Gitlab-Token", "X-Hub-Signature-256",
    "X-CSRF-Token", "X-XSRF-TOKEN", "X-Shared-Secret", "X-Access-Key-Id", "X-Client-Password",
    "X-Session-Id", "Key", "Token", "Secret", "DB_PASS", "REDIS_PASS", "MYSQL_PWD", "X-Db-Pwd", "Pass", "Pwd",
]
CAMEL = ["signingKey", "encryptionKey", "masterKey", "apiKey", "sha256Key", "clientSecret", "accessToken", "dbPassword"]
TOLD = [
    "Accept", "Cache-Control", "X-Accel-Buffering", "WWW-Authenticate", "Proxy-Authenticate", "Authority",
    "Sec-WebSocket-Key", "X-Harness-Emitter", "Idempotency-Key", "Surrogate-Key", "X-Cache-Key",
    "X-Ratelimit-Remaining-Tokens", "Anthropic-Ratelimit-Tokens-Limit", "Keep-Alive", "X-Request-Id",
    "Content-Type", "OpenAI-Organization", "Anthropic-Version", "Last-Event-ID", "X-Keyboard", "Monkey",
    "proxy_pass", "fastcgi_pass", "grpc_pass", "uwsgi_pass", "scgi_pass", "memcached_pass", "Compass", "cacheKey",
]
# fmt: on


def test_names_tell_secrets_or_none_however_they_are_spelt() -> None:
    spelt = (str, str.lower, str.upper)
    assert [name for name in CAMEL if not is_secret(name)] == []
    assert [name for name in SECRETS if not all(is_secret(spell(name)) for spell in spelt)] == []
    assert [name for name in TOLD if any(is_secret(spell(name)) for spell in spelt)] == []


@pytest.mark.parametrize("name", sorted({name for sent in REQUESTS.values() for name, _ in sent.headers}))
def test_what_the_harness_sends_itself_is_told(name: str) -> None:
    assert not is_secret(name)


HEADER = """title: Secrets
workloads: {{short: {{tokens: 30, token_bytes: 112}}}}
axes: {{chain: direct, mitigations: [one, one+two]}}
mitigations:
  one: {{claim: c, source: s, cost: header, {field}: {headers}}}
  two: {{claim: c, source: s, cost: header, {field}: {{Authorization: other}}}}
"""
WRONG = [
    f"{{Authorization: {value}}}"
    for value in (
        *(f"[{CANARY}]", f"[[{CANARY}]]", f"{{{CANARY}: x}}", f"{{a: {CANARY}}}", f"[{{a: {CANARY}}}]"),
        *(f'"{CANARY}\\r\\n"', f'"{CANARY}é"', f"' {CANARY}'", f'"\\ud800{CANARY}"', "5010077", "50.10077"),
        *(f"*{CANARY}", f"!{CANARY} x", f"&{CANARY}", f"@{CANARY}", f"`{CANARY}`", f"%{CANARY}", f"|{CANARY}"),
        *(f"'{CANARY}", f"{CANARY}: x", f"{CANARY}, {CANARY}: y", CANARY),
    )
]
WRONG += [
    *(f"{{Authorization:{CANARY}}}", f"{{'Authorization: {CANARY}': x}}", f"'Authorization: {CANARY}'"),
    *(f"['Authorization: {CANARY}']", f"[{{Authorization: {CANARY}}}]", f"{{? [{CANARY}] : x}}"),
    f"{{Authorization: {CANARY}, authorization: {CANARY}}}",
]


@pytest.mark.parametrize("field", ["request_headers", "response_headers"])
@pytest.mark.parametrize("headers", WRONG)
def test_no_complaint_about_a_header_quotes_its_value(headers: str, field: str) -> None:
    with pytest.raises(InputError) as told:
        parse(HEADER.format(field=field, headers=headers), "m.yaml", known())
    assert str(told.value).startswith("m.yaml:")
    assert [word for word in (CANARY, "10077") if word in str(told.value)] == []


@pytest.mark.parametrize("mitigations", [f"[{{one: {CANARY}}}]", f"{{one: [{{request_headers: {CANARY}}}]}}"])
def test_nor_one_about_what_headers_stand_in(mitigations: str) -> None:
    with pytest.raises(InputError) as told:
        parse(f"title: t\nmitigations: {mitigations}\n", "m.yaml", known())
    assert CANARY not in str(told.value)


ENVIRONMENTS = [
    *(f"{{API_KEY: {value}}}" for value in ("5010077", f"[{CANARY}]", f"{{{CANARY}: x}}", f"*{CANARY}", f"'{CANARY}")),
    *(CANARY, f"[{CANARY}]", f"'API_KEY: {CANARY}'", f"{{API_KEY:{CANARY}}}", f"{{API_KEY={CANARY}: x}}"),
]


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_no_complaint_about_the_environment_of_a_proxy_quotes_it(env: str) -> None:
    text = f"title: t\nproxies:\n  gateway: {{command: [a, '${{PORT}}', '${{UPSTREAM}}'], env: {env}}}\n"
    with pytest.raises(InputError) as told:
        parse(f"{text}workloads: {{w: {{tokens: 1, token_bytes: 99}}}}\naxes: {{chain: direct}}", "m.yaml", known())
    assert str(told.value).startswith("m.yaml:")
    assert [word for word in (CANARY, "10077") if word in str(told.value)] == []


def matrix(chain: str, client: str) -> str:
    asked = ", ".join(f"{name}: '{value}'" for name, value in GIVEN.items())
    answered = ", ".join(f"{name}: '{value}'" for name, value in ANSWERED.items())
    return f"""\
title: Secrets
workloads: {{short: {{tokens: 30, token_bytes: 112}}}}
axes: {{chain: {chain}, client: [{client}], mitigations: [none, secret]}}
mitigations:
  secret: {{claim: c, source: s, cost: header, request_headers: {{{asked}}},
    response_headers: {{{answered}}}, delay_ms: 20}}
  unused: {{claim: c, source: s, cost: header, request_headers: {{{asked}}}}}
"""


LOOK_S = 0.01  # a program that reads a stream lives fifty times as long


@contextmanager
def looked_at() -> Iterator[set[str]]:
    """Look at all command lines of the machine, as everybody can, for as long as the block lasts."""
    commands, done = set[str](), threading.Event()

    def look() -> None:
        while not done.wait(LOOK_S):
            commands.update(" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"]))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield commands
    finally:
        done.set()
        looking.join()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


@pytest.mark.proxies
@pytest.mark.needs("nginx")
@pytest.mark.parametrize("client", ["aiohttp", "curl", "curl-awk"])
def test_secrets_in_headers_are_sent_and_reach_no_file_and_no_command_line(tmp_path: Path, client: str) -> None:
    if why := missing(client):
        pytest.skip(why)
    with Sandbox(tmp_path) as place:
        place.write("m.yaml", matrix("nginx:buffering-off", client))
        outputs = ("--html", "o.html", "--junit", "o.xml", "--json", "o.json", "--markdown", "o.md")
        with looked_at() as commands:
            said = place.run("matrix", "m.yaml", *outputs)
        assert said.status == 0, said.err
        trace = next(
            path
            for path in files(place.folder / "runs")
            if path.name == "trace.json" and "_secret_" in path.parent.name
        )
        assert '"(redacted)"' in trace.read_text()
        assert "Set-Cookie" in trace.read_text()
        left = [path for path in files(place.folder) if path.name != "m.yaml" and CANARY.encode() in path.read_bytes()]
        assert left == []
        assert CANARY not in said.out + said.err
        assert not [line for line in commands if CANARY in line]
        assert any("harness.backends.emitter" in line for line in commands)


ITS_OWN = """\
title: A program that is told a secret, and one that is and does not start
workloads: {{short: {{tokens: 30, token_bytes: 112}}}}
proxies:
  keyed: {{command: [{python}, keyed.py, "${{PORT}}", "${{UPSTREAM_ADDRESS}}"], env: {{API_KEY: {canary}}}}}
  ends: {{command: [{python}, -c, "raise SystemExit(1)", "${{PORT}}", "${{UPSTREAM}}"], env: {{API_KEY: {canary}}}}}
axes: {{chain: ["keyed:default", "ends:default"]}}
"""


@pytest.mark.proxies
def test_a_secret_of_a_proxys_environment_reaches_that_and_no_file_and_no_command_line(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as place:
        place.write("m.yaml", ITS_OWN.format(python=sys.executable, canary=CANARY))
        digest = hashlib.sha256(CANARY.encode()).hexdigest()
        told = f"assert hashlib.sha256(os.environ['API_KEY'].encode()).hexdigest() == '{digest}'"
        place.write("keyed.py", f"import hashlib, os\n{told}\n{RELAY}")
        with looked_at() as commands:
            said = place.run("matrix", "m.yaml", "--html", "o.html", "--json", "o.json")
        results = [result for result in place.results().values() if result.cell.chain]
        outcomes = {result.cell.chain[0].proxy: result.outcome for result in results}
        assert outcomes == {"keyed": "observed", "ends": "error"}, said.err
        left = [path for path in files(place.folder) if path.name != "m.yaml" and CANARY.encode() in path.read_bytes()]
        assert left == []
        assert CANARY not in said.out + said.err
        assert [line for line in commands if CANARY in line] == []
        assert any("keyed.py" in line for line in commands)


EVERYTHING = """\
title: Whoever reads, and whatever is in between
workloads: {{short: {{tokens: 30, token_bytes: 112}}}}
axes: {{mitigations: slow}}
include:
  - {{chain: {chains}}}
  - {{chain: direct, client: {clients}, request: browser}}
mitigations: {{slow: {{claim: c, source: s, cost: latency, delay_ms: 20}}}}
"""
CHAINS = ("direct", "nginx:http10", "asgi:plain", "cloudrun:report", "nextjs:dev")


@pytest.mark.proxies
def test_no_command_line_tells_a_stream(tmp_path: Path) -> None:
    chains = [chain for chain in CHAINS if chain == "direct" or not missing(chain.partition(":")[0])]
    clients = [name for name, make in CLIENTS.items() if isinstance(make(), Launching) and not missing(name)]
    with Sandbox(tmp_path) as place:
        place.write("m.yaml", EVERYTHING.format(chains=json.dumps(chains), clients=json.dumps(clients)))
        with looked_at() as commands:
            said = place.run("matrix", "m.yaml")
        run = place.last_run()
    traces = [trace for one in run.results if one.evidence for trace in load_traces(run.folder / one.evidence)]
    ids = {value for trace in traces for name, value in trace.headers if name.lower() == EMITTER_HEADER.lower()}
    assert {trace.plan.client for trace in traces} == {DEFAULT_CLIENT, *clients}, said.err
    assert len(ids) >= len(chains) + len(clients)
    for program in ("emitter", *(name.partition("-")[0] for name in clients)):
        assert any(program in line for line in commands)
    assert [line for line in commands if any(each in line for each in ids)] == []


@pytest.mark.proxies
@pytest.mark.parametrize("chain", ["nginx:http10", "asgi:plain"])
def test_what_a_real_run_leaves_is_this_users_alone(tmp_path: Path, chain: str) -> None:
    if why := missing(chain.partition(":")[0]):
        pytest.skip(why)
    with Sandbox(tmp_path) as place:
        said = place.run("run", "--chain", chain, prefix=("sh", "-c", 'umask 0; exec "$@"', "sh"))
        assert said.status == 0, said.err
        folders = [path for path in (place.folder / "runs").rglob("*") if path.is_dir() and not path.is_symlink()]
        assert {stat.S_IMODE(path.stat().st_mode) for path in (place.folder / "runs", *folders)} == {0o700}
