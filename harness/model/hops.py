"""A hop of a chain: a proxy, one of its variants, in a version and with options. `documents/hops.py` reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Literal, get_args

OptionKind = Literal["source", "word", "setting", "pin", "edit"]
OPTION_KINDS: tuple[OptionKind, ...] = get_args(OptionKind)


@dataclass(frozen=True, slots=True, order=True)
class Option:
    """One thing that a hop is to be run with. `value` is empty for a word, which is its name only.

    `docker:1.31` is a source, `uvloop` a word of the proxy's own, `PAUSE_S=0` a setting, `uvloop==0.22.1` a pin. What
    mitigations change in its config is an edit, by their names: no file says it, `matrix/mitigations.py` adds it.
    """

    kind: OptionKind
    name: str
    value: str = ""

    @property
    def decides(self) -> tuple[OptionKind, str]:
        """What only one option can say: a program has one source, each setting one value, each package one version."""
        return self.kind, "" if self.kind == "source" else self.name

    def __str__(self) -> str:
        if self.kind == "edit":
            return f"+{self.name}"
        sign = {"source": ":", "word": "", "setting": "=", "pin": "=="}[self.kind]
        return f"{self.name}{sign}{self.value}"


Options = tuple[Option, ...]
"""In the order of ids: by kind, then by name."""


def in_order(options: Iterable[Option]) -> Options:
    """Return options in the one order in which equal hops have them."""
    return tuple(sorted(options, key=lambda option: (OPTION_KINDS.index(option.kind), option)))


@dataclass(frozen=True, slots=True, order=True)
class Hop:
    """One proxy (or application) of a chain, in one of its variants (or emulator profiles).

    `version` is the program's as it was asked for; empty: whichever is there.
    """

    proxy: str
    variant: str
    version: str = ""
    options: Options = ()

    @property
    def bare(self) -> Hop:
        """The hop without version and options: what a file stands for."""
        return Hop(self.proxy, self.variant)

    @property
    def program(self) -> str:
        """What runs, whatever its config and its settings: `nginx`, `nginx@1.31.3`, `asgi@hypercorn`."""
        runs = (option for option in self.options if option.kind not in ("setting", "edit"))
        return self._with_items(self.proxy, runs)

    @property
    def edits(self) -> tuple[str, ...]:
        """The mitigations that change its config, by their names."""
        return tuple(option.name for option in self.options if option.kind == "edit")

    @property
    def unedited(self) -> Hop:
        """The hop with the config as it is."""
        return replace(self, options=tuple(option for option in self.options if option.kind != "edit"))

    def __str__(self) -> str:
        return self._with_items(f"{self.proxy}:{self.variant}", self.options)

    def _with_items(self, text: str, options: Iterable[Option]) -> str:
        items = ",".join([*filter(None, [self.version]), *map(str, options)])
        return f"{text}@{items}" if items else text


AT = "at"
"""What a hop is called that is all there is in front of an emitter elsewhere: `at:chat.example`."""


def program_name(program: str) -> str:
    """Return what a program is called whatever it was asked to be: `nginx` for `nginx@1.31.3`."""
    return program.partition("@")[0]


Chain = tuple[Hop, ...]
"""Hops, client side first. The empty chain is the control, written `direct`."""


def chain_text(chain: Chain) -> str:
    """Return the chain as people write it: `nextjs:dev>nginx:default`, or `direct`."""
    return ">".join(map(str, chain)) or "direct"


def hop_as_given(hop: Hop, own: Mapping[Hop, PurePath]) -> str:
    """Return a hop as a chain names it: one that runs a file of the user's by that file."""
    if not (file := own.get(hop.bare)):
        return str(hop)
    path = str(file) if "/" in str(file) else f"./{file}"
    return str(hop).replace(str(hop.bare), f"{hop.proxy}:{hop.variant}={path}", 1)
