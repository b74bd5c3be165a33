"""What a download weighs, in words and in locks."""

from __future__ import annotations

import platform
import sys

import pytest

from benchmarks.locks import MACHINES
from harness.launchers.sizes import on_this_machine, told, weighed_in, with_weighed

SIZES = {machine: number for number, machine in enumerate(MACHINES, 1)}


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(177_571_731, " (178 MB)"), (1_409_916, " (1 MB)"), (409_916, " (0.4 MB)"), (0, "")],
)
def test_a_size_is_told_if_it_is_known(size_bytes: int, words: str) -> None:
    assert told(size_bytes) == words


@pytest.mark.parametrize(
    ("system", "machine", "known"),
    [
        ("linux", "x86_64", "linux-x64"),
        ("linux", "aarch64", "linux-arm64"),
        ("darwin", "x86_64", "darwin-x64"),
        ("darwin", "arm64", "darwin-arm64"),
        ("linux", "riscv64", None),
        ("win32", "AMD64", None),
    ],
)
def test_the_size_is_that_of_this_kind_of_machine_or_not_known(
    system: str, machine: str, known: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert on_this_machine(SIZES) == (SIZES[known] if known else 0)


def test_a_comment_of_a_requirements_file_has_the_sizes_and_takes_the_place_of_an_older_one() -> None:
    text = "# how it was made\na==1.0\n"
    once = with_weighed(text, SIZES)
    assert weighed_in(text) == {}
    assert weighed_in(once) == SIZES
    assert with_weighed(with_weighed(text, {"linux-x64": 99}), SIZES) == once
    assert once.splitlines()[0::2] == text.splitlines()
