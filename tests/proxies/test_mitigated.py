"""What is the same for mitigations in configs of every language: how they are applied, told, and whom they concern."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import Complaint, InputError, Unavailable
from harness.launchers.base import Installed
from harness.model import HIDDEN, Deployment, Edit, Endpoint
from harness.proxies import as_deployed
from harness.proxies.as_deployed import CHANGED, AsDeployed
from harness.proxies.base import Running
from harness.proxies.catalog import PROXIES
from harness.proxies.described import Described
from harness.proxies.languages import LANGUAGES
from harness.proxies.languages.base import Fitted, Standing, Wanted
from harness.proxies.mitigated import Mitigated
from harness.session import catalogue
from tests.proxies.languages import production
from tests.proxies.languages.reading import mitigate, write

TYPE = "type.googleapis.com/envoy.extensions.filters.http"
FILTERS = [
    f'{{name: {one}, typed_config: {{"@type": {TYPE}.{one}.v3.X}}}}'
    for one in ("lua", "compressor", "file_system_buffer")
]
EDITED = {"apache", "caddy", "envoy", "haproxy", "nginx", "traefik"}
FILES = {
    "apache": {
        "site.conf": production.APACHE.replace(
            '    <Location "/reports">\n        SetOutputFilter SED\n',
            '    ExtFilterDefine fix cmd=/bin/cat\n    <Location "/reports">\n'
            "        SetOutputFilter SED;fix;RATE_LIMIT\n",
        ).replace("balancer://web/\n", "balancer://web/ flushpackets=off\n", 1)
    },
    "envoy": {
        "envoy.yaml": production.ENVOY.replace("http_filters: [", f"http_filters: [{', '.join(FILTERS)}, ").replace(
            ", timeout: 0s", ""
        )
    },
    "haproxy": {
        "haproxy.cfg": production.HAPROXY.replace(
            "backend web\n",
            "backend web\n    compression algo gzip\n    http-response wait-for-body time 1s # all\n"
            "    http-request set-header Authorization s3cr3t\n",
        )
    },
    "traefik": {
        "traefik.yml": production.TRAEFIK,
        "dynamic/app.yml": production.TRAEFIK_DYNAMIC.replace("[limits]", "[limits, zip]").replace(
            "  middlewares:\n    limits", "  middlewares:\n    zip: {compress: {}}\n    limits"
        ),
    },
}
SAID = {
    "apache": Deployment(("web",), path="/reports"),
    "envoy": Deployment(("chat",), ":443", "/api/chat"),
    "haproxy": Deployment(("web",), path="/"),
    "traefik": Deployment(("web:3000",), path="/"),
}
EDITS = [(name, proxy, edit) for name, one in catalogue().items() for proxy, edit in one.edit.items() if proxy in FILES]


def done(language: str, folder: Path, *edits: Edit, **files: str) -> Mitigated:
    return mitigate(language, folder, {**FILES[language], **files}, *edits, said=SAID[language])


def test_the_catalogue_edits_configs_of_all_that_are_read_as_deployed() -> None:
    assert {proxy for one in catalogue().values() for proxy in one.edit} == EDITED
    assert {name for name, proxy in PROXIES.items() if isinstance(proxy, AsDeployed)} == EDITED


@pytest.mark.parametrize(("name", "language", "edit"), EDITS, ids=[f"{name}-{proxy}" for name, proxy, _ in EDITS])
def test_every_edit_of_the_catalogue_changes_a_config_that_needs_it_once_and_nothing_else(
    tmp_path: Path, name: str, language: str, edit: Edit
) -> None:
    found = done(language, tmp_path, edit)
    assert found.after, name
    for path, text in found.after.items():
        before, after = found.before[path].splitlines(), text.splitlines()
        assert before != after
        assert abs(len(before) - len(after)) <= 2
        assert len(set(before) ^ set(after)) <= 4
    for path, text in found.after.items():
        path.write_text(text)
    again = {name: (tmp_path / name).read_text() for name in FILES[language]}
    assert not done(language, tmp_path, edit, **again).after
    assert found.fitted.served_by
    assert found.was.served_by
    assert found.fitted.served_by.location == found.was.served_by.location, "told by the lines that the file has"
    assert found.fitted.served_by.changed == found.told()


BLANKS = st.sampled_from(["", "\n", "# b\n", "\n    # {c}\n\n"])


@pytest.mark.proxies
@pytest.mark.skipif(not shutil.which("patch"), reason="no patch")
@given(st.data())
def test_patches_make_of_the_users_files_what_is_measured(data: st.DataObject) -> None:
    language = data.draw(st.sampled_from(sorted(FILES)))
    edits = data.draw(
        st.lists(st.sampled_from([edit for _, of, edit in EDITS if of == language]), min_size=1, unique=True)
    )
    files = dict(FILES[language])
    for name in data.draw(st.lists(st.sampled_from(sorted(files)), max_size=3)):
        lines = files[name].splitlines(keepends=True)
        lines.insert(data.draw(st.integers(1, len(lines))), data.draw(BLANKS))
        files[name] = "".join(lines)
    ends = data.draw(st.booleans())
    files = {name: text if ends else text.removesuffix("\n") for name, text in files.items()}
    with tempfile.TemporaryDirectory() as folder:
        found = done(language, Path(folder), *edits, **files)
        diff = found.diff().replace(f"{folder}/", "")
        patch = ["patch", "-p0", "--binary", "--quiet"]
        subprocess.run(patch, input=diff.encode(), check=True, timeout=60, cwd=folder)
        expected = {str(path.relative_to(folder)): text for path, text in found.after.items()}
        assert {name: (Path(folder) / name).read_bytes().decode() for name in files} == {**files, **expected}


def test_a_secret_is_told_in_no_diff_and_is_in_the_one_that_is_kept(tmp_path: Path) -> None:
    found = done("haproxy", tmp_path, Edit(add=("option http-no-delay",), drop=("http-request set-header",)))
    assert f"-    http-request set-header Authorization {HIDDEN}" in found.told().splitlines()
    assert "s3cr3t" not in found.told()
    assert "s3cr3t" in found.diff()


def test_what_does_not_come_to_be_in_effect_is_refused_and_not_tried_for_ever(tmp_path: Path) -> None:
    flows = FILES["traefik"]["dynamic/app.yml"].replace("zip: {compress: {}}", "zip: {compress: {a: b}}")
    with pytest.raises(InputError, match=r"app\.yml: `set: compress\.a c, d` is not in effect after 100 changes"):
        done("traefik", tmp_path, Edit(set=("compress.a c, d",)), **{"dynamic/app.yml": flows})


def test_the_lines_of_an_edit_are_applied_in_their_order_with_words_as_they_are_written() -> None:
    edit = Edit(set=("a 'b c' d",), add=("e f",), drop=("g",))
    assert [(one.verb, one.name, one.arguments) for one in Wanted.of(edit)] == [
        ("set", "a", ["'b c'", "d"]),
        ("add", "e", ["f"]),
        ("drop", "g", []),
    ]


# ---------------------------------------------------------------- a proxy that has them

HAPROXY = PROXIES["haproxy"]
NO_DELAY = Edit(add=("option http-no-delay",))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Note how often a config is read by its language."""
    language, found = LANGUAGES["haproxy"], list[Path]()

    def reading(config: Path, standing: Standing) -> Fitted:
        found.append(config)
        return language(config, standing)

    monkeypatch.setattr(as_deployed, "LANGUAGES", {"haproxy": reading})
    return found


