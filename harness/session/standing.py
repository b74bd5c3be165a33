"""How configs of the user's stand in the chains of a job: as is said beside each, as options say, or as it has to be.

Rule: who asks what a mitigation changes, who checks a config and who starts it are told the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from harness.errors import InputError
from harness.matrix.reading import Known
from harness.measure.bench import adapter, variant_file
from harness.model import Deployment, Hop, Mitigation, Recording
from harness.proxies.base import Deployable, Editable
from harness.proxies.catalog import PROXIES
from harness.session.shipped import known

AS_FOUND = Deployment()
"""Nothing is said of how a config stands in a chain."""


def knowing(folder: Path, said: Deployment, recording: Recording | None = None) -> Known:
    """Return what a matrix file in a folder may name, and what tells which of its configs a mitigation changes.

    Any recording is that one, if it is given.
    """

    def edits(own: Mapping[Hop, PurePath], declared: Mapping[Hop, Deployment]) -> Callable[[Hop, Mitigation], bool]:
        files = {hop: folder / path for hop, path in own.items()}

        def changes(hop: Hop, one: Mitigation) -> bool:
            with contextlib.suppress(InputError):  # which is told when the config is checked
                deployed = deployed_of(declared, files, said)
                mine = deployed.get(hop, AS_FOUND)
                # one behind it may say what is asked of it
                paths = [mine.path] if mine.path else ["", *{each.path for each in deployed.values() if each.path}]
                return any(_changes(hop, one, files, replace(mine, path=path)) for path in paths)
            return False

        return changes

    return replace(known(folder, recording), edits=edits)


def _changes(hop: Hop, one: Mitigation, files: Mapping[Hop, Path], said: Deployment) -> bool:
    """Tell whether a mitigation changes anything in a config that stands so in a chain."""
    with contextlib.suppress(InputError):
        proxy, file = adapter(hop, PROXIES, {hop: said}), variant_file(hop, files)
        return isinstance(proxy, Editable) and bool(proxy.edited([one.edit[hop.proxy]]).changed(file))
    return False


def deployed_of(
    declared: Mapping[Hop, Deployment], own: Mapping[Hop, Path], said: Deployment, recorded: bool = False
) -> dict[Hop, Deployment]:
    """Return how configs stand in chains: each as is said beside its file, and as options say.

    A path is asked of the whole chain: of several configs each is asked for it that leads it on. A target and a server
    are of one of them, which is named before it: `nginx:shop=app:8000`. What is `recorded` was asked for by its path.
    """
    if not said:
        return dict(declared)
    proxies = {hop: PROXIES.get(hop.proxy) for hop in own}
    able = [hop for hop, proxy in proxies.items() if isinstance(proxy, Deployable) and proxy.takes(own[hop])]
    if not able:
        if recorded and said == Deployment(path=said.path):
            return dict(declared)  # it is what the application was asked for, and no config need know it
        raise InputError("--map, --server and --path are of a config of yours, as nginx:./my.conf, and there is none")
    maps = [_named("--map", one, able) for one in said.map]
    server = [_named("--server", one, able) for one in [said.server] if one]
    deployed = dict(declared)
    for hop in able:
        mine = declared.get(hop, AS_FOUND)
        mapped, asked = (tuple(what for of, what in some if of == hop) for some in (maps, server))
        mine = replace(mine, map=mapped or mine.map, server="".join(asked) or mine.server)
        if len(able) == 1:
            mine = replace(mine, path=said.path or mine.path)
        elif said.path and not mine.path:
            mine = replace(mine, wish=said.path)
        if mine:
            deployed[hop] = mine
    return deployed


def as_options_say(deployed: Mapping[Hop, Deployment]) -> Deployment:
    """Return what options say so that configs stand in a chain as they do: `deployed_of` the other way round."""
    several = len(deployed) > 1
    targets = [f"{hop}={one}" if several else one for hop, said in deployed.items() for one in said.map]
    servers = [f"{hop}={said.server}" if several else said.server for hop, said in deployed.items() if said.server]
    paths = [said.path or said.wish for said in deployed.values()]
    return Deployment(tuple(targets), "".join(servers[:1]), next(filter(None, paths), ""))


def _named(option: str, said: str, able: Sequence[Hop]) -> tuple[Hop, str]:
    """Return of which config something is said, and what. Raises InputError if that can be several."""
    of, named, what = said.partition("=")
    hops = [hop for hop in able if named and of in (str(hop), hop.variant)]
    fits, what = (hops, what) if hops else (able, said)
    if len(fits) > 1:
        names = " or ".join(f"{hop}={what}" for hop in fits)
        raise InputError(f"{option} {said}: of which of your configs? Say {names}")
    return fits[0], what
