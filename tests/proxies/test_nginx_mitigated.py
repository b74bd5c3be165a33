"""What a mitigation changes in a user's config: the line that it is about, in effect where it answers. No nginx."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.model import HIDDEN, Deployment, Edit
from harness.proxies.diffs import unified
from harness.proxies.languages.base import Fitted, Texts
from harness.proxies.languages.secrets import masked_blocks
from harness.proxies.mitigated import Mitigated, mitigated
from harness.proxies.nginx import Nginx
from harness.proxies.nginx_config import Config
from harness.proxies.nginx_deployed import Deployed
from harness.proxies.nginx_edit import Edited
from harness.proxies.nginx_language import Directive
from harness.proxies.nginx_mitigated import change
from harness.proxies.nginx_serving import Location
from harness.resources import configs
from harness.session import catalogue

OFF = Edit(set=("proxy_buffering off",))
HEED = Edit(drop=("proxy_ignore_headers X-Accel-Buffering",))
PASS = Edit(add=("proxy_pass_header X-Accel-Buffering",))
HTTP11 = Edit(set=("proxy_http_version 1.1",), add=('proxy_set_header Connection ""',))
EDITS = [OFF, HEED, PASS, HTTP11, Edit(set=("gzip off",)), Edit(set=("proxy_cache off",))]


def read(folder: Path, said: Deployment, **texts: str) -> Callable[..., Deployed]:
    for name, text in texts.items():
        (folder / f"{name}.conf").write_text(text, newline="")
    return lambda changed=None: Deployed(Config(folder / "my.conf", changed or {}), said)


def edited(folder: Path, *edits: Edit, path: str = "", **texts: str) -> Mitigated:
    reading = read(folder, Deployment(path=path), **texts)

    def fitted(changed: Texts) -> Fitted:
        deployed = reading(changed)
        return replace(Edited(deployed, "").fitted(), change=partial(change, deployed))

    return mitigated(fitted, edits)


def after(folder: Path, text: str, *edits: Edit, path: str = "") -> str:
    found = edited(folder, *edits, path=path, my=text).after
    return found.get(folder / "my.conf", text)


def config(inside: str, http: str = "", server: str = "") -> str:
    return (
        f"events {{}}\nhttp {{\n{http}    server {{\n        listen 80;\n{server}        location / {{\n{inside}"
        "        }\n    }\n}\n"
    )


PASSES = "            proxy_pass http://app:8000;\n"


# ---------------------------------------------------------------- set


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (PASSES, PASSES + "            proxy_buffering off;\n"),
        ("            proxy_buffering  on ; # why\n" + PASSES, "            proxy_buffering  off ; # why\n" + PASSES),
        (
            PASSES + "            # the end\n            root /var/www;\n",
            PASSES + "            proxy_buffering off;\n            # the end\n            root /var/www;\n",
        ),
        (
            "\t\tproxy_pass http://app:8000;  # app\r\n",
            "\t\tproxy_pass http://app:8000;  # app\r\n\t\tproxy_buffering off;\r\n",
        ),
        (
            "            proxy_pass http://app:8000; root /a;\n",
            "            proxy_pass http://app:8000; proxy_buffering off; root /a;\n",
        ),
        (
            "            if ($a) {\n                proxy_pass http://app:8000;\n            }\n",
            "            proxy_buffering off;\n            if ($a) {\n                proxy_pass http://app:8000;\n"
            "            }\n",
        ),
    ],
    ids=["a line more", "where it stands", "behind its like", "tabs and CRLF", "beside others", "an empty block"],
)
def test_a_directive_is_set_where_it_stands_or_on_a_line_as_its_neighbours_have_it(
    tmp_path: Path, inside: str, expected: str
) -> None:
    assert after(tmp_path, config(inside), OFF) == config(expected)


def test_a_block_on_one_line_stays_on_it(tmp_path: Path) -> None:
    text = "server { location / { proxy_pass http://a:1; } }"
    assert after(tmp_path, text, OFF) == "server { location / { proxy_pass http://a:1; proxy_buffering off; } }"


@pytest.mark.parametrize("level", ["http", "server", "location"])
def test_what_is_in_effect_already_is_left_alone_at_whatever_level_it_is_said(tmp_path: Path, level: str) -> None:
    line = "proxy_buffering off;\n"
    text = config(PASSES + line) if level == "location" else config(PASSES, **{level: line})
    assert not edited(tmp_path, OFF, my=text).after


def test_an_inner_level_is_what_counts_and_is_the_one_that_changes(tmp_path: Path) -> None:
    text = config(PASSES, http="proxy_buffering off;\n", server="proxy_buffering on;\n")
    changed = after(tmp_path, text, OFF)
    assert "proxy_buffering on;" in changed
    assert changed.index("location") < changed.rindex("proxy_buffering off;")


@pytest.mark.parametrize(
    ("outer", "moving", "named"),
    [
        ("", "rewrite ^/api/(.*)$ /$1 last;", "/"),
        ("", "try_files $uri @app;", "@app"),
        ("", "error_page 418 = @app; return 418;", "@app"),
        ("error_page 418 = @app;", "return 418;", "@app"),
    ],
)
def test_what_changes_is_the_location_to_which_requests_are_moved(
    tmp_path: Path, outer: str, moving: str, named: str
) -> None:
    passing = f"location {named} {{ gzip on; proxy_pass http://app:8000; }}"
    text = f"server {{ {outer} location /api/ {{ {moving} }} {passing} }}"
    changed = after(tmp_path, text, Edit(set=("gzip off",)), OFF, path="/api/chat")
    assert changed == text.replace("gzip on; ", "gzip off; ").replace("app:8000;", "app:8000; proxy_buffering off;")


@pytest.mark.parametrize("name", ["gzip", "proxy_cache"])
def test_what_nginx_does_anyway_is_not_said(tmp_path: Path, name: str) -> None:
    off = Edit(set=(f"{name} off",))
    assert not edited(tmp_path, off, my=config(PASSES)).after
    assert f"{name} off;" in after(tmp_path, config(PASSES, http=f"{name} pages;\n"), off)


def test_the_location_that_answers_is_changed_and_no_other(tmp_path: Path) -> None:
    text = config(
        PASSES + "            location /in/ {\n                proxy_pass http://app:8000;\n            }\n",
        server="        location /api/ {\n            proxy_pass http://app:8000;\n        }\n",
    )
    for path, where in (("/api/a", "location /api/"), ("/in/a", "location /in/"), ("/", "location / ")):
        before, _, rest = after(tmp_path, text, OFF, path=path).partition("proxy_buffering off;")
        assert before[before.rindex("location") :].startswith(where)
        assert "proxy_buffering" not in rest


def test_the_named_location_that_requests_fall_back_on_is_the_one_unless_that_passes_them_on_itself(
    tmp_path: Path,
) -> None:
    named = "        location @app {\n            proxy_pass http://app:8000;\n        }\n"
    falls = after(tmp_path, config("            try_files $uri @app;\n", server=named), OFF)
    assert "http://app:8000;\n            proxy_buffering off;\n        }\n        location / {" in falls
    passes = config(PASSES + "            error_page 502 @app;\n", server=named)
    assert PASSES + "            proxy_buffering off;\n            error_page" in after(tmp_path, passes, OFF)


def test_what_stands_in_an_included_file_is_changed_there(tmp_path: Path) -> None:
    text = config("            include proxy.conf;\n")
    changed = edited(tmp_path, OFF, my=text, proxy="proxy_pass http://app:8000;\nproxy_buffering on;\n").after
    assert changed == {tmp_path / "proxy.conf": "proxy_pass http://app:8000;\nproxy_buffering off;\n"}
    changed = edited(tmp_path, OFF, my=text, proxy="proxy_pass http://app:8000;").after
    assert changed == {
        tmp_path / "my.conf": config("            include proxy.conf;\n            proxy_buffering off;\n")
    }


# ---------------------------------------------------------------- add


def test_lines_that_a_location_only_inherits_come_along_with_its_first_own(tmp_path: Path) -> None:
    outer = "    proxy_set_header Host $host;\n    proxy_set_header connection close;\n"
    changed = after(tmp_path, config(PASSES, http=outer), HTTP11)
    inner = changed[changed.index("location /") :]
    assert [line.strip() for line in inner.splitlines() if "proxy_set_header" in line] == [
        "proxy_set_header Host $host;",
        'proxy_set_header Connection "";',
    ]
    assert outer in changed


def test_an_own_line_of_the_name_is_joined_and_one_for_the_same_header_replaced(tmp_path: Path) -> None:
    own = "            proxy_set_header Host $host;\n"
    changed = after(tmp_path, config(own + PASSES, http="    proxy_set_header X-A b;\n"), HTTP11)
    assert own + '            proxy_set_header Connection "";\n' + PASSES in changed
    assert changed.count("X-A") == 1
    changed = after(tmp_path, config(own + "            proxy_set_header connection close;\n" + PASSES), HTTP11)
    assert own + '            proxy_set_header Connection "";\n' + PASSES in changed


# ---------------------------------------------------------------- drop


def test_a_name_without_arguments_is_taken_out_with_all_that_it_has(tmp_path: Path) -> None:
    text = config(PASSES + "proxy_ignore_headers Vary;\n", http="proxy_ignore_headers Expires;\n")
    assert after(tmp_path, text, Edit(drop=("proxy_ignore_headers",))) == config(PASSES)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("    proxy_ignore_headers X-Accel-Buffering;\n", ""),
        ("    proxy_ignore_headers  Vary x-accel-buffering;\n", "    proxy_ignore_headers  Vary;\n"),
        ("    proxy_ignore_headers X-Accel-Buffering; # why\n", "    # why\n"),
        ("    proxy_ignore_headers X-Accel-Buffering; gzip on;\n", "    gzip on;\n"),
        ("    gzip on; proxy_ignore_headers X-Accel-Buffering; gzip_vary on;\n", "    gzip on; gzip_vary on;\n"),
    ],
    ids=["its line", "one of two", "a comment stays", "the first on a line", "one of three on a line"],
)
@pytest.mark.parametrize("level", ["http", "server", "inside"])
def test_an_argument_is_taken_out_where_it_is_in_effect_from(tmp_path: Path, level: str, said: str, left: str) -> None:
    def text(line: str) -> str:
        return config(PASSES + (line if level == "inside" else ""), **({level: line} if level != "inside" else {}))

    assert after(tmp_path, text(said), HEED) == text(left)


def test_what_comes_to_be_in_effect_by_that_is_taken_out_too(tmp_path: Path) -> None:
    line = "    proxy_ignore_headers X-Accel-Buffering;\n"
    text = config(PASSES + line, http="    proxy_ignore_headers Vary X-Accel-Buffering;\n", server=line)
    assert after(tmp_path, text, HEED) == config(PASSES, http="    proxy_ignore_headers Vary;\n")


def test_what_another_level_overrides_is_left_there(tmp_path: Path) -> None:
    text = config(PASSES + "proxy_ignore_headers Vary;\n", http="proxy_ignore_headers X-Accel-Buffering;\n")
    assert not edited(tmp_path, HEED, my=text).after


# ---------------------------------------------------------------- any config


BLANKS = st.sampled_from(["", " ", "  ", "\t", "\n    ", "\r\n\t", " # a; {comment}\n", "\n\n# b\n        "])
LINES = st.sampled_from(
    [
        *("proxy_buffering on;", "proxy_http_version 1.0;", "proxy_pass_header Server;", "gzip on;", "proxy_cache x;"),
        *("proxy_ignore_headers X-Accel-Buffering Vary;", "proxy_ignore_headers X-Accel-Buffering;", "root '/a b';"),
        *("proxy_set_header Host $host;", 'proxy_set_header Connection "keep-alive";', "add_header A 'x; } y' always;"),
    ]
)


@st.composite
def configs_of_users(draw: st.DrawFn) -> str:
    def some() -> str:
        lines = {line.split(" ")[0] + line.split(" ")[1] * ("header" in line): line for line in draw(st.lists(LINES))}
        return "".join(draw(BLANKS) + line for line in lines.values()) + draw(BLANKS)

    passes = f"{some()}proxy_pass http://app:1;{some()}"
    return f"events {{}}{draw(BLANKS)}http {{{some()}server {{{some()}location / {{{passes}}}{draw(BLANKS)}}}}}"


@given(text=configs_of_users(), edits=st.lists(st.sampled_from(EDITS), min_size=1, unique=True))
def test_the_edited_text_has_it_in_effect_and_all_else_byte_for_byte(text: str, edits: Sequence[Edit]) -> None:
    with tempfile.TemporaryDirectory() as name:
        changed = after(Path(name), text, *edits)
        again = read(Path(name), Deployment(), my=changed)()
        location, where = effect(again), Path(name)
        for edit in edits:
            for line in (*edit.set, *edit.add):
                words = line.replace('"', "").split(" ")
                there = [one.arguments for one in location(words[0])]
                assert words[1:] in (there or [["off"] if words[0] in ("gzip", "proxy_cache") else []])
            for line in edit.drop:
                dropped, *arguments = line.split(" ")
                assert not {*arguments} & {word for one in location(dropped) for word in one.arguments}
        assert after(where, changed, *edits) == changed, "it is so already"
        touched = {line.split(" ")[0] for edit in edits for line in (*edit.set, *edit.add, *edit.drop)}
        assert untouched(where, text, touched) == untouched(where, changed, touched)


def effect(deployed: Deployed) -> Callable[[str], list[Directive]]:
    """Return what finds the directives that are in effect in the only location of a config's only server."""
    (http,) = (one for one in deployed.config.top if one.name == "http")
    answering = deployed.answering
    assert isinstance(answering, Location)
    levels = (answering.directive, deployed.server.directive, http)
    return lambda name: next((found for one in levels if (found := list(one.children(name)))), [])


