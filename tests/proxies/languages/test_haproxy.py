"""A haproxy.cfg of anybody's: what of it stands for what, what is edited in it, and what has to be said. No HAProxy."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from harness.model import Deployment, Endpoint
from harness.proxies.languages import haproxy_lines
from harness.proxies.languages.base import Fitted
from harness.proxies.languages.haproxy_lines import Asked, Condition, acls_of
from harness.proxies.source_text import Source
from tests.proxies.languages import reading
from tests.proxies.languages.production import HAPROXY as PRODUCTION
from tests.proxies.languages.reading import changes, served

CHAT = "use_backend chat if is_api is_chat"
SHORT = "frontend f\n bind :80\n default_backend b\nbackend b\n server s app:1\n"


def fit(
    folder: Path, text: str = PRODUCTION, said: Deployment | None = None, behind: Endpoint = reading.NOBODY
) -> Fitted:
    return reading.fit("haproxy", folder, {"h.cfg": text}, said, behind)


NOTHING = Deployment()
refused = partial(reading.refused, "haproxy")


def test_what_must_change_is_edited_at_the_token_and_all_else_stays(tmp_path: Path) -> None:
    assert changes(fit(tmp_path, said=Deployment(("chat",)))) == [
        "log /dev/log local0   # to syslog => # to syslog",
        "chroot /var/lib/haproxy => ",
        "stats socket /run/haproxy/admin.sock mode 660 level admin => ",
        "user haproxy => ",
        "daemon => ",
        "log     global => ",
        "errorfile 503 /nowhere/503.http => ",
        "nameserver dns1 127.0.0.11:53 => ",
        "bind :80 => ",
        "bind *:443 ssl crt /etc/haproxy/a.pem crt /etc/haproxy/b.pem strict-sni alpn h2,http/1.1"
        ' => bind ${LISTEN} ssl crt "${CERTIFICATE}" alpn h2,http/1.1',
        "default-server check inter 2s resolvers docker init-addr none => default-server inter 2s",
        "server app1 app-1:8000 maxconn 200 => server app1 ${UPSTREAM_ADDRESS} maxconn 200",
        "server app2 app-2:8000 ssl verify required ca-file /etc/ssl/ca.pem backup"
        " => server app2 ${UPSTREAM_ADDRESS} backup",
        'server web1 "web:3000" check cookie w1 => server web1 127.0.0.1:1 cookie w1',
        "server admin1 10.0.0.5:9000 track chat/app1 => server admin1 127.0.0.1:1",
    ]


def test_a_next_hop_with_tls_is_spoken_to_with_it(tmp_path: Path) -> None:
    secure = Endpoint(1, authority="ca.pem")
    assert changes(fit(tmp_path, SHORT, behind=secure))[-1].endswith("server s ${UPSTREAM_ADDRESS} ssl verify none")


def test_sections_that_talk_to_others_are_taken_out_whole(tmp_path: Path) -> None:
    told = "peers mine\n peer a 10.0.0.1:1024\nprogram api\n command /bin/sh\n"
    text = f"{told}{SHORT} stick-table type ip size 1m peers mine\n"
    assert changes(fit(tmp_path, text))[:4] == [f"{line.strip()} => " for line in told.splitlines()]
    assert changes(fit(tmp_path, text))[-1].endswith("=> stick-table type ip size 1m")


def test_files_of_the_usual_folder_are_found_in_a_copy_of_it(tmp_path: Path) -> None:
    (tmp_path / "bots.lst").touch()
    acl = " http-request deny if { path -f /etc/haproxy/bots.lst }\n"
    assert changes(fit(tmp_path, SHORT + acl))[-1].endswith(f"{{ path -f {tmp_path}/bots.lst }}")


# ---------------------------------------------------------------- what answers


@pytest.mark.parametrize(
    ("said", "answers", "asked", "host"),
    [
        (Deployment(("chat",)), f"frontend www:443 > {CHAT}", "/api/chat", "api.example"),
        (Deployment(("app-1",), "www:80"), f"frontend www:80 > {CHAT}", "/api/chat", "api.example"),
        (Deployment(("web",)), "frontend www:443 > default_backend web", "/", ""),
        (Deployment((), "", "/shop"), "frontend www:443 > default_backend web", "/shop", ""),
        (Deployment((), "api.example:443", "/api/stream"), f"frontend www:443 > {CHAT}", "/api/stream", "api.example"),
    ],
)
def test_what_answers_is_found_by_the_conditions(
    tmp_path: Path, said: Deployment, answers: str, asked: str, host: str
) -> None:
    fitted = fit(tmp_path, said=said)
    assert (served(fitted), fitted.asked, fitted.host) == (answers, asked, host)
    assert fitted.tls == (":443" in answers)


def test_of_a_condition_that_only_requests_decide_nothing_is_claimed(tmp_path: Path) -> None:
    text = SHORT.replace(" default", " use_backend other if { src 10.0.0.0/8 }\n default")
    assert refused(tmp_path, {"h.cfg": text}, Deployment(("b",))) == [
        "h.cfg:3: `use_backend other if { src 10.0.0.0/8 }` takes requests that only you know: say for what, with"
        " `--path /...`"
    ]
    assert fit(tmp_path, text, Deployment(("b",), path="/x")).served_by is None


RULES = (
    "frontend f\n bind :80\n {}\n use_backend o if {{ path_beg /o }}\n default_backend b\nbackend b\n server s app:1\n"
)


@pytest.mark.parametrize(
    ("rule", "path", "is_told"),
    [
        ("http-request set-path /v1%[path]", "/x", False),
        ("http-request replace-path /x(.*) \\1 if { path_beg /x }", "/x/o", False),
        ("http-request replace-path /x(.*) \\1 if { path_beg /x }", "/y", True),
        ("http-request normalize-uri path-merge-slashes", "/y", False),
        ("http-request set-header X y", "/y", True),
        ("http-request deny deny_status 403 if { path_beg /no }", "/y", True),
        ("http-request deny if { src 10.0.0.1 }", "/y", True),
        ("http-request redirect scheme https if { ssl_fc }", "/y", True),
        ("redirect location /in unless { req.cook(a) -m found }", "/y", True),
        ("tcp-request content reject if { src 10.0.0.1 }", "/y", True),
        ("tcp-request content accept if { src 10.0.0.1 }", "/y", True),
    ],
)
def test_rules_come_before_backends_are_chosen(tmp_path: Path, rule: str, path: str, is_told: bool) -> None:
    fitted = fit(tmp_path, RULES.format(rule), Deployment(("b",), path=path))
    assert (served(fitted), fitted.asked) == ("frontend f:80 > default_backend b" if is_told else "", path)


LIMITED = (
    "frontend f\n bind :80\n http-request track-sc0 src\n {}\n acl is_api path_beg /api/\n use_backend b if is_api\n"
    " default_backend o\nbackend b\n server s app:1\nbackend o\n server o web:1\n"
)


@pytest.mark.parametrize("path", ["", "/api/chat"])
@pytest.mark.parametrize(
    "rule",
    [
        "http-request deny deny_status 429 if { sc_http_req_rate(0) gt 5 }",
        "http-request tarpit if { sc_http_req_rate(0) gt 5 }",
        "http-request return status 503 if { sc_conn_cur(0) gt 5 }",
        "http-request auth unless { http_auth(users) }",
        "http-request redirect location /wait if { sc_http_req_rate(0) gt 5 }",
        "tcp-request connection reject if { sc_conn_rate(0) gt 5 }",
        "http-request silent-drop if { src -f /etc/haproxy/bots.lst }",
    ],
)
def test_a_rule_that_may_refuse_leaves_no_doubt_about_who_answers_the_rest(
    tmp_path: Path, rule: str, path: str
) -> None:
    fitted = fit(tmp_path, LIMITED.format(rule), Deployment(("b",), path=path))
    assert (served(fitted), fitted.asked) == ("frontend f:80 > use_backend b if is_api", path or "/api/")


def test_the_line_is_named_by_which_it_cannot_be_known_who_answers(tmp_path: Path) -> None:
    text = LIMITED.format("use_backend o if { sc_http_req_rate(0) gt 5 }")
    assert refused(tmp_path, {"h.cfg": text}, Deployment(("b",))) == [
        "h.cfg:4: `use_backend o if { sc_http_req_rate(0) gt 5 }` takes requests that only you know: say for what, with"
        " `--path /...`"
    ]


@pytest.mark.parametrize(
    "rule", ["http-request return status 200 if { path /x }", "http-request auth", "redirect prefix /a"]
)
def test_a_rule_that_answers_is_told_as_what_does(tmp_path: Path, rule: str) -> None:
    (line,) = refused(tmp_path, {"h.cfg": RULES.format(rule)}, Deployment(("b",), path="/x"))
    assert line.startswith(f"h.cfg:1: {rule} (h.cfg:3) answers /x, and passes nothing on to b")


def test_what_answers_and_errors_tell_no_secret_of_a_condition(tmp_path: Path) -> None:
    secret = 'use_backend b if { path /x } { req.hdr(authorization) -m str "Bearer s3cr3t" } || TRUE'
    fitted = fit(
        tmp_path,
        SHORT.replace("default_backend b", "use_backend b if { path /x } || { hdr(x-token) s3cr3t }"),
        Deployment(path="/x"),
    )
    assert served(fitted) == "frontend f:80 > use_backend b if { path /x } || { hdr(x-token (redacted)"
    told = refused(tmp_path, {"h.cfg": SHORT.replace("default_backend b", secret)})
    assert "s3cr3t" not in "".join(told)
    assert "(red..." in "".join(told)


HOST, TLS = "a.example", Asked("a.example", "/api/Chat", True)


def test_a_section_that_is_from_nothing_is_read(tmp_path: Path) -> None:
    assert served(fit(tmp_path, SHORT.replace("frontend f", "frontend f from"))) == "frontend f:80 > default_backend b"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("", True),
        ("if { path /api/Chat }", True),
        ("if { path /api/chat }", False),
        ("if { path -i /api/chat }", True),
        ("if { path_beg /api/ /x }", True),
        ("if { path,lower -m beg /api/chat }", True),
        ("if { path_dir api }", True),
        ("if { path_reg ^/a.i/ }", True),
        ("if { path_reg ( }", None),
        ("if { path_end .css } or { hdr(host) a.example }", True),
        ("if { path_end .css } || !{ hdr_dom(host) example }", False),
        ("unless { ssl_fc }", False),
        ("if { src 10.0.0.1 }", None),
        ("if { src 10.0.0.1 } { path /no }", False),
        ("if { src 10.0.0.1 } or { ssl_fc }", True),
        ("if named", True),
        ("if ! named", False),
        ("if unnamed", None),
        ("if { path -f list }", None),
        ("if { req.hdr(host) -i -m end EXAMPLE }", True),
    ],
)
def test_conditions_hold_as_haproxy_has_them(condition: str, holds: bool | None) -> None:
    source = Source(Path("c"), "backend b\n acl named path_beg /no\n acl named path_end Chat\n")
    acls = acls_of(haproxy_lines.parse(source)[0])
    assert Condition.of(condition.split(), acls).holds(TLS) is holds


# ---------------------------------------------------------------- what has to be said, and what is refused


@pytest.mark.parametrize(
    ("text", "said", "told"),
    [
        (SHORT, Deployment(("ap",)), ": passes no requests on to 'ap', which is to be mapped; allowed: b, app, app:1 "),
        (PRODUCTION, NOTHING, ":23: `--map chat` says that this stands for the next hop"),
        (
            PRODUCTION,
            Deployment(("web",), "shop.example"),
            ": has no server 'shop.example'; allowed: www:80, api.example",
        ),
        (PRODUCTION, Deployment(("chat",), "www:8"), ": has no server 'www:8'; allowed: "),
        (
            PRODUCTION,
            Deployment(("chat",), path="/x"),
            ":15: default_backend web (h.cfg:22) answers /x, and passes noth",
        ),
        (SHORT + "backend c\n server s app:1\n", Deployment(("app:1",)), ":6: 'app:1' fits c, and others"),
        (SHORT + "listen l\n bind :81\n server s a:1\n", Deployment(("b", "l")), ":6: `--server l:81` asks this one"),
        (SHORT.replace("app:1", "app:1 proto h2"), NOTHING, ":4: b is spoken to by HTTP/2 only (line 5, `proto h2`)"),
        (SHORT + " use-fcgi-app php\n", NOTHING, ":4: b is spoken to by FastCGI (line 6)"),
        (
            SHORT.replace("default_", "use_").replace("d b\nb", "d %[path]\nb"),
            NOTHING,
            ":3: `use_backend %[path]` takes",
        ),
        (SHORT.replace("d b\nb", "d\nb").replace("default", "use"), NOTHING, ":3: `use_backend` names no backend"),
        ("global\n lua-load /x.lua\n" + SHORT, NOTHING, ":2: `lua-load /x.lua` runs a script"),
        (SHORT.replace("bind :80", "bind /run/x.sock"), NOTHING, ": listens nowhere that a client could ask"),
        ("backend b\n server s app:1\n", NOTHING, ": listens nowhere that a client could ask"),
        (SHORT + " server 'x\n", NOTHING, ":6: has a ' that nothing closes"),
        ("server a b\n", NOTHING, ":1: `server` stands in no section"),
    ],
)
def test_what_is_not_there_or_fits_twice_is_told_with_lines(
    tmp_path: Path, text: str, said: Deployment, told: str
) -> None:
    lines = refused(tmp_path, {"h.cfg": text}, said)
    assert any(line.startswith(f"h.cfg{told}") for line in lines), lines
