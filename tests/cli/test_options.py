"""Options that several commands share: what is empty is refused, and no report is written over another."""

from __future__ import annotations

import inspect
import itertools
import re
from pathlib import Path

import pytest
import typer

from harness.cli import cell_options
from harness.cli.commands import app
from harness.cli.groups import Fetches, grouped
from harness.model import Deployment, Hop
from harness.proxies.catalog import PROXIES
from harness.proxies.nginx import Nginx
from tests.commanding import Harness

METAVAR = re.compile(r"[A-Z]+|'NAME: VALUE'")


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
        "run --chain direct --path {}",
        "run --chain direct --server {}",
        "run --chain direct --map {}",
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


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--path", "api"), "--path: 'api' is no path as a request has it: it begins with /, as /api/chat"),
        (("--server", "a:b"), "--server: 'a:b' is no server: it is a name, a port, or both, as shop.example:443"),
        (("--map", ""), "--map names nothing: it is what your config passes requests on to, as app:8000"),
        (
            ("--map", "app"),
            "--map, --server and --path are of a config of yours, as nginx:./my.conf, and there is none",
        ),
    ],
)
def test_what_is_said_of_a_config_has_to_mean_one_that_is_there(
    harness: Harness, options: tuple[str, str], told: str
) -> None:
    said = harness("run", "--chain", "direct", *options)
    assert (said.status, said.err) == (2, f"harness: {told}\n")


TWO = ("--chain", "nginx:./a.conf>nginx:./b.conf")


def test_a_target_or_server_is_of_one_config_which_is_named(harness: Harness, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.conf").write_text("server { location / { proxy_pass http://app; } }")
    (tmp_path / "h.cfg").write_text("listen l\n mode http\n bind :80\n server s app:1\n")
    for option, said in (("--map", "app"), ("--server", "shop.example:80")):
        told = harness("run", *TWO, option, said)
        assert told.status == 2
        assert f"{option} {said}: of which of your configs? Say nginx:a={said} or nginx:b={said}" in told.err
    twins = harness("run", "--chain", "nginx:a=./a.conf>haproxy:a=./h.cfg", "--map", "a=app")
    assert (twins.status, "Say nginx:a=app or haproxy:a=app" in twins.err) == (2, True)
    unknown = harness("run", *TWO, "--map", "nginx:b=apq")
    assert (unknown.status, "b.conf: passes no requests on to 'apq', which is to be mapped" in unknown.err) == (2, True)


@pytest.mark.usefixtures("no_nginx")
def test_a_path_is_asked_of_the_chain_and_of_each_config_that_leads_it_on(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("server { location /api/ { proxy_pass http://b/; } location / { return 204; } }")
    (tmp_path / "b.conf").write_text("server { location / { proxy_pass http://app; } }")
    chain = f"nginx:{tmp_path}/a.conf>nginx:{tmp_path}/b.conf"
    given = {**cell_options.USUAL, "chain": chain}
    asked = cell_options.job(given, (), Deployment(path="/chat", map=("nginx:a=b",))).deployed
    assert asked == {
        Hop("nginx", "a"): Deployment(map=("b",), wish="/chat"),
        Hop("nginx", "b"): Deployment(wish="/chat"),
    }
    nginx = PROXIES["nginx"]
    assert isinstance(nginx, Nginx)
    meant = {hop.variant: nginx.deployed(said).meant(tmp_path / f"{hop.variant}.conf") for hop, said in asked.items()}
    assert {name: one.deployment.path for name, one in meant.items()} == {"a": "", "b": "/chat"}


def test_every_option_says_in_capitals_what_it_takes() -> None:
    command = typer.main.get_command(app)
    options = [one for each in command.commands.values() for one in each.params if one.param_type_name == "option"]  # type: ignore[attr-defined]
    odd = {one.opts[0] for one in options if one.name != "help" and not METAVAR.fullmatch(one.metavar or "")}
    assert len(options) > 80
    assert odd == {one.opts[0] for one in options if one.is_flag and not one.metavar}


def test_what_may_be_fetched_is_what_was_said() -> None:
    for offline, locked in itertools.product((False, True), repeat=2):
        fetching = Fetches(offline, locked).fetching()
        assert (fetching.offline, fetching.locked) == (offline, locked)


def test_each_option_of_a_group_arrives_where_it_belongs() -> None:
    seen = dict[str, object]()

    @grouped
    def command(*, first: Fetches, alone: int = 1, second: Fetches, **others: object) -> None:
        seen.update(first=first, alone=alone, second=second, others=others)

    command(first_offline=True, first_locked=False, alone=2, second_offline=False, second_locked=True, more=3)
    assert seen == {"first": Fetches(True), "alone": 2, "second": Fetches(locked=True), "others": {"more": 3}}
    assert [*inspect.signature(command).parameters][:3] == ["first_offline", "first_locked", "alone"]
