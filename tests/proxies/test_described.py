"""Proxies that a file describes: what is wrong with one is told, whatever it does, and nothing is left of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from harness.documents.document import Document
from harness.documents.programs import LOADING, OwnProxyShape, ProgramShape
from harness.errors import InputError, ProxyError
from harness.launchers.process import Launcher
from harness.model import Endpoint, Hop, Option, chain_text
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described, own
from harness.proxies.program_file import read_lock, read_program, variants_in
from harness.session.jobs import load
from tests.proxies.relaying import RELAY

SILENT = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"
TOLD = ["${PORT}", "${UPSTREAM_ADDRESS}"]


def described(program: str, *arguments: str, **others: Any) -> Described:
    """Return a proxy that runs some Python."""
    command = [sys.executable, "-u", "-c", program, *(arguments or TOLD)]
    return Described("gateway", Path(), given=ProgramShape(command=command, **others))


# ---------------------------------------------------------------- what a file says


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{command: [a], comand: b}", r"program\.yaml:1: comand: unknown key; allowed: .*did you mean 'command'"),
        ("{about: a}", "command: this key is required"),
        ("{command: []}", "must have at least one value"),
        ("{command: ['${PROGRAM}']}", "`sources` has none"),
        ("{command: [a], sources: {system: {program: a}}}", "has to begin with"),
        ("{command: [a], complaints: ['(']}", "is no regular expression"),
        ("{command: [a], complaints: ['x']}", r"must have a group \(\?P<words>"),
        ("{command: [a], announces: 'port'}", r"must have a group, as v"),
        ("{command: [a], within_s: 0}", "must be greater than 0"),
        ("{command: [a], ready: soon}", "allowed: accepts, answers, passes"),
        ("{command: [a], ready: answers, loading: [404]}", "`loading` is about .*leave it out with `ready: answers`"),
        ("{command: [a], loading: [], ready: accepts}", "leave it out with `ready: accepts`"),
        ("{command: [a], loads_s: 5, ready: answers}", "`loads_s` is about .*leave it out with `ready: answers`"),
        ("{command: [a], loads_s: 0}", "loads_s: must be greater than 0"),
        ("{command: [a], loading: [99]}", r"loading\[0\]: must be greater than or equal to 100"),
        ("{command: a}", "must be a list"),
        ("{command: [a], shared_memory: [cache]}", r"must have \$\{PORT\} in it"),
        ("{command: [a], shared_memory: ['../home/${PORT}']}", "and no `/`"),
        ("[", "expected the node content"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "program.yaml").write_text(text)
    with pytest.raises(InputError, match=words):
        read_program(tmp_path / "program.yaml")


def test_a_lock_that_is_none_is_told(tmp_path: Path) -> None:
    assert read_lock(tmp_path) == {}
    (tmp_path / "lock.yaml").write_text("'1.0': {a.whl: {sha256: beef, bytes: 1}}")
    with pytest.raises(InputError, match="must match pattern"):
        read_lock(tmp_path)


def test_variants_are_the_configs_that_are_nothing_else(tmp_path: Path) -> None:
    for name in ("program.yaml", "lock.yaml", "static.yaml", "b.yaml", "a.yaml", "notes.md"):
        (tmp_path / name).touch()
    shape = ProgramShape(command=["gateway", "${CONFIG}"], suffix=".yaml", files=["static.yaml"])
    assert [*variants_in(tmp_path, shape)] == ["a", "b"]
    assert [*variants_in(tmp_path, ProgramShape(command=["gateway"]))] == ["default"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["${UPSTREAM}"], r"gateway has no \$\{LISTEN\}, nor \$\{PORT\}: .*`announces`"),
        (["${PORT}"], r"gateway has no \$\{UPSTREAM\}, nor \$\{UPSTREAM_ADDRESS\}"),
    ],
)
def test_who_cannot_be_told_its_port_or_its_upstream_gets_a_word_on_what_to_do(
    arguments: list[str], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        described(RELAY, *arguments).check(Path())


@pytest.mark.parametrize("line", ["127.0.0.1:${PORT}", "{address: localhost, port: ${PORT}}", "[::1]:${PORT}"])
def test_in_a_container_a_config_may_not_say_that_it_listens_to_its_own_machine_only(line: str, tmp_path: Path) -> None:
    caddy = PROXIES["caddy"]
    assert isinstance(caddy, Described)
    contained = replace(caddy, only="docker", wanted="2.10")
    config = tmp_path / "mine.caddyfile"
    config.write_text(f"{{\n{line}\nreverse_proxy ${{UPSTREAM}}\n}}")
    words = r"mine.caddyfile:2: in a container, nobody reaches what listens on .*\$\{LISTEN_HOST\}"
    with pytest.raises(InputError, match=words):
        contained.check(config)
    config.write_text("http://localhost:80\nbind ${LISTEN_HOST}:${PORT}\nreverse_proxy ${UPSTREAM}")
    contained.check(config)


@pytest.mark.parametrize(
    ("hop", "words"),
    [
        (Hop("caddy", "plain", options=(Option("word", "fast"),)), "takes a version, or a source .*, not fast"),
        (
            Hop("caddy", "plain", options=(Option("source", "brew", "2"),)),
            "takes a version, or a source .*, not brew:2",
        ),
        (Hop("caddy", "plain", "2.1", (Option("source", "wheel", "2.2"),)), "only be one version: 2.1, or wheel:2.2"),
    ],
)
def test_what_a_hop_cannot_have_is_told(hop: Hop, words: str) -> None:
    caddy = PROXIES["caddy"]
    assert isinstance(caddy, Described)
    with pytest.raises(InputError, match=words):
        caddy.canonical(hop)


def test_who_has_no_sources_takes_no_version() -> None:
    with pytest.raises(InputError, match=r"gateway has no `sources`, so it takes no version: it runs .*python"):
        described(RELAY).canonical(Hop("gateway", "default", "2.1"))


def test_a_placeholder_that_stands_for_nothing_is_told_with_what_was_meant() -> None:
    with pytest.raises(InputError, match=r"`command` has \$\{LISTN\}, .*did you mean 'LISTEN'"):
        described(RELAY, "${LISTN}", "${UPSTREAM}").check(Path())


def test_a_hop_asks_for_a_version_or_for_one_of_a_source() -> None:
    proxy = described(RELAY)
    assert (proxy.with_options(Hop("gateway", "x", "2.1")).wanted, proxy.only) == ("2.1", "")
    of_source = proxy.with_options(Hop("gateway", "x", options=(Option("source", "wheel", "2.2"),)))
    assert (of_source.wanted, of_source.only) == ("2.2", "wheel")


def test_what_is_here_and_in_no_lock_is_listed_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    installation = tmp_path / "cache/programs/tiny/wheel-tiny-bin-9.x"
    (installation / "files/bin").mkdir(parents=True)
    (installation / "files/bin/tiny").touch()
    (installation / "complete").write_text("tiny-bin 9.9\n")
    wheel = {"package": "tiny-bin", "program": "bin/tiny"}
    said = ProgramShape.model_validate({"command": ["${PROGRAM}"], "sources": {"wheel": wheel}})
    assert Described("tiny", tmp_path, given=said).offered() == "wheel 9.9 (here, in no lock)"


# ---------------------------------------------------------------- a matrix file's own

EDGE = r"m\.yaml:3: proxies\.edge: "
FROM_NPM = "['${PROGRAM}', '${PORT}', '${UPSTREAM}'], sources: {npm: {package: a}}"
MATRIX = "title: t\nworkloads: {w: {tokens: 8, token_bytes: 100}}\n"


@pytest.mark.parametrize(
    ("proxies", "chain", "words"),
    [
        ("{nginx: {command: [a]}}", "nginx:mine", r"proxies\.nginx: nginx is a proxy already"),
        ("{edge: {comand: [a]}}", "edge:default", r"proxies\.edge\.comand: unknown key"),
        ("{edge: {command: a}}", "edge:mine@1.2", r"proxies\.edge\.command: must be a list"),
        ("{edge: ./edge}", "edge:a", r"m\.yaml:3: proxies\.edge: .*edge/program\.yaml: cannot be read: .*No such file"),
        ("{direct: {command: [a]}}", "direct", r"proxies\.direct: direct is the chain without hops"),
        ("{edge: {}}", "edge:default", r"proxies\.edge: needs a `command`, or a `folder`"),
        ("{edge: {folder: ., command: [a]}}", "edge:a", r"proxies\.edge: has a folder: all else"),
        ("{edge: {command: [a, '${PORT}', '${UPSTREAM}']}}", "edge:other", "unknown variant 'edge:other'"),
        ("{edge: {command: [a, '${CONFIG}']}}", "edge:./no.conf", r"there is no file .*no\.conf"),
        ("{edge: {command: [a, '${UPSTREAM}']}}", "edge:default", rf"{EDGE}edge has no \$\{{LISTEN\}}"),
        ("{edge: {command: [a, '${PORT}']}}", "edge:default", rf"{EDGE}edge has no \$\{{UPSTREAM\}}"),
        ("{edge: {command: [a, '${PROT}']}}", "edge:default", rf"{EDGE}`command` has \$\{{PROT\}}, .*mean 'PORT'"),
        (f"{{edge: {{command: {TOLD}, explains: ['${{HER}}']}}}}", "edge:default", rf"{EDGE}`explains` has .*'HERE'"),
        (f"{{edge: {{command: {TOLD}, files: [no.types]}}}}", "edge:default", r"no\.types: cannot be read"),
        (f"{{edge: {{command: {TOLD}, env: {{A=B: c}}}}}}", "edge:default", r"proxies\.edge\.env: .* without `=`"),
        (f'{{edge: {{command: {TOLD}, env: {{A: "\\0"}}}}}}', "edge:default", r"proxies\.edge\.env\.A: .* a NUL"),
        ('{edge: {command: ["a\\0"]}}', "edge:default", r"proxies\.edge\.command\[0\]: .* a NUL"),
        (
            f"{{edge: {{command: {FROM_NPM}}}}}",
            "edge:default",
            rf"{EDGE}sources\.npm: .* no package-lock\.json that has a",
        ),
    ],
)
def test_what_is_wrong_with_a_proxy_of_ones_own_is_told_and_no_more(
    tmp_path: Path, proxies: str, chain: str, words: str
) -> None:
    (tmp_path / "m.yaml").write_text(f"{MATRIX}proxies: {proxies}\naxes: {{chain: '{chain}'}}\n")
    with pytest.raises(InputError, match=words) as told:
        load(str(tmp_path / "m.yaml"))
    assert len(told.value.complaints) == 1


def test_a_proxy_of_ones_own_may_lie_in_a_folder_of_its_own(tmp_path: Path) -> None:
    edge = tmp_path / "edge"
    edge.mkdir()
    (edge / "program.yaml").write_text("command: [edge, '${CONFIG}']\n")
    for name in ("a.conf", "b.conf"):
        (edge / name).write_text("listen ${LISTEN}\nto ${UPSTREAM}\n")
    (tmp_path / "m.yaml").write_text(f"{MATRIX}proxies: {{edge: ./edge}}\naxes: {{chain: ['edge:a', 'edge:b']}}\n")
    job = load(str(tmp_path / "m.yaml"))
    assert [str(job.own[Hop("edge", name)]) for name in "ab"] == [str(edge / "a.conf"), str(edge / "b.conf")]


def test_a_proxy_may_stand_in_the_file_itself() -> None:
    said = Document("{command: [gateway, '${PORT}', '${UPSTREAM}']}").shape(OwnProxyShape)
    assert own("gateway", said, Path("here")).variants() == {"default": Path("here")}


def test_who_reads_a_folder_is_told_where_its_config_lies_with_its_other_files(tmp_path: Path) -> None:
    for name in ("site.conf", "static.yaml"):
        (tmp_path / name).write_text("to ${UPSTREAM}\n")
    told: dict[str, object] = {"env": {"ROOT": "${CONFIG_FOLDER}/static.yaml"}, "files": ["static.yaml"]}
    shape = ProgramShape.model_validate({"command": ["gateway", "${CONFIG}"], **told})
    gateway = Described("gateway", tmp_path, given=shape)
    start = gateway.start_of(tmp_path / "site.conf", gateway.installed(), tmp_path / "evidence")
    assert start.env["ROOT"] in start.files
    assert start.command[1] in start.files


@pytest.mark.parametrize(
    ("said", "loading"),
    [("", [*LOADING]), (", loading: []", []), (", loading: [404, 500], loads_s: 3, ready: passes", [404, 500])],
)
def test_what_it_may_answer_while_it_loads_is_what_its_file_says(tmp_path: Path, said: str, loading: list[int]) -> None:
    (tmp_path / "program.yaml").write_text(f"{{command: [gateway, '${{PORT}}', '${{UPSTREAM}}']{said}}}")
    gateway = Described("gateway", tmp_path)
    start = gateway.start_of(tmp_path, gateway.installed(), tmp_path)
    assert start.loading == loading
    assert start.loads_s == (3 if "loads_s" in said else None)


# ---------------------------------------------------------------- what a program does


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Endpoint]:
    """Somebody who answers whatever comes with an empty 200."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield Endpoint(server.sockets[0].getsockname()[1])


