"""What people are told of a chain: what they see, which hop holds, what to change. The results are made by hand."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from harness import session
from harness.diagnosis.search import Fate
from harness.diagnosis.telling import INTERRUPTED, Diagnosis
from harness.diagnosis.terminal import DiagnosisReport
from harness.errors import EXIT_MEANINGS
from harness.model import (
    VERDICTS,
    Effect,
    Facts,
    Hop,
    Mitigation,
    Outcome,
    Recording,
    Refusal,
    Result,
    ServedBy,
    Shows,
    TurnedAway,
    Verdict,
    Workload,
)
from harness.reports import grid
from tests.reports.samples import EVERY_FACT, PLAYED, cell, result, run_info

CATALOGUE = session.catalogue()
CHAIN = "nextjs:dev>nginx:default"
AT_END = Shows("at the end", 1, 1750.0, seen=False)


def at(chain: str, request: str, verdict: Verdict, *names: str, effect: Effect | None = None, **others: Any) -> Result:
    return result(cell(chain, *names, request=request), verdict, effect, **others)


def both(chain: str, curl: Verdict, browser: Verdict, *names: str, **others: Any) -> list[Result]:
    return [at(chain, "curl", curl, *names, **others), at(chain, "browser", browser, *names, **others)]


TWO = [
    *both(CHAIN, "coalesced", "buffered", shows=AT_END),
    *both("nextjs:dev", "streamed", "buffered"),
    *both("nginx:default", "coalesced", "coalesced"),
    *both(CHAIN, "streamed", "buffered", "x-accel-buffering"),
    *both(CHAIN, "coalesced", "coalesced", "no-transform", effect="reduces"),
    *both("nginx:default", "streamed", "streamed", "x-accel-buffering", effect="defeats"),
    at("nextjs:dev", "browser", "streamed", "no-transform", effect="defeats"),
    *both(CHAIN, "streamed", "streamed", "no-transform", "x-accel-buffering", effect="defeats"),
]


def diagnosis(
    results: Sequence[Result], chain: str = CHAIN, catalogue: Mapping[str, Mitigation] = CATALOGUE, **info: Any
) -> Diagnosis:
    found = Diagnosis.of_run(run_info(mitigations=catalogue, diagnosed=chain, **info), results)
    assert found
    return found


def told(found: Diagnosis, width: int = 100, in_short: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, _environ={})
    with console.capture() as capture:
        console.print(DiagnosisReport(found, in_short), soft_wrap=True)
    return capture.get()


def test_of_hops_that_are_alike_it_is_said_which_is_meant() -> None:
    chain = "nginx:http10>nextjs:dev>nginx:http10"
    results = [
        at(chain, "curl", "buffered"),
        at("nginx:http10", "curl", "coalesced"),
        at("nextjs:dev", "curl", "streamed"),
        at("nextjs:dev>nginx:http10", "curl", "streamed"),
        at("nginx:http10>nginx:http10", "curl", "coalesced"),
        at("nginx:http10>nextjs:dev", "curl", "buffered"),
        at(chain, "curl", "streamed", "nginx-buffering-off", effect="defeats"),
    ]
    found = diagnosis(results, chain)
    hops = dict(found.of_hops())
    assert [(hop, told[1]) for hop, told in hops.items()] == [
        ("the first nginx:http10", "without it the chain streams (curl)"),
        ("nextjs:dev", "without it the chain is coalesced (curl)"),
        ("the second nginx:http10", "without it the chain is buffered (curl)"),
    ]
    assert hops["the first nginx:http10"][0] == hops["the second nginx:http10"][0]
    assert list(found.recipes()) == ["nginx: in the first nginx:http10 and in the second nginx:http10"]


def test_who_sees_what_which_hop_holds_and_what_to_change() -> None:
    found = diagnosis(TWO)
    shows = "; the stream as asked shows at the end; a token waits up to 1750 ms (computed)"
    assert list(found.of_layers()) == [
        ("curl", f"coalesced: as seen{shows}"),
        ("browser", f"buffered: from token 0 on, nothing came before the end{shows}"),
    ]
    hops = dict(found.of_hops())
    assert hops["nextjs:dev"] == [
        "alone it streams (curl); is buffered: from token 0 on, nothing came before the end (browser)",
        "without it the chain is coalesced (curl, browser)",
    ]
    assert hops["nginx:default"][0] == "alone it is coalesced: as seen (curl, browser)"
    assert hops["nginx:default"][1] == "without it the chain streams (curl); is buffered (browser)"
    assert list(found.of_fix()) == [
        "no-transform + x-accel-buffering (header): with that, the whole chain streams (curl, browser)",
        "without no-transform it streams (curl); is buffered (browser)",
        "without x-accel-buffering it is coalesced (curl, browser)",
    ]
    assert list(found.recipes()) == ["FastAPI", "Express", "Go"]
    assert found.exit_status == 0


def test_which_location_answered_and_which_others_are_not_measured_is_told_once() -> None:
    facts = Facts(served_by=EVERY_FACT.served_by)
    said = told(diagnosis(both("nginx:shop", "streamed", "streamed", facts=facts), "nginx:shop"), width=200)
    assert said.count("nginx:shop: /api/ is served by location /api/ (nginx.conf:14) of server shop.example:443") == 1
    assert said.count("are not measured: location / (nginx.conf:20) (--path)") == 1


def test_the_report_has_the_short_answer_first_and_lines_to_paste_whole() -> None:
    said = told(diagnosis(TWO), width=60)
    parts = (CHAIN, "\nWhich hop holds\n", "\nWhat to change\n", "FastAPI", "as it is")
    places = [said.index(word) for word in parts]
    assert places == sorted(places)
    assert [said.count(word) for word in parts[1:3]] == [1, 1]
    indents = {line.split()[0]: len(line) - len(line.lstrip()) for line in said.splitlines() if line.strip()}
    assert (indents["no-transform"], indents["without"]) == (2, 4), "how it is known stands below what to change"
    assert told(found := diagnosis(TWO), in_short=True).rstrip() in told(found)
    assert "Exit status" not in told(found, in_short=True)
    assert '    w.Header().Set("X-Accel-Buffering", "no")\n' in said
    assert "the stream as asked shows at the end" in " ".join(said.split())
    assert said.rstrip().endswith("what to change.")
    assert "Exit status 0" in said
    line = next(line for line in said.splitlines() if "StreamingResponse" in line)
    assert line.endswith('"no"})'), "it is longer than the screen is wide, and whole"


def test_what_is_seen_of_each_request_has_the_colour_of_its_verdict() -> None:
    console = Console(file=io.StringIO(), width=100)
    for verdict in VERDICTS:
        segments = console.render(DiagnosisReport(diagnosis(both(CHAIN, verdict, verdict))))
        styles = [str(style) for text, style, _ in segments if text.startswith(("  curl ", "  browser "))]
        assert styles[:2] == [grid.STYLES[verdict]] * 2


def test_the_exit_status_has_the_colour_of_success_or_failure() -> None:
    console = Console(file=io.StringIO(), width=200)
    styles = dict[bool, str]()
    for found in (diagnosis(TWO), replace(diagnosis(TWO), stopped=INTERRUPTED)):
        said = [(text, str(style)) for text, style, _ in console.render(DiagnosisReport(found))]
        styles |= {bool(found.exit_status): style for text, style in said if "Exit status" in text}
    assert styles == {False: "bold green", True: "bold red"}


OWN = "nginx:outer>nginx:inner"
DIFF = "--- a.conf\n+++ a.conf\n@@ -1 +1,2 @@\n \tproxy_pass http://app;\r\n+\tproxy_buffering off;\r\n"


def changed(**diffs: str) -> Facts:
    return Facts(
        served_by=tuple(replace(EVERY_FACT.served_by[0], hop=f"nginx:{hop}", changed=diffs[hop]) for hop in diffs)
    )


def test_what_changed_in_configs_of_the_user_s_is_told_by_hop_in_place_of_the_lines_and_as_it_is() -> None:
    held = [both(chain, "buffered", "buffered") for chain in (OWN, "nginx:outer", "nginx:inner")]
    mended = both(OWN, "streamed", "streamed", "nginx-buffering-off", facts=changed(outer="", inner=DIFF))
    edited = replace(CATALOGUE["nginx-buffering-off"], edited=(Hop("nginx", "inner"),))
    catalogue = {**CATALOGUE, "nginx-buffering-off": edited}
    found = diagnosis([*itertools.chain(*held), *mended], OWN, catalogue)
    assert (found.recipes(), found.patches()) == ({}, {"nginx:inner": DIFF})
    said = told(found, width=40)
    assert f"\n  nginx:inner\n{DIFF.replace(chr(13), '')}\n" in said
    plain = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"), width=100, color_system=None)
    assert DIFF.replace("\r", "") in "".join(one.text for one in plain.render(DiagnosisReport(found)))
    alike = both(OWN, "streamed", "streamed", "nginx-buffering-off", facts=changed(outer=DIFF, inner=DIFF))
    assert "`patch -p0`, or `git apply" in told(found)
    found = diagnosis([*itertools.chain(*held), *alike], OWN, catalogue)
    assert found.patches() == {"nginx:outer, nginx:inner": DIFF}
    apart = both(
        OWN, "streamed", "streamed", "nginx-buffering-off", facts=changed(outer=f"--- /{DIFF[4:]}", inner=DIFF)
    )
    found = diagnosis([*itertools.chain(*held), *apart], OWN, catalogue)
    assert "`patch -d / -p1`" in told(found), "one that lies elsewhere is enough"
    assert "Where lines end with CR LF only that file is taken" in told(found)
    of_unix = both(OWN, "streamed", "streamed", "nginx-buffering-off", facts=changed(outer=DIFF.replace("\r", "")))
    assert "CR LF" not in told(diagnosis([*itertools.chain(*held), *of_unix], OWN, catalogue))


def test_a_chain_that_streams_needs_nothing() -> None:
    found = diagnosis([*both(CHAIN, "streamed", "streamed"), *both("nextjs:dev", "streamed", "streamed")])
    assert [seen.partition(":")[0] for _, seen in found.of_layers()] == ["streams", "streams"]
    assert (list(found.of_hops()), list(found.of_fix()), found.exit_status) == ([], [], 0)
    assert "it streams as it is" in told(found)


def test_of_a_sole_hop_it_is_not_asked_which_one_holds() -> None:
    found = diagnosis(both("nginx:default", "buffered", "buffered"), "nginx:default")
    assert (len(found.held), list(found.of_hops())) == (2, [])
    assert "Which hop holds" not in told(found)


def test_a_hop_that_answers_by_itself_is_told_as_that() -> None:
    facts = Facts(
        hops=("proxy",), refusal=Refusal(401, 200), answered_by="hop", turned_away=TurnedAway(3, 401, "nothing")
    )

    def of_hop(chain: str) -> list[Result]:
        return both(chain, "broken", "broken", outcome="blocked", reason="status 401", facts=facts)

    login = of_hop(CHAIN)
    found = diagnosis([*login, *both("nginx:default", "buffered", "streamed"), *of_hop("nextjs:dev")])
    assert all("a hop answers by itself" in seen for _, seen in found.of_layers())
    hops = dict(found.of_hops())
    assert [one.partition(";")[0] for one in hops["nextjs:dev"]] == ["alone it is blocked: status 401"]
    assert hops["nginx:default"] == [
        "alone it is buffered: from token 0 on, nothing came before the end (curl); streams (browser)"
    ]
    assert "Which hop answers by itself" in told(found)
    assert (list(found.of_fix()), found.exit_status) == ([], 3)
    assert "too little is known: a hop answers by itself (curl, browser)" in told(found)
    one = diagnosis([*login[:1], at(CHAIN, "browser", "streamed")])
    assert "a hop answers by itself (curl)." in told(one)


@pytest.mark.parametrize(
    ("look", "is_to_mend", "is_asked_of_hops"),
    [("held", True, True), ("milder", True, True), ("refused", False, True), ("streams", False, False)],
)
def test_what_looks_held_or_answered_when_a_search_is_stopped_counts_as_that(
    look: Fate, is_to_mend: bool, is_asked_of_hops: bool
) -> None:
    curl, browser = both(CHAIN, "streamed", "streamed")
    hops = both("nginx:default", "streamed", "buffered") + both("nextjs:dev", "streamed", "streamed")
    found = diagnosis([curl, browser, *hops])
    found.search.looks[browser.cell] = look
    assert found.to_mend == ([browser.cell] if is_to_mend else [])
    assert bool(dict(found.of_hops())) is is_asked_of_hops


@pytest.mark.parametrize(
    ("look", "told"),
    [
        ("streams", "looks streamed"),
        ("milder", "looks held for less long"),
        ("held", "looks held"),
        ("refused", "looks turned away"),
        (None, "not known"),
    ],
)
def test_what_was_not_measured_to_its_end_is_told_as_it_looks(look: Fate | None, told: str) -> None:
    (curl, browser), one = both(CHAIN, "streamed", "streamed"), at("nginx:default", "browser", "buffered")
    found = replace(diagnosis([curl, one]), stopped=INTERRUPTED)
    found.search.layers = (curl.cell, browser.cell)
    if look:
        found.search.looks[browser.cell] = look
    (_, seen) = [*found.of_layers()][1]
    assert seen.startswith(told)
    assert seen.endswith(f": {INTERRUPTED}")


def test_of_what_makes_it_milder_the_three_cheapest_are_told() -> None:
    names = ["x-accel-buffering", "no-transform", "pad-2k", "pad-4k"]
    some = [one for name in names for one in both(CHAIN, "coalesced", "coalesced", name, effect="reduces")]
    (told,) = [one for one in diagnosis([*both(CHAIN, "buffered", "buffered"), *some]).of_fix() if "Milder" in one]
    assert told.count(",") == 2


NOTHING = [
    *both(CHAIN, "buffered", "buffered"),
    *both("nextjs:dev", "streamed", "streamed"),
    *both("nginx:default", "buffered", "buffered"),
    *both(CHAIN, "buffered", "buffered", "x-accel-buffering", effect="no effect"),
    *both(CHAIN, "coalesced", "coalesced", "pad-2k", effect="reduces"),
]


def test_where_nothing_helps_it_says_which_hop_resists_and_what_makes_it_milder() -> None:
    found = diagnosis(NOTHING)
    said = list(found.of_fix())
    assert said[0] == "Nothing within the chain mends it: 2 sets of mitigations tried"
    assert said[1].startswith("Nothing that was tried on it mends nginx:default alone, which is buffered: ")
    assert said[2] == "Milder with pad-2k"
    assert (found.recipes(), found.exit_status) == ({}, 0)
    assert "that nothing that was tried mends it" in " ".join(told(found).split())


def test_where_nothing_makes_it_milder_that_is_not_said() -> None:
    held = both("nginx:default", "coalesced", "coalesced")
    idle = both("nginx:default", "coalesced", "coalesced", "pad-2k", effect="no effect")
    assert [line for line in diagnosis([*held, *idle], "nginx:default").of_fix() if "Milder" in line] == []


def test_settings_of_a_program_whose_configs_are_not_edited_are_told_as_untried() -> None:
    held = both("express:mine", "buffered", "buffered")
    tried = both("express:mine", "buffered", "buffered", "x-accel-buffering", effect="no effect")
    (said,) = [one for one in diagnosis([*held, *tried], "express:mine").of_fix() if one.startswith("Not tried")]
    assert said.startswith("Not tried, as no express config is edited here: in that of express:mine `")
    assert "res.flush()" in said
    assert "(express-flush)" in said
    swapped = both("express:mine", "buffered", "buffered", "express-flush", effect="no effect")
    assert "(express-flush)" not in " ".join(diagnosis([*held, *swapped], "express:mine").of_fix())


def test_settings_are_told_of_a_config_that_is_not_edited_as_it_is_not_known_what_answers() -> None:
    unknown = diagnosis(both("haproxy:mine", "delayed", "delayed"), "haproxy:mine")
    assert (
        "only where it is taken as deployed, and what answers is known: in that of haproxy:mine `option http"
        in " ".join(unknown.of_fix())
    )
    facts = Facts(served_by=(replace(EVERY_FACT.served_by[0], hop="haproxy:mine"),))
    known = diagnosis(both("haproxy:mine", "delayed", "delayed", facts=facts), "haproxy:mine")
    assert "Not tried" not in " ".join(known.of_fix())


def test_a_way_around_is_told_only_after_why_nothing_within_mends_it() -> None:
    around = both(CHAIN, "streamed", "streamed", "bypass-proxy", effect="defeats")
    said = list(diagnosis([*NOTHING, *around]).of_fix())
    assert said[0].startswith("Nothing within the chain mends it: 2 ")
    assert said[2] == "What is left goes around it: bypass-proxy (architecture)"
    within = both(CHAIN, "streamed", "streamed", "nginx-buffering-off", effect="defeats")
    found = diagnosis([*NOTHING, *around, *within])
    assert next(found.of_fix()).startswith("nginx-buffering-off (config): with that, the whole chain streams")
    assert found.recipes() == {"nginx": ["proxy_buffering off;"]}
    assert "bypass" not in " ".join(found.of_fix())


def test_a_search_that_was_stopped_claims_nothing_that_it_does_not_know() -> None:
    over = "the budget of 5 s was over"
    found = replace(diagnosis(NOTHING), stopped=over)
    assert next(found.of_fix()) == f"Not known: {over}; nothing that was tried by then works for every request"
    assert found.exit_status == 3
    cheaper = replace(diagnosis(TWO), stopped=over)
    assert list(cheaper.of_fix())[-1] == f"Something cheaper may work: {over}"
    assert cheaper.exit_status == 0
    assert replace(cheaper, stopped=INTERRUPTED).exit_status == 130
    killed = diagnosis(NOTHING, finished_at=None)
    assert "the run did not finish" in next(killed.of_fix())


def test_what_was_not_measured_is_told_as_that() -> None:
    without = [one for one in TWO if one.cell.mitigations != ("no-transform",) or len(one.cell.chain) == 1]
    found = diagnosis([one for one in without if one.cell.id != cell("nginx:default", request="browser").id])
    assert "was not measured (browser)" in dict(found.of_hops())["nginx:default"][0]
    assert "without x-accel-buffering it was not measured (curl, browser)" in list(found.of_fix())
    one = replace(found, results={}, stopped="the budget of 1 s was over")
    assert [seen for _, seen in one.of_layers()] == ["not known: the budget of 1 s was over"] * 2
    assert (one.unknown, one.exit_status) == ("", 3)
    assert (list(one.of_locations()), one.patches()) == ([], {})


@pytest.mark.parametrize(("outcome", "away"), [("unavailable", None), ("blocked", TurnedAway(3, 401, "nothing"))])
def test_of_a_hop_that_could_not_be_judged_alone_it_is_told_what_was_in_the_way(
    outcome: Outcome, away: TurnedAway | None
) -> None:
    alone = both(
        "nginx:default", "buffered", "buffered", outcome=outcome, reason="no way", facts=Facts(turned_away=away)
    )
    hops = dict(diagnosis([*both(CHAIN, "buffered", "buffered"), *alone]).of_hops())
    assert hops["nginx:default"][0] == f"alone it is {outcome}: no way (curl, browser)"


def test_what_could_not_be_judged_is_no_hold() -> None:
    gone = both(CHAIN, "buffered", "buffered", outcome="unavailable", reason="no Node.js (install it)")
    found = diagnosis(gone)
    assert [seen for _, seen in found.of_layers()] == ["unavailable: no Node.js (install it)"] * 2
    assert (list(found.of_fix()), found.exit_status) == ([], 3)
    assert found.unknown == "it could not be judged (curl, browser)"


def test_an_exit_status_that_has_no_words_of_its_own_is_told_as_everywhere() -> None:
    assert "Exit status 130: interrupted." in told(replace(diagnosis(TWO), stopped=INTERRUPTED))
    broken = diagnosis(both(CHAIN, "broken", "broken", outcome="fail"))
    assert f"Exit status 1: {EXIT_MEANINGS[1]}." in told(broken, width=200)


def test_what_an_emulator_does_is_told_as_a_claim() -> None:
    played = both("cloudrun:report", "coalesced", "coalesced", facts=PLAYED)
    assert "A hop is emulated, and plays field report 002" in told(diagnosis(played, "cloudrun:report"))


@pytest.mark.parametrize(
    ("plain_pieces", "coded_pieces", "row", "fix", "status", "end"),
    [
        (20, 1, "held: .* all of it comes at once", True, 0, "what holds is known, and what to change"),
        (20, 9, "held: .* in 9 pieces instead of 20", True, 0, "what holds is known, and what to change"),
        (20, 19, "not known: .* it still comes in 19 pieces", False, 0, r"it streams as it is \(curl\)"),
        (1, 2, "not known: .* it still comes in 2 pieces", False, 0, r"it streams as it is \(curl\)"),
        (
            1,
            1,
            "not known: .* is too short to tell how that comes",
            False,
            3,
            "too little is known: how the application",
        ),
        (
            0,
            1,
            "not known: .* is too short to tell how that comes",
            False,
            3,
            "too little is known: how the application",
        ),
        (0, 0, "not known: .* how that comes is not known", False, 3, "too little is known: how the application"),
    ],
)
def test_what_an_application_compresses_itself_streams_for_nobody_who_was_not_measured(
    plain_pieces: int, coded_pieces: int, row: str, fix: bool, status: int, end: str
) -> None:
    """The last one is that of a run that was kept before that was counted."""
    itself = Recording("0" * 16, "GET /", "GET", "sse", "chunked", "text/event-stream", coding="br")
    itself = replace(itself, plain_pieces=plain_pieces, coded_pieces=coded_pieces)
    of = cell(CHAIN, workload=Workload("recorded", 20, 96, recording=itself))
    found = diagnosis([result(of, "streamed")])
    (curl, seen), (browser, alone) = found.of_layers()
    assert (curl, seen.partition(":")[0], browser) == ("curl", "streams", "browser")
    assert re.match(row, alone)
    assert ": the application compresses its answer itself (br) for who offers that; " in alone
    assert "seen of it alone: through the chain" in alone
    assert any("`Cache-Control: no-transform`" in said for said in found.of_fix()) is fix
    assert found.exit_status == status
    assert re.search(f"Exit status {status}: {end}", told(found, width=300))
    mended = result(replace(of, mitigations=("x-accel-buffering",)), "streamed", "defeats")
    held = diagnosis([result(of, "coalesced"), mended])
    assert next(held.of_fix()).startswith("x-accel-buffering (header): with that, the whole chain streams (curl)")
    assert any("has to be mended, too (browser)" in said for said in held.of_fix()) is fix
    assert "Exit status 0: it streams" not in told(held, width=300)
    plain = replace(of, workload=replace(of.workload, recording=replace(itself, coding="")))
    assert [who for who, _ in diagnosis([result(plain, "streamed")]).of_layers()] == ["curl"]


def test_a_run_of_something_else_is_no_diagnosis() -> None:
    assert Diagnosis.of_run(run_info(), TWO) is None
    assert Diagnosis.of_run(run_info(diagnosed="nginx:gzip"), TWO) is None


LET = TurnedAway(1, 429, "it")


def test_a_limit_is_told_with_whose_it_is_and_what_it_kept_from_being_known() -> None:
    alone = both("nginx:default", "coalesced", "coalesced", facts=Facts(turned_away=LET))
    never = at(
        CHAIN, "curl", "broken", "no-cache", outcome="blocked", facts=Facts(turned_away=TurnedAway(3, 429, "nothing"))
    )
    found = diagnosis([*both(CHAIN, "coalesced", "coalesced", facts=Facts(turned_away=LET)), *alone, never])
    assert list(found.of_limits()) == [
        "nginx:default limits requests (429): asked slowly, one by one, streams come through",
        "not known, as it was turned away each time: what no-cache would do",
    ]
    assert "limits requests (429)" in told(found)


@pytest.mark.parametrize(
    ("status", "is_told"), [(429, True), (503, True), (502, False), (504, False), (401, False), (None, False)]
)
def test_a_limit_is_only_what_says_so(status: int | None, is_told: bool) -> None:
    away = Facts(turned_away=TurnedAway(1, status, "it"))
    sentence = f"a hop limits requests ({status}): asked slowly, one by one, streams come through"
    found = diagnosis(both(CHAIN, "coalesced", "coalesced", facts=away))
    assert list(found.of_limits()) == ([sentence] if is_told else [])


def test_of_a_limit_in_a_config_of_one_s_own_it_is_told_that_what_answers_is_not_known() -> None:
    limited = both("nginx:default", "coalesced", "coalesced", facts=Facts(turned_away=LET))
    mine = diagnosis(limited, "nginx:default", own={"nginx:default": "my.conf"})
    assert list(mine.of_limits())[1:] == [
        "nginx:default: which server and which of its locations answer is only known as requests come"
    ]
    known = Facts(turned_away=LET, served_by=tuple(replace(one, hop="nginx:default") for one in EVERY_FACT.served_by))
    there = diagnosis(
        both("nginx:default", "coalesced", "coalesced", facts=known), "nginx:default", own={"nginx:default": "a"}
    )
    assert len(list(there.of_limits())) == 1


@pytest.mark.parametrize("served", [(), tuple(replace(one, hop="nginx:default") for one in EVERY_FACT.served_by)])
@pytest.mark.parametrize("standing", [{}, {"nginx:default": "path: /chat"}])
@pytest.mark.parametrize("outcome", ["blocked", "observed"])
def test_of_what_a_deployed_config_refuses_it_is_told_that_what_answers_is_not_known(
    outcome: Outcome, standing: dict[str, str], served: tuple[ServedBy, ...]
) -> None:
    facts = Facts(turned_away=TurnedAway(3, 503, "nothing") if outcome == "blocked" else None, served_by=served)
    layers = both("nginx:default", "broken", "broken", outcome=outcome, facts=facts)
    found = diagnosis(layers, "nginx:default", own={"nginx:default": "my.conf"}, standing=standing)
    unknown = outcome == "blocked" and standing and not served
    assert list(found.of_limits()) == [
        "nginx:default: which server and which of its locations answer is only known as requests come"
    ] * bool(unknown)


@pytest.mark.parametrize("away", [None, TurnedAway(3, 429, "nothing"), TurnedAway(3, 429, "only its baseline")])
def test_what_lets_nobody_through_later_is_no_limit(away: TurnedAway | None) -> None:
    found = diagnosis(both("nginx:default", "coalesced", "coalesced", facts=Facts(turned_away=away)), "nginx:default")
    assert list(found.of_limits()) == []


def test_an_application_that_alone_keeps_its_whole_answer_is_told_as_that() -> None:
    chain, facts = "nginx:default>asgi:mine", Facts(hops=("application",))
    results = [
        *both(chain, "buffered", "buffered"),
        *both("nginx:default", "streamed", "streamed"),
        *both("asgi:mine", "buffered", "buffered", facts=facts),
    ]
    for stopped in ("", "the budget of 60 s was over"):
        found = replace(diagnosis(results, chain), stopped=stopped)
        first, second = found.of_fix()
        assert first.startswith("asgi:mine alone keeps the whole answer, whoever asks, and no header")
        assert second.endswith("nothing dearer was tried")
        assert found.exit_status == (3 if stopped else 0)
    others = [replace(one, facts=Facts(hops=("proxy",))) for one in results]
    assert "in the code" not in " ".join(diagnosis(others, chain).of_fix())
