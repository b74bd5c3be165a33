"""Every link from one of our pages to another leads to a file that is there, and to a heading of it."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from benchmarks import publish

PAGES = [*publish.ROOT.glob("*.md"), *sorted(publish.DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
FENCED = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)


@functools.cache
def anchors(page: Path) -> frozenset[str]:
    """Return what can be linked on a page: its headings, as GitHub names them, and what it names itself."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    words = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    named = {re.sub(r"[^\w\- ]", "", said).strip().replace(" ", "-") for said in words}
    return frozenset(named | set(re.findall(r'<a id="([^"]+)">', text)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(publish.ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for file, anchor in LINK.findall(text):
        target = page.parent / file if file else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target.resolve())):
            broken.append(f"{file}#{anchor}")
    assert broken == []
