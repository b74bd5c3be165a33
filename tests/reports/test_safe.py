"""Whatever an answer, a proxy's log or a kept record says: what reports make of it only shows."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import RenderableType

from harness.claims import ledger
from harness.cli.screen import Outlet
from harness.model import Facts, HeaderChange, Result, RunInfo
from harness.reports import RENDERERS, terminal
from harness.reports.safe import shown
from tests.reports import samples
from tests.reports.reporting import entry

ACTS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
LETTERS = "\x1b\x07\x08\x0b\x0c\r\x00\x7f\x85\x9b\u061c\u200f\u202e\u2066\u2028<>&\"'`|[]a/;m2J\n\t"
HOSTILE = st.text(st.sampled_from(LETTERS), min_size=1, max_size=30)
TAG = "<script>alert(1)</script>"


def said_by_others(words: str) -> tuple[RunInfo, list[Result]]:
    """Return a run in which whatever is not ours says this: answers, logs, versions, a matrix file."""
    run, results = samples.run_info(), samples.matrix()
    facts = Facts(hops=("proxy",), emulates=(words,), applications=(words,))
    changed = (HeaderChange(words, words, None), HeaderChange("server", None, words))
    versions = {"nginx": words}
    told = [replace(each, reason=words, header_changes=changed, facts=facts, versions=versions) for each in results]
    return replace(run, title=words, platform=words, versions=versions), told


def document(name: str, words: str) -> str:
    return "".join(RENDERERS[name](*said_by_others(words)))


@given(HOSTILE)
@pytest.mark.parametrize("name", RENDERERS)
def test_no_document_has_a_character_that_acts(name: str, words: str) -> None:
    assert not ACTS.search(document(name, words))


@given(HOSTILE)
def test_the_page_of_field_reports_has_none_either(words: str) -> None:
    _, results = said_by_others(words)
    assert not ACTS.search(ledger.page([entry(results, title=words)]))


class Elements(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, frozenset[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, frozenset(name for name, _ in attrs)))


def elements(page: str) -> list[tuple[str, frozenset[str]]]:
    parser = Elements()
    parser.feed(page)
    return parser.found


@given(st.text(st.sampled_from("<>&\"'= /abcon"), min_size=1, max_size=30))
def test_an_answer_adds_no_element_and_no_attribute_to_html(words: str) -> None:
    quiet = "x" * len(words)
    assert elements(document("html", words)) == elements(document("html", quiet))


@given(HOSTILE)
def test_junit_stays_well_formed_and_says_what_html_would_run_as_text(words: str) -> None:
    root = ET.fromstring(document("junit", words + TAG))
    assert not list(root.iter("script"))


def printed(*what: RenderableType, force_terminal: bool, markup: bool = False) -> str:
    file = io.StringIO()
    colours: Mapping[str, str] = {"TERM": "xterm-256color"}
    outlet = Outlet(
        file=file, soft_wrap=True, highlight=False, emoji=False, force_terminal=force_terminal, _environ=colours
    )
    outlet.print(*what, markup=markup)
    return file.getvalue()


SGR = re.compile(r"\x1b\[[0-9;]*m")
"""The colours that are ours. Whatever else begins with ESC is not."""


@given(HOSTILE)
@pytest.mark.parametrize("force_terminal", [True, False])
def test_the_screen_shows_what_others_wrote_and_obeys_none_of_it(force_terminal: bool, words: str) -> None:
    run, results = said_by_others(words)
    for what in (
        words,
        terminal.Report(run, results),
        terminal.progress(results[0], 1, 2),
        terminal.single(results[0], None),
    ):
        text = printed(what, force_terminal=force_terminal)
        assert not ACTS.search(SGR.sub("", text) if force_terminal else text)


def test_a_colour_of_somebody_elses_is_none_of_ours() -> None:
    assert "\x1b" not in printed("\x1b[31mred", force_terminal=True)


@given(st.text())
def test_what_only_shows_stays_as_it_is_and_as_long(text: str) -> None:
    assert len(shown(text)) == len(text)
    assert shown(shown(text)) == shown(text)
    if not ACTS.search(text):
        assert shown(text) == text
