"""A cell and its axes, in one table: what is read, written, sorted, shown or asked of an axis iterates it.

To add an axis: a field of `Cell`, which says its type and its default; a row of `AXES`, which is `later` and says all
else; and what it does in `harness.matrix.mitigations.plan`. The order of `AXES` is that of ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from harness.model.asked import DEFAULT_CLIENT, DEFAULT_REQUEST, Format, Pace, Workload
from harness.model.hops import Chain, chain_text
from harness.model.words import Body


@dataclass(frozen=True, slots=True)
class Cell:
    """A frozen address: everything that decides what is measured. `id` names it everywhere."""

    chain: Chain
    workload: Workload
    format: Format = "sse"
    body: Body = "chunked"
    request: str = DEFAULT_REQUEST
    client: str = DEFAULT_CLIENT
    mitigations: tuple[str, ...] = ()
    pace: Pace = "lockstep"

    @property
    def id(self) -> str:
        """CLI filter, pytest id and JSON key at once."""
        return "/".join([part for axis in AXES.values() if (part := axis.id_part(self))])


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a cell: what the field of that name cannot say itself.

    In files: `about` and `example` describe its key in `axes`, `glob_about` and `glob_example` that in `exclude`.
    `reads` is what a value is there: a `name`, which is a word that the field allows or is known otherwise; `names`,
    joined by `+`; or a `chain`. `otherwise` says what holds if nothing is given and the field has no default.
    On the command line: `help` of its option, where `{}` are the field's words (no help: no option), and `letter`, its
    short form.
    In ids and sentences: `text` is how ids write a value, `nothing` how a sentence tells an empty one, `singular` what
    one of several names is called.
    One that is `later` came when cells had ids already: those in which it has its default keep theirs.
    In tables: `label` is its place among what tells the layers of a chain apart (None: it tells none), `always` whether
    it is shown where they all agree, too; `order` is what sorts them, for a field with words their order.
    """

    name: str
    about: str
    example: object
    glob_about: str
    glob_example: object
    help: str = ""
    letter: str = ""
    singular: str = ""
    reads: Literal["name", "names", "chain"] = "name"
    otherwise: str = ""
    text: Callable[[Any], str] = str
    nothing: str = ""
    later: bool = False
    label: int | None = None
    always: bool = False
    order: Callable[[Any], Any] | None = None

    @property
    def noun(self) -> str:
        """What a single value is called."""
        return self.singular or self.name

    @property
    def type(self) -> Any:
        """The type of the cell's field."""
        return _types()[self.name]

    @property
    def words(self) -> tuple[str, ...]:
        """The words that the field allows, in their order; none if it takes names."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    @property
    def default(self) -> str | None:
        """The text of the value that a cell has if nothing is said; None if something has to be said."""
        default = next(field.default for field in fields(Cell) if field.name == self.name)
        return None if default is MISSING else self.text(default)

    def of(self, cell: Cell) -> str:
        """Return where a cell lies on the axis, as its id says it."""
        return self.text(getattr(cell, self.name))

    def id_part(self, cell: Cell) -> str:
        """Return what the axis adds to a cell's id; nothing, or `NAME=value`, if it is a later one."""
        text = self.of(cell)
        if not self.later:
            return text
        return "" if text == self.default else f"{self.name}={text}"

    def worded(self, cell: Cell) -> str:
        """Return where a cell lies on the axis, as a sentence says it."""
        return self.of(cell) if getattr(cell, self.name) else self.nothing or self.of(cell)

    def rank(self, cell: Cell) -> Any:
        """Return what sorts cells along the axis."""
        value = getattr(cell, self.name)
        return self.words.index(value) if self.words else self.order(value) if self.order else value


@cache
def _types() -> Mapping[str, Any]:
    return get_type_hints(Cell)


_ROWS = (
    Axis(
        "chain",
        about="proxies and applications, client side first, joined by `>`: `nginx:default`, a file as `nginx:./my.conf`"
        " or `nginx:NAME=./my.conf`, an application with options as `asgi:plain@uvloop,PAUSE_S=0` (in quotes between"
        " brackets), or `direct`",
        example="nextjs:prod>nginx:./gateway.conf",
        glob_about="the chain as it is written",
        glob_example="nextjs:*",
        help="Client side first: direct, nginx:default, nextjs:dev>asgi:plain@uvloop.",
        reads="chain",
        otherwise="no cells",
        text=chain_text,
    ),
    Axis(
        "format",
        about="how a token is written",
        example=["sse", "ndjson"],
        glob_about="the format",
        glob_example=["ndjson", "text"],
        help="How a token is written: {}.",
        label=3,
    ),
    Axis(
        "body",
        about="how the backend frames the HTTP body",
        example="length",
        glob_about="the body's framing",
        glob_example="length",
        help="How the backend frames the body: {}.",
        label=2,
        always=True,
    ),
    Axis(
        "request",
        about="whose request headers the client sends; `harness list requests` has them",
        example=["curl", "browser"],
        glob_about="the request profile",
        glob_example="browser",
        help="Whose request headers are sent; `harness list requests` names them.",
        order=lambda name: (name != DEFAULT_REQUEST, name),
        label=1,
        always=True,
    ),
    Axis(
        "client",
        about="what reads the stream; `harness list clients` has them",
        example="aiohttp",
        glob_about="the client",
        glob_example="aiohttp",
        help="What reads it; `harness list clients` names them.",
        label=5,
    ),
    Axis(
        "workload",
        about="names of `workloads`",
        example="chat",
        glob_about="the workload's name",
        glob_example="long*",
        otherwise="all of the file",
        text=lambda workload: str(workload.name),
        label=4,
        order=lambda workload: (workload.token_bytes, workload.name),
    ),
    Axis(
        "mitigations",
        about="names of the catalogue or of `mitigations`; `a+b` applies both, `none` neither, `all` is each that"
        " concerns the cell, one by one; what concerns some chains of a block is left out of its others",
        example=["none", "x-accel-buffering", "no-transform+x-accel-buffering"],
        glob_about="the mitigations as `a+b`, or `none`",
        glob_example="pad-*",
        help="Apply it; may be repeated, or joined as a+b; none is no mitigation.",
        letter="m",
        singular="mitigation",
        reads="names",
        text=lambda names: "+".join(names) or "none",
        nothing="no mitigation",
    ),
    Axis(
        "pace",
        about="`lockstep` sends a token when the one before has come, `paced` on a schedule",
        example="paced",
        glob_about="the pace",
        glob_example="paced",
        help="A token leaves once the one before has come, or on a schedule: {}.",
        label=6,
    ),
)
AXES: Mapping[str, Axis] = {axis.name: axis for axis in _ROWS}
LABELS: tuple[str, ...] = tuple(
    sorted((name for name, axis in AXES.items() if axis.label), key=lambda name: AXES[name].label or 0)
)


def parts_of(cell_id: str) -> dict[str, str] | None:
    """Return what an id says of each axis that it names; None if it is no id."""
    later = {name for name, axis in AXES.items() if axis.later}
    parts = [(part, *part.partition("=")[::2]) for part in cell_id.split("/")]
    usual = [part for part, name, _ in parts if name not in later]
    always = [name for name in AXES if name not in later]
    if len(usual) != len(always):
        return None
    return {**dict(zip(always, usual, strict=True)), **{name: value for _, name, value in parts if name in later}}
