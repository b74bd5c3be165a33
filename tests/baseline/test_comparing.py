"""What became of each cell, which of it fails, and that nothing of a result is lost over it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.baseline.changes import differences
from harness.baseline.comparing import KINDS, Comparison, compared
from harness.baseline.keeping import Surroundings, baseline_of, digest_of, with_what_was
from harness.judge.rules import RULES
from harness.model import (
    MANNERS,
    VERDICTS,
    Baseline,
    Change,
    ChangedFile,
    Effect,
    Facts,
    Kept,
    KeptRelease,
    Release,
    ReleasedBy,
    Result,
    Shows,
    Start,
    Verdict,
    Workload,
)
from harness.reports import summary
from tests.reports.samples import cell, result, run_info

RUN = run_info()
STREAMED, HELD = Shows("one by one", 0, 0.0, seen=False), Shows("at the end", 1, 900.0, seen=False)


def kept(results: Sequence[Result], **others: Any) -> Baseline:
    return baseline_of("b.yaml", RUN, results, Surroundings(**others))


def held(was: Sequence[Result], now: Sequence[Result], run: Any = RUN, **others: Any) -> Comparison:
    here = {one.id for one in now}
    return compared(kept(was), kept(now), run, now, **{"here": here, **others})


def of(verdict: Verdict | None, *mitigations: str, chain: str = "nginx:default", **others: Any) -> Result:
    return result(cell(chain, *mitigations), verdict, **others)


def only(comparison: Comparison) -> tuple[Change | None, str, int]:
    (one,) = comparison.results
    return one.changed.kind if one.changed else None, one.outcome, status(comparison)


def status(comparison: Comparison) -> int:
    return summary.exit_status(RUN, comparison.results)


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (of("streamed"), of("streamed"), (None, "pass", 0)),
        (of("streamed"), of("buffered"), ("worse", "fail", 1)),
        (of("buffered"), of("streamed"), ("better", "observed", 0)),
        (of("streamed", shows=STREAMED), of("streamed", shows=HELD), ("worse", "fail", 1)),
        (of("streamed"), of("streamed", facts=Facts(head_held=True)), ("worse", "fail", 1)),
        (of("streamed"), of("streamed", facts=Facts(start=Start(4096))), ("other", "observed", 0)),
        (of("streamed"), of(None, outcome="unavailable", reason="no nginx"), ("not measured", "unavailable", 3)),
        (of("streamed"), of(None, outcome="error", reason="it died"), ("not measured", "error", 3)),
        (of("streamed"), of(None, outcome="unstable", reason="now so, now so"), ("not measured", "unstable", 3)),
        (of("streamed"), of(None, outcome="too short", reason="4 would do"), ("not measured", "too short", 3)),
        (of(None, outcome="too short"), of(None, outcome="too short"), (None, "too short", 0)),
        (of(None, outcome="too short"), of("streamed"), ("better", "observed", 0)),
        (of(None, outcome="unstable"), of("streamed"), ("new", "observed", 0)),
        (of("streamed"), of("streamed", versions={"nginx": "1.28.0"}), ("another version", "observed", 0)),
        (of("streamed"), of("buffered", versions={"nginx": "1.28.0"}), ("worse", "fail", 1)),
    ],
)  # fmt: skip
def test_what_a_cell_came_to(was: Result, now: Result, told: tuple[Change | None, str, int]) -> None:
    assert only(held([was], [now])) == told


@pytest.mark.parametrize("now", [of("buffered"), of("streamed"), of("streamed", versions={"nginx": "2"})])
def test_strictly_any_change_fails(now: Result) -> None:
    for was in (of("delayed"), of("streamed", facts=Facts(head_held=True))):
        assert only(held([was], [now], fails=KINDS))[1:] == ("fail", 1)


def test_rules_of_another_number_fail_nothing_and_say_so() -> None:
    now = [of("buffered")]
    comparison = compared(replace(kept([of("streamed")]), rules=1), kept(now), RUN, now, {now[0].id})
    assert only(comparison) == ("worse", "observed", 0)
    assert comparison.other_rules == f"b.yaml: judged by rules 1; these are rules {RULES}"
    gone = compared(replace(kept([of("streamed", chain="nginx:gzip")]), rules=1), kept(now), RUN, now, {now[0].id})
    assert status(gone) == 1, "that has nothing to do with rules"


def test_what_other_rules_find_too_short_by_now_fails_nothing_and_what_is_not_measured_does() -> None:
    was = replace(kept([of("streamed")]), rules=1)
    for outcome, told in (
        ("too short", ("too short", 0)),
        ("unavailable", ("unavailable", 3)),
        ("error", ("error", 3)),
    ):
        now = [of(None, outcome=outcome, reason="so it is")]
        assert only(compared(was, kept(now), RUN, now, {now[0].id})) == ("not measured", *told)
        strict = compared(was, kept(now), RUN, now, {now[0].id}, fails=KINDS)
        assert status(strict) == 3


def test_what_stays_in_a_baseline_was_judged_by_the_rules_that_judged_it() -> None:
    first, second, third = (of("streamed", chain=f"nginx:{name}") for name in ("default", "gzip", "http10"))
    held = [replace(one, verdict="buffered") for one in (first, second, third)]

    def failing(was: Baseline) -> list[str]:
        found = compared(was, kept(held), RUN, held, {one.id for one in held})
        return [one.id for one in found.results if one.outcome == "fail"]

    was = replace(kept([first, second, third]), rules=1)
    one = with_what_was(kept([first]), was, was.cells)
    assert (one.rules, dict(one.judged)) == (RULES, {second.id: 1, third.id: 1})
    assert failing(one) == [first.id], "by no other's rules"
    told = compared(one, kept(held), RUN, held, set()).other_rules
    assert told == f"2 of 3 cells of b.yaml: judged by rules 1; these are rules {RULES}"
    two = with_what_was(kept([second]), one, one.cells)
    assert dict(two.judged) == {third.id: 1}
    both = with_what_was(kept([third]), two, two.cells)
    assert (both.judged, len(failing(both))) == ({}, 3)


def test_a_cell_that_is_gone_fails_as_itself_unless_nobody_asked_for_it() -> None:
    here, gone = of("streamed"), of("buffered", "no-cache", chain="nginx:gzip>nginx:http10")
    comparison = held([here, gone], [here])
    assert [(one.id, one.outcome) for one in comparison.results] == [(here.id, "pass"), (gone.id, "fail")]
    assert comparison.results[1].cell.id == gone.id
    assert status(comparison) == 1
    assert len(held([here, gone], [here], concerns=here.id.__eq__).results) == 1


def test_what_a_run_did_not_come_to_is_not_measured() -> None:
    here, missed = of("streamed"), of("streamed", chain="nginx:gzip")
    comparison = held([here, missed], [here], here={here.id, missed.id})
    assert [one.id for one in comparison.of("not measured")] == [missed.id]
    assert status(comparison) == 3


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (Workload("short", 4000, 4096), "workload short is 4000 tokens of 4096 B, was 24 tokens of 64 B"),
        (Workload("short", 24, 64, payload="random"), "payload random, was 24 tokens of 64 B"),
    ],
)
def test_another_cell_under_the_same_name_is_not_compared(load: Workload, said: str) -> None:
    was, now = result(cell()), result(cell(workload=load))
    assert was.id == now.id
    comparison = held([was], [now])
    assert only(comparison) == ("another cell", "fail", 1)
    assert said in str(comparison.results[0].changed)


@pytest.mark.parametrize(
    ("before", "after", "is_another"),
    [("/a", "/b", True), ("/a?0f1", "/a?0f2", True), ("/a?", "/a?0f2", False), ("/a?0f1", "/a?0f1", False)],
)
def test_a_config_that_is_asked_for_something_else_makes_another_cell(
    before: str, after: str, is_another: bool
) -> None:
    one, missed = (of("streamed", chain=f"nginx:default@{version}") for version in ("1.31", "1.30"))
    was = kept([one, missed], standing={"nginx:default": f"path {before}"})
    now = kept([one], standing={"nginx:default": f"path {after}"})
    assert only(compared(was, now, RUN, [one], {one.id}, concerns=one.id.__eq__))[0] == (
        "another cell" if is_another else None
    )
    again = with_what_was(now, was, [one.id, missed.id])
    assert (missed.id in again.cells) is not is_another
    assert again.standing == now.standing


@pytest.mark.parametrize(("before", "after"), [*itertools.product(["", "path /a", "path /b"], repeat=2)])
def test_a_config_of_which_nobody_says_what_it_is_asked_for_is_judged_alike_measured_or_not(
    before: str, after: str
) -> None:
    one, missed, other = (of("streamed", chain=chain) for chain in ("nginx:a@1.31", "nginx:a@1.30", "nginx:b"))
    was, now = (kept([one, missed], standing={"nginx:a": said} if said else {}) for said in (before, after))
    now = replace(now, cells={one.id: now.cells[one.id]})
    is_another = before != after
    changed = only(compared(was, now, RUN, [one], {one.id}, concerns=one.id.__eq__))[0]
    assert (changed == "another cell") is is_another
    again = with_what_was(now, was, [one.id, missed.id])
    assert (missed.id in again.cells) is not is_another
    assert again.standing == ({"nginx:a": after} if after else {})
    assert only(compared(again, now, RUN, [one], {one.id}, concerns=one.id.__eq__))[0] is None, "it comes to rest"
    assert missed.id in with_what_was(kept([other]), was, [missed.id]).cells, "of what is not asked nothing is known"


def test_an_effect_is_no_worse_where_the_layer_itself_got_better() -> None:
    tried = of("coalesced", "pad-2k", effect="reduces", baseline_id=of("buffered").id)
    again = replace(tried, effect="no effect")
    moved = held([of("buffered"), tried], [of("coalesced"), again])
    assert [one.changed.kind for one in moved.results if one.changed] == ["better", "other"]
    stayed = held([of("coalesced"), tried], [of("coalesced"), again])
    assert [one.changed.kind for one in stayed.results if one.changed] == ["worse"]


def test_the_configs_of_a_cell_s_hops_that_changed_stand_beside_it() -> None:
    files = [ChangedFile("a.conf", ("nginx:default",)), ChangedFile("b.conf", ("nginx:gzip",))]
    (one,) = held([of("streamed")], [of("buffered")], files=files).results
    assert one.changed
    assert one.changed.files == ("a.conf",)


def test_a_release_is_kept_as_coarse_as_it_was_resolved() -> None:
    found = Release(4, "bytes", 4131, 64, 3200.0, 9.5, 64)
    was = of("coalesced", release=found)
    near, far = (of("coalesced", release=replace(found, after_bytes=bytes)) for bytes in (4131 + 700, 8262))
    assert only(held([was], [near]))[0] is None
    assert only(held([was], [far]))[0] == "worse"
    for now, kept_of in ((near, was), (far, far)):
        assert with_what_was(kept([now]), kept([was]), []).cells == kept([kept_of]).cells


@pytest.mark.parametrize("verdict", ["buffered", "coalesced", "streamed"])
def test_what_is_held_has_no_start(verdict: Verdict) -> None:
    now = of(verdict, facts=Facts(start=Start(held_bytes=270_496)))
    assert only(held([of(verdict)], [now]))[0] == ("worse" if verdict == "streamed" else None)


@pytest.mark.parametrize(
    ("start", "turn"),
    [
        (Start(held_bytes=4096 + 448, resolution_bytes=448), None),
        (Start(held_bytes=4096 + 449, resolution_bytes=448), "worse"),
        (Start(held_bytes=4096 - 2048, resolution_bytes=64), None),
        (Start(held_bytes=4096 - 2049, resolution_bytes=64), "better"),
        (Start(held_bytes=12_288, resolution_bytes=6144), "worse"),
        (Start(held_bytes=0), "better"),
    ],
)
def test_a_start_is_known_to_the_step_in_which_it_was_found(start: Start, turn: Change | None) -> None:
    was = of("streamed", facts=Facts(start=Start(held_bytes=4096, resolution_bytes=2048)))
    assert only(held([was], [of("streamed", facts=Facts(start=start))]))[0] == turn


@pytest.mark.parametrize(("held_bytes", "turn"), [(4096 + 64, None), (4096 + 65, "worse")])
def test_a_start_whose_step_an_earlier_harness_did_not_write_down_is_known_to_a_token(
    held_bytes: int, turn: Change | None
) -> None:
    was, now = (of("streamed", facts=Facts(start=Start(held_bytes=bytes))) for bytes in (4096, held_bytes))
    assert only(held([was], [now]))[0] == turn


def test_what_could_not_be_measured_here_stays_and_what_is_gone_does_not() -> None:
    here, missed, gone = of("streamed"), of("buffered", chain="nginx:gzip"), of("buffered", chain="nginx:http10")
    was = kept([of("buffered"), missed, gone], configs={"a.conf": "1"}, files={"nginx:gzip": ["a.conf"]})
    again = with_what_was(kept([here]), was, [here.id, missed.id])
    assert {name: one.verdict for name, one in again.cells.items()} == {here.id: "streamed", missed.id: "buffered"}
    assert again.configs == {"a.conf": "1"}


def test_a_config_stays_what_it_was_while_a_cell_is_left_that_was_measured_with_it() -> None:
    """Cells are measured again one after the other, as by `--only` and shards, and the config changes in between."""

    def around(blob: str, *more: str) -> Surroundings:
        paths = ["a.conf", *more]
        return Surroundings(configs=dict.fromkeys(paths, blob), files={"nginx:default": paths, "nginx:gzip": paths})

    def updated(was: Baseline, one: Result, around: Surroundings) -> Baseline:
        return with_what_was(baseline_of("b.yaml", RUN, [one], around), was, was.cells, around)

    def told(was: Baseline, one: Result, around: Surroundings) -> tuple[str, ...]:
        files = [ChangedFile("a.conf", tuple(around.files))]
        now = baseline_of("b.yaml", RUN, [one], around)
        (changed,) = (each.changed for each in compared(was, now, RUN, [one], [], lambda cell: False, files).results)
        return changed.files if changed else ()

    first, second = of("streamed"), of("streamed", chain="nginx:gzip")
    held = [replace(one, verdict="buffered") for one in (first, second)]
    was = with_what_was(baseline_of("b.yaml", RUN, [first, second], around("1")), kept([]), [], around("1"))
    assert (was.configs, was.renewed) == ({"a.conf": "1"}, {})
    one = updated(was, first, around("2"))
    assert (one.configs, set(one.renewed)) == ({"a.conf": "1"}, {first.id})
    assert [told(one, each, around("2")) for each in held] == [(), ("a.conf",)]
    assert [told(one, each, around("3")) for each in held] == [("a.conf",), ("a.conf",)]
    assert updated(one, first, around("2")) == one, "it comes to rest"

    both = updated(one, second, around("2"))
    assert (both.configs, both.renewed) == ({"a.conf": "2"}, {})
    again = updated(one, second, around("3"))
    assert (again.configs, set(again.renewed)) == ({"a.conf": "1"}, {first.id, second.id})
    rest = updated(again, first, around("3"))
    assert (rest.configs, rest.renewed) == ({"a.conf": "3"}, {})

    with_new = updated(was, first, around("1", "new.conf"))
    assert "new.conf" not in with_new.configs, "it is new to the other still"
    assert set(updated(with_new, second, around("1", "new.conf")).configs) == {"a.conf", "new.conf"}
    back = updated(one, first, around("1"))
    assert (back.configs, back.renewed) == ({"a.conf": "1"}, {}), "who takes a change back has changed nothing"


@given(
    st.lists(
        st.tuples(st.sampled_from(["1", "2", "3"]), st.booleans(), st.sets(st.integers(0, 2), min_size=1)), max_size=6
    )
)
def test_whatever_changes_in_between_it_is_known_what_each_cell_was_measured_with(
    steps: Sequence[tuple[str, bool, set[int]]],
) -> None:
    cells = [of("streamed", chain=f"nginx:{name}") for name in ("default", "gzip", "http10")]
    was, measured_with = kept([]), dict[str, Mapping[str, str]]()
    for blob, has_more, updated in [("1", False, {0, 1, 2}), *steps]:
        paths = ["a.conf", *(["more.conf"] if has_more else [])]
        hops = [str(cell.cell.chain[0]) for cell in cells]
        around = Surroundings(configs=dict.fromkeys(paths, blob), files=dict.fromkeys(hops, paths))
        again = [cells[number] for number in updated]
        was = with_what_was(baseline_of("b.yaml", RUN, again, around), was, was.cells, around)
        measured_with |= {one.id: around.configs for one in again}
        for measured, configs in measured_with.items():
            if measured in was.renewed:
                assert was.renewed[measured] == digest_of(configs)
            else:
                assert {path: was.configs.get(path) for path in configs} == configs


@pytest.mark.parametrize("another", [{}, {"harness_version": "0.0.9"}, {"rules": 1}])
def test_what_is_too_short_to_tell_by_now_is_written_as_that_and_comes_to_rest(another: dict[str, Any]) -> None:
    known, short = of("streamed", shows=STREAMED), of(None, outcome="too short")
    for was, now in ((known, short), (short, known)):
        updated = with_what_was(kept([now]), replace(kept([was]), **another), [was.id])
        assert updated.cells == kept([now]).cells
        assert compared(updated, kept([now]), RUN, [now], {now.id}).results[0].changed is None


CELLS = [of("streamed").id, of("streamed", "pad-2k").id, of("streamed", "no-cache").id]
LINES = st.builds(
    Kept,
    st.none() | st.sampled_from(list(VERDICTS)),
    st.none() | st.sampled_from(list(MANNERS)),
    st.none() | st.sampled_from(get_args(Effect)),
    st.none()
    | st.builds(
        KeptRelease,
        st.sampled_from(get_args(ReleasedBy)),
        st.sampled_from([200, 300, 700]),
        st.sampled_from([0, 60]),
        st.none() | st.booleans(),
    ),
    held_bytes=st.sampled_from([0, 100, 4096]),
    within_bytes=st.sampled_from([0, 96, 5000]),
    head_held=st.booleans(),
    lag_ms=st.none() | st.sampled_from([300, 500, 2000]),
)
KEPT = st.dictionaries(st.sampled_from(CELLS), LINES)


@given(was=KEPT, now=KEPT, by=st.sampled_from([("0.1.0", RULES), ("0.0.9", RULES), ("0.1.0", 1)]))
def test_what_was_updated_is_what_was_found_and_comes_to_rest(
    was: Mapping[str, Kept], now: Mapping[str, Kept], by: tuple[str, int]
) -> None:
    found = replace(kept([]), cells=now)
    updated = with_what_was(found, Baseline("b.yaml", by[1], by[0], was), was)
    assert updated.cells.keys() == was.keys() | now.keys()
    assert [differences(cell, updated.cells, now) for cell in now] == [[] for _ in now]
    assert [cell for cell in now if bool(updated.cells[cell].verdict) != bool(now[cell].verdict)] == []
    assert with_what_was(found, updated, updated.cells) == updated


def test_what_is_gone_and_fails_nothing_is_no_result() -> None:
    here, gone = of("streamed"), of("buffered", chain="nginx:gzip")
    comparison = held([here, gone], [here], fails=())
    assert [one.id for one in comparison.results] == [here.id]
    assert [one.id for one in comparison.of("gone")] == [gone.id]


def test_what_rests_on_a_name_that_stands_for_something_else_is_forgotten() -> None:
    of_one, other = Workload("chat", 8, 112), Workload("chat", 400, 112)
    here, left_out = result(cell(workload=of_one)), result(cell("nginx:gzip", workload=of_one))
    now = [replace(here, cell=cell(workload=other))]
    kept_of_old = with_what_was(kept(now), kept([here, left_out]), [left_out.id])
    assert kept_of_old.cells.keys() == {here.id}
    same = with_what_was(kept([here]), kept([here, left_out]), [left_out.id])
    assert same.cells.keys() == {here.id, left_out.id}


def test_versions_are_kept_for_each_platform() -> None:
    elsewhere = baseline_of("b.yaml", replace(RUN, platform="macOS, arm64, 8 cores"), [of("streamed")], Surroundings())
    both = with_what_was(kept([of("streamed")]), elsewhere, [])
    assert set(both.programs) == {"macOS, arm64", "Linux x86_64"}
    now = [of("streamed", versions={"nginx": "9"})]
    comparison = compared(elsewhere, kept(now), RUN, now, {now[0].id})
    assert comparison.new_platform == "b.yaml has no versions of Linux x86_64"
    assert only(comparison)[0] is None, "of another platform no version says anything"


def test_what_a_lag_shows_fails_nothing_however_strict() -> None:
    bursts = Shows("in bursts", 3, 90.0, seen=False)
    was, now = of("delayed", shows=STREAMED), of("delayed", shows=bursts)
    assert only(held([was], [now], fails=KINDS)) == (None, "pass", 0)
    assert with_what_was(kept([now]), kept([was]), [was.id]).cells == kept([was]).cells, "no line of it changes"


def test_a_line_that_says_less_than_is_known_by_now_is_written_anew_and_comes_to_rest() -> None:
    def start(held_bytes: int, step: int) -> Result:
        return of("buffered", facts=Facts(start=Start(held_bytes=held_bytes, resolution_bytes=step)))

    none, coarse, fine, finer = of("buffered"), start(8000, 4000), start(7000, 2000), start(6900, 1001)
    for was, now, stays in ((none, coarse, coarse), (coarse, fine, fine), (fine, finer, fine), (fine, coarse, fine)):
        assert with_what_was(kept([now]), kept([was]), []).cells == kept([stays]).cells
    assert with_what_was(kept([none]), kept([fine]), []).cells == kept([fine]).cells


@pytest.mark.parametrize("another", [{"harness_version": "0.0.9"}, {"rules": 1}])
def test_what_another_harness_wrote_is_written_anew(another: dict[str, Any]) -> None:
    release = Release(4, "bytes", 4131, 64, 3200.0, 9.5, 64)
    was, now = (of("coalesced", release=replace(release, after_bytes=bytes)) for bytes in (4131, 4195))
    assert kept([was]).cells != kept([now]).cells
    assert with_what_was(kept([now]), kept([was]), []).cells == kept([was]).cells
    for other in (replace(kept([was]), **another), replace(kept([was]), judged={was.id: 1})):
        assert with_what_was(kept([now]), other, []).cells == kept([now]).cells
