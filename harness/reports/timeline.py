"""One cell's stream over time, as `harness run` draws it: every token's way from the emitter to the client. Pure.

    token  0 ms       100 ms      200 ms      300 ms
           ┬──────────┬───────────┬───────────┬─────
        0  ○───────────────────────────┼─────●       412 ms  held
        1                                    ●       0.08 ms

A token's line goes from where it was emitted to where it arrived; the crossing is from where on it was held.
Long streams are cut: the first tokens, the first ones that were held, and the last stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from harness.model import Result, Trace
from harness.reports import grid, words
from harness.reports.glyphs import Glyphs, glyphs_for
from harness.reports.notes import emulator, notes

LEFT = 8
RIGHT = 18
FIRST, HELD, LAST = 6, 6, 4
"""How many tokens stay of a long stream."""

SLOW_MS = 50.0


class Timeline:
    """A drawn trace. `emitted` and `arrivals` tell when each token left and came, as far as a clock of the client's
    knows, `held` of each that was held from when on."""

    def __init__(
        self,
        trace: Trace,
        result: Result,
        emitted: Mapping[int, int],
        arrivals: Mapping[int, int],
        held: Mapping[int, int],
    ) -> None:
        self._trace = trace
        self._result = result
        self._emitted = emitted
        self._arrivals = arrivals
        self._held = held

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield line after line, none wider than the console but for the id."""
        glyphs = glyphs_for(options.encoding)
        yield from map(glyphs.fitted, self._lines(options.max_width, glyphs))

    def _lines(self, width: int, glyphs: Glyphs) -> Iterator[Text]:
        result = self._result
        yield Text(result.id, "bold")
        yield from self._said(words.builds(result.versions), width, "dim")
        status = words.status(result)
        yield from self._said(f"{status}: {words.reason(result)}", width, grid.STYLES.get(status, ""))
        yield from self._said(f"effect: {result.effect}" if result.effect else "", width)
        yield Text()
        yield from self._drawn(max(10, width - LEFT - RIGHT), glyphs)
        yield Text()
        legend = [f"{glyphs.emitted} emitted", f"{glyphs.arrived} arrived", f"{glyphs.never} never arrived"]
        legend += [f"{glyphs.held_from} held from here on"] if self._held else []
        yield from (Text(line, "dim") for line in words.listed(legend, width))
        yield from self._said(words.shows(result.shows) if result.shows else "", width)
        where = "in lockstep, " if result.cell.pace == "paced" else ""
        yield from self._said(f"{where}{words.release(result.release)}" if result.release else "", width)
        yield from self._said(words.figures(result.metrics) if result.metrics else "", width)
        for change in result.header_changes:
            yield from self._said(f"header {words.change(change)}", width)
        played = set(map(emulator, result.facts.emulates))
        for note in notes(result.facts):
            yield from self._said(note, width, "italic yellow" if note in played else "")

    def _drawn(self, width: int, glyphs: Glyphs) -> Iterator[Text]:
        trace = self._trace
        ended_ns = trace.ended_ns if trace.emitter_clock == "ours" else trace.closed_ns
        instants = [trace.opened_ns + 1000, *self._arrivals.values(), *self._emitted.values()]
        instants += [at for at in (trace.head_ns, ended_ns, trace.closed_ns) if at is not None]
        last_ns = max(instants)
        scale = Scale(trace.opened_ns, last_ns, width)
        yield from scale.axis(glyphs)
        if trace.head_ns is not None:
            yield self._event("head", trace.head_ns, scale, glyphs)
        shown = set(self._chosen())
        skipped = 0
        for token in trace.sent:
            if token.seq not in shown:
                skipped += 1
                continue
            if skipped:
                yield Text(f"{glyphs.dots:>{LEFT - 2}}  {words.counted(skipped, 'more token')}", "dim")
            skipped = 0
            yield self._token(token.seq, last_ns, scale, glyphs)
        if ended_ns is not None:
            yield self._event("end", ended_ns, scale, glyphs)

    def _chosen(self) -> Sequence[int]:
        every = [token.seq for token in self._trace.sent]
        if len(every) <= FIRST + HELD + LAST:
            return every
        held = [seq for seq in every if seq in self._held][:HELD]
        return [*every[:FIRST], *held, *every[-LAST:]]

    def _token(self, seq: int, last_ns: int, scale: Scale, glyphs: Glyphs) -> Text:
        arrived_ns, sent_ns = self._arrivals.get(seq), self._emitted.get(seq)
        stop = scale.place(last_ns if arrived_ns is None else arrived_ns)
        start = stop if sent_ns is None else scale.place(sent_ns)
        way = [" "] * start + [glyphs.emitted] + [glyphs.way] * (stop - start)
        way[stop] = glyphs.never if arrived_ns is None else glyphs.arrived
        held_from = scale.place(self._held[seq]) if seq in self._held else start
        if start < held_from < stop:
            way[held_from] = glyphs.held_from
        hold_ms = None if arrived_ns is None or sent_ns is None else (arrived_ns - sent_ns) / 1e6
        held = seq in self._held or arrived_ns is None
        style = "red" if held else "yellow" if hold_ms is not None and hold_ms >= SLOW_MS else "green"
        took = "" if hold_ms is None else words.duration(hold_ms)
        figure = "never came" if arrived_ns is None else took + ("  held" if held else "")
        line = Text(f"{seq:>{LEFT - 2}}  ")
        line.append(f"{''.join(way):<{scale.width}}", style)
        return line.append(f"  {figure}")

    def _event(self, name: str, at_ns: int, scale: Scale, glyphs: Glyphs) -> Text:
        place = scale.place(at_ns)
        drawn = f"{name:>{LEFT - 2}}  {' ' * place}{glyphs.tick}{' ' * (scale.width - place - 1)}"
        return Text(f"{drawn}  at {words.duration((at_ns - scale.start_ns) / 1e6)}", "cyan")

    def _said(self, text: str, width: int, style: str = "") -> Iterator[Text]:
        return (Text(line, style) for line in words.wrapped(text, width))


class Scale:
    """Puts instants to places on a line."""

    def __init__(self, start_ns: int, last_ns: int, width: int) -> None:
        self.start_ns = start_ns
        self.width = width
        self._span_ns = last_ns - start_ns

    def place(self, at_ns: int) -> int:
        """Return the place of an instant."""
        share = (at_ns - self.start_ns) / self._span_ns
        return min(self.width - 1, max(0, round(share * (self.width - 1))))

    def axis(self, glyphs: Glyphs) -> Iterator[Text]:
        """Yield a line of round times and the axis with a tick under the start of each."""
        step_ms = self._step_ms()
        labels, line = [" "] * (self.width + 12), [glyphs.axis] * self.width
        tick = 0
        while tick * step_ms <= self._span_ns / 1e6:
            place = self.place(self.start_ns + round(tick * step_ms * 1e6))
            text = f"{tick * step_ms:g} ms"
            labels[place : place + len(text)] = text
            line[place] = glyphs.tick
            tick += 1
        yield Text(f"{'token':>{LEFT - 2}}  {''.join(labels).rstrip()}", "dim")
        yield Text(f"{'':{LEFT}}{''.join(line)}", "dim")

    def _step_ms(self) -> float:
        """Return the smallest of 1, 2 or 5 times a power of ten that leaves room for its label."""
        least = self._span_ns / 1e6 * 11 / self.width
        power = 10.0 ** (len(f"{least:.0f}") - 1) if least >= 1 else 0.001
        while True:
            for factor in (1, 2, 5):
                if factor * power >= least:
                    return factor * power
            power *= 10
