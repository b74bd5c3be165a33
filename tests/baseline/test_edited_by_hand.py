"""A baseline that somebody has edited by hand is refused with its line, or serves: nothing later falls over it."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from harness.baseline import text
from harness.baseline.comparing import compared
from harness.baseline.keeping import Surroundings, baseline_of, with_what_was
from harness.baseline.terminal import CheckReport
from harness.errors import InputError
from harness.judge.rules import RULES
from harness.model import Baseline, RequestProfile
from harness.reports import RENDERERS, summary
from tests.reports.samples import cell, result, run_info

RUN = run_info()
RESULTS = [
    result(cell("direct"), "streamed"),
    result(cell("nginx:default"), "coalesced"),
    result(cell("nginx:default", "no-cache"), "streamed", effect="defeats"),
]
AROUND = Surroundings(
    {"nginx:default": "path /chat?0f1"},
    {"curl": RequestProfile("curl", (("Accept", "*/*"),))},
    {"n.conf": "ab" * 20},
    {"nginx:default": ["n.conf"]},
)
NOW = baseline_of("b.yaml", RUN, RESULTS, AROUND)
CELLS = list(NOW.cells)
WRITTEN = text.text(replace(NOW, renewed={CELLS[0]: "ab" * 6}, judged={CELLS[0]: RULES}), "m.yaml")
WORDS = [found.span() for found in re.finditer(r"[\w-]+", WRITTEN) if not WRITTEN[: found.start()].count("\n") < 2]
RUBBISH = ("x", "", "-1", "1e999", "[]", "a/b")


def tells(was: Baseline) -> None:
    """Do all that is done with a baseline that could be read."""
    told = compared(was, NOW, RUN, RESULTS, {one.id for one in RESULTS})
    assert summary.exit_status(RUN, told.results) in (0, 1, 3)
    Console(file=io.StringIO(), width=100).print(CheckReport(RUN, told, summary.Required(), "again"))
    assert "".join(RENDERERS["json"](RUN, told.all))
    text.text(with_what_was(NOW, was, was.cells, AROUND), "m.yaml")


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_whatever_word_of_it_is_another(rubbish: str) -> None:
    served = 0
    for start, end in WORDS:
        edited = WRITTEN[:start] + rubbish + WRITTEN[end:]
        with contextlib.suppress(InputError):
            was = text.read(edited, "b.yaml")
            tells(was)
            served += 1
    assert 0 < served < len(WORDS)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  request:", "  requests:", "digests.requests: 'requests' is not allowed; allowed: request, mitigations"),
        ("/sse/", "/ssee/", "is no id of a cell: 'ssee' is no format; allowed: sse, "),
        ("/chunked/", "/lenght/", "is no id of a cell: 'lenght' is no body; allowed: "),
        ("/lockstep", "/walk", "is no id of a cell: 'walk' is no pace; allowed: "),
    ],
)
def test_a_wrong_word_is_told_with_its_line_and_those_that_are_right(old: str, new: str, told: str) -> None:
    edited = text.text(replace(NOW, renewed={}), "m.yaml").replace(old, new)
    line = 1 + edited[: edited.index(new)].count("\n")
    with pytest.raises(InputError) as refused:
        text.read(edited, "b.yaml")
    assert re.search(rf"^b\.yaml:{line}: .*{re.escape(told)}", str(refused.value), re.MULTILINE)
