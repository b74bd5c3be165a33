"""Options that go together: one parameter of a command, whose fields are the options, and which has their values.

Rule: the options of a group are shown where it stands among the parameters of a command.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import cli, model, session
from harness.cli.options import (
    Allow,
    AskedPath,
    At,
    Authority,
    Backend,
    ControlAt,
    Data,
    Header,
    Locked,
    Map,
    Method,
    Offline,
    Only,
    Replay,
    Require,
    Server,
    Skip,
    ToHtml,
    ToJson,
    ToJunit,
    ToMarkdown,
    deployment,
    names_in,
)
from harness.cli.screen import say
from harness.errors import InputError

if TYPE_CHECKING:  # an annotation alone is not worth half of the nouns at every start
    from harness.reports import summary


class Group:
    """What a parameter is annotated with that stands for its fields."""


@dataclass(frozen=True)
class Reports(Group):
    """The forms in which a run is written, beside what people are told."""

    json: ToJson = None
    markdown: ToMarkdown = None
    junit: ToJunit = None
    html: ToHtml = None

    def outputs(self) -> dict[str, Path]:
        """Return where to write what. Raises InputError for what cannot be written, before anything is measured."""
        return cli.outputs_of(self.json, self.markdown, self.junit, self.html)


@dataclass(frozen=True)
class Globs(Group):
    """Which cells of a matrix are meant, by what their ids are like."""

    only: Only = None
    skip: Skip = None

    @property
    def both(self) -> tuple[Sequence[str], Sequence[str]]:
        """What to take only, and what to leave out."""
        return self.only or (), self.skip or ()

    @property
    def typed(self) -> list[str]:
        """What to type to mean the same."""
        both = zip(("--only", "--skip"), self.both, strict=True)
        return [word for option, globs in both for glob in globs for word in (option, glob)]


@dataclass(frozen=True)
class Needs(Group):
    """What has to be measured."""

    require: Require = None
    allow_unavailable: Allow = False

    @property
    def names(self) -> list[str]:
        """The proxies and clients that are named. Raises InputError where none is."""
        return names_in(self.require)

    def required(self) -> summary.Required:
        """Return what that comes to. Raises InputError for a name that is none."""
        return cli.required(self.names, self.allow_unavailable)


@dataclass(frozen=True)
class Fetches(Group):
    """What may be fetched."""

    offline: Offline = False
    locked: Locked = False

    def fetching(self) -> session.Fetching:
        """Return who is told of what is fetched, and what is forbidden."""
        return session.Fetching(say, self.offline, self.locked)


@dataclass(frozen=True)
class Standing(Group):
    """How configs of the user's stand in a chain."""

    targets: Map = None
    server: Server = None
    path: AskedPath = None

    def deployment(self, typed: cli.Typed) -> model.Deployment:
        """Return what that comes to; what was typed forgets its query. Raises InputError for what cannot be meant."""
        typed.forget_queries("path")
        return deployment(self.targets, self.server, self.path)

    @property
    def typed(self) -> list[str]:
        """What to type to mean the same, but for a query."""
        said = [("--map", one) for one in self.targets or ()]
        said += [("--server", self.server)] if self.server is not None else []
        said += [("--path", model.without_query(self.path))] if self.path is not None else []
        return [word for option in said for word in option]


@dataclass(frozen=True)
class There(Group):
    """Where an emitter is deployed, if it is not ours that is measured."""

    at: At = None
    control: ControlAt = None
    cacert: Authority = None

    def site(self) -> session.Site | None:
        """Return where that is. Raises InputError for what cannot be meant."""
        if self.at is None:
            if other := next((name for name in ("control", "cacert") if getattr(self, name) is not None), None):
                raise InputError(f"--{other} is of an emitter elsewhere: give --at URL")
            return None
        return session.site(self.at, self.control, self.cacert, say)


@dataclass(frozen=True)
class Answers(Group):
    """Who answers at the end of a chain in place of our emitter, and what is asked."""

    backend: Backend = None
    replay: Replay = None
    method: Method = None
    header: Header = None
    data: Data = None
    authority: Authority = None

    @property
    def are_given(self) -> bool:
        return any(value is not None for value in vars(self).values())

    def answerer(self, last: str, path: str | None, typed: cli.Typed) -> cli.Answerer:
        """Return who that is, and the URL that stands last in a chain; what was typed forgets its secrets.

        Raises InputError for what cannot be said.
        """
        said = cli.spoken(typed, self.method or (), self.header or (), self.data)
        return cli.Answerer(self.backend or "", last, self.replay, said, path or "", self.authority, typed)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command whose parameters are groups, among others, be called with the options of each."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    groups = {one.name: one.annotation for one in own if _is_group(one.annotation)}

    @functools.wraps(command)
    def called(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(f"{name}_{field.name}") for field in _fields(group)})
        command(**given)

    called.__signature__ = inspect.Signature(list(_shown(own)))  # type: ignore[attr-defined]
    return called


def _shown(own: Any) -> Iterator[Parameter]:
    for one in own:
        if _is_group(one.annotation):
            yield from (
                field.replace(name=f"{one.name}_{field.name}", kind=Parameter.KEYWORD_ONLY)
                for field in _fields(one.annotation)
            )
        else:
            yield one if one.kind is Parameter.VAR_KEYWORD else one.replace(kind=Parameter.KEYWORD_ONLY)


def _fields(group: type[Group]) -> list[Parameter]:
    return list(inspect.signature(group, eval_str=True).parameters.values())


def _is_group(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Group)
