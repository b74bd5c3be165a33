"""A Caddyfile's text, and what a mitigation changes of it at the token. No Caddy, which alone knows of which line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.proxies.languages.base import Wanted, read
from harness.proxies.languages.caddy_mitigated import change
from harness.proxies.languages.caddyfile import Directive, in_one, parse, texts
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


def changed(text: str, wanted: Wanted, dials: tuple[str, ...] = ("app:1",)) -> str:
    """Return what a text says after the first change that there is."""
    made = change([source(text)], wanted, dials, lambda one: True)
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


def test_who_names_the_address_is_asked_about_first_and_what_does_not_count_is_no_change() -> None:
    text = "reverse_proxy /a a:1\nreverse_proxy app:1\nreverse_proxy {$APP}\n"
    assert changed(text, FLUSH).startswith("reverse_proxy /a a:1\nreverse_proxy app:1 {")
    assert change([source(text)], FLUSH, ["app:1"], lambda one: False) is None
    counting = change([source(text)], FLUSH, ["app:1"], lambda one: "{$APP} {" in one[1])
    assert counting
    assert counting[1] == text.replace("{$APP}", "{$APP} {\n\tflush_interval -1\n}")


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
