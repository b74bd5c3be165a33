"""What a mitigation changes in an Apache site: in the place that answers, or where that has it from. No Apache."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from harness.model import Edit
from tests.proxies.languages import reading

NO_SED = Edit(drop=("SetOutputFilter SED", "AddOutputFilterByType SED"))
NO_PROGRAM = Edit(drop=("SetOutputFilter ExtFilterDefine",))
FLUSH = Edit(set=("ProxyPass flushpackets=on",))
NO_GZIP = Edit(add=("SetEnv no-gzip 1",))
after = partial(reading.after, "apache")

PASSES = '        ProxyPass "http://app:8000/"  retry=0\n'


def config(chat: str, host: str = "", outside: str = "") -> str:
    return (
        f"{outside}<VirtualHost *:80>\n    ServerName a.example\n{host}    <Location /chat>\n{chat}    </Location>\n"
        "    ProxyPass / http://web:1/\n</VirtualHost>\n"
    )


def chat(folder: Path, text: str, *edits: Edit) -> str:
    return after(folder, text, *edits, path="/chat/a")


@pytest.mark.parametrize("level", ["chat", "host", "outside"])
@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("SetOutputFilter SED\n", ""),
        ("setoutputfilter \\\n    Sed\n", ""),
        ("SetOutputFilter INFLATE;sed;DEFLATE\r\n", "SetOutputFilter INFLATE;DEFLATE\r\n"),
        ("AddOutputFilterByType SED text/html text/event-stream\n", ""),
        ("SetOutputFilter DEFLATE\n", "SetOutputFilter DEFLATE\n"),
    ],
    ids=["its line", "in other letters", "one of three", "by type", "another"],
)
def test_a_filter_is_taken_out_of_what_sets_it_wherever_that_is_in_effect_from(
    tmp_path: Path, level: str, said: str, left: str
) -> None:
    def text(line: str) -> str:
        return config(PASSES + line) if level == "chat" else config(PASSES, **{level: line})

    assert chat(tmp_path, text(said), NO_SED) == text(left)


def test_what_an_inner_place_overrides_is_left_and_what_then_counts_is_taken_out(tmp_path: Path) -> None:
    outer = "    SetOutputFilter SED\n"
    text = config(PASSES + "SetOutputFilter DEFLATE\n", host=outer)
    assert chat(tmp_path, text, NO_SED) == text
    assert chat(tmp_path, config(PASSES + outer, host=outer), NO_SED) == config(PASSES)


def test_the_last_location_that_fits_counts_and_no_other_changes(tmp_path: Path) -> None:
    more = "    <Location /chat/a>\n        SetOutputFilter SED\n    </Location>\n"
    other = more.replace("/chat/a", "/other")
    text = config(PASSES + "SetOutputFilter SED\n").replace("    ProxyPass /", f"{more}{other}    ProxyPass /")
    assert chat(tmp_path, text, NO_SED) == config(PASSES).replace(
        "    ProxyPass /", f"    <Location /chat/a>\n    </Location>\n{other}    ProxyPass /"
    )


def test_filters_are_known_by_what_defines_them(tmp_path: Path) -> None:
    define = 'ExtFilterDefine fix cmd="/bin/cat"\nExtFilterDefine other cmd="/bin/cat"\n'
    text = config(f"{PASSES}        SetOutputFilter fix;DEFLATE;Other\n", outside=define)
    assert chat(tmp_path, text, NO_PROGRAM) == text.replace("fix;DEFLATE;Other", "DEFLATE")


def test_a_parameter_is_put_behind_what_passes_on_where_it_answers(tmp_path: Path) -> None:
    assert chat(tmp_path, config(PASSES), FLUSH) == config(PASSES.replace("=0", "=0 flushpackets=on"))
    auto = config(PASSES.replace("retry=0", "FlushPackets=auto  # x"))
    assert chat(tmp_path, auto, FLUSH) == auto.replace("FlushPackets=auto", "flushpackets=on")
    on = config(PASSES.replace("retry=0", "flushpackets=On"))
    assert chat(tmp_path, on, FLUSH) == on
    other = after(tmp_path, config(PASSES), FLUSH, path="/")
    assert other == config(PASSES).replace("http://web:1/", "http://web:1/ flushpackets=on")


def test_a_line_goes_beside_its_like_or_behind_what_stands_there(tmp_path: Path) -> None:
    added = "        SetEnv no-gzip 1\n"
    assert chat(tmp_path, config(PASSES), NO_GZIP) == config(PASSES + added)
    like = f"        SetEnv a b \\\n            c\n{PASSES}"
    assert chat(tmp_path, config(like), NO_GZIP) == config(like.replace(PASSES, added + PASSES))
    assert chat(tmp_path, config(PASSES, host=added), NO_GZIP) == config(PASSES, host=added)
    zero = config(PASSES + added.replace("1", "0"), host=added)
    assert chat(tmp_path, zero, NO_GZIP) == config(PASSES + added, host=added)


def test_a_directive_that_is_there_once_is_set(tmp_path: Path) -> None:
    size = Edit(set=("ProxyIOBufferSize 8192",))
    assert chat(tmp_path, config(PASSES), size) == config(f"{PASSES}        ProxyIOBufferSize 8192\n")
    text = config("        proxyiobuffersize 4096 \n" + PASSES)
    assert chat(tmp_path, text, size) == text.replace("proxyiobuffersize 4096", "ProxyIOBufferSize 8192")
    assert chat(tmp_path, text, Edit(drop=("ProxyIOBufferSize",))) == config(PASSES)