async def fails(proxy: Described, folder: Path, upstream: Endpoint, words: str) -> None:
    """Have it not start, and say why; nothing runs then."""
    async with Launcher() as launcher:
        with pytest.raises(ProxyError, match=f"(?s){words}"):
            await proxy.start(folder, upstream, folder, launcher)
        assert launcher._processes == []


@pytest.mark.proxies
async def test_any_program_can_stand_in_a_chain(tmp_path: Path, upstream: Endpoint) -> None:
    async with Launcher() as launcher:
        running = await described(RELAY).start(tmp_path, upstream, tmp_path, launcher)
        assert running.program.returncode is None
        assert running.version == "as it is here"


@pytest.mark.proxies
async def test_what_it_leaves_among_temporary_files_goes_with_it(tmp_path: Path, upstream: Endpoint) -> None:
    leaves = "import pathlib, tempfile\nleft = tempfile.mkstemp()[1]\npathlib.Path('%s').write_text(left)\n"
    async with Launcher() as launcher:
        await described(leaves % (tmp_path / "told") + RELAY).start(tmp_path, upstream, tmp_path, launcher)
        left = Path((tmp_path / "told").read_text())
        assert left.is_file()
    assert not left.exists()


@pytest.mark.proxies
async def test_one_that_takes_a_port_of_its_own_announces_it(tmp_path: Path, upstream: Endpoint) -> None:
    proxy = described(RELAY, "0", "${UPSTREAM_ADDRESS}", announces=r"port (\d+)")
    proxy.check(tmp_path)
    async with Launcher() as launcher:
        await proxy.start(tmp_path, upstream, tmp_path, launcher)


