"""Which of several servers and targets of a deployed nginx config are meant, and which none can be. No nginx."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proxies.test_nginx_config import PASS, deployed, refusal, said

STREAMS = (
    "server {\nlisten 443 ssl; ssl_certificate a; ssl_certificate_key b;\n"
    f"location / {{ try_files $uri /index.html; }}\nlocation ^~ /v1/ {{ {PASS} }}\n}}\n"
)


MOVES = [
    "location / { try_files $uri $uri/ =404; }",  # Debian's sites-enabled/default
    "rewrite ^ https://$host$request_uri permanent;",
    "error_page 404 /404.html;",
    "if ($host = x) { rewrite ^ /y; }",
]


@pytest.mark.parametrize("inside", [*MOVES, f"{MOVES[1]} location /.well-known/ {{ {PASS} }}"])
@pytest.mark.parametrize("first", [True, False])
def test_a_path_is_asked_of_the_server_that_leads_it_to_the_backend_and_of_none_that_could_move_it(
    tmp_path: Path, inside: str, first: bool
) -> None:
    beside = f"server {{ listen 80 default_server; {inside} }}\n"
    read = deployed(tmp_path, beside + STREAMS if first else STREAMS + beside, said(path="/v1/x"))
    assert (read.asked.address, read.path) == ("*:443", "/v1/x")


def test_if_none_leads_a_path_the_one_that_may_move_it_to_the_backend_is_asked(tmp_path: Path) -> None:
    beside = f"server {{ listen 80; {MOVES[0]} }}\n"
    assert deployed(tmp_path, beside + STREAMS, said(path="/old")).asked.address == "*:443"
    named = f"server {{ listen 81; error_page 404 = @app; location @app {{ {PASS} }} }}"
    assert deployed(tmp_path, beside + named, said(path="/old")).asked.address == "*:81"


def test_a_server_that_has_no_way_to_the_backend_is_refused_though_it_may_move_a_path(tmp_path: Path) -> None:
    beside = f"server {{ listen 80; {MOVES[0]} }}\n"
    assert refusal(tmp_path, beside + STREAMS, said(server=":80", path="/v1/x")) == [
        "my.conf:1: `location /` answers /v1/x, and passes nothing on to app:8000; of this server these do: none"
    ]
