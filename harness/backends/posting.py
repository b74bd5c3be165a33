"""Control over HTTP: what an emitter that is elsewhere is told, each time in one short POST that is answered at once.

    /control/pulse                                                       {}
    /control/open      {"emission": ..., "turns": [[wait_ms, through]]}  {"stream": ID}
    /control/ID/grant  {"through": n, "after_ms": ..., "every_ms": ...} or {"end": true}
    /control/ID/state  {"asked": ..., "sent": how many tokens}
    /control/ID/log    {"log": ...}
    /control/ID/forget
    /control/ID/close

What is granted leaves `after_ms` later, several tokens `every_ms` apart: nothing of ours is then under way beside them.
`turns` are announced with the stream for where no grant gets through beside it: once it has been asked for they are
taken one after another, and then it ends.
"""

from __future__ import annotations

from dataclasses import dataclass

TOKEN_VARIABLE = "HARNESS_TOKEN"
"""Where both ends find the token: unlike a command line, an environment can only be read by its user."""
TOKEN_HEADER = "X-Harness-Token"
"""Not Authorization: whoever stands in front may want that for itself."""
TOKEN_MAKER = "openssl rand -hex 16"
INSTANCE_HEADER = "X-Harness-Instance"
"""Which process answers: two behind one address do not know each other's streams."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may take, and one beside a stream before whoever is in front serves one request at a time; how
    long is waited for whoever answers only so many requests a minute.
    """

    answer_s: float
    busy_s: float
    turned_away_s: float


def objection(token: str) -> str | None:
    """Return why a token cannot travel in a header as it is; None if it can. The words tell nothing of it."""
    if token.isprintable() and " " not in token:
        return None
    return (
        f"{TOKEN_VARIABLE} has a blank, a line end or another sign in it that is not printed, which no token may: take"
        f' one without, as {TOKEN_MAKER} makes it; "$(cat FILE)" leaves a last line end out'
    )
