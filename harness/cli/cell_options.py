"""The options of a cell, or of the cells of a diagnosis: one for every axis, and one for every key of a workload.

What is wrong with a cell is told of the option that said it.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from harness import model, session
from harness.cli.options import FLAG
from harness.errors import Complaint, InputError
from harness.model import AXES, WORKLOAD_KEYS, Axis

C = TypeVar("C", bound=Callable[..., None])

OPTIONS: Mapping[str, Axis] = {name: axis for name, axis in AXES.items() if axis.help}
WORKLOAD = {"tokens": 32, "token_bytes": 96}
"""What a matrix file has to say of a workload, and who wants one cell need not."""


METAVARS: Mapping[type, str] = {int: "N", float: "NUMBER", str: "WORD"}

FOUND_OUT = ("chain", "request", "mitigations", "pace")
"""The axes that a diagnosis has no option for: it has one of its own, or finds out itself."""


def with_cell_options(command: C) -> C:
    """Let a command that takes any keywords be called with those of a cell, which are shown before its own."""
    return _with(command, [*_axes(), *_workload()], first=True)


def with_diagnosis_options(command: C) -> C:
    """Let a command likewise be called with those keywords of a cell that a diagnosis leaves to who asks."""
    return _with(command, [*(one for one in _axes() if one.name not in FOUND_OUT), *_workload()], first=False)


def job(
    given: Mapping[str, Any],
    expected: Sequence[str],
    deployment: model.Deployment,
    recording: model.Recording | None = None,
) -> session.Job:
    """Return the job of the cell that the options ask for, its expected verdicts, how a config is deployed, and what is
    replayed.

    Raises InputError that names them.
    """
    _check_recorded(given, recording)
    axes = {name: given[name] for name in OPTIONS} | {"mitigations": [_combined(given["mitigations"] or ["none"])]}
    with _of_options():
        return session.one_cell(axes, _workload_of(given), expected, deployment, recording)


def by_id(
    cell: str,
    given: Mapping[str, Any],
    expected: Sequence[str],
    deployment: model.Deployment,
    runs: Path,
    site: session.Site | None,
) -> session.Job:
    """Return the job of the cell that has an id, which says all that options could but where a `site` is that it was
    measured at. Raises InputError likewise.
    """
    if said := [name for name, usual in USUAL.items() if given[name] != usual]:
        raise InputError(f"{cell} says all of a cell: leave {' and '.join(map(_option_of, said))} out")
    with _of_options("the id"):
        return session.by_id(cell, runs, expected, deployment, site)


def diagnosis(
    chain: str | Sequence[str],
    requests: Sequence[str],
    file: str | None,
    given: Mapping[str, Any],
    deployment: model.Deployment,
    recording: model.Recording | None = None,
) -> session.Job:
    """Return the job of a diagnosis that options ask for, of a chain in one word or hop by hop. Raises likewise.

    Without requests they are the usual ones, or the plain one of an application that compresses for others itself:
    what those get is known of the application alone, and told of it.
    """
    _check_recorded(given, recording)
    usual = session.REQUESTS[:1] if recording and recording.coding else session.REQUESTS
    axes = {name: given[name] for name in OPTIONS if name not in FOUND_OUT}
    axes |= {"chain": chain if isinstance(chain, str) else ">".join(chain), "request": list(requests or usual)}
    with _of_options(chain="--chain" if isinstance(chain, str) else "--hop"):
        return session.diagnosis(axes, _workload_of(given), file, deployment, recording)


def _check_recorded(given: Mapping[str, Any], recording: model.Recording | None) -> None:
    """Raise InputError for an option that says of a recorded answer what it says itself."""
    if recording is None:
        return
    usual = {"format": AXES["format"].default, "body": AXES["body"].default}
    usual |= {key: WORKLOAD.get(key, one.default) for key, one in WORKLOAD_KEYS.items() if key != "exact"}
    said = {"format": recording.format, "body": recording.body}
    for key, value in usual.items():
        if given[key] not in (value, said.get(key)):
            itself = f"it is {said[key]}" if key in said else "its writes are replayed as they are"
            raise InputError(f"{_option(key)}: what is recorded says that itself: {itself}")


def usual(given: Mapping[str, Any]) -> model.Recording:
    """Return an answer as applications give it, in the format and framing that options say: before one is asked."""
    formats: tuple[model.CodecName, ...] = ("sse", "ndjson", "text")
    format = next((one for one in formats if one == given["format"]), formats[0])
    writes = (model.Write(0, b"data: a\n\n"), model.Write(1, b"data: b\n\n"))
    return model.Recording("usual", "", "GET", format, given["body"], "", writes=writes, closing=1)


def _with(command: C, options: Sequence[Parameter], first: bool) -> C:
    own = inspect.signature(command, eval_str=True).parameters.values()
    named = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in own if one.kind is not Parameter.VAR_KEYWORD]
    shown = [*options, *named] if first else [*named, *options]
    command.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    return command


def _combined(given: Sequence[str]) -> list[str]:
    """Return the mitigations that options name, one by one or joined as in ids; none for `none`, which stands alone."""
    names = [name.strip() for option in given for name in option.split("+")]
    if "all" in names:
        raise InputError("--mitigation: all is a word of matrix files; `harness diagnose` tries them on one chain")
    if "none" in names and len(names) > 1:
        raise InputError("--mitigation: none stands for no mitigation, and there are others beside it")
    return [name for name in names if name != "none"]


def _workload_of(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: given[key] for key in WORKLOAD_KEYS}


@contextlib.contextmanager
def _of_options(chain: str = "--chain") -> Iterator[None]:
    """Tell what is wrong of the options that said it; the chain is said by that one."""
    try:
        yield
    except InputError as error:
        raise InputError(*(_of_option(complaint, chain) for complaint in error.complaints)) from error


def _axes() -> Iterator[Parameter]:
    """Yield the parameters of axes: first those that a table has for headings, then its labels."""
    for name, axis in sorted(OPTIONS.items(), key=lambda item: item[1].label is not None):
        letter = [f"-{axis.letter}"] if axis.letter else []
        option = typer.Option(
            _option(axis.noun), *letter, metavar=axis.noun.upper(), help=axis.help.format(_listed(axis.words))
        )
        if axis.reads == "names":
            yield _parameter(name, list[str] | None, option, None)
        else:
            yield _parameter(name, str | None, option, axis.default)


def _workload() -> Iterator[Parameter]:
    for key, one in WORKLOAD_KEYS.items():
        metavar = FLAG if one.kind is bool else "MS" if key.endswith("_ms") else METAVARS[one.kind]
        option = typer.Option(_option(key), metavar=metavar, help=f"{one.about[0].upper()}{one.about[1:]}.")
        yield _parameter(key, one.kind, option, WORKLOAD.get(key, one.default))


def _parameter(name: str, kind: Any, option: Any, default: object) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


def _of_option(complaint: Complaint, chain: str) -> Complaint:
    """Return a complaint about a key as one about its option; what is about a file needs none."""
    if complaint.file:
        return complaint
    match complaint.path:
        case ("axes", str(axis), *_):
            option = f"{chain if axis == 'chain' else _option(AXES[axis].noun)}: "
        case ("workloads", _, str(key), *_):
            option = f"{_option(key)}: "
        case ("expect", *_):
            option = "--expect: "
        case _:
            option = ""
    return replace(complaint, message=f"{option}{complaint.message}", path=())


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _option_of(name: str) -> str:
    return _option(AXES[name].noun if name in AXES else name)


def _listed(words: Sequence[str]) -> str:
    *others, last = words or ("",)
    return f"{', '.join(others)} or {last}" if others else last


USUAL: Mapping[str, object] = {one.name: one.default for one in (*_axes(), *_workload())}
"""What holds for each option that is not given."""