@pytest.mark.proxies
async def test_megabytes_in_its_log_are_no_matter(tmp_path: Path, upstream: Endpoint) -> None:
    flood = f"import sys\nsys.stdout.write(('x' * 79 + chr(10)) * 50_000)\n{RELAY}"
    async with Launcher() as launcher:
        await described(flood).start(tmp_path, upstream, tmp_path, launcher)
    assert (tmp_path / "gateway.log").stat().st_size > 3_900_000


@pytest.mark.proxies
@pytest.mark.parametrize(
    ("explains", "words"),
    [
        (["-c", "import sys; print(f'error: {sys.argv[1]}:2: what is x'); sys.exit(1)"], r"my\.conf:2: what is x$"),
        (["-c", "import sys; sys.exit('no licence')"], r"my\.conf: no licence$"),
        ([], r"my\.conf: `explains`: gateway: cannot run .*no-such-checker"),
    ],
)
def test_a_config_of_a_users_is_tested_by_its_program_before_anything_is_measured(
    tmp_path: Path, explains: list[str], words: str
) -> None:
    (tmp_path / "my.conf").write_text("listen ${PORT}\nx ${UPSTREAM}\n")
    complaints = [r"error: (?P<file>[^:]+):(?P<line>\d+): (?P<words>.*)"]
    checker = [sys.executable, *explains] if explains else ["no-such-checker"]
    told = {"command": ["gateway", "${CONFIG}"], "complaints": complaints, "explains": [*checker, "${CONFIG}"]}
    with pytest.raises(InputError, match=words):
        Described("gateway", tmp_path, given=ProgramShape.model_validate(told)).check(tmp_path / "my.conf")


