"""What the README shows is what was measured, and what it tells people to type works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import publish
from harness.model import Result

README = publish.README.read_text(encoding="utf-8")
FINDING = re.compile(r"^\|[^|]+\|[^|]+\| (?P<measured>[a-z ]+) \| `(?P<cell>[^`]+)` \|$", re.MULTILINE)
HARNESS = Path(sys.executable).with_name("harness")

pytest_plugins = ["pytester"]


def blocks(language: str) -> list[str]:
    """Return the README's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Return what the README's console blocks type."""
    lines = [line for block in blocks("console") for line in block.splitlines()]
    return [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    return {result.id: result for result in publish.published().results}


@pytest.mark.parametrize("finding", list(FINDING.finditer(README)), ids=lambda match: match["cell"])
def test_a_finding_is_what_its_cell_came_to(finding: re.Match[str], results: dict[str, Result]) -> None:
    result = results[finding["cell"]]
    assert finding["measured"] == (result.effect or result.verdict)


def test_there_are_findings() -> None:
    assert len(FINDING.findall(README)) >= 10


PAGES = [publish.README, *sorted(publish.README.parent.glob("docs/**/*.md"))]
FILE = re.compile(r"`((?:benchmarks|configs|examples|harness|tests)/[\w./*-]*)(?:::(\w+))?[^`]*`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there_and_so_are_their_tests(page: Path) -> None:
    root, gone = publish.README.parent, []
    for name, test in FILE.findall(page.read_text(encoding="utf-8")):
        found = [*root.glob(name.rstrip("/"))]
        if "NAME" not in name and not any(f"def {test}" in one.read_text() if test else True for one in found):
            gone.append(f"{name}::{test}")
    assert not gone


TO_ADD = README.partition("## Adding to it")[2].partition("\n## ")[0]
NAMED = re.compile(r"`(?P<name>[A-Za-z_]+)`(?:[^`|;]*| in ){0,1}\(`(?P<file>[\w/.]+)`\)")


def test_what_a_newcomer_is_sent_to_is_there() -> None:
    names = [(found["name"], found["file"]) for found in NAMED.finditer(TO_ADD)]
    absent = [pair for pair in names if pair[0] not in (publish.README.parent / pair[1]).read_text(encoding="utf-8")]
    assert absent == []
    assert len(names) > 5, "else none would be looked at"


def test_the_table_is_the_published_run_s() -> None:
    assert publish.with_table(README, publish.published()) == README


def test_the_page_is_the_published_run_s() -> None:
    assert publish.PAGE.read_text(encoding="utf-8") == publish.page(publish.published())


def test_the_published_run_is_whole_and_of_the_matrix_as_it_is(results: dict[str, Result]) -> None:
    run = publish.published()
    assert run.info.finished_at
    assert run.info.matrix_text == (publish.ROOT / "configs/matrices/default.yaml").read_text(encoding="utf-8")
    assert {result.outcome for result in run.results} <= {"pass", "observed"}
    assert len(results) >= 200


@pytest.mark.proxies
def test_commands_do_what_the_readme_says(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(blocks("yaml")[0])
    (tmp_path / "gateway.conf").write_text(blocks("nginx")[0])
    assert len(commands()) >= 6
    for words in commands():
        assert words[0] == "harness"
        done = subprocess.run([HARNESS, *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def example_test(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_example=blocks("python")[0])
    pytester.path.joinpath("gateway.conf").write_text(blocks("nginx")[0])
    return pytester


@pytest.mark.proxies
def test_the_example_test_passes(example_test: pytest.Pytester) -> None:
    assert example_test.runpytest_subprocess("-m", "proxies", "-W", "error").parseoutcomes() == {"passed": 2}


@pytest.mark.proxies
def test_the_example_test_fails_when_a_stream_is_held(example_test: pytest.Pytester) -> None:
    conf = example_test.path / "gateway.conf"
    held = "proxy_http_version 1.0; proxy_ignore_headers X-Accel-Buffering; proxy_pass"
    conf.write_text(conf.read_text().replace("proxy_pass", held))
    done = example_test.runpytest_subprocess("-m", "proxies", "--harness-budget", "0")
    assert done.parseoutcomes() == {"failed": 2}
    done.stdout.fnmatch_lines(
        ["it does not stream: coalesced, shows at the end: *", "What to try: `harness diagnose *"]
    )
