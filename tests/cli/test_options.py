"""Options that several commands share: what is empty is refused, and no report is written over another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commanding import Harness


@pytest.mark.parametrize(
    "words",
    [
        "list cells {}",
        "list formats {}",
        "matrix {}",
        "matrix smoke --require {}",
        "matrix smoke --runs {}",
        "matrix smoke --json {}",
        "reports {}",
        "reports --from {}",
        "reports --records {}",
        "report {}",
        "report --html {}",
        "check --against {}",
        "doctor --runs {}",
        "doctor --require {}",
        "setup {}",
    ],
)
def test_an_empty_word_is_a_mistake_and_never_stands_for_a_default(harness: Harness, words: str) -> None:
    """So an unset variable of a CI's script is noticed: `harness matrix "$MATRIX"`."""
    said = harness(*(word.format("") for word in words.split()))
    assert (said.status, said.out) == (2, "")
    assert said.err.strip()
    assert not list(Path().iterdir())


@pytest.mark.parametrize("other", ["same", "./same", "{here}/same", "link", "folder/same", "inner/../same"])
def test_no_report_is_written_over_another(harness: Harness, tmp_path: Path, other: str) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "link").symlink_to("same")
    (tmp_path / "folder").symlink_to(tmp_path)
    said = harness("matrix", "smoke", "--json", "same", "--html", other.format(here=tmp_path))
    assert (said.status, said.out) == (2, "")
    assert "--json same and --html" in said.err
    assert "lead to one place" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "inner", "link"]


def test_only_one_report_goes_to_standard_output(harness: Harness) -> None:
    said = harness("matrix", "smoke", "--markdown", "-", "--junit", "-")
    assert (said.status, said.out) == (2, "")
    assert "--markdown - and --junit - lead to one place" in said.err