@pytest.mark.proxies
@pytest.mark.parametrize(
    ("explains", "words"),
    [
        ("[sh, -c, 'exit 3']", "`explains`: edge exited with status 3, and said nothing$"),
        ("[no-such-checker]", "`explains`: edge: cannot run no-such-checker"),
    ],
)
def test_what_tests_a_program_without_a_config_is_led_back_to_its_key(
    tmp_path: Path, explains: str, words: str
) -> None:
    proxies = f"{{edge: {{command: {TOLD}, explains: {explains}}}}}"
    (tmp_path / "m.yaml").write_text(f"{MATRIX}proxies: {proxies}\naxes: {{chain: 'edge:default'}}\n")
    with pytest.raises(InputError, match=rf"{EDGE}{words}"):
        load(str(tmp_path / "m.yaml"))


@pytest.mark.proxies
@pytest.mark.parametrize(("name", "language"), [("nginx", "nginx"), ("caddy", "caddyfile")])
def test_the_examples_of_the_page_on_own_configs_are_some(tmp_path: Path, name: str, language: str) -> None:
    page = Path(__file__).parents[2] / "docs/own-configs.md"
    (tmp_path / "my.conf").write_text(page.read_text().split(f"```{language}\n")[1].split("```")[0])
    PROXIES[name].check(tmp_path / "my.conf")


