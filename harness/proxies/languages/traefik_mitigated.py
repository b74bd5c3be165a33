"""What a mitigation changes in a Traefik config: on the way of the router that answers, to its service. Pure.

    set    a key of the service (`loadBalancer.responseForwarding.flushInterval -1ms`), or of each middleware of a kind
           that the router or its entry point has (`compress.minResponseBodyBytes 1`)
    add    an item of a list at such a key
    drop   such a key; or middlewares of some kinds, out of the lists of the router and of its entry point (`middlewares
           buffering`): where a chain has them among others, out of that

Rules (doc.traefik.io/traefik/middlewares/overview): a middleware is of the kind that its only key says, its name may
have its provider behind it; a list of which nothing is left is taken out itself. What `includedContentTypes` leaves out
need not be excluded, and cannot be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.proxies.languages.base import Change, Wanted
from harness.proxies.languages.yaml_lines import with_item, with_value, without_entry, without_item
from harness.proxies.languages.yaml_nodes import Entry, Value

_NEEDLESS = {"excludedContentTypes": "includedContentTypes"}
"""Keys that need not be said, and cannot be, beside another."""


def change(documents: Sequence[Value], uses: Sequence[Entry], service: Entry, wanted: Wanted) -> Change | None:
    """Return the file that changes so that a line is in effect; None if it is.

    `uses` are what names the middlewares of the request, the router and its entry point.
    """
    return next(_changes(_Way(documents, uses, service), wanted), None)


def plain(name: Value) -> str:
    """Return a name without its provider."""
    return name.said.partition("@")[0]


class _Way:
    """What a request meets on its way to a service."""

    def __init__(self, documents: Sequence[Value], uses: Sequence[Entry], service: Entry) -> None:
        self._roots = {one.source: one for one in documents}
        self._named = {one.name: one.value for root in documents for one in root.get("http", "middlewares").entries}
        self._service = service
        lists = (use.value.get("http").entry("middlewares") or use.value.entry("middlewares") for use in uses)
        self._lists = [one for one in lists if one]

    def root(self, value: Value) -> Value:
        """Return the document that something stands in."""
        return self._roots[value.source]

    def keyed(self, kind: str) -> Iterator[Value]:
        """Yield what has a key of some kind: the service, or each middleware that is met."""
        if kind == "loadBalancer":
            yield self._service.value
        yield from (one for entry in self._lists for one in self._met(entry) if one.entry(kind))

    def naming(self, kinds: Sequence[str]) -> Iterator[tuple[Entry, Value]]:
        """Yield the items that name a middleware of one of some kinds, with the entry whose list they are in."""
        for entry in self._lists:
            yield from self._naming(entry, kinds, ())

    def _naming(self, entry: Entry, kinds: Sequence[str], above: tuple[str, ...]) -> Iterator[tuple[Entry, Value]]:
        for item in entry.value.items:
            middleware = self._named.get(plain(item), Value(item.source))
            inner = middleware.get("chain").entry("middlewares")
            if self._is_of(item, kinds, above):
                yield entry, item
            elif inner and plain(item) not in above:
                yield from self._naming(inner, kinds, (*above, plain(item)))

    def _is_of(self, item: Value, kinds: Sequence[str], above: tuple[str, ...]) -> bool:
        """Tell whether an item names a middleware of some kinds, or a chain of nothing else."""
        middleware = self._named.get(plain(item), Value(item.source))
        inner = middleware.get("chain", "middlewares").items if plain(item) not in above else []
        of_all = bool(inner) and all(self._is_of(one, kinds, (*above, plain(item))) for one in inner)
        return of_all or any(middleware.entry(kind) for kind in kinds)

    def _met(self, entry: Entry, above: tuple[str, ...] = ()) -> Iterator[Value]:
        for item in entry.value.items:
            middleware = self._named.get(plain(item))
            if middleware and plain(item) not in above:
                yield middleware
                if inner := middleware.get("chain").entry("middlewares"):
                    yield from self._met(inner, (*above, plain(item)))


def _changes(way: _Way, wanted: Wanted) -> Iterator[Change]:
    if wanted.verb == "drop" and wanted.name == "middlewares":
        for entry, item in way.naming(wanted.arguments):
            yield entry.key.source, without_item(way.root(item), entry, item)
        return
    kind, *path = wanted.name.split(".")
    said = " ".join(wanted.arguments)
    for one in way.keyed(kind):
        holder, root = one.get(kind, *path[:-1]), way.root(one)
        if wanted.verb == "drop":
            there = holder.entry(path[-1]) if path else None
            text = without_entry(root, there) if there else None
        elif not path or holder.get(_NEEDLESS.get(path[-1], "-")):
            text = None
        else:
            text = (with_value if wanted.verb == "set" else with_item)(root, one, [kind, *path], said)
        if text is not None:
            yield one.source, text
