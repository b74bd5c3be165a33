"""Request profiles are data: the shipped ones, and a matrix file's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.documents.redaction import masked_run
from harness.errors import InputError
from harness.matrix import requests
from harness.matrix.mitigations import plan
from harness.model import Cell, RequestProfile
from harness.session.jobs import Job, load
from tests.planning import REQUESTS
from tests.reports.samples import run_info

HEAD = "title: t\nworkloads: {w: {tokens: 8, token_bytes: 100}}\n"
SECRET = "canary-5010"


def sent(job: Job, cell: Cell) -> tuple[tuple[str, str], ...]:
    return plan(cell, job.matrix.catalogue, job.matrix.requests).request_headers


def written(folder: Path, body: str) -> str:
    (folder / "m.yaml").write_text(HEAD + body)
    return str(folder / "m.yaml")


@pytest.mark.parametrize("profile", REQUESTS.values(), ids=REQUESTS)
def test_a_shipped_profile_says_what_it_accepts(profile: RequestProfile) -> None:
    names = [name.lower() for name, _ in profile.headers]
    assert "accept" in names
    assert ("accept-encoding" in names) is (profile.name != "curl")
    assert not {"host", "connection", "content-length", "authorization"} & set(names)


def test_a_profile_of_ones_own_is_sent(tmp_path: Path) -> None:
    own = "requests: {app: {about: ours, headers: {Accept-Encoding: gzip, X-App: '1'}}}\n"
    job = load(written(tmp_path, f"{own}axes: {{chain: direct, request: [app, gzip]}}\n"))
    told = {cell.request: dict(sent(job, cell)) for cell in job.cells}
    assert told == {"app": {"Accept-Encoding": "gzip", "X-App": "1"}, "gzip": dict(REQUESTS["gzip"].headers)}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "axes: {chain: direct, request: wget}",
            r"m\.yaml:3: axes\.request: unknown request 'wget'; allowed: curl",
        ),
        ("requests: {curl: {about: a, headers: {}}}\naxes: {chain: direct}", "there is a profile of this name already"),
        ("requests: {app: {about: a}}\naxes: {chain: direct}", r"requests\.app\.headers: this key is required"),
        ("requests: {app: {about: a, headers: {A: x, a: y}}}\naxes: {chain: direct}", "the same header is there twice"),
        (f"requests: {{app: {{about: a, headers: {{A: [{SECRET}]}}}}}}\naxes: {{chain: direct}}", "must be text"),
    ],
)
def test_what_is_wrong_with_one_is_told_and_no_value_is_quoted(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as told:
        load(written(tmp_path, body + "\n"))
    assert SECRET not in str(told.value)


def test_a_file_of_profiles_that_is_none_is_told() -> None:
    with pytest.raises(InputError, match=r"requests\.yaml:1: app: must be keys and values, not 'gzip'"):
        requests.parse("app: gzip", "requests.yaml")


def test_browsers_shake_hands_as_browsers_do() -> None:
    shake = {name for name, profile in REQUESTS.items() if profile.handshake == "browser"}
    assert shake == {"browser", "firefox", "safari"}


def test_a_secret_in_one_stays_out_of_the_runs_copy() -> None:
    text = f"{HEAD}requests: {{app: {{about: a, headers: {{Authorization: {SECRET}, X-App: told}}}}}}\n"
    text += f"proxies: {{gateway: {{command: [g], env: {{OPENAI_API_KEY: {SECRET}}}}}}}\n"
    kept = masked_run(replace(run_info(), matrix_text=text)).matrix_text
    assert SECRET not in kept
    assert "X-App: told" in kept
