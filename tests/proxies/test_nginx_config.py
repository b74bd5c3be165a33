"""A config of anybody's as a template: what has to be written otherwise, and what becomes of the rest. No nginx."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.proxies.nginx_config import Config
from harness.proxies.placeholders import filled

VALUES = {
    "LISTEN": "1.2.3.4:5",
    "UPSTREAM": "http://up\\1:6/x",
    "UPSTREAM_ADDRESS": "up:6",
    "UPSTREAM_PATH": "/x",
    "FOLDER": "/tmp/f",
}
SERVER = "server { listen ${LISTEN}; location / { proxy_pass ${UPSTREAM}/; } }"
WHOLE = f"events {{}}\nhttp {{ {SERVER} }}\n"


def config(folder: Path, text: str = WHOLE, **others: str) -> Config:
    """Write a config and the files beside it (`a__b` is b.conf in folder a), and read it."""
    for name, content in others.items():
        file = folder / f"{name.replace('__', '/')}.conf"
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    (folder / "my.conf").write_text(text)
    return Config(folder / "my.conf")


def rendered(folder: Path, text: str = WHOLE, **others: str) -> dict[str, str]:
    files = config(folder, text, **others).templates(Path("/e"), "/usr/share/nginx")
    return {name.removeprefix("/e/"): filled(content, VALUES) for name, content in files.items()}


def refusal(folder: Path, text: str, **others: str) -> list[str]:
    with pytest.raises(InputError) as told:
        config(folder, text, **others)
    return str(told.value).replace(f"{folder}/", "").splitlines()


def test_every_complaint_has_its_file_and_line_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError) as told:
        config(tmp_path, WHOLE.replace("${LISTEN}", "80").replace("http {", "http { include a.conf;"), a="\nlisten 81;")
    places = {(one.file.removeprefix(f"{tmp_path}/"), one.line) for one in told.value.complaints}
    assert places == {("my.conf", 2), ("a.conf", 2)}


# ---------------------------------------------------------------- what is rendered


def test_placeholders_are_filled_in_and_nginxs_own_variables_left_alone(tmp_path: Path) -> None:
    words = "${UPSTREAM_ADDRESS} ${UPSTREAM_PATH}${request_uri} $host ${FOLDER}/x ${LISTENER} $LISTEN;"
    main = rendered(tmp_path, WHOLE + f"a {words}")["my.conf"]
    assert "listen 1.2.3.4:5;" in main
    assert "proxy_pass http://up\\1:6/x/;" in main
    assert main.endswith("a up:6 /x${request_uri} $host /tmp/f/x ${LISTENER} $LISTEN;")


def test_what_is_the_harnesss_is_taken_out_wherever_it_stands_and_every_line_stays(tmp_path: Path) -> None:
    text = (
        "user\n  www-data;\nworker_processes 2; pid /run/x.pid; daemon on; error_log /v/e.log; # daemon on;\nhttp {\n"
        "access_log /v/a.log; client_body_temp_path /v/b; map $a $user { user 1; pid '2'; }\n"
    )
    after = rendered(tmp_path, f"{text} {SERVER} }}")["my.conf"].split("\n")
    assert [" ".join(line.split()) for line in after[:5]] == [
        "",
        "",
        "worker_processes 2; # daemon on;",
        'http { include "/tmp/f/paths.conf";',
        "map $a $user { user 1; pid '2'; }",
    ]
    assert len(after) == len(text.split("\n"))


def test_who_includes_the_paths_does_not_get_them_twice(tmp_path: Path) -> None:
    main = rendered(tmp_path, WHOLE.replace("http {", 'http { include "${FOLDER}/paths.conf";'))["my.conf"]
    assert main.count("paths.conf") == 1


def test_quotes_comments_and_braces_are_read_as_nginx_reads_them(tmp_path: Path) -> None:
    text = WHOLE.replace(
        "http {",
        "http { log_format a 'x; pid {'; # pid /run/x;\n map $x $y { \"}\" 1; a\\;b 2; } "
        'if ($a = "b;{") { set $c "${d};"; }',
    )
    main = rendered(tmp_path, text)["my.conf"]
    assert main.replace(' include "/tmp/f/paths.conf";', "") == text.replace("${LISTEN}", VALUES["LISTEN"]).replace(
        "${UPSTREAM}", VALUES["UPSTREAM"]
    )


def test_includes_lie_beside_the_main_config_whoever_includes_and_are_rendered_too(tmp_path: Path) -> None:
    files = rendered(
        tmp_path,
        "events {}\nhttp {\n include sites/*.conf;\n include none/*.conf; }",
        sites__b=f"{SERVER}\n",
        sites__a="include inner.conf;\n",
        inner="access_log /v/a.log;\ngzip on;",
    )
    assert list(files) == ["my.conf", "included/1-a.conf", "included/2-inner.conf", "included/3-b.conf"]
    assert ' include "/e/included/1-a.conf"; include "/e/included/3-b.conf";\n  }' in files["my.conf"]
    assert files["included/1-a.conf"] == 'include "/e/included/2-inner.conf";\n'
    assert files["included/2-inner.conf"] == "\ngzip on;"
    assert "listen 1.2.3.4:5;" in files["included/3-b.conf"]


def test_other_relative_files_are_looked_for_where_nginx_would(tmp_path: Path) -> None:
    head = "load_module modules/a.so;\nload_module /b.so;\n"
    inner = "auth_basic_user_file users; ssl_certificate 'certs/a.pem'; ssl_certificate_key data:$x; auth_basic off;"
    main = rendered(tmp_path, head + WHOLE.replace("http {", f"http {{ {inner}"))["my.conf"]
    assert main.startswith('load_module "/usr/share/nginx/modules/a.so";\nload_module /b.so;\n')
    assert f'auth_basic_user_file "{tmp_path}/users"; ssl_certificate "{tmp_path}/certs/a.pem";' in main
    assert "ssl_certificate_key data:$x; auth_basic off;" in main


def test_every_file_is_known_by_the_name_that_it_is_written_to(tmp_path: Path) -> None:
    read = config(tmp_path, WHOLE.replace("http {", "http { include a.conf;"), a="gzip on;")
    assert read.names(Path("/e")) == {
        tmp_path / "my.conf": Path("/e/my.conf"),
        tmp_path / "a.conf": Path("/e/included/1-a.conf"),
    }


# ---------------------------------------------------------------- what has to be written otherwise


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            WHOLE.replace("${LISTEN}", "80"),
            "my.conf:2: `listen 80` is an address that may be somebody's; write `listen ${LISTEN};` in the server",
        ),
        (
            WHOLE.replace("listen ${LISTEN};", "listen ${LISTEN};\nlisten [::]:443 ssl;"),
            "my.conf:3: `listen [::]:443 ssl` is an address",
        ),
        (
            WHOLE.replace("listen ${LISTEN};", ""),
            "my.conf:2: `server` has no listen, which means port 80; write `listen ${LISTEN};` in it",
        ),
        (
            WHOLE.replace("${UPSTREAM}/", "http://app:80"),
            "my.conf:2: `proxy_pass http://app:80` does not lead to the emitter; write `proxy_pass ${UPSTREAM}/;`",
        ),
        (
            WHOLE.replace("${UPSTREAM}/", "http://app").replace("http {", "http {\nupstream app {\nserver a:1; }"),
            "my.conf:4: `server a:1` does not lead to the emitter; write `server ${UPSTREAM_ADDRESS};`",
        ),
        ("# ${LISTEN}\nhttp {}", "my.conf: has no ${LISTEN}; write `listen ${LISTEN};` in the server to measure"),
        ("# ${UPSTREAM}\nhttp {}", "my.conf: has no ${UPSTREAM}; write `proxy_pass ${UPSTREAM}/;` where it passes"),
        (
            f"# a part\n{SERVER}",
            "my.conf:2: `server` stands outside http: this is a part of a config; "
            "write a file with `events {} http { include my.conf; }` beside it, and name that one",
        ),
        (
            WHOLE.replace("http {", "http {\nproxy_cache_path /var/cache keys_zone=a:1m;"),
            "my.conf:3: `proxy_cache_path /var/cache keys_zone=a:1m` is a cache that may be somebody's; write "
            '`proxy_cache_path "${FOLDER}/cache" ...`',
        ),
        (
            WHOLE.replace("http {", "http { include a.conf;"),
            "my.conf:2: `include a.conf` finds no file a.conf; relative",
        ),
        (
            WHOLE.replace("http {", "http { include my.conf;"),
            "my.conf:2: `include my.conf` includes a file that is being",
        ),
    ],
)
def test_what_has_to_be_written_otherwise_is_told_with_file_and_line(tmp_path: Path, text: str, told: str) -> None:
    assert [line for line in refusal(tmp_path, text) if line.startswith(told)]


@pytest.mark.parametrize("closing", ["my.conf", "a.conf"])
def test_files_that_include_each_other_in_a_circle_are_refused_where_it_closes(tmp_path: Path, closing: str) -> None:
    files = {"a": "include b.conf;", "b": "include c.conf;", "c": f"\ninclude {closing};"}
    (told,) = refusal(tmp_path, WHOLE.replace("http {", "http { include a.conf;"), **files)
    assert told == f"c.conf:2: `include {closing}` includes a file that is being included"


def test_a_copy_that_still_includes_the_original_is_told_which_include_does(tmp_path: Path) -> None:
    config(tmp_path, original__site="include part.conf;", copy__part="server { listen 80; }")
    told = refusal(tmp_path / "copy", f"events {{}}\nhttp {{\n include {tmp_path}/original/*; }}")
    assert told[0].startswith("part.conf:1: `listen 80` is an address that may be somebody's")
    assert told[0].endswith("; included from my.conf:3: make that include relative, or this copy reads the original")
    told = refusal(tmp_path / "copy", f"events {{}} http {{ include {tmp_path}/copy/part.conf; }}")
    assert "make that include relative" not in told[0]


def test_a_part_becomes_a_config_as_it_was_told(tmp_path: Path) -> None:
    files = rendered(tmp_path, "events {} http { include part.conf; }", part=SERVER)
    assert list(files) == ["my.conf", "included/1-part.conf"]


def test_a_distributions_config_is_told_what_to_change_at_all_places_at_once(tmp_path: Path) -> None:
    site = "server {\n listen 80 default_server;\n listen [::]:80 default_server;\n root /var/www;\n}\n"
    head = "user www-data;\npid /run/x;\nevents {}\n"
    told = refusal(tmp_path, head + "http {\n include sites/*; }", sites__default=site)
    assert [line.split("` ")[0] for line in told] == [
        "sites/default.conf:2: `listen 80 default_server",
        "sites/default.conf:3: `listen [::]:80 default_server",
        "my.conf: has no ${UPSTREAM}; write `proxy_pass ${UPSTREAM}/;",
    ]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_config_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "my.conf").write_bytes(content)
    with pytest.raises(InputError, match=r"my\.conf: cannot be read"):
        Config(tmp_path / "my.conf")
