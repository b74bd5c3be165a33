"""CI may skip nothing that it can have, whoever adds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.proxies.catalog import PROXIES
from tests.required import required

RUN = Path(__file__).parent.parent / ".ci/run"


def test_all_is_required_but_what_only_a_systems_packages_have() -> None:
    assert set(PROXIES) - set(required()) == {"apache"}
    assert {"curl", "curl-awk", "h2", "chromium"} <= set(required())


def test_ci_asks_for_that_and_has_no_list_of_its_own() -> None:
    asked = "required=$(.venv/bin/python -m tests.required)\nHARNESS_REQUIRE=$required make"
    assert asked in RUN.read_text()
    printed = subprocess.check_output([sys.executable, "-m", "tests.required"], cwd=RUN.parent.parent, text=True)
    assert printed.strip().split(",") == required()
