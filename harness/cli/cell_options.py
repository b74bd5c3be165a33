"""The options of one cell: one for every axis, and one for every key of a workload.

What is wrong with the cell is told of the option that said it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter
from typing import Annotated, Any, TypeVar

import typer

from harness import session
from harness.errors import Complaint, InputError
from harness.model import AXES, WORKLOAD_KEYS, Axis, Deployment

C = TypeVar("C", bound=Callable[..., None])

OPTIONS: Mapping[str, Axis] = {name: axis for name, axis in AXES.items() if axis.help}
WORKLOAD = {"tokens": 32, "token_bytes": 96}
"""What a matrix file has to say of a workload, and who wants one cell need not."""


def with_cell_options(command: C) -> C:
    """Let a command that takes any keywords be called with those of a cell, which are shown before its own."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    named = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in own if one.kind is not Parameter.VAR_KEYWORD]
    shown = [*_axes(), *_workload(), *named]
    command.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    return command


def job(given: Mapping[str, Any], deployment: Deployment = session.AS_FOUND) -> session.Job:
    """Return the job of the cell that the options ask for, with a config of the user's as it is deployed.

    Raises InputError that names them.
    """
    axes = {name: [given[name] or []] if axis.reads == "names" else given[name] for name, axis in OPTIONS.items()}
    try:
        return session.one_cell(axes, {key: given[key] for key in WORKLOAD_KEYS}, deployment)
    except InputError as error:
        raise InputError(*map(_of_option, error.complaints)) from error


def _axes() -> Iterator[Parameter]:
    """Yield the parameters of axes: first those that a table has for headings, then its labels."""
    for name, axis in sorted(OPTIONS.items(), key=lambda item: item[1].label is not None):
        letter = [f"-{axis.letter}"] if axis.letter else []
        option = typer.Option(_option(axis.noun), *letter, help=axis.help.format(_listed(axis.words)))
        if axis.reads == "names":
            yield _parameter(name, list[str] | None, option, None)
        else:
            yield _parameter(name, str, option, axis.default or Parameter.empty)


def _workload() -> Iterator[Parameter]:
    for key, one in WORKLOAD_KEYS.items():
        option = typer.Option(_option(key), help=f"{one.about[0].upper()}{one.about[1:]}.")
        yield _parameter(key, one.kind, option, WORKLOAD.get(key, one.default))


def _parameter(name: str, kind: Any, option: Any, default: object) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


def _of_option(complaint: Complaint) -> Complaint:
    """Return a complaint about a key as one about its option; what is about a file needs none."""
    if complaint.file:
        return complaint
    match complaint.path:
        case ("axes", str(axis), *_):
            option = f"{_option(AXES[axis].noun)}: "
        case ("workloads", _, str(key), *_):
            option = f"{_option(key)}: "
        case _:
            option = ""
    return replace(complaint, message=f"{option}{complaint.message}", path=())


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _listed(words: Sequence[str]) -> str:
    *others, last = words or ("",)
    return f"{', '.join(others)} or {last}" if others else last
