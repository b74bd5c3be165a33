"""What to ask an endpoint next, and which difference between its users matters. Pure.

Rules: an endpoint may be slow and paid, so each request has a reason. First those of curl and of browsers, by each
method that was named, and over TLS a browser's in HTTP/2, too. Where all come alike, that is all. Where not, both sides
are asked again: who gets something else the second time is told so, and nothing is named. Then what differs between
the two is tried one by one. Of two requests that differ in one thing only, that is named. Who has not ended in all that
a request may take is not waited for as long again: what comes after it may take twice what any took to show how it
comes. One that showed nothing tells so much of its own place only: the endpoint itself may well stream. One that was
cut before its time is held against no other: it counts as not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.model import Method
from harness.probe.takes import STREAMS, Asking, Headers, Take

CODING = "Accept-Encoding"
ENOUGH = 10
"""So many messages show how a stream comes."""
LEAST_SHARE = 1 / 3
"""So much of what a request may take each has in any case: the first message of an answer may be late by chance."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Two requests that are answered unlike, and what differs between them: nothing else, if `by` is said.

    `unsteady`: one of them was answered in another way when it was asked again.
    """

    one: Take
    other: Take
    by: str = ""
    unsteady: bool = False


@dataclass
class Search:
    """What is wanted of an endpoint, told each take that was made. `own` headers stand in for a user's of that name.

    `profiles` are whose requests are looked at, the plain one first. `most` is how many requests may be made; `spent`
    says why no more are, though more were wanted.
    """

    profiles: Mapping[str, Headers]
    own: Headers = ()
    methods: Sequence[Method] = ("GET",)
    http2: bool = False
    direct: bool = False
    most: int = 10
    takes: list[Take] = field(default_factory=list)
    spent: str = ""

    @property
    def first(self) -> list[Asking]:
        """What is asked anyway."""
        askings = []
        for method in self.methods:
            for who, headers in self.profiles.items():
                asking = Asking(who, with_own(headers, self.own), method)
                askings += [asking, replace(asking, direct=True)] if self.direct else [asking]
            if self.http2:
                who, headers = list(self.profiles.items())[-1]
                askings.append(Asking(who, with_own(headers, self.own), method, "2"))
        return list({replace(one, who=""): one for one in reversed(askings)}.values())[::-1]

    @property
    def compared(self) -> list[Take]:
        """The takes that are held against each other."""
        return [take for take in self.takes if take.had_its_time]

    def next(self) -> Asking | None:
        """Return what to ask now; None if nothing is wanted any more, or no more may be asked."""
        if len(self.takes) >= self.most or self.spent:
            return None
        asked = [take.asking for take in self.compared]
        wanted = [one for one in self.first if one not in asked]
        if not wanted and not self._is_pointless() and (pair := self._pair()):
            wanted = [one.asking for one in pair if asked.count(one.asking) < 2]
            if not wanted and not self._is_unsteady(*pair):
                wanted = [one for one in self._between(*pair) if one not in asked]
        return wanted[0] if wanted else None

    def within_s(self, asking: Asking, most_s: float) -> float:
        """Return how long that request may take, of which none may take longer than `most_s`."""
        endless = [take for take in self.takes if take.cut_by == "time"]
        if not any(take.how in STREAMS or take.asking.direct is asking.direct for take in endless):
            return most_s
        return min(most_s, max(LEAST_SHARE * most_s, 2 * max(map(_shown_ms, self.takes)) / 1e3))

    def needs_s(self, asking: Asking, most_s: float) -> float:
        """Return for how long that request is likely to be under way: twice as long as any before.

        If one did not end in its time, nobody knows how long that is; before the first one is made, none is too long.
        """
        if any(take.cut_by in ("time", "budget") for take in self.takes):
            return self.within_s(asking, most_s)
        return min(most_s, 2 * max((take.ended_ms for take in self.takes), default=0.0) / 1e3)

    def finding(self) -> Finding | None:
        """Return which difference matters; None if all came alike."""
        if (pair := self._pair()) is None:
            return None
        if self._is_unsteady(*pair):
            return Finding(*pair, unsteady=True)
        one, other = pair
        for asking in reversed(list(self._between(one, other))):
            if (take := self._take(asking)) and take.shows == other.shows:
                return Finding(one, take, differences(one.asking, asking))
        return Finding(one, other, differences(one.asking, other.asking, alone=True))

    def _is_pointless(self) -> bool:
        """Whether no request brought a stream: what a login or a limit answers says nothing of one."""
        return not any(take.how in STREAMS for take in self.takes)

    def _pair(self) -> tuple[Take, Take] | None:
        """Return two takes of what is asked anyway that came unlike, those that differ least; None if all are alike."""
        first = [take for one in self.first if not one.direct and (take := self._take(one))]
        pairs = [(one, other) for at, one in enumerate(first) for other in first[at + 1 :] if one.shows != other.shows]
        return min(pairs, key=lambda pair: len(_parts(pair[0].asking, pair[1].asking)), default=None)

    def _take(self, asking: Asking) -> Take | None:
        return next((take for take in self.compared if take.asking == asking), None)

    def _is_unsteady(self, *pair: Take) -> bool:
        return any(take.shows != one.shows for one in pair for take in self.compared if take.asking == one.asking)

    def _between(self, one: Take, other: Take) -> Iterator[Asking]:
        """Yield what lies between two requests that differ in headers: one header of the other's, then one coding."""
        ours, theirs = one.asking, other.asking
        names = [part for part in _parts(ours, theirs) if part not in ("HTTP version", "method")]
        if len(names) < len(_parts(ours, theirs)):
            return
        names.sort(key=lambda name: name != CODING)
        for name in names:
            asking = replace(ours, who=f"{ours.who} + {name}", headers=_given(ours.headers, name, theirs.headers))
            if len(names) > 1:
                yield asking
                if (take := self._take(asking)) is None or take.shows != other.shows:
                    continue
            if name == CODING:
                yield from self._codings(ours, theirs, other.shows)
            return

    def _codings(self, ours: Asking, theirs: Asking, shows: str) -> Iterator[Asking]:
        """Yield the codings one by one, up to that which makes the difference by itself."""
        codings = [coding.strip() for coding in dict(theirs.headers).get(CODING, "").split(",")]
        for coding in codings if len(codings) > 1 else ():
            said = with_own(ours.headers, ((CODING, coding),))
            yield (asking := replace(ours, who=f"{ours.who} + {CODING}: {coding}", headers=said))
            if (take := self._take(asking)) and take.shows == shows:
                return


