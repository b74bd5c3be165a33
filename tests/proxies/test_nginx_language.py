"""nginx' language, read with offsets: held against generated texts, against crossplane, and against what is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.proxies.nginx_language import Directive, parse
from harness.proxies.source_text import Source
from harness.resources import configs

NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
BARE = st.from_regex(r"""([a-z0-9/$.:=~^*@}#"'-]|\\[;{} ]|\$\{[a-z]{1,4}\}){1,8}""", fullmatch=True).filter(
    lambda raw: raw[0] not in "#\"'}"
)
QUOTED = st.builds(
    lambda quote, text: f"{quote}{text.replace(chr(92), chr(92) * 2).replace(quote, chr(92) + quote)}{quote}",
    st.sampled_from("\"'"),
    st.text(st.sampled_from("ab ;{}#$\n\\\"'é"), max_size=8),
)
BLANKS = st.sampled_from([" ", "\n", "\t", "\r\n", "  # a comment; {\n", "\n\n"])
Tree = list[tuple[list[str], Any]]


def trees(depth: int) -> st.SearchStrategy[Tree]:
    """Return directives as their raw words, each with the directives of its block, or None."""
    words = st.builds(lambda name, more: [name, *more], NAMES, st.lists(BARE | QUOTED, max_size=3))
    inner = st.none() | trees(depth - 1) if depth else st.none()
    return st.lists(st.tuples(words, inner), max_size=3)


def source(text: str) -> Source:
    return Source(Path("my.conf"), text)


def read(text: str) -> list[Directive]:
    return parse(source(text))


@st.composite
def written(draw: st.DrawFn, tree: Tree) -> str:
    """Write a tree with blanks and comments wherever those can be."""
    text = ""
    for words, inner in tree:
        text += draw(BLANKS) + "".join(word + draw(BLANKS) for word in words)
        text += ";" if inner is None else "{" + draw(written(inner)) + draw(BLANKS) + "}"
    return text


def raw_tree(directives: list[Directive]) -> Tree:
    return [([word.raw for word in one.words], raw_tree(one.inner) if one.opens_block else None) for one in directives]


def every(directives: list[Directive]) -> list[Directive]:
    return [below for one in directives for below, _ in one.walk()]


@given(st.data())
def test_what_is_read_is_what_was_written_and_every_word_stands_where_it_says(data: st.DataObject) -> None:
    tree = data.draw(trees(2))
    text = data.draw(written(tree))
    directives = read(text)
    assert raw_tree(directives) == tree
    for one in every(directives):
        assert [text[word.start : word.end] for word in one.words] == [word.raw for word in one.words]
        assert text[one.end - 1] == ("{" if one.opens_block else ";")
        assert text[one.close - 1] == ("}" if one.opens_block else ";")


@given(st.data())
def test_an_edit_changes_its_words_alone_and_leaves_every_line_where_it_was(data: st.DataObject) -> None:
    text = data.draw(trees(2).flatmap(written))
    words = [word for one in every(read(text)) for word in one.words]
    chosen = [word for word in words if data.draw(st.booleans())]
    edited = source(text).edited({(word.start, word.end): "" for word in chosen})
    kept, at = [], 0
    for word in chosen:
        kept.append(text[at : word.start] + "\n" * word.raw.count("\n"))
        at = word.end
    assert edited == "".join([*kept, text[at:]])
    assert edited.count("\n") == text.count("\n")
    assert source(text).edited({}) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a \"b c\" 'd;' e\\;f;", ["a", "b c", "d;", "e\\;f"]),
        ("a ${b}c$d;", ["a", "${b}c$d"]),
        ('if ($a = "b") {}', ["if", "($a", "=", "b", ")"]),
        ("a b}c d#e;", ["a", "b}c", "d#e"]),
        (r"""a "\"b\"\\\t\x" 'it\'s';""", ["a", '"b"\\\t\\x', "it's"]),
        ("a 'b\nc';", ["a", "b\nc"]),
    ],
)
def test_quotes_backslashes_and_variables_are_read_as_nginx_reads_them(text: str, words: list[str]) -> None:
    (directive, *_) = read(text)
    assert [directive.name, *directive.arguments] == words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a;\n;", 'my.conf:2: unexpected ";"'),
        ("a;\n{}", 'my.conf:2: unexpected "{"'),
        ("a {\n b }", 'my.conf:2: unexpected "}"'),
        ("a;\n}", 'my.conf:2: unexpected "}"'),
        ("a {\n b;\n", 'my.conf:2: unexpected end of file, expecting "}" of what begins in line 1'),
        ("a\nb\n", 'my.conf:2: unexpected end of file, expecting ";" or "}" of what begins in line 1'),
        ('a;\nb "c;', 'my.conf:2: has a " that nothing closes'),
        ('a "b"c;', 'my.conf:1: unexpected "c"'),
        ("a\n b\\", "my.conf:2: ends with a backslash"),
        (
            "a;\ncontent_by_lua_block {\n if x then { }",
            "my.conf:2: `content_by_lua_block` holds another language, which only it can read: put that into a file,"
            " and write `content_by_lua_file`",
        ),
    ],
)
def test_what_nginx_could_not_read_either_is_refused_with_its_line(text: str, told: str) -> None:
    with pytest.raises(InputError) as refused:
        read(text)
    assert str(refused.value) == told


# ---------------------------------------------------------------- crossplane, which reads and reformats


def as_crossplane_has_it(directives: list[Directive]) -> list[dict[str, Any]]:
    told = []
    for one in directives:
        entry: dict[str, Any] = {"directive": one.name, "line": one.line, "args": one.arguments}
        if one.opens_block:
            entry["block"] = as_crossplane_has_it(one.inner)
        told.append(entry)
    return told


def of_crossplane(folder: Path, text: str) -> list[dict[str, Any]]:
    crossplane = pytest.importorskip("crossplane")
    (folder / "my.conf").write_text(text, newline="")
    payload = crossplane.parse(str(folder / "my.conf"), single=True, check_ctx=False, check_args=False)
    assert payload["status"] == "ok", payload["errors"]
    return plain(payload["config"][0]["parsed"])


def plain(parsed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = ("directive", "line", "args", "block")
    return [
        {key: plain(one[key]) if key == "block" else one[key] for key in keys if key in one and one[key] is not None}
        for one in parsed
    ]


SAMPLES = {  # crossplane 0.5.8 takes `${LISTEN} ssl` for one word
    path.stem: path.read_text().replace("${LISTEN}", "127.0.0.1:80")
    for path in sorted((configs() / "nginx").glob("*.conf"))
} | {
    "everything": """
user www-data; # who
http {
    log_format main '$remote_addr - "$request" ;{}';
    map $http_upgrade $connection_upgrade { default upgrade; '' close; }
    server {
        listen 443 ssl http2; server_name ~^(?<sub>.+)\\.shop\\.example$ "*.a";
        location ~* \\.(gif|jpe?g)$ { expires 30d; }
        location = / { return 301 https://$host$request_uri; }
        location /api/ { proxy_pass http://${name}_app:8000/; proxy_set_header X "a b"; }
    }
}
""",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_crossplane_reads_the_same_directives_in_the_same_lines(tmp_path: Path, name: str) -> None:
    assert as_crossplane_has_it(read(SAMPLES[name])) == of_crossplane(tmp_path, SAMPLES[name])
