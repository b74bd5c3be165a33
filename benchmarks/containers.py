"""How soon does a hop in a container serve, and what does the smoke matrix cost in containers?

    python -m benchmarks.containers [TIMES]

Wants an engine with the images that compose.yaml pins, and ends with 2 where there is none. Tells of each program how
long its hop took to serve, first with the question for its version and then without; and then measures, in turns, TIMES
times (3), the cells of the smoke matrix that only have nginx hops, with local programs and in containers. Exit status 1
if a cell turns out otherwise, or containers take more than twice the time. That no cell does is a test, too; how long
they take is none.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import yaml

from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.model import Hop, Option
from harness.resources import configs
from tests import engines
from tests.engines import contained
from tests.sandbox import Sandbox

HOPS = {"nginx": "http10", "haproxy": "default", "caddy": "plain", "envoy": "plain", "traefik": "plain"}
MOST = 2.0
WAY_OUT = (
    "Start Docker or Podman, `docker compose build backend`, and `docker pull` what compose.yaml pins; or let"
    " `.ci/with_engine .venv/bin/python -m benchmarks.containers` do all of that with an engine of its own"
)


async def starts() -> None:
    """Tell how long each hop takes to serve once its emitter is there."""
    with tempfile.TemporaryDirectory() as folder:
        async with Launcher() as launcher:
            began = time.monotonic()
            async with Bench(launcher, Path(folder, "run"), in_container=True) as bench:
                print(f"the engine asked, a network, the emitter: {time.monotonic() - began:.2f} s")
                for program, variant in HOPS.items():
                    source, _, tag = contained(program).partition("@")[2].partition(":")
                    hop = Hop(program, variant, options=(Option("source", source, tag),))
                    took = []
                    for chain in ((hop,), (hop, hop)):  # of the second chain, its first hop is still to be started
                        began = time.monotonic()
                        await bench.entry(chain)
                        took.append(time.monotonic() - began)
                    print(f"{contained(program):40} {took[0]:.2f} s, and then {took[1]:.2f} s")


def matrices() -> Mapping[str, str]:
    """Return the smoke matrix with local programs and in containers, as far as it can be in both: of its programs, only
    nginx comes in an image. What is expected of that, and of the control, is expected in both.
    """
    said = yaml.safe_load((configs() / "matrices/smoke.yaml").read_text())
    for row in said["include"]:
        chains = [row["chain"]] if isinstance(row["chain"], str) else row["chain"]
        row["chain"] = [chain for chain in chains if re.fullmatch("(nginx:[^>]*(>|$))+", chain)]
    said["include"] = [row for row in said["include"] if row["chain"]]
    said["expect"] = [one for one in said["expect"] if one["cells"].startswith(("direct/", "nginx:"))]
    local = yaml.safe_dump(said)
    return {"local": local, "in containers": re.sub(r"nginx:[a-z0-9-]+", lambda hop: contained(hop[0]), local)}


def smoke(place: Sandbox, text: str) -> tuple[float, dict[str, object]]:
    """Measure a matrix; return how long that took, in s, and what was found, by ids without sources."""
    place.write("m.yaml", text)
    began = time.monotonic()
    said = place.run("matrix", "m.yaml")
    took = time.monotonic() - began
    assert said.status == 0, said.err
    shown = {id: (one.verdict, one.effect, one.shows and one.shows.manner) for id, one in place.results().items()}
    return took, {re.sub(r"@[a-z]+:[^/>]+", "", id): found for id, found in shown.items()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.containers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("times", nargs="?", type=int, default=3, help="how often the matrices are measured")
    times: int = parser.parse_args().times
    if times < 1:
        parser.error("TIMES has to be 1 at least")
    if why := engines.main():
        parser.error(f"{why}\n{WAY_OUT}")
    asyncio.run(starts())
    took: dict[str, list[float]] = {}
    found: list[dict[str, object]] = []
    for _ in range(times):
        for name, text in matrices().items():
            with tempfile.TemporaryDirectory() as folder, Sandbox(Path(folder)) as place:
                took_s, results = smoke(place, text)
            took.setdefault(name, []).append(took_s)
            found.append(results)
    medians = {name: statistics.median(each) for name, each in took.items()}
    for name, median_s in medians.items():
        print(f"{name:14} {median_s:.1f} s ({min(took[name]):.1f} to {max(took[name]):.1f}), {len(found[0])} cells")
    other = {id for results in found for id in results if results[id] != found[0][id]}
    print(f"{len(other)} cells differ {sorted(other)}")
    return int(bool(other) or medians["in containers"] > MOST * medians["local"])


if __name__ == "__main__":
    sys.exit(main())
