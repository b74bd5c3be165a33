"""What people see: the table at any width and in any encoding, the progress lines, and a cell's timeline."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from textwrap import dedent

import pytest
from rich.console import Console, RenderableType

from harness import session
from harness.judge.reading import read
from harness.model import Cell, Facts, Result, Trace
from harness.reports import terminal, words
from harness.reports.glyphs import ASCII, UNICODE, glyphs_for
from harness.reports.timeline import Timeline
from tests.reports.samples import (
    CHANGE,
    CLAIM,
    LONG,
    PLAYED,
    cell,
    layer,
    matrix,
    metrics,
    result,
    run_info,
    trace,
)


def drawn(what: RenderableType, width: int = 80, encoding: str = "utf-8", environ: dict[str, str] | None = None) -> str:
    """Print on a console of the given kind and return what it showed."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    color = environ is not None
    console = Console(
        file=file, width=width, force_terminal=color, color_system="standard" if color else None, _environ=environ or {}
    )
    console.print(what, soft_wrap=True)
    file.flush()
    return raw.getvalue().decode(encoding)


def ids(results: list[Result]) -> set[str]:
    return {some.id for some in results}


def test_the_table() -> None:
    browser = [replace(some, facts=PLAYED) for some in layer("cloudrun:report", request="browser")]
    text = terminal.render(run_info(), layer() + browser, width=80)
    assert (
        dedent("""\
          request body     as it is
        nginx:default                a b  c d  e
          curl    chunked  buffered  ● ·  ○ ●  ●

        cloudrun:report              a b  c d  e
          emulator: plays field report 002's claim that Cloud Run holds 4 KB
          browser chunked  buffered  ● ·  ○ ●  ●

        header       a x-accel-buffering   b no-cache
        bytes        c pad-2k   d pad-16k-random
        architecture e bypass-proxy

        ● defeats it   ○ reduces it   · no effect   blank: not measured
        All layers: format sse, workload short, client aiohttp, pace lockstep.
        """)
        in text
    )
    assert (
        "    defeated by  header: x-accel-buffering; bytes: pad-16k-random;\n"
        "                 architecture: bypass-proxy\n"
        "    reduced by   bytes: pad-2k\n"
    ) in text


@pytest.mark.parametrize("width", [60, 72, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal_but_for_ids(width: int) -> None:
    results = matrix()
    for line in terminal.render(run_info(), results, width=width).splitlines():
        assert len(line) <= width or line.strip().removeprefix("again: harness run ") in ids(results)


def test_27_mitigations_fit_into_80_columns_in_one_band() -> None:
    many = [result(cell("nginx:default", f"fix-{n}"), "streamed", "defeats") for n in range(27)]
    text = terminal.render(run_info(), [result(cell()), *many, *layer(workload=LONG)], width=80)
    assert text.count("\nnginx:default  ") == 1
    assert "●" * 27 in text


@pytest.mark.parametrize(("columns", "bands"), [(60, 2), (62, 2), (63, 4), (200, 12)])
def test_more_columns_than_fit_go_on_in_further_bands_and_none_shares_its_letters(columns: int, bands: int) -> None:
    many = [result(cell("nginx:default", f"fix-{n}"), "streamed", "defeats") for n in range(columns)]
    text = terminal.render(run_info(), [result(cell()), *many], width=80)
    heads = re.findall(r"^nginx:default  +(.*)$", text, re.MULTILINE)
    letters = [letter for head in heads for letter in (head.split() if columns > 62 else head.replace(" ", ""))]
    assert len(heads) == bands
    assert len(set(letters)) == len(letters) == columns
    assert text.count("●") == columns + 1  # and the legend's
    assert all(re.search(rf"(^architecture|  ) {letters[n]} fix-{n}\b", text, re.MULTILINE) for n in range(columns))


def test_a_long_chain_gets_a_line_of_its_own() -> None:
    chain = "nextjs:prod>nginx:gzip-buffering-off>emulator:content-type-gated"
    lines = terminal.render(run_info(), layer(chain), width=80).splitlines()
    at = lines.index(chain)
    assert lines[at + 1].split() == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_an_output_without_the_signs_gets_letters(encoding: str) -> None:
    odd = result(cell("nginx:odd"), reason="naïve … 流")
    text = drawn(terminal.Report(run_info(), [*matrix(), odd]), encoding=encoding)
    assert "D .  r D" in text
    assert "na?ve ? ?" in text
    assert glyphs_for(encoding) is ASCII


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "utf-16"])
def test_unicode_outputs_get_the_signs(encoding: str) -> None:
    assert glyphs_for(encoding) is UNICODE