def untouched(folder: Path, text: str, names: set[str]) -> list[str]:
    """Return all directives of a config but those of some names, as they are written."""
    deployed = read(folder, Deployment(), my=text)()
    every = [one for one, _ in deployed.config.walk() if one.name not in names]
    return [text[one.start : one.end] for one in every]


# ---------------------------------------------------------------- the diff


TOOLS = (["patch", "-p0", "--binary", "--quiet"], ["git", "apply", "-p0", "--unidiff-zero", "--whitespace=nowarn"])


@pytest.mark.proxies
@pytest.mark.parametrize("tool", [pytest.param(tool, id=tool[0]) for tool in TOOLS if shutil.which(tool[0])])
@given(text=configs_of_users(), edits=st.lists(st.sampled_from(EDITS), min_size=1, unique=True))
def test_patches_make_of_the_users_file_what_was_measured(tool: list[str], text: str, edits: Sequence[Edit]) -> None:
    with tempfile.TemporaryDirectory() as name:
        found = edited(Path(name), *edits, my=text)
        if found.after:
            diff = found.told().replace(f"{name}/", "")
            subprocess.run(tool, cwd=name, input=diff.encode(), check=True, timeout=60)
        with (Path(name) / "my.conf").open(newline="") as file:
            assert file.read() == found.after.get(Path(name) / "my.conf", text)


