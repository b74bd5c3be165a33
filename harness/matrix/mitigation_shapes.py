"""What the catalogue may say of a mitigation, and of a request: its shape, before any name in it is looked up.

Rules are those of shapes.py, which has all else that a matrix file may say.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from harness.documents import hops
from harness.documents.keys import HeaderName, Listed, Name, Shape, Words, key
from harness.errors import InputError
from harness.model import Cost, Edit, Fill, Filler, Format, Handshake, Hop, Method, Mitigation, RequestProfile

V = TypeVar("V")

FRAMING = {
    "content-type": "content_type says it",
    "content-length": "the body axis decides it",
    "transfer-encoding": "the body axis decides it",
}


def _once(headers: dict[str, V]) -> dict[str, V]:
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("the same header is there twice; case does not count")
    return headers


HeaderValue = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]*[!-~])?$")]
Milliseconds = Annotated[float, Field(gt=0, le=3_600_000, allow_inf_nan=False)]


class FillerShape(Shape):
    """Bytes that mean nothing."""

    bytes: int = key("how many", 4096, ge=16, le=2**20)
    fill: Fill = key("`random` bytes do not compress, `spaces` do", "random", "spaces")


def _directive(text: str) -> str:
    if not re.fullmatch(DIRECTIVE, text):
        raise ValueError("must be one directive and its arguments, without what ends it: `proxy_buffering off`")
    return text


def _dropped(text: str) -> str:
    if not re.fullmatch(NAME, text):
        _directive(text)
    return text


NAME = r"[A-Za-z][\w.-]*"
DIRECTIVE = rf"""{NAME}( ([^\s;{{}}"'#\\][^\s;{{}}"'\\]*|"[^"{{}}\\\n]*"|'[^'{{}}\\\n]*'))+"""
Directive = Annotated[str, AfterValidator(_directive)]
Dropped = Annotated[str, AfterValidator(_dropped)]


class EditShape(Shape):
    """What of a config of yours is to be in effect where it answers, its location: lines in its program's language."""

    set: Listed[Directive] = key("of each of these directives one is in effect", "proxy_buffering off", [])
    add: Listed[Directive] = key(
        "these go beside others of their name, be these inherited; one with the same first argument is replaced",
        "proxy_pass_header X-Accel-Buffering",
        [],
    )
    drop: Listed[Dropped] = key(
        "arguments that are taken out, wherever the block has them from; without any, all that has the name",
        "proxy_ignore_headers X-Accel-Buffering",
        [],
    )

    @model_validator(mode="after")
    def _changes_something(self) -> EditShape:
        if not (self.set or self.add or self.drop):
            raise ValueError("changes nothing; give at least one of set, add, drop")
        names = [line.split(" ")[0] for line in self.set]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"sets {twice} twice; `add` is for directives that stand beside each other")
        return self

    def noun(self) -> Edit:
        """Return the noun."""
        return Edit(tuple(self.set), tuple(self.add), tuple(self.drop))


class MitigationShape(Shape):
    """One claimed fix: what it claims, who says so, what it asks of whoever applies it, and at least one change."""

    claim: Words = key("what it is said to do, in one sentence", "What must not be stored is not buffered.")
    source: Words = key("who says so", "our wiki")
    cost: Cost = key("what it asks of whoever applies it; the cheapest is told first", "header")
    response_headers: dict[HeaderName, HeaderValue] = key(
        "headers that the backend sends in addition", {"Cache-Control": "no-store"}, {}, repr=False
    )
    request_headers: dict[HeaderName, HeaderValue | None] = key(
        "headers that the client sends instead of the request profile's; `null` leaves one out",
        {"Accept-Encoding": "identity"},
        {},
        repr=False,
    )
    content_type: HeaderValue | None = key("another Content-Type than the format's", "text/plain", None)
    format: Format | None = key("another format than the cell's", "ndjson", None)
    method: Method | None = key("how the client asks; GET if nothing is said", "POST", None)
    prelude: FillerShape | None = key("bytes before the first token", {"bytes": 2048}, None)
    padding: FillerShape | None = key("bytes after every token", {"bytes": 4096, "fill": "random"}, None)
    heartbeat_ms: Milliseconds | None = key("how often a comment is sent between the tokens", 250, None)
    delay_ms: Milliseconds | None = key("how long the backend waits before each token", 10, None)
    scale: int | None = key("n: n times the tokens, each 1/n of the size, at n times the rate", 2, None, ge=2, le=100)
    client: Name | None = key("who reads instead of the default client, aiohttp", "h2", None)
    chain: Literal["direct"] | dict[str, str] | None = key(
        "`direct` goes past all proxies; a mapping replaces hops by others, which keep version and options of those"
        " unless it names them",
        {"nginx:default": "nginx:http11"},
        None,
    )
    edit: dict[Words, EditShape] = key(
        "what it changes in configs of your own, by proxy: measured so, `harness diagnose` prints it as their diff",
        {"nginx": {"set": "proxy_buffering off"}},
        {},
    )
    apply: dict[Words, Words] = key(
        "lines to paste, by the proxy whose config they are for or by who has to do it; `harness diagnose` prints them,"
        " and those of headers and bytes by itself",
        {"nginx": "proxy_buffering off;"},
        {},
    )

    @field_validator("chain", mode="plain", json_schema_input_type=Literal["direct"] | dict[str, str])
    @classmethod
    def _chain(cls, value: Any) -> Any:
        if value == "direct":
            return value
        texts = [*value, *value.values()] if isinstance(value, dict) else []
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError("must be `direct`, or hops and what replaces them, like nginx:default: nginx:http11")
        meant: dict[Hop, str] = {}
        for old, new in value.items():
            _hop(new)
            if (first := meant.setdefault(_hop(old), old)) != old:
                raise ValueError(f"{first} and {old} are the same hop")
        return value

    @field_validator("response_headers", "request_headers")
    @classmethod
    def _headers(cls, headers: dict[str, str | None]) -> dict[str, str | None]:
        return _once(headers)

    @field_validator("response_headers")
    @classmethod
    def _framing(cls, headers: dict[str, str]) -> dict[str, str]:
        for name in headers:
            if why := FRAMING.get(name.lower()):
                raise ValueError(f"{name} is not set here: {why}")
        return headers

    @model_validator(mode="after")
    def _changes_something(self) -> MitigationShape:
        described = {"claim", "source", "cost", "apply"}
        if self.edit and self.chain == "direct":
            raise ValueError("goes past the proxies with `chain: direct`, and edits the config of one: give either")
        if not any(getattr(self, key) for key in type(self).model_fields if key not in described):
            changes = (key for key in type(self).model_fields if key not in described)
            raise ValueError(f"changes nothing; give at least one of {', '.join(changes)}")
        return self

    def named(self, name: str) -> Mitigation:
        """Return the noun."""
        changes = {key: getattr(self, key) for key in type(self).model_fields}
        for filling in ("prelude", "padding"):
            if filler := changes[filling]:
                changes[filling] = Filler(filler.bytes, filler.fill)
        changes["edit"] = {proxy: shape.noun() for proxy, shape in self.edit.items()}
        return Mitigation(name=name, **changes)


class RequestShape(Shape):
    """Whose headers a client sends; a fix that is claimed for other headers is a mitigation, told against this."""

    about: Words = key("who sends this", "our app")
    source: str = key("where that was seen", "our proxy's log", "")
    headers: dict[HeaderName, HeaderValue] = key(
        "what is sent when something is fetched, in this order", {"Accept-Encoding": "gzip"}, repr=False
    )
    handshake: Handshake = key(
        "how it asks for a WebSocket: with the same headers (`fetched`), or as browsers do", "browser", "fetched"
    )

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: dict[str, str]) -> dict[str, str]:
        return _once(headers)

    def named(self, name: str) -> RequestProfile:
        """Return the noun."""
        return RequestProfile(name, tuple(self.headers.items()), self.handshake)


def _hop(text: str) -> Hop:
    try:
        return hops.read(text)
    except InputError as error:
        raise ValueError(str(error)) from error
