"""What is told of an endpoint: what arrived how, which difference matters, how late messages come. Pure.

`ProbeReport` is a rich renderable, as `reports.terminal.Report` is. Rule: without the endpoint itself beside it nothing
is said of a hop, for nobody knows when the endpoint sent what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from harness.errors import EXIT_MEANINGS
from harness.model import Method, shown_urls
from harness.probe.asking import Search
from harness.probe.secrets import Secrets, shown_url
from harness.probe.takes import STREAMS, Take, lags_ms
from harness.reports.glyphs import glyphs_for
from harness.reports.words import counted, duration, listed, size, wrapped

LATE_MS = 50.0
"""As `judge.rules` has it: what is less is nobody's to see."""
LAGS_SHOWN = 64
WORDS_SHOWN = 200
REDIRECTS = (301, 302, 303, 307, 308)
LATER = (408, 425, 429)
"""Refusals that are about when one asks, not about what."""
OF_HOPS = ("server", "via", "x-accel-buffering", "cache-control", "content-encoding", "content-length")
STYLES = {"one by one": "green", "in bursts": "magenta", "at the end": "red"}


class ProbeReport:
    """All that was found out about one endpoint. `stopped` says why it is not all that was wanted."""

    def __init__(self, url: str, direct: str, search: Search, secrets: Secrets) -> None:
        self.url = url
        self.direct = direct
        self.search = search
        self.secrets = secrets
        self.stopped = ""

    @property
    def exit_status(self) -> int:
        """What the requests come to: 2 if they were wrong, 3 if too little was seen, 130 if somebody stopped it.

        1: a stream ended badly by itself.
        """
        if self.stopped:
            return 130
        for ours in (True, False):
            takes = [take for take in self.search.takes if take.asking.direct is not ours]
            if takes and not any(take.how in STREAMS for take in takes):
                return 2 if _is_users_mistake(takes[0]) else 3
        return (1 if self._broken else 0) if self.search.takes else 3

    @property
    def _broken(self) -> list[Take]:
        """The streams that ended badly by themselves."""
        return [take for take in self.search.takes if take.how in STREAMS and take.fault]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield line after line, none wider than the console but for words that are longer."""
        glyphs = glyphs_for(options.encoding)
        yield from map(glyphs.fitted, self._lines(options.max_width))

    def _lines(self, width: int) -> Iterator[Text]:
        yield from self._takes(width, shown_url(self.url), direct=False)
        if self.direct:
            yield Text()
            yield from self._takes(width, f"{shown_url(self.direct)} (directly)", direct=True)
        if any(take.how in STREAMS for take in self.search.takes):
            yield from self._paragraph("Which difference matters", self._differences(), width)
            yield from self._paragraph("What lies between", self._between(), width)
            yield from map(Text, self._lags(width))
        yield Text()
        yield from self._end(width)

    def _paragraph(self, head: str, sentences: Iterator[str], width: int) -> Iterator[Text]:
        yield Text(f"\n{head}", "bold")
        for sentence in sentences:
            yield from map(Text, wrapped(sentence, width, "  "))

    def _end(self, width: int) -> Iterator[Text]:
        status = self.exit_status
        why = self.stopped or ("" if status in (0, 2) else "no request brought a stream of several messages")
        meaning = "what arrived is told" if status == 0 else why or "the request is wrong, as the answer says"
        meaning = f"{counted(len(self._broken), 'stream')} ended badly" if status == 1 else meaning
        meaning = EXIT_MEANINGS[130] if status == 130 else meaning
        more = f", and no more: {self.search.spent}" if self.search.spent else ""
        said = f"{counted(len(self.search.takes), 'request')} made{more}. Exit status {status}: {meaning}."
        yield from (Text(line, "bold red" if status else "bold green") for line in wrapped(said, width))

    def _takes(self, width: int, head: str, direct: bool) -> Iterator[Text]:
        yield Text(head, "bold")
        takes = [take for take in self.search.takes if take.asking.direct is direct]
        again = [take.asking in [one.asking for one in takes[:number]] for number, take in enumerate(takes)]
        names = [self._name(take) + " again" * more for take, more in zip(takes, again, strict=True)]
        for name, take in zip(names, takes, strict=True):
            first = f"  {name:<{min(28, max(map(len, names)))}}  "
            sentence = self.secrets.hidden(_arrived(replace(take, words=self.secrets.hidden(take.words))))
            yield from (Text(line, STYLES.get(take.how, "")) for line in wrapped(sentence, width, first, " " * 6))
        if takes and (said := _said(takes[0])):
            yield from map(Text, wrapped(self.secrets.hidden(f"The first answer says {said}."), width, "  "))

    def _differences(self) -> Iterator[str]:
        ours = [take for take in self.search.takes if not take.asking.direct]
        yield self._difference(ours)
        for take in ours:
            if not take.had_its_time and len(ours) > 1:
                yield f"{self._name(take)} was broken off before its time, so it is held against no other."

    def _difference(self, ours: list[Take]) -> str:
        finding = self.search.finding()
        if finding is None:
            alike = [take for take in ours if take.had_its_time]
            names = " and ".join(dict.fromkeys(take.asking.who for take in alike))
            if len(alike) > 1:
                return f"none of those tried: what {names} ask for comes alike."
            return f"unknown: only one request {'had its time' if len(ours) > 1 else 'was made'}."
        one, other = (self._name(take) for take in (finding.one, finding.other))
        if finding.unsteady:
            return (
                f"unknown: {finding.one.shows} ({one}) and {finding.other.shows} ({other}), but asked again it was not"
                " the same as before. Ask once more, or when less is going on there."
            )
        if finding.by:
            return f"{finding.by}: {finding.other.shows} ({other}), {finding.one.shows} without that ({one})."
        return (
            f"{one} is {finding.one.shows}, {other} is {finding.other.shows}; which of their headers does that was"
            " not found out, or it takes several."
        )

    def _between(self) -> Iterator[str]:
        if not self.direct:
            yield (
                "unknown: nothing tells when the endpoint sent a message, so this is no verdict about a proxy. With"
                " --direct URL, the address at which it listens itself, each message's lag is told."
            )
            return
        if not (pairs := self.pairs()):
            yield "unknown: no request brought a stream from both."
            return
        uncertain_ms = self.uncertainty_ms
        for take, direct in pairs:
            lags = lags_ms(take, direct)
            allowed_ms = max(LATE_MS, uncertain_ms or 0.0)
            late = sum(lag > allowed_ms for lag in lags)
            numbers = {len(take.messages_ms), len(direct.messages_ms)}
            matched = f"{len(lags)} messages" if len(numbers) == 1 else f"the first {len(lags)} messages"
            held = f"{late} came more than {duration(allowed_ms)} late, up to {duration(max(lags))}"
            said = held if late else f"none came more than {duration(allowed_ms)} late"
            yield f"{self._name(take)}: of {matched}, {said}."
        if uncertain_ms is None:
            yield "How sure that is nobody knows: there are no two direct requests that came alike."
        else:
            yield (
                f"Uncertain by {duration(uncertain_ms)}: so much do direct requests differ among themselves, or did"
                " this machine stand still. Lags count from the quickest message of each stream; no clock but this"
                " machine's is read."
            )

    def _lags(self, width: int) -> Iterator[str]:
        for take, direct in self.pairs():
            lags = lags_ms(take, direct)
            entries = [f"{number}: +{lag:.0f}" for number, lag in enumerate(lags[:LAGS_SHOWN])]
            entries += [f"... {len(lags) - LAGS_SHOWN} more"] if len(lags) > LAGS_SHOWN else []
            yield f"  lag of each message in ms, {self._name(take)}:"
            yield from listed(entries, width, "    ")

    def _name(self, take: Take) -> str:
        """Return what a request is called: whose it is, and what else is not plain about it."""
        method: list[Method] = [take.asking.method] if len(self.search.methods) > 1 else []
        http = ["HTTP/2"] if take.asking.http == "2" else []
        return " ".join([take.asking.who, *method, *http])

    def pairs(self) -> list[tuple[Take, Take]]:
        """Return each take of what is asked anyway with the direct one of the same request, if both are streams."""
        made = {take.asking: take for take in reversed(self.search.compared) if take.how in STREAMS}
        first = self.search.first
        both = [(one, other) for one, other in pairwise(first) if other.direct and not one.direct]
        return [(made[one], made[other]) for one, other in both if one in made and other in made]

    @property
    def uncertainty_ms(self) -> float | None:
        """By how much a lag may be wrong; None if that cannot be told."""
        direct = [take for take in self.search.compared if take.asking.direct and take.how in STREAMS]
        if len(direct) < 2 or len({take.how for take in direct}) > 1:
            return None
        spread = max(max(lags_ms(one, direct[0]) + lags_ms(direct[0], one)) for one in direct[1:])
        return max(spread, *(take.stood_still_ms for take in self.search.takes))


def _is_users_mistake(take: Take) -> bool:
    """Tell whether a request was wrong: nobody answers there, another address was meant, or not so."""
    if take.status is None:
        return not take.cut
    return take.status in REDIRECTS or (400 <= take.status < 500 and take.status not in LATER)


def _arrived(take: Take) -> str:
    """Return in a sentence what one request brought, and how."""
    number = len(take.messages_ms)
    many = counted(number, take.message) if take.message != "line of JSON" or number == 1 else f"{number} lines of JSON"
    end = f"; {take.fault}" if take.fault else f"; broken off from here: {take.cut}" if take.cut else ""
    if take.how == "failed":
        return take.fault or "the connection ended without an answer"
    if take.status is None:
        return f"no answer: {take.cut}"
    if take.how == "refused":
        return _refusal(take)
    head = f"head after {duration(take.head_ms or 0.0)}"
    if not number:
        return f"nothing but a head, {head}{end}"
    coding = f", {took}" if (took := take.header("content-encoding")) else ""
    first = f"first after {duration(take.messages_ms[0])}"
    if take.how == "in one piece":
        return f"no stream: one {take.message}, {size(take.size_bytes)}{coding}, {first}{end}".replace("first ", "")
    figures = f"{many}, {size(take.size_bytes)}{coding}, {head}, {first}, all after {duration(take.messages_ms[-1])}"
    largest = max(map(len, take.bursts))
    bursts = f"in {counted(len(take.bursts), 'burst')}" if take.how == "in bursts" else take.how
    lump = f", up to {largest} at once" if largest > 1 else ""
    pauses = f", pauses up to {duration(take.pause_ms)}" if len(take.bursts) > 1 else ""
    return f"{bursts}: {figures}{pauses}{lump}{end}"


def _refusal(take: Take) -> str:
    if take.status in REDIRECTS:
        there = shown_url(take.header("location"))
        return f"sent elsewhere ({take.status}): to {there or 'nowhere'}; a redirect is not followed, so ask there"
    words = " ".join(take.words.split())[:WORDS_SHOWN]
    return f"answered with {take.status}{f': {words}' if words else ''}"


def _said(take: Take) -> str:
    """Return the headers of an answer that tell of hops, and of how it is framed."""
    told = [(name, take.header(name)) for name in ("content-type", *OF_HOPS)]
    return ", ".join(f"{name}: {shown_urls(value)}" for name, value in told if value) if take.is_answered else ""
