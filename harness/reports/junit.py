"""JUnit XML for CI servers: a suite per chain, a test case per cell. Pure.

Rules: a failed expectation and an unstable cell are failures, our own faults errors; what could not be measured here,
or not be told, is skipped, with the reason; everything else passed, observations without an expectation included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from xml.etree import ElementTree as ET

from harness.model import Cell, Outcome, Result, RunInfo, chain_text, versions_met
from harness.reports import words
from harness.reports.failing import headline, looked_at
from harness.reports.notes import notes, of_applications

ELEMENTS: Mapping[Outcome, str] = {
    "fail": "failure",
    "unstable": "failure",
    "error": "error",
    "too short": "skipped",
    "blocked": "skipped",
    "unavailable": "skipped",
}
COUNTERS: Mapping[str, str] = {"failure": "failures", "error": "errors", "skipped": "skipped"}
INDENT = "  "
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def pieces(run: RunInfo, results: Sequence[Result], /) -> Iterator[str]:
    """Yield the report as JUnit XML, test case by test case."""
    return _report(run.title, run, results, ())


def failed(command: str, why: str, run: RunInfo | None = None, results: Sequence[Result] = ()) -> Iterator[str]:
    """Yield the report of a command that did not come to its end: the cells that it had measured by then, if it had
    begun a run, and a case that is an error and says why.
    """
    counts = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0"}
    suite = ET.Element("testsuite", counts, name=_xml(command))
    case = ET.SubElement(suite, "testcase", classname="harness", name=_xml(command), time="0.000")
    trouble = ET.SubElement(case, "error", message=_xml(why.splitlines()[0] if why else ""), type="error")
    trouble.text = _xml(why)
    return _report(run.title if run else command, run, results, [suite])


def _report(name: str, run: RunInfo | None, results: Sequence[Result], errors: Sequence[ET.Element]) -> Iterator[str]:
    root = ET.Element("testsuites", _counts(results, len(errors)), name=_xml(name))
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    if not (results or errors):
        yield _text(root, 0)
        return
    yield _opening(root, 0)
    if run:
        yield from _suites(run, results)
    yield from (_text(suite, 1) for suite in errors)
    yield f"</{root.tag}>\n"


def _suites(run: RunInfo, results: Sequence[Result]) -> Iterator[str]:
    by_cell = {result.cell: result for result in results}
    by_chain: dict[str, list[Result]] = {}
    for result in results:
        by_chain.setdefault(chain_text(result.cell.chain), []).append(result)
    for chain, measured in by_chain.items():
        started = min(result.started_at for result in measured) or run.started_at
        suite = ET.Element("testsuite", _counts(measured), name=_xml(chain), timestamp=_xml(started))
        versions = versions_met(result.versions for result in measured)
        properties = ET.Element("properties")
        played = [("emulator", f"plays {claim}") for claim in words.emulated(measured)]
        for name, value in [*played, *sorted(versions.items())]:
            ET.SubElement(properties, "property", name=_xml(name), value=_xml(value))
        yield _opening(suite, 1)
        yield _text(properties, 2)
        yield from (_text(_case(chain, result, by_cell, run), 2) for result in measured)
        yield f"{INDENT}</{suite.tag}>\n"


def _opening(element: ET.Element, level: int) -> str:
    """Return the line of an element's start tag, which stands so deep."""
    return _text(element, level).replace(" />", ">")


def _text(element: ET.Element, level: int) -> str:
    """Return the lines of a whole element, which stands so deep."""
    ET.indent(element, INDENT, level)
    return f"{INDENT * level}{ET.tostring(element, encoding='unicode')}\n"


def _case(chain: str, result: Result, measured: Mapping[Cell, Result], run: RunInfo) -> ET.Element:
    seconds = f"{result.duration_ms / 1000:.3f}"
    reason = headline(result)
    case = ET.Element("testcase", classname=_xml(chain), name=_xml(result.id), time=seconds)
    if element := _element(result):
        trouble = ET.SubElement(case, element, message=_xml(reason))
        if element != "skipped":
            trouble.set("type", result.fault or result.outcome)
        why = result.expectation.why if result.expectation else None
        because = [f"expected because {why}"] if why else []
        beside = looked_at(result, measured, run) if element == "failure" else ()
        trouble.text = _xml("\n".join([reason, *because, *beside]))
    said = [f"{words.status(result)}: {result.measured or words.reason(result)}"]
    said += [words.changed(result.changed)] if result.changed else []
    said += [f"effect: {result.effect}"] if result.effect else []
    said += [words.shows(result.shows)] if result.shows else []
    said += [words.figures(result.metrics)] if result.metrics else []
    said += [*map(words.change, result.header_changes), *notes(result.facts), *of_applications([result])]
    ET.SubElement(case, "system-out").text = _xml("\n".join(said))
    return case


def _element(result: Result) -> str | None:
    """Return how a case ends: what a baseline has, and could not be measured, is more than skipped."""
    element = ELEMENTS.get(result.outcome)
    return "failure" if element == "skipped" and result.changed and result.changed.fails else element


def _counts(results: Sequence[Result], errors: int = 0) -> dict[str, str]:
    elements = [*map(_element, results), *["error"] * errors]
    counted = {counter: str(elements.count(element)) for element, counter in COUNTERS.items()}
    seconds = sum(result.duration_ms for result in results) / 1000
    return {"tests": str(len(elements)), **counted, "time": f"{seconds:.3f}"}


def _xml(text: str) -> str:
    """Return text without the characters that XML 1.0 cannot say, such as the colours of a proxy's log."""
    return NOT_XML.sub("\ufffd", text)