def test_a_config_that_is_called_as_a_file_of_the_programs_own_is_told(tmp_path: Path) -> None:
    server = "server { listen ${LISTEN}; location / { proxy_pass ${UPSTREAM}/; } }"
    (tmp_path / "paths.conf").write_text(f"events {{}} http {{ {server} }}")
    with pytest.raises(InputError, match=r"paths\.conf: nginx reads a file of its own that is called so"):
        PROXIES["nginx"].check(tmp_path / "paths.conf")


FAULTS = {
    "exits at once": ("print('no licence'); raise SystemExit(3)", r"gateway exited with status 3.*no licence"),
    "never listens": ("import time; time.sleep(600)", r"gateway did not answer on port \d+ within 2 s"),
    "never answers": (SILENT, r"gateway did not pass a request on within 2 s"),
    "needs a terminal": ("import os; os.get_terminal_size(0)", "gateway exited with status 1.*OSError"),
}


@pytest.mark.proxies
@pytest.mark.parametrize(("program", "words"), FAULTS.values(), ids=FAULTS)
async def test_a_program_that_does_not_serve_is_told_in_its_own_words(
    tmp_path: Path, upstream: Endpoint, program: str, words: str
) -> None:
    await fails(described(program, within_s=2.0), tmp_path, upstream, words)


@pytest.mark.proxies
async def test_one_of_a_matrix_file_is_led_back_to_its_key(tmp_path: Path, upstream: Endpoint) -> None:
    program = "print('one'); raise SystemExit('no licence')"
    said = f"{MATRIX}proxies:\n  gateway:\n    command: [python3, -u, -c, {program!r}, '${{PORT}}', '${{UPSTREAM}}']\n"
    (tmp_path / "m.yaml").write_text(f"{said}axes: {{chain: 'gateway:default'}}\n")
    proxy = load(str(tmp_path / "m.yaml")).proxies["gateway"]
    assert isinstance(proxy, Described)
    words = r"m\.yaml:4: proxies\.gateway: gateway exited with status 1:\none\nno licence$"
    await fails(proxy, tmp_path, upstream, words)


