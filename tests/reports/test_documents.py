"""What programs and web pages read: Markdown, HTML, JUnit and JSON, with texts that would break out of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

import harness
from benchmarks import publish
from harness.documents import records
from harness.model import Expectation, Facts, Hop, Recording, Result, Workload
from harness.reports import RENDERERS, junit
from harness.reports.words import setting
from tests.reports.reporting import told
from tests.reports.samples import CLAIM, cell, layer, matrix, result, run_info

SCHEMA = Path(harness.__file__).parent / "store/schema/results.v2.json"
EVIL = "a|b `tick` <script>alert('&')</script> \"q\" \x1b[31m\x00 ``` 流 \udcff\nnew line"


def evil() -> list[Result]:
    """Results whose every free text tries to break out."""
    why = Expectation("*", EVIL)
    hop = Hop("nginx", "./my|own<b>.conf")
    odd = cell("nginx:default", "x-accel-buffering")
    object.__setattr__(odd, "chain", (hop,))
    return [
        *matrix(),
        result(
            odd, "buffered", "no effect", outcome="fail", reason=EVIL, expectation=why, facts=Facts(emulates=(EVIL,))
        ),
        result(cell("nginx:other"), reason=EVIL, versions={"odd|name": EVIL}),
    ]


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("results", [[], [result(cell("direct"), "streamed")], matrix(), evil()])
def test_every_renderer_copes_with_everything(name: str, results: Sequence[Result]) -> None:
    text = told(name, results, run_info(title=EVIL if len(results) > 40 else "A title"))
    assert text.endswith("\n")


@pytest.mark.parametrize("name", RENDERERS)
def test_every_renderer_says_whose_claim_an_emulator_plays(name: str) -> None:
    claim = CLAIM.removeprefix("emulator: plays ")
    text = told(name, matrix())
    assert claim in text.replace("&#x27;", "'")


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("pieces", [0, 1, 20])
def test_every_renderer_says_what_an_application_compresses_itself(name: str, pieces: int) -> None:
    """What is measured is its answer without: nobody who reads that it streams may take it for all."""
    itself = Recording("0" * 16, "GET /", "GET", "sse", "chunked", "text/event-stream", coding="br")
    itself = replace(itself, plain_pieces=20, coded_pieces=pieces)
    streams = result(cell(workload=Workload("recorded", 20, 96, recording=itself)), "streamed")
    if name == "json":
        (kept,) = json.loads(told(name, [streams]))["results"]
        recording = kept["cell"]["workload"]["recording"]
        assert (recording["coding"], recording["plain_pieces"], recording["coded_pieces"]) == ("br", 20, pieces)
        return
    text = " ".join(told(name, [streams]).split())
    assert f"application: GET / {itself.compresses}" in text
    assert ("Cache-Control: no-transform" in text) is (pieces == 1)
    assert "application:" not in told("markdown", matrix())


@pytest.mark.parametrize(("name", "begins"), [("json", '    {\n      "id": '), ("junit", "    <testcase ")])
def test_what_has_every_result_in_it_comes_result_by_result(name: str, begins: str) -> None:
    begun = [piece.count(begins) for piece in RENDERERS[name](run_info(), matrix())]
    assert (max(begun), sum(begun)) == (1, len(matrix()))


@pytest.mark.parametrize("results", [[], matrix(), evil()])
def test_what_comes_in_pieces_is_written_as_a_whole_would_be(results: Sequence[Result]) -> None:
    text = told("json", results)
    assert text == json.dumps(json.loads(text), indent=2) + "\n"
    text = told("junit", results, run_info(title=EVIL))
    root = ET.fromstring(text.encode("utf-8", "replace"))
    ET.indent(root)
    assert text == f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


@pytest.mark.parametrize("name", ["markdown", "html"])
def test_the_lines_of_last_words_stay_apart(name: str) -> None:
    gone = result(cell(), None, outcome="error", fault="proxy", reason="it ended:\none\ntwo")
    assert "it ended:<br>one<br>two" in told(name, [gone])


def unescaped_pipes(row: str) -> int:
    return row.replace("\\|", "").count("|")


def test_markdown_tables_keep_their_columns() -> None:
    rows = [line for line in told("markdown", evil()).splitlines() if line.startswith("|")]
    assert len(rows) > 3
    assert {unescaped_pipes(row) for row in rows} == {6}


def test_markdown_leaves_no_html_of_others_and_no_open_fence() -> None:
    text = told("markdown", evil())
    fence = next(line for line in text.splitlines() if line.endswith("```text")).removesuffix("text")
    before, _, after = text.split(f"{fence}text", 1)[1].partition(f"\n{fence}\n")
    assert "as it is" in before
    assert "<script>" not in after.replace("`<script>", "")
    assert "x86_64" in after


def test_markdown_ends_with_when_where_and_with_what() -> None:
    last = told("markdown", layer()).splitlines()[-1]
    assert last == (
        "<sub>Measured 2025-11-21 08:22 UTC by harness 0.1.0 on Linux x86_64, Python 3.11.7, "
        "with aiohttp 3.13.2, nginx 1.24.0.</sub>"
    )


def test_a_program_that_is_there_twice_is_told_twice_and_what_consists_of_parts_stands_together() -> None:
    parts = {"asgi": "uvicorn 0.54.0, asyncio", "asgi@uvloop": "uvicorn 0.54.0, uvloop 0.23.0", "nginx": "1.24.0"}
    once = setting(run_info(versions={key: parts[key] for key in ("asgi", "nginx")}), [])
    assert once.endswith(", with asgi uvicorn 0.54.0, asyncio, nginx 1.24.0.")
    twice = setting(run_info(versions=parts), [])
    asgi = "asgi (uvicorn 0.54.0, asyncio), asgi@uvloop (uvicorn 0.54.0, uvloop 0.23.0)"
    assert twice.endswith(f", with {asgi}, nginx 1.24.0.")


def test_an_unfinished_run_tells_the_versions_of_its_results() -> None:
    results = [result(cell(f"nginx:default@{version}"), versions={f"nginx@{version}": version}) for version in "12"]
    assert ", with nginx@1 1, nginx@2 2. The run did not" in setting(run_info(versions={}, finished_at=None), results)


def test_markdown_answers() -> None:
    assert (
        "| `nginx:default` curl chunked | buffered | header: `x-accel-buffering`<br>bytes: `pad-16k-random`"
        "<br>architecture: `bypass-proxy` | bytes: `pad-2k` |  |"
    ) in told("markdown", layer())


class Balanced(HTMLParser):
    """Checks that elements are closed in order, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.titles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.titles += [value or "" for name, value in attrs if name == "title"]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_balanced_escaped_and_self_contained() -> None:
    page = told("html", evil(), run_info(title=EVIL))
    parser = Balanced()
    parser.feed(page)
    assert not parser.open
    assert "script" not in parser.seen
    assert not {"link", "img", "b"} & set(parser.seen)
    assert "://" not in page


