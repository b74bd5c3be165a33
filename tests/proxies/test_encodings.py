"""Configs in whatever encoding: bytes that are no UTF-8 are carried through, or refused with their line."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.model import Edit, Endpoint
from harness.proxies.diffs import told, unified
from harness.proxies.languages import LANGUAGES
from harness.proxies.languages.base import Fitted, Standing, read
from harness.proxies.languages.secrets import masked
from harness.proxies.mitigated import mitigated
from harness.proxies.nginx import Nginx
from harness.proxies.source_text import text_of
from harness.proxies.starting import Start
from harness.resources import configs
from tests.proxies.languages import reading

NGINX = Nginx("nginx", configs() / "nginx")
COMMENT = "# d\xe9j\xe0 vu \u20ac".encode("cp1252")
LINES = {
    "nginx": b"events {}\r\nhttp {\n%s\n server { listen 80; location / { proxy_pass http://app; } }\n}\n",
    "haproxy": b"listen l\n%s\r\n bind :80\n server s app:1\n",
    "apache": b"<VirtualHost *:80>\n%s\r\nProxyPass / http://app:1/\n</VirtualHost>\n",
}
TREES = {
    "traefik": ("t.yml", b"%s\nhttp:\n  routers: {}\n"),
    "envoy": ("e.yaml", b"%s\nstatic_resources: {}\n"),
    "caddy": ("c.json", b'{"apps":\n"%s"}\n'),
}
SET = {"nginx": "proxy_buffering off", "haproxy": "option http-no-delay", "apache": "ProxyIOBufferSize 8"}


def fit(language: str, config: Path, standing: Standing) -> Fitted:
    return NGINX.read(config, standing) if language == "nginx" else LANGUAGES[language](config, standing)


def refused(path: Path, said: bytes) -> str:
    path.write_bytes(said)
    with pytest.raises(InputError) as told:
        read(path)
    return str(told.value)


@pytest.mark.parametrize("language", LINES)
def test_what_is_no_utf8_is_the_same_in_what_the_program_reads(tmp_path: Path, language: str) -> None:
    config, given = tmp_path / "my.conf", LINES[language] % COMMENT
    config.write_bytes(given)
    fitted = fit(language, config, reading.standing())
    files = {str(tmp_path / "read"): next(iter(fitted.texts.values()))}
    start = Start("p", [], 1, files=files, evidence={"a.diff": fitted.diff()}, quote=fitted.quote)
    start.write(80, Endpoint(1), tmp_path, tmp_path)
    if language == "nginx":
        assert NGINX.diff(config).encode()  # which raises for what nobody can print
    made = (tmp_path / "read").read_bytes()
    assert made.count(COMMENT) == 1
    assert made.count(b"\r\n") == given.count(b"\r\n")
    assert b" " + COMMENT in (tmp_path / "a.diff").read_bytes()


@pytest.mark.parametrize("language", LINES)
def test_what_a_mitigation_changes_is_told_in_utf8(tmp_path: Path, language: str) -> None:
    config = tmp_path / "my.conf"
    config.write_bytes(LINES[language] % COMMENT)
    standing = reading.standing()

    def reads(texts: dict[Path, str]) -> Fitted:
        return fit(language, config, Standing(standing.said, standing.behind, standing.installed, texts=texts))

    made = mitigated(reads, [Edit(set=(SET[language],))])  # type: ignore[arg-type]  # texts are a dict there
    (text,) = made.after.values()
    assert COMMENT in text.encode("utf-8", "surrogateescape")
    shown = made.told()
    assert SET[language].split()[0] in shown
    assert shown.encode()  # which raises for what nobody can print


@given(st.binary(max_size=60).filter(lambda one: b"\0" not in one and one[:2] not in (b"\xff\xfe", b"\xfe\xff")))
def test_any_text_is_carried_through_and_its_diff_can_be_told(said: bytes) -> None:
    text = text_of(said)
    assert text.encode("utf-8", "surrogateescape") == said
    diff = told(Path("a"), text, f"{text}\nb\n", masked)
    assert diff.encode()
    assert unified(Path("a"), text, f"{text}\nb\n").count("\n") >= diff.count("\n") > 0


@pytest.mark.parametrize("language", TREES)
def test_where_only_utf8_can_be_read_the_line_is_told_and_the_way_out(tmp_path: Path, language: str) -> None:
    name, text = TREES[language]
    (tmp_path / name).write_bytes(text % COMMENT)
    line = 1 + (text % COMMENT).split(b"\xe9")[0].count(b"\n")
    with pytest.raises(InputError, match=rf"{re.escape(name)}:{line}: the byte 0xe9 is no UTF-8, .*`iconv -f latin1"):
        LANGUAGES[language](tmp_path / name, reading.standing())


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_utf16_is_called_so(tmp_path: Path, mark: bytes) -> None:
    said = refused(tmp_path / "my.conf", mark + "events {}".encode("utf-16-le"))
    assert said.startswith(f"{tmp_path}/my.conf: cannot be read: it is in UTF-16 ")


def test_what_is_no_text_is_told_with_its_line(tmp_path: Path) -> None:
    said = refused(tmp_path / "my.conf", b"events {}\n\x7fELF\0")
    assert said == f"{tmp_path}/my.conf:2: cannot be read: there is a zero byte, which no text has"


@pytest.mark.proxies
def test_nginx_has_nothing_against_it(tmp_path: Path) -> None:
    config = tmp_path / "my.conf"
    config.write_bytes(LINES["nginx"] % COMMENT)
    NGINX.check(config)
    config.write_bytes(LINES["nginx"] % b"d\xe9j\xe0 vu;")
    with pytest.raises(InputError, match=r'my\.conf:3: unknown directive "d.*j.*"'):
        NGINX.check(config)
