"""How many cores there are to use: what control groups say, as the kernel writes it."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest

from harness import resources
from harness.resources import cores, quotas

V2 = "0::/system.slice/docker.scope\n"
V1 = "5:cpuacct,cpu:/docker/abc\n4:cpuset:/docker/abc\n1:name=systemd:/docker/abc\n"
CPU = "/sys/fs/cgroup"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, []),
        ({"/proc/self/cgroup": "nonsense\n:\n\n"}, []),
        ({"/proc/self/cgroup": V2}, []),
        ({"/proc/self/cgroup": V2, f"{CPU}/system.slice/docker.scope/cpu.max": "max 100000\n"}, []),
        ({"/proc/self/cgroup": V2, f"{CPU}/system.slice/docker.scope/cpu.max": "150000 100000\n"}, [1.5]),
        (
            {
                "/proc/self/cgroup": V2,
                f"{CPU}/system.slice/docker.scope/cpu.max": "400000 100000\n",
                f"{CPU}/system.slice/cpu.max": "200000 100000\n",
            },
            [4.0, 2.0],
        ),
        ({"/proc/self/cgroup": "0::/\n", f"{CPU}//cpu.max": "50000 100000\n"}, [0.5]),
        ({"/proc/self/cgroup": "0::/\n", f"{CPU}//cpu.max": "50000\n"}, []),
        ({"/proc/self/cgroup": "0::/\n", f"{CPU}//cpu.max": "50000 0\n"}, []),
        (
            {
                "/proc/self/cgroup": V1,
                f"{CPU}/cpu/docker/abc/cpu.cfs_quota_us": "300000\n",
                f"{CPU}/cpu/docker/abc/cpu.cfs_period_us": "100000\n",
            },
            [3.0],
        ),
        (
            {
                "/proc/self/cgroup": V1,
                f"{CPU}/cpu//cpu.cfs_quota_us": "100000\n",
                f"{CPU}/cpu//cpu.cfs_period_us": "50000\n",
            },
            [2.0],
        ),
        (
            {
                "/proc/self/cgroup": V1,
                f"{CPU}/cpu//cpu.cfs_quota_us": "-1\n",
                f"{CPU}/cpu//cpu.cfs_period_us": "100000\n",
            },
            [],
        ),
    ],
)
def test_a_quota_is_read_of_each_group_around_us_in_both_versions(files: Mapping[str, str], found: list[float]) -> None:
    assert list(quotas(lambda path: files.get(path, ""))) == found


@pytest.mark.parametrize(("quota", "cores_left"), [("max", 3), ("50000", 1), ("250000", 2), ("900000", 3)])
def test_cores_are_those_of_the_affinity_and_whole_ones_of_the_quota(
    monkeypatch: pytest.MonkeyPatch, quota: str, cores_left: int
) -> None:
    files = {"/proc/self/cgroup": "0::/\n", f"{CPU}//cpu.max": f"{quota} 100000\n"}
    monkeypatch.setattr(resources, "text_of", lambda path: files.get(path, ""))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 5}, raising=False)
    assert cores() == cores_left


@pytest.mark.parametrize(("counted", "cores_left"), [(6, 6), (None, 1)])
def test_a_system_without_affinity_is_asked_for_all(
    monkeypatch: pytest.MonkeyPatch, counted: int | None, cores_left: int
) -> None:
    monkeypatch.setattr(resources, "text_of", lambda _: "")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert cores() == cores_left