@pytest.mark.skipif(not shutil.which("patch"), reason="no patch")
def test_a_file_is_named_as_patch_finds_it_from_here_and_elsewhere_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "my deploy"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    (here / "link.conf").symlink_to("my.conf")
    paths = ("my.conf", here / "my.conf", "../my deploy/./my.conf", "link.conf")
    named = [unified(Path(path), "a\n", "b\n").splitlines()[0] for path in paths]
    assert named == ["--- my.conf", "--- my.conf", f"--- {there}/my.conf\t", "--- my.conf"]
    diff = edited(there, OFF, my=config(PASSES)).told()
    subprocess.run(["patch", "-d", "/", "-p1", "--quiet"], input=diff.encode(), check=True, timeout=60)
    assert "proxy_buffering off;" in (there / "my.conf").read_text()


SECRET = '            proxy_set_header Authorization "Bearer s3cr3t";\n'


def test_a_secret_beside_a_change_is_not_shown_and_the_diff_still_patches(tmp_path: Path) -> None:
    found = edited(tmp_path, OFF, my=config(SECRET + PASSES))
    assert "s3cr3t" not in found.told()
    assert found.told().startswith("--- ")
    assert "s3cr3t" in found.diff()
    assert HIDDEN not in found.told()


def test_a_secret_that_a_change_copies_is_told_as_hidden(tmp_path: Path) -> None:
    found = edited(tmp_path, HTTP11, my=config(PASSES, server=SECRET))
    assert "s3cr3t" not in found.told()
    assert f"+            proxy_set_header Authorization {HIDDEN};" in found.told().splitlines()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("proxy_set_header X-Api-Key abc;", f"proxy_set_header X-Api-Key {HIDDEN};"),
        ("set $api_key 'a b';", f"set $api_key {HIDDEN};"),
        ("proxy_set_header Authorization $http_authorization;", "proxy_set_header Authorization $http_authorization;"),
        ("proxy_set_header Host app;", "proxy_set_header Host app;"),
        ("ssl_certificate_key /etc/a.key;", "ssl_certificate_key /etc/a.key;"),
    ],
)
def test_what_is_hidden_is_a_value_whose_name_is_secret(line: str, told: str) -> None:
    assert masked_blocks(line) == told


# ---------------------------------------------------------------- the catalogue


def test_every_edit_of_the_catalogue_changes_a_config_that_needs_it(tmp_path: Path) -> None:
    ignoring = config(PASSES + "proxy_ignore_headers X-Accel-Buffering; proxy_http_version 1.0; proxy_cache a;\n")
    (tmp_path / "my.conf").write_text(ignoring.replace("http {", "http { gzip on;"))
    nginx = Nginx("nginx", configs() / "nginx")
    edits = [one.edit["nginx"] for one in catalogue().values() if "nginx" in one.edit]
    assert len(edits) >= 6
    for edit in edits:
        assert nginx.edited([edit]).changed(tmp_path / "my.conf").startswith("--- ")


def test_a_config_that_cannot_be_read_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "my.conf").write_text("server {")
    with pytest.raises(InputError, match=r"my\.conf:1: unexpected end of file"):
        Nginx("nginx", configs() / "nginx").edited([OFF]).changed(tmp_path / "my.conf")