def test_an_unknown_encoding_gets_letters() -> None:
    assert glyphs_for("klingon") is ASCII


def test_no_color_shows_the_same_without_color() -> None:
    report = terminal.Report(run_info(), matrix())
    plain, coloured = drawn(report, environ={"NO_COLOR": "1"}), drawn(report, environ={})
    assert "\x1b[1;32m●" in coloured
    assert "\x1b[1;7;32m●" in coloured  # the failed expectation
    assert not re.search(r"\x1b\[[\d;]*3\d", plain)
    assert re.sub(r"\x1b\[[\d;]*m", "", plain) == re.sub(r"\x1b\[[\d;]*m", "", coloured) == drawn(report)


def test_every_mark_has_its_sign() -> None:
    text = terminal.render(run_info(), matrix())
    for said in ("● defeats it", "○ reduces it", "· no effect", "– not needed", "× harms", "? could not be judged"):
        assert said in text


def test_an_emulated_layer_says_so_and_whose_claim_it_plays() -> None:
    text = terminal.render(run_info(), matrix())
    assert f"\n  {CLAIM}\n" in text
    assert "\ncloudrun:report  (emulator)\n" in text
    assert "(emulator)" in terminal.progress(result(cell("cloudrun:report"), facts=PLAYED), 1, 9).plain


def test_failures_come_with_their_why_and_the_unavailable_with_the_remedy() -> None:
    text = terminal.render(run_info(), matrix())
    assert "expected because  it is told to ignore the header" in text
    assert "2 cells: Next.js is not installed (npm ci in configs/nextjs)" in text


def test_nothing_at_all() -> None:
    text = terminal.render(run_info(), [])
    assert "nothing was selected" in text
    assert "as it is" not in text


def test_only_controls() -> None:
    text = terminal.render(run_info(), [result(cell("direct"), "streamed")])
    assert "Controls: 1 of 1 direct stream streamed." in text
    assert "as it is" not in text


def test_baselines_without_any_mitigation() -> None:
    text = terminal.render(run_info(), [result(cell())])
    assert "  curl    chunked  buffered\n" in text
    assert "defeated by" not in text


def test_streams_that_were_cut_short_are_told_below_the_table() -> None:
    text = terminal.render(run_info(), [replace(some, facts=Facts(sampled_after=5)) for some in layer()])
    assert "\nSampled, as whole streams would have taken too long: nginx:default (6 cells).\n" in text


def test_a_cell_that_is_broken_says_why_even_if_that_is_no_failure() -> None:
    broken = result(cell("nginx:default", "no-cache"), "broken", reason="status 404")
    assert terminal.single(broken, result(cell(), "broken")).plain == "observed: broken; status 404"


def test_an_unfinished_run_says_so() -> None:
    assert "did not finish" in " ".join(terminal.render(run_info(finished_at=None), matrix()).split())


def test_the_progress_line_ends_in_the_whole_id() -> None:
    done = result(cell("nginx:default", "no-cache"), "coalesced", "reduces")
    assert terminal.progress(done, 7, 214).plain == (
        "  7/214  observed    coalesced reduces      412 ms  "
        "nginx:default/sse/chunked/curl/aiohttp/short/no-cache/lockstep"
    )


def test_the_progress_line_of_what_was_not_measured_has_no_duration() -> None:
    gone = result(cell(), None, outcome="error", reason="nginx did not start", duration_ms=0.0)
    assert terminal.progress(gone, 1, 9).plain.split() == ["1/9", "error", gone.id]


def drawn_over_time(of: Trace, shown: Result) -> Timeline:
    reader = read(of.steps)
    return Timeline(of, shown, session.emitted(of), dict(enumerate(reader.arrived_ns)), reader.outwaited)


