"""What a name in an id stands for is another only where a stream is: not by words, nor by what is for other chains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields, make_dataclass, replace
from typing import Any

import pytest

from harness.baseline.comparing import KINDS, Comparison, compared
from harness.baseline.keeping import Surroundings, baseline_of
from harness.judge.rules import RULES
from harness.model import Baseline, Edit, Filler, Mitigation, RequestProfile, Result
from harness.reports import summary
from tests.reports.samples import cell, result, run_info

RUN = run_info()
NAME = "no-compression"
ONE = Mitigation(
    NAME,
    "It helps.",
    "us",
    "config",
    response_headers={"Cache-Control": "no-transform"},
    request_headers={"Authorization": "Bearer one", "Accept-Encoding": None},
    chain={"caddy:encode": "caddy:plain", "nginx:gzip@1.30": "nginx:plain"},
    edit={"caddy": Edit(drop=("encode",)), "nginx": Edit(set=("gzip off",))},
)
CADDY, OWN, NGINX, DIRECT = "caddy:encode", "caddy:mine", "nginx:gzip", "varnish:default"


def redefined(**changes: Any) -> Mitigation:
    return replace(ONE, **changes)


def kept(now: Mitigation | None = None, chain: str = CADDY, **others: Any) -> Baseline:
    asked = RequestProfile("curl", (("Accept", "*/*"),))
    around = Surroundings(requests={"curl": others.pop("asked", asked)}, standing=others.pop("standing", {}))
    baseline = baseline_of("b.yaml", replace(RUN, mitigations={NAME: now or ONE}), [of(chain)], around)
    return replace(baseline, **others)


def of(chain: str = CADDY) -> Result:
    return result(cell(chain, NAME, request="curl"), "streamed", effect="defeats")


def held(was: Baseline, now: Baseline, chain: str = CADDY, **others: Any) -> Comparison:
    return compared(was, now, RUN, [of(chain)], {of(chain).id}, **others)


def is_another(told: Comparison) -> bool:
    return [one.changed.kind for one in told.results if one.changed] == ["another cell"]


MORE = Edit(drop=("encode", "templates"))


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({"claim": "told otherwise", "source": "them", "cost": "header", "apply": {"caddy": "so"}}, ""),
        ({"chain": {**ONE.chain, "varnish:default": "varnish:pipe"}}, DIRECT),  # type: ignore[dict-item]
        ({"chain": {**ONE.chain, "caddy:encode": "caddy:other"}}, CADDY),  # type: ignore[dict-item]
        ({"chain": {"caddy:encode": "caddy:plain"}}, NGINX),
        ({"edit": {**ONE.edit, "caddy": MORE}}, OWN),
        ({"edit": {"caddy": ONE.edit["caddy"]}}, ""),
        ({"edit": {**ONE.edit, "traefik": MORE}}, ""),
        ({"request_headers": {"Authorization": "Bearer other", "Accept-Encoding": None}}, ""),
        ({"response_headers": {}}, "*"),
        ({"request_headers": {"Authorization": "Bearer one"}}, "*"),
        ({"delay_ms": 10.0}, "*"),
        ({"prelude": Filler(2048)}, "*"),
        ({"chain": "direct"}, "*"),
    ],
)
@pytest.mark.parametrize("chain", [CADDY, OWN, NGINX, DIRECT, f"{OWN}>{NGINX}"])
def test_a_mitigation_is_another_where_it_does_something_else(
    changes: Mapping[str, Any], others: str, chain: str
) -> None:
    told = held(kept(chain=chain), kept(redefined(**changes), chain), chain)
    assert is_another(told) is (others == "*" or others in chain.split(">"))
    assert bool(summary.exit_status(RUN, told.results)) is is_another(told)


def newer(one: Any, **more: Any) -> Any:
    """Return a definition as a harness has it that knows one field more."""
    name = type(one).__name__
    made = make_dataclass(name, [("more", str, field(default=""))], bases=(type(one),), frozen=True)
    return made(**{each.name: getattr(one, each.name) for each in fields(one)}, **more)


def test_what_a_newer_harness_can_say_and_does_not_changes_no_digest() -> None:
    profile = RequestProfile("curl", (("Accept", "*/*"),))
    edits = {proxy: newer(edit) for proxy, edit in ONE.edit.items()}
    assert kept(newer(redefined(edit=edits)), asked=newer(profile)).digests == kept(asked=profile).digests
    assert is_another(held(kept(), kept(newer(ONE, more="x"))))


def test_a_digest_is_what_it_was_when_baselines_were_committed() -> None:
    assert kept(chain=OWN).digests == {
        "request": {"curl": "18570c9fb97d"},
        "mitigations": {f"{OWN}/{NAME}": "66e86dfe5ffc"},
    }


def test_a_secret_of_a_profile_is_in_no_digest_and_all_else_of_it_is() -> None:
    one, other, named = (
        RequestProfile("curl", headers) for headers in ((("X-Api-Key", "a"),), (("X-Api-Key", "b"),), (("X-Key", "a"),))
    )
    digests = [kept(asked=asked).digests["request"]["curl"] for asked in (one, other, named)]
    assert (digests[0] == digests[1], digests[0] == digests[2]) == (True, False)


@pytest.mark.parametrize("another", [{"harness_version": "0.0.9"}, {"rules": RULES - 1}])
@pytest.mark.parametrize(
    "changes", [{"now": redefined(delay_ms=10.0)}, {"asked": RequestProfile("curl", (("Accept", "text/html"),))}]
)
def test_another_harness_s_definitions_fail_nothing_and_that_is_said(
    another: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
    was, now = kept(**another), kept(**changes)
    told = held(was, now)
    assert (is_another(told), summary.exit_status(RUN, told.results)) == (True, 0)
    versions = (was.harness_version, was.rules), (now.harness_version, now.rules)
    words = "written by harness {}, and this is {}" if was.harness_version != now.harness_version else ""
    words = words or f"written by rules {{}} of harness {was.harness_version}, and these are {{}}"
    told_of = 0 if was.harness_version != now.harness_version else 1
    assert words.format(*(one[told_of] for one in versions)) in told.other_harness
    assert summary.exit_status(RUN, held(was, now, fails=KINDS).results) == 1, "but strictly"
    same = held(was, kept())
    assert (is_another(same), same.other_harness) == (False, "")


@pytest.mark.parametrize("changes", [{"workloads": {"short": {"tokens": 9}}}, {"standing": {CADDY: "path /b"}}])
def test_another_harness_does_not_excuse_what_the_matrix_says_otherwise(changes: Mapping[str, Any]) -> None:
    told = held(
        kept(harness_version="0.0.9", standing={CADDY: "path /a"}), kept(**{"standing": {CADDY: "path /a"}, **changes})
    )
    assert (is_another(told), summary.exit_status(RUN, told.results), told.other_harness) == (True, 1, "")


@pytest.mark.parametrize("own", [f"mitigations: {{{NAME}: {{}}}}\n", "requests: {curl: {}}\n"])
def test_another_harness_does_not_excuse_what_the_matrix_file_defines_itself(own: str) -> None:
    was, now = kept(harness_version="0.0.9", rules=RULES - 1), kept(redefined(response_headers={}))
    asked = kept(asked=RequestProfile("curl", (("Accept", "text/event-stream"),)))
    now = now if "mitigations" in own else asked
    run = replace(RUN, matrix_text=own)
    told = compared(was, now, run, [of()], {of().id})
    assert (is_another(told), summary.exit_status(run, told.results), told.other_harness) == (True, 1, "")
