"""One way to start a hop: what it is given, and when it serves."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from harness.documents.programs import LOADING
from harness.launchers.fake import Launched
from harness.model import Endpoint
from harness.proxies.starting import Start
from tests.proxies.staging import ANNOUNCES, DEADLINE_S, TOLD, UPSTREAM, Stage

# ---------------------------------------------------------------- what it is given


async def test_placeholders_are_filled_in_wherever_they_stand_and_all_of_it_is_evidence(stage: Stage) -> None:
    start = Start(
        "server",
        ["server", "${PORT}", "--to", "${UPSTREAM_ADDRESS}", "a b"],
        DEADLINE_S,
        files={"server.conf": "listen ${LISTEN};\n", "${FOLDER}/deep/paths.conf": 'temporary "${FOLDER}";\n'},
        env={"UPSTREAM": "${UPSTREAM}"},
        cwd=stage.folder,
        quote=lambda path: path.replace("/", "//"),
    )
    endpoint = await stage.starts(start, stage.answers)
    (launched,) = stage.launcher.launched
    assert launched.argv == ["server", str(endpoint.port), "--to", "127.0.0.1:9090", "a b"]
    own = {"TMPDIR": str(stage.folder / "server-1"), "UPSTREAM": "http://127.0.0.1:9090/api"}
    assert (launched.env, launched.cwd) == (own, stage.folder)
    assert launched.log == stage.evidence / "server.log"
    assert (stage.evidence / "server.conf").read_text() == f"listen 127.0.0.1:{endpoint.port};\n"
    (paths,) = stage.folder.glob("server-*/deep/paths.conf")
    folder = str(paths.parents[1])
    assert paths.read_text() == 'temporary "{}";\n'.format(folder.replace("/", "//"))
    command = f"env UPSTREAM=http://127.0.0.1:9090/api server {endpoint.port} --to 127.0.0.1:9090 'a b'"
    assert (stage.evidence / "command.txt").read_text() == f"cd {stage.folder} && {command}\n"


async def test_what_is_kept_beside_is_a_copy_of_a_file_or_a_text_and_nothing_is_filled_in(stage: Stage) -> None:
    config = stage.folder / "mine.yaml"
    config.write_text("to: ${UPSTREAM}\n")
    await stage.starts(replace(TOLD, evidence={"variant.yaml": config, "versions.txt": "a ${PORT}\n"}), stage.answers)
    assert (stage.evidence / "variant.yaml").read_text() == "to: ${UPSTREAM}\n"
    assert (stage.evidence / "versions.txt").read_text() == "a ${PORT}\n"


@pytest.mark.parametrize(
    ("trusts", "authority", "env"),
    [("CA_FILE", "/ca.pem", {"CA_FILE": "/ca.pem"}), ("CA_FILE", None, {}), (None, "/ca.pem", {})],
)
async def test_whom_to_trust_is_told_in_the_programs_own_variable_if_there_is_anybody(
    stage: Stage, trusts: str | None, authority: str | None, env: dict[str, str]
) -> None:
    stage.upstream = replace(UPSTREAM, authority=authority)
    await stage.starts(replace(TOLD, trusts=trusts), stage.answers)
    (launched,) = stage.launcher.launched
    assert launched.env == {"TMPDIR": str(stage.folder / "server-1"), **env}
    assert all(f"{name}={value}" in (stage.evidence / "command.txt").read_text() for name, value in env.items())


async def test_each_has_a_folder_for_what_it_leaves_and_a_certificate_only_if_it_asks_for_one(stage: Stage) -> None:
    await stage.starts(TOLD, stage.answers)
    (launched,) = stage.launcher.launched
    folder = Path(launched.env["TMPDIR"])
    assert sorted(stage.folder.iterdir()) == [stage.evidence, folder]
    assert list(folder.iterdir()) == []
    assert [path.name for path in stage.evidence.iterdir()] == ["command.txt"]


async def test_who_says_where_temporary_files_go_has_them_there(stage: Stage) -> None:
    await stage.starts(replace(TOLD, env={"TMPDIR": "/elsewhere"}), stage.answers)
    assert stage.launcher.launched[0].env == {"TMPDIR": "/elsewhere"}


async def test_who_asks_for_a_certificate_gets_one_and_its_key_is_no_evidence(stage: Stage) -> None:
    start = replace(TOLD, files={"server.conf": "${CERTIFICATE} ${CERTIFICATE_KEY}"}, tls=True)
    endpoint = await stage.starts(start, stage.answers_with_tls)
    certificate, key = map(Path, (stage.evidence / "server.conf").read_text().split())
    assert b"BEGIN CERTIFICATE" in certificate.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert endpoint.url == f"https://127.0.0.1:{endpoint.port}"
    assert endpoint.authority == str(stage.evidence / "authority.pem")
    assert not [path for path in stage.evidence.iterdir() if b"PRIVATE KEY" in path.read_bytes()]


# ---------------------------------------------------------------- when it serves


async def test_a_program_that_was_told_its_port_serves_when_that_accepts_whatever_it_does_then(stage: Stage) -> None:
    endpoint = await stage.starts(replace(TOLD, path="/api"), lambda launched: stage.answers(launched, b""))
    assert endpoint == Endpoint(int(stage.launcher.launched[0].argv[1]), "/api")


async def test_a_program_that_announces_its_port_serves_there(stage: Stage) -> None:
    port = 0

    def plays(launched: Launched) -> None:
        nonlocal port
        port = stage.answers(launched)
        launched.program.says(f"starting\nlistening on {port}\n")

    assert await stage.starts(ANNOUNCES, plays) == Endpoint(port)


async def test_any_answer_will_do(stage: Stage) -> None:
    assert (await stage.starts(replace(TOLD, ready="answers"), stage.answers)).http == ("1.1",)


@pytest.mark.parametrize(
    ("behind", "path", "loading", "answers", "most"),
    [
        (200, "", LOADING, (404, 502, 503, 200), 4),
        (404, "", LOADING, (503, 502, 404), 3),
        (200, "", (), (503, 401, 200), 3),
        (200, "/chat", LOADING, (404, 502, 503, 200), 4),
        (200, "/chat", LOADING, (502, 503, 401), 3),
        (503, "/chat", LOADING, (404, 503), 2),
        (200, "/chat", (404,), (404, 404, 503), 3),
        (200, "/chat", (404,), (404, 502), 2),
        (200, "/chat", (), (503,), 1),
        (200, "/chat", (), (404,), 1),
    ],
)
async def test_one_that_passes_requests_on_serves_once_its_answer_is_none_of_those_of_loading(
    stage: Stage, behind: int, path: str, loading: tuple[int, ...], answers: tuple[int, ...], most: int
) -> None:
    stage.is_behind(behind)
    start = replace(TOLD, ready="passes", asked=path, loading=loading)
    asked: list[str] = []
    await stage.starts(start, lambda launched: stage.says(launched, (*answers, 500), asked))
    assert len(asked) == most
    assert {one.partition("?")[0] for one in asked} == {path or "/pulse"}


async def test_one_that_speaks_tls_is_asked_in_trust_of_who_signed_for_it(stage: Stage) -> None:
    start = replace(TOLD, files={"server.conf": "${CERTIFICATE} ${CERTIFICATE_KEY}"}, tls=True, ready="answers")
    assert (await stage.starts(start, stage.answers_with_tls)).url.startswith("https://")


async def test_what_it_speaks_is_asked_of_it(stage: Stage) -> None:
    settings = b"\0\0\0\4\0\0\0\0\0"
    start = replace(TOLD, negotiates=True)
    assert (await stage.starts(start, lambda launched: stage.answers(launched, settings))).http == ("2",)
    assert (await stage.starts(start, stage.answers)).http == ("1.1",)
