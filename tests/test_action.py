"""`action.yml`, as far as a shell can run it: its steps with the inputs that a workflow gives, and what they leave."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import pytest
import yaml

from tests.sampling import some_of

ROOT = Path(__file__).parent.parent
ACTION: Mapping[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
MATRIX = """\
title: T
workloads: {w: {tokens: 8, token_bytes: 112}}
axes: {chain: "nginx:buffering-off"}
"""
CONFIGS = (
    "runs/a/proxies/nginx.shop/nginx.conf",
    "runs/a/cells/b/hop-1/nginx.conf",
    "runs/a/cells/b/hop-1/conf/n.conf",
)
HARNESS = str(Path(sys.executable).with_name("harness"))


def filled(text: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> str:
    """Return what GitHub makes of a value: its expressions, the first operand that says something."""

    def value(found: re.Match[str]) -> str:
        for operand in (one.strip() for one in found[1].split("||")):
            if operand.startswith("inputs."):
                told = inputs.get(operand.removeprefix("inputs."), "")
            elif step := re.fullmatch(r"steps\.(installed|check)\.outputs\.(\w+)", operand):
                told = outputs.get(step[2], "")
            else:
                told = {"github.action_path": str(ROOT), "'runs'": "runs"}[operand]
            if told:
                return told
        return ""

    return re.sub(r"\$\{\{ (.*?) \}\}", value, text)


def run(folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """Run the steps that a shell runs, as a job does, up to the first that fails."""
    inputs = {name: one.get("default", "") for name, one in ACTION["inputs"].items()} | given
    told = folder / "outputs"
    told.touch()
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "HARNESS_REQUIRE")}
    environment |= {"GITHUB_OUTPUT": str(told), "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "CI": "true"}
    done: subprocess.CompletedProcess[str] | None = None
    for step in ACTION["runs"]["steps"]:
        if "run" not in step or (step.get("if") == "inputs.harness == ''" and inputs["harness"]):
            continue
        outputs = dict(line.split("=", 1) for line in told.read_text().splitlines())
        own = {name: filled(text, inputs, outputs) for name, text in step.get("env", {}).items()}
        bash = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
        done = subprocess.run(bash, cwd=folder, env=environment | own, capture_output=True, text=True, check=False)
        if done.returncode:
            break
    assert done
    return done


def test_what_a_workflow_says_is_never_part_of_a_script() -> None:
    scripts = [step["run"] for step in ACTION["runs"]["steps"] if "run" in step]
    assert len(scripts) == 2
    assert not any("${{" in script for script in scripts), "a value would be run, whoever wrote it"


def kept(folder: Path) -> list[str]:
    """Return the patterns of what is kept of a job that has run in a folder."""
    told = folder / "outputs"
    outputs = dict(line.split("=", 1) for line in told.read_text().splitlines()) if told.exists() else {}
    (path,) = [step["with"]["path"] for step in ACTION["runs"]["steps"] if "upload" in step.get("uses", "")]
    return filled(path, {"junit": "token-stream.xml"}, outputs).split()


def test_no_config_as_it_was_run_is_among_what_is_kept(tmp_path: Path) -> None:
    assert not any(PurePath(path).match(pattern) for path in CONFIGS for pattern in kept(tmp_path))


TOLD = """\
#!/bin/sh
printf '%s\\n' "$@" > told
"""


@pytest.mark.parametrize(
    ("arguments", "words", "runs"),
    [
        ("", [], "runs"),
        (" \n", [], "runs"),
        ("--only 'nginx:* x'\n--strict", ["--only", "nginx:* x", "--strict"], "runs"),
        ('--only \'a"b\' "c\\d" e\\"f $HOME *', ["--only", 'a"b', "c\\d", 'e"f', "$HOME", "*"], "runs"),
        ("--skip '' --skip a\\ b", ["--skip", "", "--skip", "a b"], "runs"),
        ("--runs out/runs", ["--runs", "out/runs"], "out/runs"),
        ("--strict --runs=\"my runs\" --only ''", ["--strict", "--runs=my runs", "--only", ""], "my runs"),
    ],
)
def test_arguments_are_words_as_xargs_has_them_and_runs_are_kept_from_where_they_go(
    tmp_path: Path, arguments: str, words: list[str], runs: str
) -> None:
    (tmp_path / "harness").write_text(TOLD)
    (tmp_path / "harness").chmod(0o755)
    assert run(tmp_path, matrix="my.yaml", harness="./harness", arguments=arguments).returncode == 0
    told = (tmp_path / "told").read_text().splitlines()
    assert told == ["check", "my.yaml", "--junit", "token-stream.xml", *words]
    assert f"runs={runs}" in (tmp_path / "outputs").read_text().splitlines()
    if " " not in runs:
        assert f"{runs}/*/results.jsonl" in kept(tmp_path)


@pytest.mark.parametrize("arguments", ["--only 'nginx:*", 'a "b', "--only 'a\nb'"])
def test_a_quote_that_is_not_closed_fails_and_says_so(tmp_path: Path, arguments: str) -> None:
    (tmp_path / "harness").write_text(TOLD)
    (tmp_path / "harness").chmod(0o755)
    done = run(tmp_path, matrix="my.yaml", harness="./harness", arguments=arguments)
    assert (done.returncode, (tmp_path / "told").exists()) == (2, False)
    assert "::error title=arguments::a quote is not closed on its line" in done.stdout


@pytest.mark.proxies
def test_the_action_fails_without_a_baseline_and_passes_with_one(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(MATRIX)
    refused = run(tmp_path, matrix="my.yaml", harness=HARNESS)
    assert (refused.returncode, "there is no baseline at my.baseline.yaml" in refused.stderr) == (2, True)
    assert "no baseline" in (tmp_path / "token-stream.xml").read_text()
    written = run(tmp_path, matrix="my.yaml", harness=HARNESS, arguments="--update --only 'nginx:*'\n--jobs 4")
    assert written.returncode == 0, written.stderr
    passed = run(tmp_path, matrix="my.yaml", harness=HARNESS, junit="out.xml")
    assert (passed.returncode, "1 as they were" in passed.stdout) == (0, True)
    assert 'failures="0"' in (tmp_path / "out.xml").read_text()
    assert "1 as they were" in (tmp_path / "summary.md").read_text()


@pytest.mark.proxies
@some_of("given", [{"harness": HARNESS}, {"python": sys.executable}], each=2)
def test_the_harness_is_one_that_is_there_or_comes_from_the_action_s_own_checkout(
    tmp_path: Path, given: Mapping[str, str]
) -> None:
    (tmp_path / "my.yaml").write_text(MATRIX)
    written = run(tmp_path, matrix="my.yaml", arguments="--update", **given)
    assert written.returncode == 0, written.stderr
    assert (tmp_path / "my.baseline.yaml").exists()


def test_whoever_checks_out_as_shown_has_the_history_that_tells_what_changed_in_a_config() -> None:
    shown = [*ROOT.glob("examples/*/.github/workflows/*.yml"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
    told = [file.read_text(encoding="utf-8") for file in shown]
    checkouts = [text[at.end() :] for text in told for at in re.finditer(r"uses: actions/checkout@\S+\n", text)]
    assert len(checkouts) >= 3
    assert all(re.match(r" *with: \{fetch-depth: 0\}", rest) for rest in checkouts)
