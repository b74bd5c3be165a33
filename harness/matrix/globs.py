"""Globs on the ids of cells. Pure. They match whole ids, and `*` crosses `/`; who types one may also give a part of
an id.

Rules: a typed glob that matches something as it is written means that and nothing else; only one that does not means a
chain whatever the versions and options of its hops, or by a hop's former name. To find what is like a glob costs about
the same however many cells there are.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import translate
from functools import lru_cache
from itertools import islice

from harness.documents.hops import FORMER

MAX_WORDS = 16
MAX_PARTS = 500
MAX_NEAR = 50
NOTHING = r"(?!)"
WHOLE = "a whole id"
TYPED = "a whole id, or a part of it"
_ITEMS = re.compile(r"@[^>]*")
_FORMERLY = {str(now): str(was) for was, now in FORMER.items()}


def matches(text: str, globs: Iterable[str]) -> bool:
    """Tell whether one of the globs matches."""
    return _pattern(tuple(globs))(text) is not None


@lru_cache(maxsize=256)
def _pattern(globs: tuple[str, ...]) -> Callable[[str], re.Match[str] | None]:
    return re.compile("|".join(map(translate, globs)) or NOTHING).match


def matching(texts: Iterable[str], globs: Iterable[str]) -> list[str]:
    """Return those texts that one of the globs matches, in their order."""
    return list(filter(_pattern(tuple(globs)), texts))


def means(text: str, globs: Iterable[str]) -> bool:
    """Tell likewise of globs that a person types: one without a `/`, as `nginx:default`, also means a part of an id."""
    match = _pattern(tuple(globs))
    return any(match(one) for one in (text, *text.split("/")))


def meant(globs: Iterable[str], ids: Sequence[str]) -> Callable[[str], bool]:
    """Return what tells whether typed globs mean an id, where there are these.

    `nginx:default` is nginx:default@1.31, too, unless one of the ids is nginx:default/... itself.
    """
    every = list(globs)
    loose = [glob for glob in every if not any(means(one, [glob]) for one in ids)]
    return lambda text: means(text, every) or (bool(loose) and any(means(one, loose) for one in _in_short(text)))


def _in_short(cell_id: str) -> set[str]:
    """Return an id without versions and options of its hops, as they are called and as they once were."""
    chain, slash, rest = cell_id.partition("/")
    hops = _ITEMS.sub("", chain).split(">")
    formerly = [_FORMERLY.get(hop, hop) for hop in hops]
    return {f"{'>'.join(some)}{slash}{rest}" for some in (hops, formerly)}


def near(glob: str, ids: Sequence[str], matched: str = WHOLE) -> str:
    """Return the end of a complaint about a glob: what it has to match, and an id that is like it.

    Ids are ranked by how many of their parts the glob names, misspelt or not; only the first are looked at as a whole.
    """
    parts = list(islice(dict.fromkeys(part for one in ids for part in one.split("/")), MAX_PARTS))
    words = [word for word in dict.fromkeys(re.split(r"[/*?\[\]]+", glob)) if word][:MAX_WORDS]
    meant = {part for word in words for part in get_close_matches(word, parts, n=1)}
    first = heapq.nlargest(MAX_NEAR, ids, key=lambda one: len(meant.intersection(one.split("/"))))
    found = get_close_matches(glob.replace("*", ""), first, cutoff=0)
    return f"; a glob matches {matched}, such as {found[0]}" if found else ""
