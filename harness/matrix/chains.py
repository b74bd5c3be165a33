"""Reads chains: what each hop of one names, be it shipped, a file of the user's, or a variant with options.

Rules: `proxy:variant`, `proxy:./file`, `proxy:NAME=./file`, each with `@` and what documents/hops.py reads after it, as
far as the proxy takes any; a file is a variant from then on, and no two files are the same one: one whose own name is
taken goes by its folder's, too; a hop is kept in the one way that its proxy writes it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath, PurePosixPath

from harness.documents import hops
from harness.documents.document import Document
from harness.documents.keys import NAME
from harness.errors import InputError, KeyPath, allowed
from harness.model import AT, Chain, Hop

MAX_HOPS = 64
"""Each is a program: a chain that needs more is a slip of the pen."""

_SETTING = re.compile(r"(?:^|,)[A-Z][A-Z0-9_]*=")

Canonical = Mapping[str, Callable[[Hop], Hop]]
"""For each proxy that takes options, what returns a hop in the one way to write it, or raises InputError."""


@dataclass(frozen=True, slots=True)
class OwnProxy:
    """What is to know of a proxy that a file brings: its configs by name, how they end, how a hop is written."""

    variants: Mapping[str, PurePath]
    suffix: str
    canonical: Callable[[Hop], Hop]


class Chains:
    """Looks up the hops of one file and notes in its document what cannot be meant.

    `own` are the hops that run a file of the user's, with its path as written: relative to the matrix file.
    """

    def __init__(
        self,
        document: Document,
        proxies: Mapping[str, Sequence[str]],
        canonical: Canonical,
        suffixes: Mapping[str, str],
    ) -> None:
        self.own: dict[Hop, PurePath] = {}
        self._document = document
        self._variants = {proxy: list(names) for proxy, names in proxies.items()}
        self._canonical = canonical
        self._suffixes = suffixes
        self._unread: set[str] = set()

    def declare(self, section: str, files: Mapping[str, Mapping[str, str]]) -> None:
        """Take the files that a section of the matrix file gives names to."""
        for proxy, named in files.items():
            if proxy in self._unread:
                continue
            if proxy not in self._variants:
                complaint = f"unknown proxy {proxy!r}; {allowed(proxy, self._variants)}"
                self._document.reject((section, proxy), complaint)
                continue
            for name, file in named.items():
                self._own_file(Hop(proxy, name), file, (section, proxy, name))

    def pass_over(self, proxies: Iterable[str]) -> None:
        """Let whatever is said of these stand: what they are could not be read, and that is told already."""
        self._unread.update(proxies)

    def own_proxy(self, name: str, proxy: OwnProxy) -> None:
        """Take a proxy of the file's own, with the configs that lie beside it."""
        if name in ("direct", *self._variants):
            what = "is the chain without hops" if name == "direct" else "is a proxy already"
            self._document.reject(("proxies", name), f"{name} {what}; choose another name")
            self.pass_over([name])
            return
        self._variants[name] = [*proxy.variants]
        self._canonical = {**self._canonical, name: proxy.canonical}
        self._suffixes = {**self._suffixes, name: proxy.suffix}
        self.own |= {Hop(name, variant): file for variant, file in proxy.variants.items()}

    def chain(self, text: str, path: KeyPath) -> Chain:
        """Read `nextjs:dev>nginx:default`, or `direct`."""
        if text.strip() == "direct":
            return ()
        parts = text.split(">")
        if len(parts) > MAX_HOPS:
            self._document.reject(path, f"{len(parts)} hops are too many; a chain has at most {MAX_HOPS}")
        return tuple(self._hop(part.strip(), path) for part in parts)

    def objections(self, chain: Chain) -> list[str]:
        """Return what is wrong with hops that no chain was read from: they replace others."""
        unknown = [hop for hop in chain if hop.variant not in self._variants.get(hop.proxy, ())]
        return [
            f"{hop} is to replace a hop, but there is no such variant; `variants` may name a file so" for hop in unknown
        ] or [f"{hop} is to replace a hop, but {why}" for hop in chain if (why := self._misspelt(hop))]

    def _own_file(self, hop: Hop, given: str, path: KeyPath) -> None:
        """Let `hop` run the file `given`, unless it runs another one already."""
        file = PurePath(given)
        if not self._may_run(hop, file):
            one = f"{hop.proxy}:{self._free_name(hop.proxy, file)}={given}"
            self._document.reject(path, f"there is another {hop} already; give it a name of its own: {one}")
        elif hop not in self.own:
            self.own[hop] = file
            self._variants[hop.proxy].append(hop.variant)

    def _may_run(self, hop: Hop, file: PurePath) -> bool:
        """Tell whether `hop` runs a file, or nothing yet."""
        return self.own.get(hop, None if hop.variant in self._variants[hop.proxy] else file) == file

    def _free_name(self, proxy: str, file: PurePath) -> str:
        """Return a name for a file whose own is taken: its folder's goes before it, as many as it takes."""
        folders = (one for part in reversed(file.parent.parts) if (one := _plain(part)))
        name = _plain(file.stem)
        for folder in itertools.chain(folders, itertools.repeat("my")):
            name = f"{folder}-{name}".rstrip("-")
            if self._may_run(Hop(proxy, name), file):
                break
        return name

    def _hop(self, text: str, path: KeyPath) -> Hop:
        place, at, items = _apart(text)
        proxy, _, variant = place.partition(":")
        hop = Hop(proxy, variant)
        if variant not in self._variants.get(proxy, ()) and (now := hops.FORMER.get(hop)):
            hop = now
            proxy, variant = hop.proxy, hop.variant
        if proxy in self._unread and place != "direct":
            return hop
        if place == "direct":
            self._document.reject(path, "direct stands alone: it is the chain without hops")
        elif proxy == AT and AT not in self._variants:
            way_out = "`harness matrix FILE --at URL` measures that, and `harness run ID --at URL` a cell of it"
            self._document.reject(path, f"{place} is whatever stands in front of an emitter elsewhere: {way_out}")
        elif proxy not in self._variants:
            choices = allowed(proxy, ["direct", *self._variants])
            self._document.reject(path, f"unknown proxy {proxy!r}; {choices}")
        elif not variant:
            names = self._variants[proxy]
            written = f"{proxy}:{'default' if 'default' in names else 'VARIANT'}"
            why = f"{proxy} is a proxy, and a hop one of its variants, as {written}"
            self._document.reject(path, f"{why}; {allowed(variant, names)}")
        elif "/" in variant or "=" in variant:
            hop = self._file(hop, path)
        elif variant not in self._variants[proxy]:
            choices = allowed(variant, self._variants[proxy])
            file = f"./my{self._suffixes.get(proxy, '')}"
            self._document.reject(path, f"unknown variant {place!r}; {choices}, or a file like {file}")
        return self._with_items(hop, items, path) if at and proxy in self._variants else hop

    def _file(self, hop: Hop, path: KeyPath) -> Hop:
        """Return the hop that a file named in it becomes."""
        name, named, file = hop.variant.partition("=")
        given, hop = (file, Hop(hop.proxy, name)) if named else (name, Hop(hop.proxy, PurePosixPath(name).stem))
        if not named and not self._may_run(hop, PurePath(given)):
            hop = Hop(hop.proxy, self._free_name(hop.proxy, PurePath(given)))
        if re.fullmatch(NAME, hop.variant) and given:
            self._own_file(hop, given, path)
        else:
            self._document.reject(path, f"{hop.variant!r} is no name; give the file one: {hop.proxy}:NAME={given}")
        return hop

    def _with_items(self, hop: Hop, given: str, path: KeyPath) -> Hop:
        try:
            version, options = hops.items(given)
            hop = self._as_its_proxy_writes_it(replace(hop, version=version, options=options))
        except InputError as error:
            self._document.reject(path, f"{hop}@{given}: {error}")
        return hop

    def _as_its_proxy_writes_it(self, hop: Hop) -> Hop:
        """Return the hop in the one way to write it. Raises InputError for what its proxy does not take."""
        if hop == hop.bare:
            return hop
        if canonical := self._canonical.get(hop.proxy):
            return canonical(hop)
        if hop.version or any(option.kind == "source" for option in hop.options):
            raise InputError(
                f"{hop.proxy} takes no version or source yet: it runs in the version that is installed, which"
                " `harness doctor` tells"
            )
        raise InputError(f"{hop.proxy} takes no options, only {' and '.join(self._canonical)} does")

    def _misspelt(self, hop: Hop) -> str | None:
        """Return what is wrong with a hop that was not read from a chain."""
        try:
            canonical = self._as_its_proxy_writes_it(hop)
        except InputError as error:
            return str(error)
        return None if canonical == hop else f"the way to write it is {canonical}"


def _plain(part: str) -> str:
    """Return what of a path's part can stand in a name."""
    return re.sub(r"[^A-Za-z0-9_-]", "", part)


def _apart(text: str) -> tuple[str, str, str]:
    """Split a hop from its items: they follow the last `@` of a file's path, and no slash is in them by right."""
    before, at, items = text.rpartition("@")
    if not at or ("/" in items and not _SETTING.search(items)):
        return text, "", ""
    variant, *_ = text.split("@")
    return (before, at, items) if "/" in before or "=" in variant else text.partition("@")
