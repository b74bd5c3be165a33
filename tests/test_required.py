"""CI may skip nothing that it can have, whoever adds it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from harness.proxies.catalog import PROXIES
from tests import conftest
from tests.required import required

RUN = Path(__file__).parent.parent / ".ci/run"


def test_all_is_required_but_what_only_a_systems_packages_have() -> None:
    assert set(PROXIES) - set(required()) == {
        "apache",
        "h2o",
        "lighttpd",
        "nghttpx",
        "squid",
        "trafficserver",
        "varnish",
    }
    assert {"curl", "curl-awk", "h2", "chromium"} <= set(required())


def test_ci_asks_for_that_and_has_no_list_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    asked = "required=$(.venv/bin/python -m tests.required)\nHARNESS_REQUIRE=$required .ci/with_engine make"
    assert asked in RUN.read_text()
    runpy.run_path(str(Path(__file__).with_name("required.py")), run_name="__main__")
    assert capsys.readouterr().out.strip().split(",") == required()


def test_a_test_that_needs_what_is_missing_is_skipped_with_the_reason_unless_that_is_required(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, no_nginx: None
) -> None:
    request.node.add_marker(pytest.mark.needs("nginx"))
    monkeypatch.setenv("HARNESS_REQUIRE", "")
    with pytest.raises(pytest.skip.Exception, match="nginx is not installed"):
        conftest.pytest_runtest_setup(request.node)
    monkeypatch.setenv("HARNESS_REQUIRE", "curl,nginx")
    conftest.pytest_runtest_setup(request.node)