def test_a_config_that_is_started_is_read_once_and_once_more_for_each_change(tmp_path: Path, reads: list[Path]) -> None:
    assert isinstance(HAPROXY, AsDeployed)
    config = write(tmp_path, {"h.cfg": "listen l\n bind :80\n server s app:1\n"})
    for edits, wish, times in (((), "", 1), ((NO_DELAY,), "", 2), ((), "/chat", 1)):
        reads.clear()
        proxy = HAPROXY.deployed(Deployment(wish=wish)).edited(edits)._about_to_run(config)
        start = proxy.start_of(config, Installed("system", "", Path("/haproxy")), tmp_path)
        assert proxy.asks(config) >= {"LISTEN", "UPSTREAM_ADDRESS"}
        assert len(reads) == times
        assert (CHANGED in start.evidence) is bool(edits)


def test_a_config_that_says_what_stands_for_what_is_not_edited(tmp_path: Path) -> None:
    assert isinstance(HAPROXY, AsDeployed)
    config = write(tmp_path, {"h.cfg": "listen l\n bind ${LISTEN}\n server s ${UPSTREAM_ADDRESS}\n"})
    assert HAPROXY.edited([NO_DELAY]).changed(config) == ""


def test_what_only_a_program_can_tell_that_is_not_here_concerns_a_config_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caddy = PROXIES["caddy"]
    assert isinstance(caddy, AsDeployed)

    def none(self: AsDeployed) -> Installed:
        raise Unavailable("caddy is not here", "harness setup caddy")

    monkeypatch.setattr(AsDeployed, "installed", none)
    config = write(tmp_path, {"Caddyfile": "a.example {\n\treverse_proxy app:1\n}\n"})
    assert caddy.edited([Edit(set=("flush_interval -1",))]).changed(config).startswith("caddy is not here")


async def test_what_a_program_has_against_an_edit_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(HAPROXY, AsDeployed)
    config = write(tmp_path, {"h.cfg": "listen l\n bind :80\n server s app:1\n"})

    async def refused(*_: object) -> Running:
        raise InputError(Complaint("unknown option", file=str(config), line=4))

    monkeypatch.setattr(Described, "start", refused)
    with pytest.raises(
        InputError, match=r"h.cfg:4: unknown option, as mitigations edit it \(mitigations.diff has how\)"
    ):
        await HAPROXY.edited([NO_DELAY]).start(config, Endpoint(1), tmp_path, None)  # type: ignore[arg-type]
