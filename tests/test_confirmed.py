"""What was confirmed by hand: each verdict and effect that the page names is that of the published run."""

from __future__ import annotations

import re
from collections import Counter
from typing import get_args

from benchmarks import archive, publish
from harness.claims import atlas
from harness.model import AXES, Effect

PAGE = publish.DOCS / "confirmed.md"
EFFECTS = "|".join(get_args(Effect))
NAMED = re.compile(
    rf"^`(?P<id>[^`\s]+)`: (?P<verdict>\w+)(?:, (?P<effect>{EFFECTS}))?(?:, shows (?P<shows>.+))?$", re.MULTILINE
)
"""How an entry names a cell: on a line of its own, with its verdict and the effect of what was tried, if anything was;
with what it shows where that matters."""
AN_ID = re.compile(rf"`([^`\s]+(?:/[^`\s/]+){{{len(AXES) - 1}}})`")
ENTRIES = 16
"""So many at least, of programs that are unlike each other."""


def test_every_verdict_and_effect_that_was_confirmed_is_the_one_that_is_published() -> None:
    said = {found["id"]: found for found in NAMED.finditer(PAGE.read_text(encoding="utf-8"))}
    with archive.head(publish.ATLAS_RUN) as run:
        published = {result.id: result for result in run.results}
    assert said.keys() - published.keys() == set()
    wrong = [id for id, one in said.items() if published[id].verdict != one["verdict"]]
    wrong += [id for id, one in said.items() if published[id].effect != one["effect"]]
    shows = {id: published[id].shows for id, one in said.items() if one["shows"]}
    wrong += [id for id, shown in shows.items() if not shown or shown.manner != said[id]["shows"]]
    assert wrong == []


def test_every_cell_on_the_page_stands_there_with_its_verdict_and_once() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = Counter(found["id"] for found in NAMED.finditer(text))
    assert Counter(AN_ID.findall(text)) == named
    assert set(named.values()) == {1}
    assert len({cell.split(":")[0] for cell in named}) >= ENTRIES


def test_the_atlas_and_the_readme_lead_to_it() -> None:
    assert "(confirmed.md)" in atlas.INTRO
    assert "(docs/confirmed.md)" in (publish.ROOT / "README.md").read_text(encoding="utf-8")
