"""What a project, its CI or who types sets: one table, in the order of who wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.plugin.settings import SETTINGS, settings_of

DOCS = Path(__file__).parent.parent / "docs/pytest.md"
BARE = {setting.variable for setting in SETTINGS.values() if setting.variable}


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in BARE:
        monkeypatch.delenv(variable, raising=False)


def test_what_is_usual(pytester: pytest.Pytester) -> None:
    set_ = settings_of(pytester.parseconfigure())
    assert (set_.matrix, set_.require, set_.offline, set_.locked, set_.budget_s) == (None, (), False, False, 30.0)
    assert set_.runs == pytester.path / "runs"


def test_an_option_wins_over_a_variable_and_that_over_the_ini_file(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\nharness_require = nginx nextjs\nharness_offline = true\nharness_budget = 7")
    assert settings_of(pytester.parseconfigure()).require == ("nginx", "nextjs")
    monkeypatch.setenv("HARNESS_REQUIRE", "caddy")
    monkeypatch.setenv("HARNESS_OFFLINE", "0")
    set_ = settings_of(pytester.parseconfigure())
    assert (set_.require, set_.offline, set_.budget_s) == (("caddy",), False, 7.0)
    set_ = settings_of(pytester.parseconfigure("--harness-require", "envoy,nginx", "--harness-offline"))
    assert (set_.require, set_.offline) == (("envoy", "nginx"), True)


def test_paths_of_the_ini_file_start_beside_it_and_those_of_options_where_pytest_was_started(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\nharness_runs = out\nharness_matrix = direct.yaml")
    pytester.path.joinpath("direct.yaml").write_text(
        "title: D\nworkloads: {a: {tokens: 8, token_bytes: 99}}\naxes: {chain: direct}\n"
    )
    inner = pytester.mkdir("inner")
    monkeypatch.chdir(inner)
    assert settings_of(pytester.parseconfigure()).runs == pytester.path / "out"
    set_ = settings_of(pytester.parseconfigure("--harness-runs", "mine"))
    assert (set_.runs, set_.matrix, set_.matrix_folder) == (inner / "mine", "direct.yaml", pytester.path)


@pytest.mark.parametrize(
    ("ini", "argv", "told"),
    [
        ("harness_offline = perhaps", [], "harness_offline: 'perhaps' is neither yes nor no; allowed: yes, true, 1, *"),
        ("harness_budget = soon", [], "harness_budget: 'soon' is no number of seconds; allowed: 0 and more"),
        ("", ["--harness-budget", "-1"], "--harness-budget: '-1' is no number of seconds; allowed: 0 and more"),
        ("", ["--harness-budget", "nan"], "--harness-budget: 'nan' is no number of seconds; *"),
        ("", ["--harness-matrix", "none.yaml"], "there is no matrix 'none.yaml' in *: give a path or a shipped *"),
    ],
)
def test_a_value_that_is_none_is_a_usage_error_with_its_place(
    pytester: pytest.Pytester, ini: str, argv: list[str], told: str
) -> None:
    pytester.makeini(f"[pytest]\n{ini}")
    pytester.makepyfile("def test_nothing(): pass")
    done = pytester.runpytest_inprocess(*argv)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(f"ERROR: {told}")


def test_a_matrix_of_the_ini_file_is_read_once_a_test_wants_it(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nharness_matrix = none.yaml")
    pytester.makepyfile(test_a="def test_nothing(): pass", test_b="def test_cell(harness_result): pass")
    pytester.runpytest_inprocess("test_a.py").assert_outcomes(passed=1)
    done = pytester.runpytest_inprocess()
    done.stdout.fnmatch_lines("test_b.py::test_cell: there is no matrix 'none.yaml' in *: give a path or a shipped *")


def test_a_project_without_any_test_that_measures_may_set_them_all(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\n" + "\n".join(f"harness_{name} = " for name in SETTINGS))
    pytester.makepyfile("def test_nothing(): pass")
    pytester.runpytest_inprocess("--strict-config").assert_outcomes(passed=1)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_docs_have_every_setting(name: str) -> None:
    option, setting = f"--harness-{name}", SETTINGS[name]
    (row,) = [line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{option}")]
    assert f"`harness_{name}`" in row
    assert (f"`{setting.variable}`" in row) is bool(setting.variable)


WITHOUT = """
import sys
import pytest

@pytest.mark.parametrize("room", ["session", "measure", "clients", "matrix", "store", "reports"])
def test_nothing_that_measures_is_loaded(room):
    assert [name for name in sys.modules if name.startswith(f"harness.{room}.")] == []
"""


@pytest.mark.proxies
def test_a_session_that_measures_nothing_loads_nothing_of_it(pytester: pytest.Pytester) -> None:
    pytester.mkdir("runs")
    pytester.makeini("[pytest]\nharness_matrix = m.yaml\nharness_require = nginx")
    pytester.makepyfile(WITHOUT)
    pytester.runpytest_subprocess().assert_outcomes(passed=6)
