"""Does curl see, at the pace that was asked, what the atlas says that streams show?

    python -m benchmarks.shows ['haproxy:*' ...]

Takes the hops of the published run that stand alone (or those that a glob matches), and has curl read what was asked of
each as it comes, chunked: through `benchmarks.by_hand`, so that neither lockstep nor the judge has a part in it. The
streams of a hop run side by side, those of an application one after another; one that shows otherwise than it is
published is read once more, alone, as a machine that stalls makes lumps. Tells those that do so again; exit status 1 if
there are any.

What is seen is told with the words of the atlas. A token is late that came 50 ms or more after it was sent. `at the
end`: more than half of the late ones' number came with the last, or after it. `in bursts`: a tenth or more of them came
late, and together with another. `broken`: a token is missing, the status is not 200, or curl complains.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise

from benchmarks import archive, by_hand, publish
from harness.errors import HarnessError
from harness.model import Result, chain_text

REQUESTS = {"curl": [], "browser": ["-H", "Accept-Encoding: gzip, deflate, br, zstd", "--compressed"]}
LATE_S, TOGETHER_S = 0.050, 0.010
SERIAL = ("asgi", "wsgi")
"""An application may stand still for all while it serves one."""


def seen(sent: Mapping[int, float], got: Mapping[int, float], is_whole: bool) -> str:
    """Return what a stream showed, of when each token was sent and came, in s."""
    if not is_whole or not sent or sent.keys() - got.keys():
        return "broken"
    late = [number for number in sent if got[number] - sent[number] >= LATE_S]
    last_s = min(got[max(sent)], max(sent.values()) + LATE_S) - TOGETHER_S
    if 2 * sum(got[number] >= last_s for number in late) > len(sent) - 1:
        return "at the end"
    came = sorted(got[number] for number in late)
    lumped = {at for pair in pairwise(came) if pair[1] - pair[0] <= TOGETHER_S for at in pair}
    return "in bursts" if 10 * sum(at in lumped for at in came) >= len(sent) else "one by one"


def read(stream: by_hand.Stream, events: Sequence[by_hand.Event]) -> str:
    """Return what a stream showed, of what its server and curl noted."""
    sent = {
        int(found[1]): event.at_s for event in stream.events if (found := re.match(r"writes token (\d+),", event.what))
    }
    got: dict[int, float] = {}
    for event in events:
        if found := re.match(r"gets \d+ bytes: token (\d+)(?: to (\d+))?$", event.what):
            got |= dict.fromkeys(range(int(found[1]), int(found[2] or found[1]) + 1), event.at_s)
    heads = [event.what for event in events if event.what.startswith("HTTP/")]
    is_whole = heads[-1:] != [] and heads[-1].split()[1] == "200" and events[-1].what == "ends with status 0"
    return seen(sent, got, is_whole)


async def shown(chain: str, cells: Sequence[Result]) -> list[str]:
    """Have curl read what was asked of a hop; return what each showed."""
    streams = {str(number): _stream(result) for number, result in enumerate([*cells, *cells])}
    together = asyncio.Semaphore(1 if chain.startswith(SERIAL) else len(cells))
    async with by_hand.started(by_hand.job_of(chain), by_hand.Server(streams)) as started:

        async def one(number: int, result: Result) -> str:
            url, options = started.curl(result.cell.format, str(number))
            async with together:
                events = await by_hand.read_by_curl(url, ["--http1.1", *options, *REQUESTS[result.cell.request]])
            return read(streams[str(number)], events)

        first = await asyncio.gather(*(one(number, result) for number, result in enumerate(cells)))
        return [
            now if now == said(result) else await one(len(cells) + number, result)
            for number, (result, now) in enumerate(zip(cells, first, strict=True))
        ]


def said(result: Result) -> str:
    """Return what is published of a stream."""
    return result.shows.manner if result.shows else str(result.verdict)


def _stream(result: Result) -> by_hand.Stream:
    cell, workload = result.cell, result.cell.workload
    interval_s = workload.interval_ms / 1e3
    return by_hand.Stream(cell.format, cell.body, workload.tokens, workload.token_bytes, interval_s)


def published(globs: Sequence[str]) -> dict[str, list[Result]]:
    """Return the cells to look at, by hop."""
    found: dict[str, list[Result]] = {}
    with archive.head(publish.ATLAS_RUN) as run:
        for result in run.results:
            cell = result.cell
            plain = (len(cell.chain), cell.body, cell.client, cell.mitigations, cell.pace)
            if plain == (1, "chunked", "aiohttp", (), "lockstep") and cell.request in REQUESTS:
                chain = chain_text(cell.chain)
                if cell.format in by_hand.FORMATS and any(fnmatchcase(chain, glob) for glob in globs or ["*"]):
                    found.setdefault(chain, []).append(result)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.shows", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("globs", nargs="*", metavar="GLOB", help="which hops: haproxy:*, '*@2.8.25'")
    looked_at = different = 0
    chains = published(parser.parse_args().globs)
    if not chains:
        parser.error("no hop of the published atlas is meant")
    missed: list[str] = []
    for chain, cells in chains.items():
        try:
            shows = asyncio.run(shown(chain, cells))
        except HarnessError as error:
            print(f"{chain}: {error}", file=sys.stderr)
            missed.append(chain)
            continue
        for result, now in zip(cells, shows, strict=True):
            looked_at, different = looked_at + 1, different + (now != said(result))
            if now != said(result):
                print(f"{result.id}: {said(result)} is published, {now} was seen", flush=True)
    print(f"{different} of {looked_at} show otherwise" + (f"; not looked at: {', '.join(missed)}" if missed else ""))
    return bool(different or missed)


if __name__ == "__main__":
    sys.exit(main())