def timeline(of: Cell, held: int | None = 2, width: int = 80, encoding: str = "utf-8", tokens: int = 24) -> list[str]:
    shown = result(of, header_changes=(CHANGE,), facts=PLAYED)
    return drawn(drawn_over_time(trace(of, held, tokens), shown), width, encoding).splitlines()


def test_the_timeline_of_a_held_token() -> None:
    lines = timeline(cell())
    (held,) = [line for line in lines if line.endswith("411 ms  held")]
    assert held.split()[0] == "2"
    assert held.index("○") < held.index("┼") < held.index("●")
    assert any("0 ms" in line and "400 ms" in line for line in lines)
    assert "header added content-length: 1536" in lines
    assert CLAIM in lines


def test_the_timeline_of_a_stream_that_lasted_milliseconds() -> None:
    lines = timeline(cell(), held=None)
    assert lines[1] == "nginx 1.24.0"
    assert "5 ms" in lines[4]
    assert not any("held" in line for line in lines[5:21])


@pytest.mark.parametrize("width", [40, 80, 133])
def test_the_timeline_keeps_to_the_width(width: int) -> None:
    assert all(len(line) <= width for line in timeline(cell(), width=width)[1:])


def test_the_timeline_of_a_long_stream_is_cut() -> None:
    lines = timeline(cell(), held=300, tokens=400)
    assert any(line.endswith("more tokens") for line in lines)
    assert any(line.lstrip().startswith("300 ") for line in lines)
    assert len(lines) < 40


def test_the_timeline_in_ascii() -> None:
    text = "\n".join(timeline(cell(), encoding="ascii"))
    assert "o---" in text
    assert "!" in text


def test_the_timeline_of_a_token_that_never_came() -> None:
    of = cell()
    of_it = trace(of)
    lost = drawn(Timeline(of_it, result(of, "broken"), session.emitted(of_it), arrivals={0: 1_002_100_000}, held={}))
    assert "never came" in lost
    assert "×" in lost


@pytest.mark.parametrize(
    "apart_ns", [-(10**16), 676_000_000, 10**16], ids=["hours behind", "stood still", "hours ahead"]
)
def test_the_timeline_of_an_emitter_with_another_clock_is_drawn_by_ours(apart_ns: int) -> None:
    of = cell()
    mine = trace(of, held=None)
    theirs = replace(
        mine,
        sent=tuple(replace(token, at_ns=token.at_ns + apart_ns) for token in mine.sent),
        ended_ns=(mine.ended_ns or 0) + apart_ns,
        emitter_clock="its own",
    )
    by_ours, by_its_own = (drawn(drawn_over_time(one, result(of))) for one in (mine, theirs))
    tokens = [
        [line for line in text.splitlines() if line.lstrip()[:2].strip().isdigit()] for text in (by_ours, by_its_own)
    ]
    assert tokens[1] == tokens[0]


def test_the_timeline_of_a_paced_stream_whose_emitter_has_another_clock_has_arrivals_alone() -> None:
    of = cell(pace="paced")
    mine = trace(of, held=None)
    emission = replace(mine.plan.emission, pace="paced")
    told = drawn(
        drawn_over_time(replace(mine, plan=replace(mine.plan, emission=emission), emitter_clock="its own"), result(of))
    )
    (last,) = (line for line in told.splitlines() if line.lstrip().startswith("23 "))
    assert last.rstrip().endswith("●")


def test_the_timeline_of_a_stream_that_never_began() -> None:
    of = cell()
    empty = replace(trace(of), head_ns=None, reads=(), body=b"", sent=(), steps=(), ended_ns=None, closed_ns=None)
    shown = result(of, "broken", reason="connection refused", metrics=metrics(ttfb_ms=None, ttft_ms=None))
    assert "broken: connection refused" in drawn(drawn_over_time(empty, shown))


def test_the_lines_of_last_words_stay_apart_and_each_is_wrapped() -> None:
    said = "gateway exited with status 1:\none\n\ntwo and so on and on"
    assert words.wrapped(said, 30, "  ") == ["  gateway exited with status", "  1:", "  one", "  two and so on and on"]
    gone = result(cell(), None, outcome="error", fault="proxy", reason=said)
    assert "  one\n  two and so on and on\n" in terminal.render(run_info(), [gone], width=80)
