"""The options of one cell: there is one for every axis and every key of a workload, and complaints are about them."""

from __future__ import annotations

import inspect
import re
from typing import Any, get_args

import pytest

from harness.cli import cell_options
from harness.cli.cell_options import OPTIONS, with_cell_options
from harness.cli.chain_commands import diagnose, run
from harness.errors import InputError
from harness.matrix.shapes import WorkloadShape
from harness.model import AXES
from harness.session import AS_FOUND

PARAMETERS = inspect.signature(run).parameters
USUAL: dict[str, Any] = {
    name: one.default for name, one in PARAMETERS.items() if name in OPTIONS or name in WorkloadShape.model_fields
}


def refusal(**given: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        cell_options.job({**USUAL, "chain": "direct", **given}, (), AS_FOUND)
    return str(caught.value).splitlines()


def test_there_is_an_option_for_every_axis_but_the_workload_and_for_every_key_of_that() -> None:
    assert set(OPTIONS) == set(AXES) - {"workload"}
    assert set(USUAL) == {*OPTIONS, *WorkloadShape.model_fields} - {"recording"}
    assert [name for name in USUAL if USUAL[name] is inspect.Parameter.empty] == []


def test_a_command_keeps_options_of_its_own_behind_those_of_the_cell() -> None:
    @with_cell_options
    def command(loud: bool = False, **cell: Any) -> None: ...

    assert list(inspect.signature(command).parameters) == [*USUAL, "loud"]


@pytest.mark.parametrize("name", USUAL)
def test_the_help_of_an_option_is_a_sentence_that_names_the_words_which_are_allowed(name: str) -> None:
    _, option = get_args(PARAMETERS[name].annotation)
    words = AXES[name].words if name in AXES else get_args(WorkloadShape.model_fields[name].annotation)
    assert option.help[0].isupper()
    assert option.help.endswith(".")
    assert [word for word in words if not re.search(rf"\b{word}\b", option.help)] == []


def test_without_options_the_cell_is_the_usual_one() -> None:
    (cell,) = cell_options.job({**USUAL, "chain": "direct"}, (), AS_FOUND).cells
    assert cell.id == "direct/sse/chunked/curl/aiohttp/32x96/none/lockstep"
    assert (cell.workload.tokens, cell.workload.token_bytes, cell.workload.exact) == (32, 96, False)


@pytest.mark.parametrize(
    ("given", "applied"),
    [
        (["no-cache+x-accel-buffering"], ("no-cache", "x-accel-buffering")),
        (["x-accel-buffering", "no-cache"], ("no-cache", "x-accel-buffering")),
        (["none"], ()),
        (None, ()),
    ],
)
def test_mitigations_are_named_as_ids_have_them(given: list[str] | None, applied: tuple[str, ...]) -> None:
    job = cell_options.job({**USUAL, "chain": "nginx:default", "mitigations": given}, (), AS_FOUND)
    assert job.cells[-1].mitigations == applied


def test_a_verdict_that_is_expected_is_so_of_the_cell_alone() -> None:
    asked = {**USUAL, "chain": "nginx:default", "mitigations": ["no-cache"]}
    (expected,) = cell_options.job(asked, ["streamed", "delayed"], AS_FOUND).matrix.expectations
    assert expected.cells == cell_options.job(asked, (), AS_FOUND).cells[-1].id
    assert expected.verdict == ("streamed", "delayed")
    with pytest.raises(InputError, match=r"--expect: 'steamed' is not allowed; .* \(did you mean 'streamed'\?\)"):
        cell_options.job(asked, ["steamed"], AS_FOUND)


def test_a_diagnosis_has_the_options_of_a_cell_but_those_that_it_finds_out() -> None:
    own = inspect.signature(diagnose).parameters
    assert {name for name in USUAL if name not in own} == {"mitigations", "pace"}
    assert get_args(own["chain"].annotation)[1].help.startswith("The chain in one word")
    given = {name: value for name, value in USUAL.items() if name not in cell_options.FOUND_OUT}
    with pytest.raises(InputError, match=r"^--chain: direct has no hop"):
        cell_options.diagnosis("direct", ["curl"], None, given, AS_FOUND)
    with pytest.raises(InputError, match=r"^--request: unknown request 'wget'"):
        cell_options.diagnosis("nginx:default", ["wget"], None, given, AS_FOUND)


def test_everything_that_is_wrong_is_told_at_once_each_with_its_option() -> None:
    told = refusal(chain="apache:x", format="xml", mitigations=["no-cash"], tokens=0, payload="zeros")
    assert [line.split(":")[0] for line in told] == ["--tokens", "--payload", "--format", "--chain", "--mitigation"]


def test_what_does_not_go_together_is_told_with_the_option_to_change_and_the_cell() -> None:
    (mitigation,) = refusal(mitigations=["bypass-proxy"])
    (body,) = refusal(format="websocket", body="length")
    cells = "cell direct/sse/chunked/curl/aiohttp/32x96/bypass-proxy", "cell direct/websocket/length/curl/"
    assert mitigation.startswith(f"--mitigation: {cells[0]}/lockstep: bypass-proxy bypasses")
    assert body.startswith(f"--body: {cells[1]}")


def test_a_name_of_the_users_is_told_as_it_is_whatever_it_looks_like() -> None:
    (told,) = refusal(mitigations=["run:3: axes.format: x"])
    assert told.startswith("--mitigation: unknown mitigation 'run:3: axes.format: x'; allowed: x-accel-buffering")
