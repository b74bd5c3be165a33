"""Configs of every language with words lost or put in: edited line by line, or refused with a place. No programs."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.model import Deployment, Endpoint
from harness.proxies.languages import LANGUAGES
from harness.proxies.languages.base import Fitted
from harness.proxies.placeholders import filled, values
from tests.proxies.languages import production, reading
from tests.proxies.languages.addresses import APP, EVERYWHERE, addresses
from tests.proxies.languages.test_caddy import CONFIG

FILES: Mapping[str, Mapping[str, str]] = {
    "apache": {"site.conf": production.APACHE},
    "caddy": {"caddy.json": json.dumps(CONFIG, indent=1)},
    "envoy": {"envoy.yaml": production.ENVOY},
    "haproxy": {"haproxy.cfg": production.HAPROXY},
    "traefik": {"traefik.yml": production.TRAEFIK, "dynamic/app.yml": production.TRAEFIK_DYNAMIC},
}
WORDS = ["", *"{}[]:-\n\"'\\<>#1", "&a ", "*a", "null", "[]", "{}"]
SAID = [Deployment(), Deployment(path="/x"), Deployment((), ":443", "/api/chat"), Deployment(("chat",))]


def test_every_language_is_here() -> None:
    assert FILES.keys() == EVERYWHERE.keys() == LANGUAGES.keys()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("language", sorted(EVERYWHERE))
def test_nobody_is_asked_but_the_next_hop_and_it_wherever_what_is_mapped_was(
    tmp_path: Path, language: str, secure: bool
) -> None:
    behind = Endpoint(9, authority="ca.pem" if secure else None)
    fitted = reading.fit(language, tmp_path, EVERYWHERE[language], Deployment((APP,), ":80"), behind)
    assert [host for text in fitted.texts.values() for host in addresses(text)] == []
    asked = [host for source in fitted.texts for host in addresses(source.text)]
    read = "".join(fitted.texts.values())
    assert len(re.findall(r"\$\{UPSTREAM(?:_ADDRESS|_HOST)?\}", read)) == asked.count(APP) > 0


@given(st.data())
def test_a_config_with_words_lost_or_put_in_is_edited_line_by_line_or_refused_with_a_place(data: st.DataObject) -> None:
    language = data.draw(st.sampled_from(sorted(FILES)))
    name = data.draw(st.sampled_from(sorted(FILES[language])))
    tokens = re.findall(r"\s+|\w+|.", FILES[language][name])
    for at in data.draw(st.lists(st.integers(0, len(tokens) - 1), max_size=3)):
        tokens[at] = data.draw(st.sampled_from(WORDS) | st.sampled_from(tokens))
    files = {**FILES[language], name: "".join(tokens)}
    said, behind = data.draw(st.sampled_from(SAID)), Endpoint(9, authority=data.draw(st.sampled_from([None, "ca.pem"])))
    with tempfile.TemporaryDirectory() as folder:
        refused: InputError | None = None
        try:
            fitted = reading.fit(language, Path(folder), files, said, behind)
        except InputError as error:
            refused = error
        if refused:
            assert all(one.file for one in refused.complaints)
        else:
            can_stand_in_a_chain(language, fitted)


def can_stand_in_a_chain(language: str, fitted: Fitted) -> None:
    read = " ".join([*fitted.command, *fitted.texts.values()])
    assert re.search(r"\$\{(LISTEN|PORT)\}", read)
    assert "${UPSTREAM" in read
    for source, text in fitted.texts.items():
        if language in ("envoy", "traefik"):
            yaml.compose(filled(text, values(1, Endpoint(9), Path("/f"))))
        if language in ("apache", "haproxy"):
            assert text.count("\n") == source.text.count("\n")


SITE = "<VirtualHost *:80>\nProxyPass / http://app:1/\n</VirtualHost>\n"
STATIC = "entryPoints: {web: {address: ':80'}}\nproviders: {file: {%s}}\n"
DYNAMIC = """\
http:
  routers: {all: {rule: "PathPrefix(`/`)", service: app}}
  services: {app: {loadBalancer: {servers: [{url: "http://app:1"}]}}}
"""


@pytest.mark.parametrize(
    ("language", "files", "folders"),
    [
        ("apache", {"site.conf": SITE}, set()),
        ("apache", {"site.conf": f"{SITE}IncludeOptional more/*.conf\n"}, {"more"}),
        ("traefik", {"t.yml": STATIC % "filename: d/app.yml", "d/app.yml": DYNAMIC}, set()),
        (
            "traefik",
            {"t.yml": STATIC % "directory: d", "d/app.yml": DYNAMIC, "d/a/b.yml": "http: {}\n"},
            {"d", "d/a"},
        ),
        ("haproxy", {"h.cfg": "listen l\n bind :80\n server s app:1\n"}, set()),
    ],
)
def test_it_is_told_in_which_folders_a_new_file_would_be_one_more_of_a_config(
    tmp_path: Path, language: str, files: Mapping[str, str], folders: set[str]
) -> None:
    (tmp_path / "more").mkdir()
    assert reading.fit(language, tmp_path, files, Deployment()).folders == {tmp_path / one for one in folders}
