"""What has to be here before anything is measured: installs it where it may, and says what is required and missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cache, partial
from itertools import zip_longest
from pathlib import Path

from harness.clients import CLIENTS
from harness.clients.base import Installing
from harness.errors import InputError, ProxyError, Unavailable, allowed
from harness.launchers.at_once import at_once
from harness.launchers.base import Fetching
from harness.measure.bench import adapter
from harness.model import Hop
from harness.proxies.base import Fetched, Optioned
from harness.proxies.catalog import PROXIES
from harness.resources import cores
from harness.session.jobs import Job, hops_of, load, one_cell
from harness.session.shipped import shipped_matrices, variants

ALL = "proxies"
ANY = {"tokens": 1, "token_bytes": 256}


async def set_up(names: Sequence[str], fetching: Fetching, jobs: int | None = None) -> list[str]:
    """Install what proxies and clients need, as far as that is possible here; or what one hop, as `asgi:plain`, needs,
    or one program in a version, as `caddy@2.10` or `caddy@wheel:2.10.2`. So many are installed at once, or one a core.

    The name `proxies` means all of them. With no names it is what the default matrix needs, and whatever no run fetches
    by itself; of all these, what cannot be set up is told and returned. Raises Unavailable for one that is named, once
    all others are done.
    """
    left_out, progress = list[str](), fetching.progress
    missing: Unavailable | None = None
    able: dict[str, Installing] = {**PROXIES}
    able |= {name: client for name, make in CLIENTS.items() if isinstance(client := make(), Installing)}
    usual = {hop.proxy for hop in hops_of(load("default"))}
    needed = [name for name in able if name in usual or not isinstance(PROXIES.get(name), Fetched)]
    chosen = [one for given in names for one in (PROXIES if given == ALL else [given])] or needed
    works = {name: list(_works(name, able, fetching)) for name in chosen}
    waiting = {name: len(its) for name, its in works.items()}
    # What each needs first comes before what variants of some need besides: of that, most is there by then.
    turns = zip_longest(*works.values())
    todo = [(name, work) for turn in turns for name, work in zip(works, turn, strict=True) if work]
    async with aclosing(at_once(todo, jobs or cores())) as ended:
        async for name, error in ended:
            waiting[name] -= 1
            try:
                if error:
                    raise error
                if not waiting[name] and name not in left_out:
                    progress(f"{name}: ready{f', {able[name].version()}' if name in able else ''}")
            except Unavailable as unavailable:
                if name in names and missing is None:
                    missing = unavailable
                elif name not in left_out:
                    progress(f"{name}: left out: {unavailable}")
                left_out.append(name)
    if missing:
        raise missing
    return list(dict.fromkeys(left_out))


def _works(name: str, able: Mapping[str, Installing], fetching: Fetching) -> Iterator[Callable[[], object]]:
    """Yield what has to be done for one name, each apart. Raises InputError for one that nothing has."""
    if ":" in (hop := _with_variant(name)):
        yield from (partial(_prepare, *one, fetching) for one in hops_of(_one_hop(hop)).items())
        return
    if name not in able:
        raise InputError(f"there is no proxy or client {name!r} to set up; {allowed(name, able)}")
    proxy = PROXIES.get(name)
    if isinstance(proxy, Fetched):
        yield partial(proxy.fetch, fetching)
        return
    yield partial(able[name].install, fetching.progress)
    if isinstance(proxy, Optioned):
        yield from (partial(_prepare, *one, fetching) for one in _shipped_hops(name).items())


def require(names: Sequence[str], fetching: Fetching | None = None, option: str = "--require") -> None:
    """Raise ProxyError if a proxy or client that is named cannot run here, InputError if there is none of that name.

    A program that is fetched by itself is fetched now, if it may be.
    """
    check_names(names, option)
    for name in names:
        try:
            if fetching and isinstance(proxy := PROXIES.get(name), Fetched):
                proxy.fetch(fetching)
            (PROXIES[name] if name in PROXIES else CLIENTS[name]()).version()
        except Unavailable as error:
            raise ProxyError(f"{name} is required, but cannot run here: {error}") from error


def check_names(names: Sequence[str], option: str = "--require") -> None:
    """Raise InputError for a name that no proxy and no client has."""
    for name in names:
        if name not in PROXIES and name not in CLIENTS:
            raise InputError(f"{option}: there is no proxy or client {name!r}; {allowed(name, (*PROXIES, *CLIENTS))}")


def _with_variant(name: str) -> str:
    """Return a hop in full: caddy@2.10 is any variant of Caddy's, for its program is that of all."""
    proxy, _, version = name.partition("@")
    first = next(iter(variants(proxy)), "") if proxy in PROXIES else ""
    return f"{proxy}:{first}@{version}" if first and version else name


def _one_hop(name: str) -> Job:
    """Return the job of a cell through one hop. Raises InputError, which names keys of files only: it stands alone."""
    try:
        return one_cell({"chain": name}, ANY)
    except InputError as error:
        raise InputError(*(one if one.file else replace(one, path=()) for one in error.complaints)) from error


def _prepare(hop: Hop, file: Path, fetching: Fetching) -> None:
    """Install what a hop needs for itself."""
    proxy = adapter(hop)
    if isinstance(proxy, Fetched):
        proxy.fetch(fetching)
    elif isinstance(proxy, Optioned):
        proxy.install_for(file, fetching.progress)
    else:
        proxy.install(fetching.progress)


def _shipped_hops(proxy: str) -> dict[Hop, Path]:
    """Return the shipped variants of a proxy, and all hops through it that a shipped matrix has."""
    hops = {Hop(proxy, name): path for name, path in variants(proxy).items()}
    return hops | {hop: file for hop, file in _hops_of_shipped_matrices().items() if hop.proxy == proxy}


@cache
def _hops_of_shipped_matrices() -> dict[Hop, Path]:
    """Return all that any shipped matrix goes through: to read them takes seconds, most of them for the atlas."""
    return {hop: file for name in shipped_matrices() for hop, file in hops_of(load(name)).items()}
