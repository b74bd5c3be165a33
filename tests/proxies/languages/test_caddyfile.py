"""A Caddyfile's text, and what a mitigation changes of it at the token. No Caddy, which alone knows of which line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.proxies.languages.base import Texts, Wanted, read
from harness.proxies.languages.caddy_mitigated import MARK, change
from harness.proxies.languages.caddyfile import Directive, in_one, parse, patterns, texts
from harness.proxies.source_text import Source
from tests.proxies.languages import production
from tests.proxies.languages.reading import write

FLUSH = Wanted("set", "flush_interval -1")
UNBUFFERED = Wanted("drop", "response_buffers")
PLAIN = Wanted("drop", "encode")


def source(text: str) -> Source:
    return Source(Path("Caddyfile"), text)


def shape(text: str) -> list[object]:
    """Return the directives of a text, each that opens a block with what is in it."""

    def of(one: Directive) -> object:
        words = " ".join(word.said for word in one.words)
        return (words, [of(each) for each in one.inner]) if one.braces else words

    return [of(one) for one in parse(source(text)).inner]


def test_a_text_is_read_as_lines_and_blocks() -> None:
    assert shape("{\n\temail a@b.c\n}\n(common) {\n\theader X `a {\n b`  # }\n}\n") == [
        ("", ["email a@b.c"]),
        ("(common)", ["header X a {\n b"]),
    ]
    assert shape('a.example, \\\n  b.example {\r\n\t@c path "/a b" {$PATHS}\r\n\tlog { # open\n\t}\n}') == [
        ("a.example, b.example", ["@c path /a b {$PATHS}", ("log", [])])
    ]
    assert shape("respond <<END\n  }\n  END 200\nx#y z\n") == ["respond <<END\n  }\n  END 200", "x#y z"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a {\n b\n", ":1: this block is never"),
        ("a\n}\n", ":2: `}` closes"),
        ('a\n"b', ':2: has a " that'),
        ("a `b", ":1: "),
    ],
)
def test_what_is_not_closed_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(InputError, match=f"Caddyfile{told}"):
        parse(source(text))


class Answering:
    """A Caddy that has some `reverse_proxy` answer, and each line that is taken out on its way."""

    def __init__(self, words: str = "app:1", meets_all: bool = True) -> None:
        self.words = words
        self.meets_all = meets_all
        self.marked: list[str] = []

    def mark(self, texts: Texts) -> str:
        (text,) = texts.values() or [""]
        self.marked.append(text)
        found = re.search(rf"{re.escape(self.words)}.*\n\s*header_up {MARK} (\d+)", text)
        return found[1] if found else ""

    def is_another_way(self, texts: Texts) -> bool:
        return self.meets_all


def changed(text: str, wanted: Wanted, caddy: Answering | None = None) -> str:
    """Return what a text says after the change."""
    made = change([source(text)], wanted, caddy or Answering())
    return made[1] if made else text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reverse_proxy app:1", "reverse_proxy app:1 {\n\tflush_interval -1\n}"),
        ("a {\n\treverse_proxy app:1\n}\n", "a {\n\treverse_proxy app:1 {\n\t\tflush_interval -1\n\t}\n}\n"),
        (
            "a {\r\n  reverse_proxy app:1  # why\r\n}\r\n",
            "a {\r\n  reverse_proxy app:1 {  # why\r\n      flush_interval -1\r\n  }\r\n}\r\n",
        ),
        ("reverse_proxy app:1 {\n}\n", "reverse_proxy app:1 {\n\tflush_interval -1\n}\n"),
        (
            "reverse_proxy app:1 {\n  header_up A b # c\n  transport http {\n    x\n  }\n}\n",
            "reverse_proxy app:1 {\n  header_up A b # c\n  transport http {\n    x\n  }\n  flush_interval -1\n}\n",
        ),
        (
            "reverse_proxy app:1 {\n  flush_interval  5s # slow\n}\n",
            "reverse_proxy app:1 {\n  flush_interval -1 # slow\n}\n",
        ),
    ],
    ids=[
        "the whole file",
        "a block more",
        "CRLF and a comment",
        "an empty block",
        "behind the last",
        "where it stands",
    ],
)
def test_a_line_is_set_in_the_block_which_there_may_not_be_yet(text: str, expected: str) -> None:
    assert changed(text, FLUSH) == expected
    assert changed(expected, FLUSH) == expected


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        ("encode gzip\nroot /a\n", PLAIN, "root /a\n"),
        ("a {\n\tencode zstd {\n\t\tmatch {\n\t\t}\n\t} # c\n}\n", PLAIN, "a {\n\t# c\n}\n"),
        ("reverse_proxy app:1 {\n\tresponse_buffers 4KiB\n}\n", UNBUFFERED, "reverse_proxy app:1 {\n}\n"),
        ("header X y\n", PLAIN, "header X y\n"),
    ],
)
def test_a_line_is_taken_out_with_its_block(text: str, wanted: Wanted, expected: str) -> None:
    assert changed(text, wanted) == expected


def test_the_one_is_changed_that_shows_its_mark_and_none_if_none_does() -> None:
    inner = "    handle_response {\n      reverse_proxy b:1\n    }\n"
    text = f"reverse_proxy /a a:1\nroute {{\n  reverse_proxy app:1 {{\n{inner}  }}\n}}\n"
    caddy = Answering("b:1")
    assert changed(text, FLUSH, caddy) == text.replace("b:1\n", "b:1 {\n          flush_interval -1\n      }\n")
    assert [re.sub(rf" *header_up {MARK} \d+\n", "", one).count("reverse_proxy") for one in caddy.marked] == [3]
    assert [len(set(re.findall(rf"{MARK} (\d+)", one))) for one in caddy.marked] == [3]
    assert [shape(one)[1] for one in caddy.marked], "which is a Caddyfile still"
    assert changed(text, FLUSH, Answering("c:1")) == text
    assert changed("encode gzip\n", PLAIN, Answering(meets_all=False)) == "encode gzip\n"


def test_files_that_are_imported_are_read_along_and_stand_in_one_text(tmp_path: Path) -> None:
    files = {
        "Caddyfile": "import sites/*.caddy # all\nimport common\nimport sites/a.caddy x\n",
        "sites/a.caddy": "a {\n\timport ../b\n}\n",
        "b": "import b\nrespond 1",
    }
    config = write(tmp_path, files)
    assert [one.path.name for one in texts(config, read)] == ["Caddyfile", "a.caddy", "b"]
    whole = in_one(read(config), read)
    assert whole == f"a {{\nimport b\nrespond 1\n}}\n\nimport common\nimport {tmp_path}/sites/a.caddy x\n"


LINES = st.sampled_from(
    ["", "\t# {", "\theader X `}`", "\tlog {\n\t}", "  route {\n\treverse_proxy b:1\n  }\r", "\tx \\\n y"]
)


@given(before=st.lists(LINES), after=st.lists(LINES), wanted=st.sampled_from([FLUSH, UNBUFFERED, PLAIN]))
def test_all_but_the_change_stays_byte_for_byte(before: list[str], after: list[str], wanted: Wanted) -> None:
    around = ["\n".join([*before, ""]), "\n".join([*after, ""])]
    inner = "\tencode gzip # a\n\treverse_proxy app:1 { # b\n\t\tresponse_buffers 1KiB\n\t}\n"
    text = f"{around[0]}{inner}{around[1]}"
    made = changed(text, wanted)
    assert made.startswith(around[0])
    assert made.endswith(around[1])
    assert made != text
    lines = made[len(around[0]) : len(made) - len(around[1])].splitlines()
    gone = [line for line in inner.splitlines() if line not in lines]
    assert len(gone) == (wanted.verb == "drop")


def test_a_config_of_somebodys_is_read_without_loss() -> None:
    top = parse(source(production.CADDY))
    names = [one.name for one in top.every()]
    assert names.count("reverse_proxy") == 4
    assert all(production.CADDY[one.start : one.end].startswith(one.name) for one in top.every())


def test_what_imports_may_mean_once_it_is_there_lies_beside_the_file_that_says_it(tmp_path: Path) -> None:
    config = write(tmp_path, {"Caddyfile": "import sites/*\nimport common\n", "sites/a": "import ../more/*.caddy\n"})
    assert [*patterns(texts(config, read))] == [tmp_path / "sites/*", tmp_path / "sites/../more/*.caddy"]