def _shown_ms(take: Take) -> float:
    """Return how long it took a request to show how it comes: one that ended may have been held up to there."""
    return (take.messages_ms[:ENOUGH] or [0.0])[-1] if take.cut else take.ended_ms


def with_own(headers: Headers, own: Headers) -> Headers:
    """Return headers with a user's own in the place of those of that name; one without a value takes it away."""
    names = {name.lower() for name, _ in own}
    return (*((name, value) for name, value in headers if name.lower() not in names), *(one for one in own if one[1]))


def differences(one: Asking, other: Asking, alone: bool = False) -> str:
    """Return what differs between two requests, as a word; `alone`: nothing, if that is more than one thing."""
    parts = _parts(one, other)
    if alone and len(parts) > 1:
        return ""
    return " and ".join(_worded(part, one, other) for part in parts)


def _worded(part: str, one: Asking, other: Asking) -> str:
    values = {"HTTP version": (one.http, other.http), "method": (one.method, other.method)}
    ours, theirs = values.get(part) or (dict(one.headers).get(part), dict(other.headers).get(part))
    if part != CODING and part not in values:
        return f"the header {part}"
    return f"{part} ({theirs or 'none'} instead of {ours or 'none'})"


def _parts(one: Asking, other: Asking) -> list[str]:
    """Return the names of what differs: headers, HTTP version, method."""
    ours, theirs = dict(one.headers), dict(other.headers)
    parts = [name for name in dict.fromkeys([*ours, *theirs]) if ours.get(name) != theirs.get(name)]
    parts += ["HTTP version"] if one.http != other.http else []
    return parts + (["method"] if one.method != other.method else [])


def _given(headers: Headers, name: str, others: Headers) -> Headers:
    """Return headers with one as another has it, or without it."""
    return with_own(headers, ((name, dict(others).get(name, "")),))