def test_html_cells_tell_reason_and_figures_in_their_tooltips() -> None:
    parser = Balanced()
    parser.feed(told("html", layer()))
    (tip,) = [title for title in parser.titles if "/no-cache/" in title]
    assert "buffered: from token 0 on, nothing came before the end" in tip
    assert "effect: no effect" in tip
    assert "hold p50 402 ms" in tip


def test_html_rows_have_as_many_cells_as_the_head() -> None:
    page = told("html", matrix())
    grid = page.split('<table class="grid">')[1].split("</table>")[0]
    heads = grid.split("<tbody>")[0].count("<th ") + grid.count("<th>")
    rows = grid.split("<tr>")[2:]
    assert {row.count("<td") for row in rows} == {heads}


def test_junit_is_xml_and_its_counts_are_right() -> None:
    root = ET.fromstring(told("junit", evil(), run_info(title=EVIL)).encode("utf-8"))
    cases = root.findall("testsuite/testcase")
    assert root.get("tests") == str(len(cases)) == str(len(evil()))
    for element, counter in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        found = root.findall(f"testsuite/testcase/{element}")
        assert root.get(counter) == str(len(found))
        assert root.get(counter) == str(sum(int(suite.get(counter, "")) for suite in root.findall("testsuite")))


def test_junit_of_what_did_not_come_to_its_end_has_the_cells_so_far_and_the_reason() -> None:
    results = matrix()
    root = ET.fromstring("".join(junit.failed("harness check", "interrupted\n3 cells", run_info(), results)))
    whole = ET.fromstring(told("junit", results))
    *cells, last = root.iter("testcase")
    assert [case.get("name") for case in cells] == [case.get("name") for case in whole.iter("testcase")]
    assert (last.get("name"), [one.get("message") for one in last]) == ("harness check", ["interrupted"])
    elements = [one.tag for case in root.iter("testcase") for one in case]
    assert int(root.get("tests", 0)) == len(results) + 1
    assert int(root.get("errors", 0)) == elements.count("error")


def test_junit_tells_each_outcome_in_its_way() -> None:
    root = ET.fromstring(told("junit", matrix()))
    tags = {
        case.get("name"): [child.tag for child in case if child.tag != "system-out"]
        for case in root.findall("testsuite/testcase")
    }
    elements = {"fail": ["failure"], "unstable": ["failure"], "error": ["error"]}
    elements |= {"too short": ["skipped"], "blocked": ["skipped"], "unavailable": ["skipped"]}
    assert tags == {some.id: elements.get(some.outcome, []) for some in matrix()}


def test_junit_names_the_why_of_a_failure() -> None:
    root = ET.fromstring(told("junit", matrix()))
    failure = root.find("testsuite/testcase/failure[@type='fail']")
    assert failure is not None
    assert "it is told to ignore the header" in (failure.text or "")


def test_the_committed_schema_is_the_one_the_nouns_call_for() -> None:
    assert SCHEMA.read_text() == publish.schema(), "run `python -m benchmarks.publish schema`"


def test_the_json_report_validates_and_reads_back() -> None:
    document = json.loads(told("json", evil()))
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    assert document["schema_version"] == 2
    assert [records.load_result(json.dumps(some)) for some in document["results"]] == evil()
    assert records.load_run(document["run"]) == run_info()


def test_a_results_line_validates() -> None:
    schema = json.loads(SCHEMA.read_text())
    line = jsonschema.Draft202012Validator({"$ref": "#/$defs/Result", "$defs": schema["$defs"]})
    for some in matrix():
        line.validate(json.loads(records.dump(some)))
    with pytest.raises(jsonschema.ValidationError):
        line.validate({**json.loads(records.dump(matrix()[0])), "outcome": "great"})


def test_the_json_report_answers_per_layer() -> None:
    document = json.loads(told("json", matrix()))
    first = document["layers"][0]
    assert (first["chain"], first["status"]) == ("nginx:default", "buffered")
    assert first["defeated_by"] == ["x-accel-buffering", "pad-16k-random", "bypass-proxy"]
    assert document["counts"]["unavailable"] == 2
