"""Reads a hop as people write it: `nginx:default`, `nginx:default@1.31.3`, `asgi:plain@uvloop,PAUSE_S=0`. Pure.

After the `@` stand items between commas, in any order; ids have them in the order of this table, each kind by name:

    version   what begins with a digit          1.31.3               of the program, as far as it matters
    source    docker:TAG wheel:VERSION apt:...  docker:1.31-alpine   where the program comes from
    word      one of the proxy's own            uvloop
    setting   NAME=value                        PAUSE_S=0
    pin       package==version                  starlette==0.45.3    of something that the program brings along

Rules: nothing is given twice, and there is one version and one source; no item has a `/` or an `@`, so that a path and
its items can be told apart. Which of them a proxy takes, and what they mean, the proxy says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from harness.errors import InputError
from harness.model import Hop, Option, OptionKind, Options, in_order

SOURCES = ("docker", "system", "wheel", "npm", "apt")

_VERSION = re.compile(r"[0-9](?:[A-Za-z0-9._+~-]*[A-Za-z0-9])?")
_FORMS: tuple[tuple[OptionKind, re.Pattern[str]], ...] = (
    ("pin", re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==([A-Za-z0-9][A-Za-z0-9.!+]*)")),
    ("setting", re.compile(r"([A-Z][A-Z0-9_]*)=([A-Za-z0-9._:+-]*)")),
    ("source", re.compile(rf"({'|'.join(SOURCES)}):([A-Za-z0-9][A-Za-z0-9._:+~-]*)")),
    ("word", re.compile(r"([A-Za-z][A-Za-z0-9_-]*)()")),
)
_SETTING = re.compile(r"([A-Z][A-Z0-9_]*)=.*")
_ALLOWED = (
    "a version begins with a digit, as 1.31.3; a word is uvloop or the like; a setting is as PAUSE_S=0.01, its name in"
    f" capitals; a pin is as starlette==0.45.3; a source is {', '.join(f'{name}:...' for name in SOURCES)}"
)


_OTHERS = (
    *("cloudflared", "content-type-gated", "gzip-flush", "gzip-no-flush", "idle-flush"),
    *("incremental-honoured", "quick-tunnel", "store-and-forward"),
)
FORMER: Mapping[Hop, Hop] = {Hop("cloudrun", name): Hop("emulator", name) for name in _OTHERS}
"""What plays others than Cloud Run was called so, too, and is still understood."""


@cache
def read(text: str) -> Hop:
    """Read a hop that names no file. Raises InputError with the hop and what is allowed."""
    place, at, given = text.partition("@")
    proxy, _, variant = place.partition(":")
    if not proxy or not variant or ">" in place:
        raise InputError(f"{text!r} is no hop: that is a proxy and its variant, as nginx:default")
    if not at:
        return FORMER.get(Hop(proxy, variant), Hop(proxy, variant))
    try:
        return Hop(proxy, variant, *items(given))
    except InputError as error:
        raise InputError(f"{text}: {error}") from None


def items(text: str) -> tuple[str, Options]:
    """Read what stands after the `@`: the version, empty if none is given, and the options. Raises InputError."""
    versions: list[str] = []
    options: dict[tuple[OptionKind, str], Option] = {}
    for item in text.split(","):
        option = _option(item)
        if option is None:
            versions.append(item)
        elif other := options.get(option.decides):
            one = f"there can only be one source, not {other} and {option}"
            raise InputError(one if option.kind == "source" else f"{option.name} is given twice")
        else:
            options[option.decides] = option
    if len(versions) > 1:
        raise InputError(f"there can only be one version, not {' and '.join(versions)}")
    return "".join(versions), in_order(options.values())


def _option(item: str) -> Option | None:
    """Return the option that an item is; None if it is a version."""
    for kind, form in _FORMS:
        if found := form.fullmatch(item):
            return Option(kind, *found.groups())
    if _VERSION.fullmatch(item):
        return None
    if setting := _SETTING.fullmatch(item):
        signs = "letters, digits and ._:+-"
        raise InputError(f"the value of {setting[1]} may only have {signs}, as it is in the cell's id")
    if "/" in item or "@" in item:
        raise InputError(f"{item!r} has a / or an @, which no option has")
    raise InputError(f"{f'{item!r} is no option' if item else 'an option is empty'}; {_ALLOWED}")
