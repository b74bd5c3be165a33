"""An Apache site of anybody's: what of it stands for what, what is edited in it, what has to be said. No Apache."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from harness.model import Deployment, Endpoint
from harness.proxies.languages.apache_lines import parse
from harness.proxies.languages.apache_modules import before
from harness.proxies.languages.base import Fitted
from harness.proxies.source_text import Source
from tests.proxies.languages import production, reading
from tests.proxies.languages.reading import changes, served

NOTHING = Deployment()
SHORT = "<VirtualHost *:80>\nProxyPass / http://app:1/\n</VirtualHost>\n"
refused = partial(reading.refused, "apache")


def fit(
    folder: Path, text: str = production.APACHE, said: Deployment = NOTHING, behind: Endpoint = reading.NOBODY
) -> Fitted:
    return reading.fit("apache", folder, {"s.conf": text}, said, behind)


def modules(fitted: Fitted) -> list[str]:
    """Return the modules that are loaded before a config."""
    return re.findall(r"modules/mod_(\w+)\.so", " ".join(fitted.command))


def test_what_must_change_is_edited_at_the_token_and_all_else_stays(tmp_path: Path) -> None:
    assert changes(fit(tmp_path, said=Deployment(("app",)))) == [
        "<VirtualHost *:80> => <VirtualHost 127.0.0.1:1>",
        "<VirtualHost _default_:443 [::]:443> => <VirtualHost ${LISTEN}>",
        "ErrorLog ${APACHE_LOG_DIR}/error.log => ",
        "CustomLog ${APACHE_LOG_DIR}/access.log \\ => ",
        "combined => ",
        'SSLCertificateFile /etc/ssl/shop.pem => SSLCertificateFile "${CERTIFICATE}"',
        'SSLCertificateKeyFile /etc/ssl/shop.key => SSLCertificateKeyFile "${CERTIFICATE_KEY}"',
        "Include /etc/letsencrypt/options-ssl-apache.conf => ",
        "ProxyPass http://app:8000/api/chat flushpackets=on"
        " => ProxyPass http://${UPSTREAM_ADDRESS}/api/chat flushpackets=on",
        "BalancerMember http://web-1:3000 hcmethod=GET hcuri=/up => BalancerMember http://127.0.0.1:1",
        'BalancerMember "http://web-2:3000" => BalancerMember "http://127.0.0.1:1"',
    ]


@pytest.mark.parametrize(
    ("url", "secure", "after"),
    [
        ("http://app:1/x", True, "https://${UPSTREAM_ADDRESS}/x"),
        ("https://app/", False, "http://${UPSTREAM_ADDRESS}/"),
        ("wss://app:1/", False, "ws://${UPSTREAM_ADDRESS}/"),
        ("unix:/run/a.sock|http://localhost/x", False, "http://${UPSTREAM_ADDRESS}/x"),
    ],
)
def test_the_next_hop_is_spoken_to_as_it_speaks(tmp_path: Path, url: str, secure: bool, after: str) -> None:
    behind = Endpoint(1, authority="ca.pem" if secure else None)
    fitted = fit(tmp_path, SHORT.replace("http://app:1/", url), behind=behind)
    assert changes(fitted)[-1].endswith(f"=> ProxyPass / {after}")
    assert ("SSLProxyEngine on" in fitted.command) == secure == ("ssl" in modules(fitted))


def test_a_site_gets_the_modules_that_its_directives_need(tmp_path: Path) -> None:
    always = ["mpm_event", "authn_core", "authz_core", "proxy", "proxy_http"]
    assert modules(fit(tmp_path, SHORT)) == always
    more = "RewriteEngine on\nHeader set A b\nSetOutputFilter DEFLATE\nProtocols h2c http/1.1\n</Virt"
    assert modules(fit(tmp_path, SHORT.replace("</Virt", more))) == [*always, "headers", "rewrite", "deflate", "http2"]


@pytest.mark.parametrize(
    ("loaded", "around", "found"),
    [
        ("LoadModule headers_module modules/mod_headers.so", "{}", ["mpm_event", "deflate"]),
        ("LoadModule MPM_prefork_module modules/mod_mpm_prefork.so", "{}", ["deflate"]),
        ("LoadModule mpm_itk_module modules/mod_mpm_itk.so", "{}", ["mpm_event", "deflate"]),
        ("LoadModule headers_module a.so", "<IfModule mod_deflate.c>\n{}\n</IfModule>", ["mpm_event"]),
        ("LoadModule headers_module a.so", "<IfVersion > 2.4>\n{}\n</IfVersion>", ["mpm_event", "deflate"]),
        ("", "<IfModule mod_deflate.c>\n{}\n</IfModule>", ["mpm_event", "deflate"]),
        ("# LoadModule mpm_event_module modules/mod_mpm_event.so", "{}\n# BROTLI_COMPRESS", ["mpm_event", "deflate"]),
    ],
)
def test_what_a_config_does_not_load_itself_is_completed(
    tmp_path: Path, loaded: str, around: str, found: list[str]
) -> None:
    top = parse(Source(tmp_path, f"{loaded}\n{around.format('SetOutputFilter DEFLATE')}\n{SHORT}"))
    always = {"authn_core", "authz_core", "proxy", "proxy_http"}
    read = re.findall(r"modules/mod_(\w+)\.so", " ".join(before(top, "http")))
    assert always <= {*read}
    assert [one for one in read if one not in always] == found


# ---------------------------------------------------------------- what answers


WWW = "www.shop.example"


@pytest.mark.parametrize(
    ("said", "answers", "asked", "host"),
    [
        (Deployment(("app",)), 'Location "/api/chat"', "/api/chat", "shop.example"),
        (Deployment(("web-2",)), "ProxyPass / balancer://web/", "/", "shop.example"),
        (Deployment((), "www.shop.example", "/api/chatter"), "ProxyPass / balancer://web/", "/api/chatter", WWW),
        (Deployment((), ":443", "/api/chat/1"), 'Location "/api/chat"', "/api/chat/1", "shop.example"),
    ],
)
def test_what_answers_is_told(tmp_path: Path, said: Deployment, answers: str, asked: str, host: str) -> None:
    fitted = fit(tmp_path, said=said)
    assert served(fitted) == f"virtual host shop.example:443 > {answers}"
    assert (fitted.asked, fitted.host, fitted.tls) == (asked, host, True)


def test_a_config_without_virtual_hosts_is_one_server(tmp_path: Path) -> None:
    fitted = fit(
        tmp_path,
        "Listen 8080\n<LocationMatch ^/a>\nProxyPassMatch http://app:1\n</LocationMatch>\n",
        Deployment(path="/a"),
    )
    assert served(fitted) == "main server:8080 > LocationMatch ^/a"
    assert changes(fitted)[0] == "Listen 8080 => "


TOP = """\
ProxyPass /top http://app:1/
<Location /both>
ProxyPass http://app:1/
</Location>
<VirtualHost *:80>
ServerName a.test
RewriteRule ^/old http://app:1/ [nc,PROXY]
<Location /both>
ProxyPass http://b:2/
</Location>
<Location /c>
RewriteRule x http://b:2/ [p]
<If "%{QUERY_STRING} == 'x'">
ProxyPass http://b:2/
</If>
</Location>
ProxyPass /top/own http://b:2/
ProxyPass /c http://app:1/
<FilesMatch \\.php$>
SetHandler "proxy:fcgi://php:9000"
</FilesMatch>
</VirtualHost>
"""


@pytest.mark.parametrize(
    ("backend", "path", "answers"),
    [
        ("app", "/top", "ProxyPass /top http://app:1/"),
        ("app", "/top/own", "ProxyPass /top http://app:1/"),
        ("b", "/both", "Location /both"),
        ("app", "/old", "RewriteRule ^/old http://app:1/ [nc,PROXY]"),
        ("app", "/c", ""),
    ],
)
def test_what_stands_outside_of_virtual_hosts_is_in_each_and_what_a_place_may_lead_elsewhere_is_not_claimed(
    tmp_path: Path, backend: str, path: str, answers: str
) -> None:
    fitted = fit(tmp_path, TOP, Deployment((backend,), path=path))
    assert served(fitted) == (f"virtual host a.test:80 > {answers}" if answers else "")


def test_what_answers_and_errors_tell_no_secret(tmp_path: Path) -> None:
    told = fit(tmp_path, SHORT.replace("http://app:1/", "http://bob:s3cr3t@app:1/ secret=s3cr3t"))
    assert served(told) == "virtual host:80 > ProxyPass / http://(redacted)@app:1/ secret=(redacted)"
    lines = refused(tmp_path, {"s.conf": SHORT.replace("http://", "fcgi://bob:s3cr3t@")})
    lines += refused(tmp_path, {"s.conf": SHORT + "Include s.conf token=s3cr3t\n"})
    lines += refused(tmp_path, {"s.conf": "<If \"%{HTTP:Authorization} == 's3cr3t'\">\n"})
    assert "s3cr3t" not in "".join(lines)
    assert "app:1 is spoken to by fcgi" in lines[0]


# ---------------------------------------------------------------- what has to be said, and what is refused


@pytest.mark.parametrize(
    ("text", "said", "told"),
    [
        (production.APACHE, Deployment(("ap",)), ": passes no requests on to 'ap', which is to be mapped; allowed: "),
        (production.APACHE, NOTHING, ":23: `--map app:8000` says that this stands for the next hop"),
        (production.APACHE, Deployment(("web",), ":81"), ": has no server ':81'; allowed: shop.example:80, "),
        (
            production.APACHE,
            Deployment(("web",), path="/static/a"),
            ":6: ProxyPass /static ! (s.conf:31) answers",
        ),
        (SHORT.replace("http:/", "fcgi:/"), NOTHING, ":2: app:1 is spoken to by fcgi, which is no HTTP/1.1"),
        (SHORT.replace("http:/", "balancer:/"), NOTHING, ":2: app:1 is no `<Proxy balancer://...>` here"),
        (SHORT.replace("http://app:1/", "app"), NOTHING, ":2: `ProxyPass / app` names no url"),
        (SHORT.replace("ProxyPass /", "ProxyPassMatch ^/x(.*)"), NOTHING, ":2: `ProxyPassMatch ^/x(.*) http://app:1/`"),
        (SHORT + "RewriteRule x /y [P]\n", NOTHING, ":4: `RewriteRule x /y [P]` names no url"),
        (SHORT + "Include conf.d/*.conf\n", NOTHING, ":4: `Include conf.d/*.conf` finds no file here"),
        (SHORT + "Include s.conf\n", NOTHING, ":4: `Include s.conf` is not read along: write what it says into a copy"),
        ("<VirtualHost *:80>\n", NOTHING, ":1: `<VirtualHost *:80>` is never closed"),
        ("</Location>\n", NOTHING, ":1: `</Location>` closes nothing that is open"),
        ("ServerName a\n", NOTHING, ": passes no requests on to anybody"),
        ("# nothing\n", NOTHING, ": listens nowhere that a client could ask"),
    ],
)
def test_what_is_not_there_or_fits_twice_is_told_with_lines(
    tmp_path: Path, text: str, said: Deployment, told: str
) -> None:
    lines = refused(tmp_path, {"s.conf": text}, said)
    assert any(line.startswith(f"s.conf{told}") for line in lines), lines


def test_lines_are_read_as_apache_has_them() -> None:
    text = 'A "b \\" c" \\\n  d#e \\x # f\n  # g\n<If "%{X} > 1">\nH \'i\'\n</If>\n'
    top = parse(Source(Path("c"), text))
    assert [[word.said for word in one.words] for one in top.every()] == [
        ["A", 'b " c', "d#e", "\\x", "#", "f"],
        ["<If", "%{X} > 1"],
        ["H", "i"],
    ]
