"""Memory that is short, and what ends then: what no cell will go through any more, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.launchers.fake import FakeProgram
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.measure.memory import ROOM_BYTES, Memory, is_short, memories
from harness.model import Chain, Endpoint, Hop, HopKind, Plan
from harness.proxies.base import Running
from tests.factories import judged
from tests.measuring import plan

GIB = 2**30
MACHINE = {
    "/proc/meminfo": f"MemTotal:       {16 * 2**20} kB\nMemFree:  1 kB\nMemAvailable:   {8 * 2**20} kB\nHugePages: 0\n"
}
V2, V1 = "/sys/fs/cgroup/box", "/sys/fs/cgroup/memory/box"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, []),
        ({"/proc/meminfo": "MemTotal: 4 kB\nMemAvailable: lots\n"}, []),
        (MACHINE, [Memory(16 * GIB, 8 * GIB)]),
        (
            {
                "/proc/self/cgroup": "0::/box\n",
                f"{V2}/memory.max": f"{2 * GIB}\n",
                f"{V2}/memory.current": f"{GIB}\n",
                f"{V2}/memory.stat": "anon 5\ninactive_file 1000\n",
            },
            [Memory(2 * GIB, GIB + 1000)],
        ),
        ({"/proc/self/cgroup": "0::/box\n", f"{V2}/memory.max": "max\n", f"{V2}/memory.current": "7\n"}, []),
        (
            {
                "/proc/self/cgroup": "4:cpu:/box\n3:memory:/box\n",
                f"{V1}/memory.limit_in_bytes": f"{GIB}\n",
                f"{V1}/memory.usage_in_bytes": f"{GIB}\n",
                f"{V1}/memory.stat": "inactive_file 5\ntotal_inactive_file 7\n",
            },
            [Memory(GIB, 7)],
        ),
    ],
)
def test_what_is_left_is_what_the_kernel_says(files: Mapping[str, str], found: list[Memory]) -> None:
    assert list(memories(lambda path: files.get(path, ""))) == found


@pytest.mark.parametrize(
    ("memory", "short"),
    [
        (Memory(16 * GIB, ROOM_BYTES), False),
        (Memory(16 * GIB, ROOM_BYTES - 1), True),
        (Memory(GIB, GIB // 4), False),
        (Memory(GIB, GIB // 4 - 1), True),
    ],
)
def test_it_is_short_below_what_the_largest_need_or_a_share_of_a_small_machine(memory: Memory, short: bool) -> None:
    assert memory.is_short == short
    total, left = memory.total_bytes // 1024, memory.left_bytes // 1024
    assert is_short(lambda path: f"MemTotal: {total} kB\nMemAvailable: {left} kB\n" * ("meminfo" in path)) == short


class Passing:
    """A proxy that is none: what stands behind it answers. `programs` are those that were started, by variant."""

    kind: HopKind = "proxy"

    def __init__(self) -> None:
        self.programs: dict[str, list[FakeProgram]] = {}

    async def start(self, config: Path, upstream: Endpoint, evidence: Path, launcher: Launcher) -> Running:
        program = FakeProgram(config.name)
        self.programs.setdefault(config.name, []).append(program)
        return Running("played", upstream, program, "0")

    @property
    def alive(self) -> set[str]:
        return {name for name, programs in self.programs.items() if any(one.returncode is None for one in programs)}


A, B, C = ((Hop("played", name),) for name in "abc")


def through(chain: Chain) -> Plan:
    return replace(plan("direct", 4, 100), chain=chain)


@pytest.mark.proxies
async def test_while_memory_is_short_what_no_cell_goes_through_ends_and_starts_anew_if_it_is_asked_again(
    tmp_path: Path,
) -> None:
    short, played = False, Passing()
    proxies: Any = {"played": played}
    own = {hop: tmp_path / hop.variant for hop in (*A, *B, *C)}
    for file in own.values():
        file.touch()
    async with Launcher() as launcher:
        bench = Bench(launcher, tmp_path / "bench", own, proxies=proxies, is_short=lambda: short)
        async with bench:
            await bench.needs([A, A + B, C])
            await asyncio.gather(bench.entry(A + B), bench.entry(A))
            await bench.needs([A + B, C])
            assert played.alive == {"a", "b"}, "there is room"
            short = True
            await bench.needs([A + B, C])
            assert [one.returncode for one in played.programs["a"]].count(None) == 1, "the one in front of b is needed"
            assert played.alive == {"a", "b"}, "b is behind one that is needed"
            await bench.needs([C])
            assert played.alive == set()
            trace, entry = await bench.record("again", through(B))
            assert (judged(trace).verdict, entry.death()) == ("streamed", None)
            assert len(played.programs["b"]) == 2
            await bench.entry(C)
            assert played.alive == {"c"}, "whatever is over makes room for what starts"
            await bench.needs([])
            assert played.alive == {"c"}, "at the end, all ends anyway"