@pytest.mark.proxies
async def test_one_that_answers_by_itself_does_not_pass(tmp_path: Path, upstream: Endpoint) -> None:
    server = (
        "import http.server, sys; http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])),"
        " http.server.BaseHTTPRequestHandler).serve_forever()"
    )
    words = "with status 501, what is behind it with 200: it does not pass requests on"
    await fails(described(server, within_s=2.0), tmp_path, upstream, words)


@pytest.mark.proxies
async def test_a_command_that_does_not_exist_is_told(tmp_path: Path, upstream: Endpoint) -> None:
    proxy = Described("gateway", Path(), given=ProgramShape(command=["no-such-gateway", *TOLD]))
    await fails(proxy, tmp_path, upstream, "no-such-gateway")


# ---------------------------------------------------------------- what the page shows

PAGE = (Path(__file__).parents[2] / "docs/programs.md").read_text(encoding="utf-8")
BLOCKS = [block.split("```")[0] for block in PAGE.split("```yaml\n")[1:]]


def test_the_matrix_of_the_page_is_one(tmp_path: Path) -> None:
    (tmp_path / "edge").mkdir()
    (tmp_path / "edge/program.yaml").write_text("command: [edge, '${CONFIG}']\n")
    (tmp_path / "edge/strict.conf").write_text("${LISTEN} ${UPSTREAM}\n")
    (tmp_path / "m.yaml").write_text(BLOCKS[0])
    chains = {chain_text(cell.chain) for cell in load(str(tmp_path / "m.yaml")).cells}
    assert chains == {"direct", "gateway:default", "edge:strict>gateway:default"}


def test_the_program_of_the_page_is_one() -> None:
    assert Document(BLOCKS[1]).shape(ProgramShape).sources.wheel


NPM = '{"packages": {"node_modules/a": {"version": "1.0"}}}'


@pytest.mark.parametrize(
    ("files", "said", "words"),
    [
        ({"package-lock.json": "{}"}, "{npm: {package: a}}", r"package-lock\.json: is no manifest of npm's that has a"),
        ({"package-lock.json": "["}, "{npm: {package: a}}", r"package-lock\.json: is no manifest of npm's that has a"),
        ({"package-lock.json": NPM}, "{npm: {package: a}}", r"package\.json: is no manifest .*No such file"),
        ({"package-lock.json": NPM, "package.json": "[]"}, "{npm: {package: a}}", r"package\.json: is no manifest"),
        (
            {"package-lock.json": NPM, "package.json": '{"dependencies": {}, "engines": "20"}'},
            "{npm: {package: a}}",
            r"package\.json: is no manifest",
        ),
        ({}, "{wheel: {package: a, requirements: r.txt}}", r"r\.txt: cannot be read: .*No such file"),
        (
            {"lock.yaml": "'1.0': {a.exe: {sha256: x, bytes: 1}}"},
            "{wheel: {package: a, program: a}}",
            "no name of a wheel",
        ),
    ],
)
def test_a_lock_that_cannot_be_read_is_the_users(tmp_path: Path, files: dict[str, str], said: str, words: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "program.yaml").write_text(
        f"command: ['${{PROGRAM}}', '${{PORT}}', '${{UPSTREAM}}']\nsources: {said}\n"
    )
    with pytest.raises(InputError, match=words):
        Described("gateway", tmp_path).check(tmp_path)


@pytest.mark.proxies
async def test_what_is_a_secret_by_its_name_stands_in_no_command(tmp_path: Path, upstream: Endpoint) -> None:
    async with Launcher() as launcher:
        proxy = described(RELAY, env={"OPENAI_API_KEY": "canary-5010", "LOG_LEVEL": "debug"})
        await proxy.start(tmp_path, upstream, tmp_path, launcher)
    command = (tmp_path / "command.txt").read_text()
    assert "canary" not in command
    assert "LOG_LEVEL=debug" in command
