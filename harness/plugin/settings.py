"""What a project, its CI or who types sets for all tests that measure: one table, for options, ini keys and variables.

Rule: an option wins over a variable of the environment, that over a key of the ini file, that over what is usual.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from harness.resources import NO, RUNS

KEY = "harness_"
YES = ("1", "true", "t", "yes", "y", "on")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `--harness-NAME`, the key `harness_NAME` of an ini file and, where it has one, a `variable`."""

    kind: Literal["text", "names", "flag", "path", "seconds"]
    help: str
    metavar: str = ""
    variable: str = ""


SETTINGS: Mapping[str, Setting] = {
    "matrix": Setting("path", "matrix file or shipped name for tests whose marker names none", "FILE"),
    "require": Setting(
        "names",
        "fail, not skip, if these proxies or clients cannot run, as nginx,nextjs",
        "NAMES",
        "HARNESS_REQUIRE",
    ),
    "offline": Setting("flag", "fetch no program; skip what is not here", variable="HARNESS_OFFLINE"),
    "locked": Setting("flag", "fetch only versions that a lock file has the hashes of", variable="HARNESS_LOCKED"),
    "runs": Setting("path", "where run folders go; `runs` by default", "DIR"),
    "budget": Setting(
        "seconds",
        "how long a failing assert_streams looks for the cheapest fix; 30 by default, 0: not at all",
        "SECONDS",
    ),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set, paths absolute; `matrix` is as it was given, and is looked for in `matrix_folder`."""

    matrix: str | None
    matrix_folder: Path
    require: tuple[str, ...]
    offline: bool
    locked: bool
    runs: Path
    budget_s: float


def add_to(parser: pytest.Parser) -> None:
    """Make all settings known to pytest."""
    group = parser.getgroup("harness", "streaming through real proxies")
    for name, setting in SETTINGS.items():
        option, ini = f"--{KEY}{name}".replace("_", "-"), f"{KEY}{name}"
        places = [ini, *([f"${setting.variable}"] if setting.variable else [])]
        told = f"{setting.help} (or: {', '.join(places)})"
        if setting.kind == "flag":
            group.addoption(option, action="store_const", const="yes", help=told)
        else:
            group.addoption(option, metavar=setting.metavar, help=told)
        parser.addini(ini, f"{setting.help} ({option} wins)")


def settings_of(config: pytest.Config) -> Settings:
    """Return what is set. Raises UsageError for a value that is none, with the place where it stands."""
    root, here = config.inipath.parent if config.inipath else config.rootpath, config.invocation_params.dir
    matrix, matrix_in_ini = _given(config, "matrix")
    runs, runs_in_ini = _given(config, "runs")
    return Settings(
        matrix=matrix,
        matrix_folder=root if matrix_in_ini else here,
        require=tuple((_given(config, "require")[0] or "").replace(",", " ").split()),
        offline=_flag(config, "offline"),
        locked=_flag(config, "locked"),
        runs=(root if runs_in_ini else here) / (runs or RUNS),
        budget_s=_seconds(config, "budget", 30.0),
    )


def place_of(config: pytest.Config, name: str) -> str:
    """Return where a setting was said, as an error names it."""
    if config.getoption(f"{KEY}{name}", None) is not None:
        return f"--{KEY}{name}".replace("_", "-")
    variable = SETTINGS[name].variable
    return variable if variable and os.environ.get(variable) else f"{KEY}{name}"


def _given(config: pytest.Config, name: str) -> tuple[str | None, bool]:
    """Return what was said of a setting, None if nothing was, and whether the ini file said it."""
    said: Any = config.getoption(f"{KEY}{name}", None)
    if said is None and (variable := SETTINGS[name].variable):
        said = os.environ.get(variable) or None
    if said is not None:
        return str(said), False
    ini = str(config.getini(f"{KEY}{name}")).strip()
    return ini or None, bool(ini)


def _flag(config: pytest.Config, name: str) -> bool:
    said = (_given(config, name)[0] or "").strip().lower()
    if said not in (*YES, *NO):
        raise pytest.UsageError(
            f"{place_of(config, name)}: {said!r} is neither yes nor no; allowed: yes, true, 1, no, false, 0"
        )
    return said in YES


def _seconds(config: pytest.Config, name: str, usual: float) -> float:
    said, _ = _given(config, name)
    try:
        seconds = usual if said is None else float(said)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise pytest.UsageError(f"{place_of(config, name)}: {said!r} is no number of seconds; allowed: 0 and more")
    return seconds
