"""How a config that is deployed stands in a chain as it is, and what of it answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deployment:
    """What stands for what in a config that knows nothing of chains; what is empty is found where only one can be.

    `map` are the targets of it, as `app:8000`, that stand for the next hop; `server` is the server that is asked, as
    `shop.example:443`, each part of which may be left out; `path` is what it is asked for, as `/api/chat`. `wish` is
    what it is asked for if it leads that on, and else what it itself leads on.
    """

    map: tuple[str, ...] = ()
    server: str = ""
    path: str = ""
    wish: str = ""

    def __bool__(self) -> bool:
        return bool(self.map or self.server or self.path or self.wish)


@dataclass(frozen=True, slots=True)
class Place:
    """Something in a config of a user's: what it says, and where; line 0 is somewhere in the file."""

    text: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.text} ({self.file}:{self.line})" if self.line else f"{self.text} ({self.file})"


@dataclass(frozen=True, slots=True)
class ServedBy:
    """What of a hop's config answers the requests of a cell.

    `path` is asked for, `said` whether the user said so. `location` passes requests on, None if it is not known which
    does; `begins` is the one that they begin in, if that is another. `others` are the locations of that server which
    also pass requests on to the backend, and are not measured. `hop` is what the chain calls it. `changed` is what
    mitigations change in its files, as a unified diff: nothing without any.
    """

    path: str
    said: bool
    server: Place
    location: Place | None = None
    others: tuple[Place, ...] = ()
    hop: str = ""
    changed: str = ""
    begins: Place | None = None
