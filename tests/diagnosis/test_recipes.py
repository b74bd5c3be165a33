"""What is printed to paste says what was measured."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import session
from harness.diagnosis.recipes import recipes
from harness.model import Mitigation
from harness.resources import configs

CATALOGUE = session.catalogue()
HEADERS = ("no-cache", "no-transform", "x-accel-buffering")
FILLED = ("prelude-2k", "pad-4k", "pad-2k-random")


def pasted(*names: str, proxies: tuple[str, ...] = ("nginx",)) -> dict[str, list[str]]:
    return recipes([CATALOGUE[name] for name in names], proxies)


def test_headers_are_put_together_as_they_are_when_they_are_measured() -> None:
    said = pasted(*HEADERS)
    assert list(said) == ["FastAPI", "Express", "Go"]
    assert said["Go"] == [
        'w.Header().Set("Content-Type", "text/event-stream")',
        'w.Header().Set("Cache-Control", "no-cache, no-transform")',
        'w.Header().Set("X-Accel-Buffering", "no")',
    ]
    (line,) = said["Express"]
    assert '"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"' in line


def test_a_content_type_is_said_in_place_of_the_usual_one() -> None:
    said = pasted("content-type-text-plain")
    assert said["FastAPI"] == ['return StreamingResponse(events(), media_type="text/plain; charset=utf-8")']


@pytest.mark.parametrize("names", [HEADERS, FILLED[:2], ("pad-2k-random",)], ids="+".join)
def test_what_python_is_to_do_is_python_and_fills_as_much_as_was_measured(names: tuple[str, ...]) -> None:
    code = "\n    ".join(pasted(*names)["FastAPI"])
    ast.parse(f"def answer():\n    {code}")
    said = list[tuple[int, bool]]()
    for line in pasted(*names)["FastAPI"]:
        if "# " in line:
            scope: dict[str, str] = {}
            exec(f"import secrets\ndef one():\n    {line}\nfilled = next(one())", scope)
            said.append((len(scope["filled"]), scope["filled"].strip(":\n").isspace()))
    fillers = [one for name in names for one in (CATALOGUE[name].prelude, CATALOGUE[name].padding) if one]
    assert said == [(one.bytes, one.fill == "spaces") for one in fillers]


@pytest.mark.skipif(not shutil.which("node"), reason="no Node.js")
def test_what_javascript_is_to_do_is_javascript(tmp_path: Path) -> None:
    (tmp_path / "a.mjs").write_text("\n".join(pasted(*HEADERS, "prelude-2k", "pad-2k-random")["Express"]))
    subprocess.run(["node", "--check", "a.mjs"], cwd=tmp_path, check=True)


def test_a_proxy_s_lines_are_told_only_of_a_chain_that_has_it() -> None:
    assert list(pasted("no-compression-of-events", proxies=("caddy",))) == ["caddy"]
    assert pasted("nginx-buffering-off") == {"nginx": ["proxy_buffering off;"]}
    mixed = pasted("nginx-buffering-off", "no-transform")
    assert list(mixed) == ["FastAPI", "Express", "Go", "nginx"]


def test_an_edit_of_which_the_catalogue_says_no_more_is_told_in_its_own_lines() -> None:
    assert pasted("caddy-encode-off", proxies=("caddy", "nginx")) == {"caddy": ["# without encode"]}
    assert pasted("nginx-pass-x-accel")["nginx"] == ["proxy_pass_header X-Accel-Buffering"]
    assert pasted("nginx-gzip-off", proxies=("caddy",)) == {}


OURS = ("nextjs",)
"""Whose variants are said in a language of ours."""


def test_no_line_to_paste_lost_its_comment_to_the_file_that_it_is_in() -> None:
    text = (configs() / "mitigations.yaml").read_text()
    assert re.findall(r"^    [\w -]+: [^\"'|>\[{#\n]*\s#.*$", text, re.MULTILINE) == []


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def told(one: Mitigation) -> list[tuple[str, str, str, str]]:
    pairs = one.chain.items() if isinstance(one.chain, dict) else ()
    return [
        (one.name, proxy, old, new) for old, new in pairs for proxy in [old.partition(":")[0]] if proxy in one.apply
    ]


@pytest.mark.parametrize(
    ("name", "proxy", "old", "new"),
    [one for mitigation in CATALOGUE.values() for one in told(mitigation) if one[1] not in OURS],
)
def test_a_setting_is_the_one_with_which_it_was_measured(name: str, proxy: str, old: str, new: str) -> None:
    before, after = (squeezed(config(proxy, hop)) for hop in (old, new))
    lines = [re.sub(r"\s+(#|//) in .*", "", line) for line in CATALOGUE[name].apply[proxy].splitlines()]
    lines = [re.sub(r"\s+# at the end.*", "", line) for line in lines if not line.startswith(("#", "//"))]
    if name == "http2":
        lines = [line.removeprefix("listen 443 ") for line in lines]
    assert [line for line in lines if squeezed(line) not in after] == []
    assert not lines or squeezed("".join(lines)) not in before


def config(proxy: str, hop: str) -> str:
    (file,) = (configs() / proxy).glob(f"{hop.partition(':')[2]}.*")
    return file.read_text()
