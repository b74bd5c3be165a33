"""What is given as a file and is a pipe, a device or a folder: read if it can be, else told as what it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.commanding import Harness
from tests.sandbox import DIRECT


@pytest.mark.parametrize("command", [("list", "cells"), ("matrix",), ("reports",)])
def test_a_matrix_is_read_from_a_pipe_but_not_from_a_folder(
    harness: Harness, tmp_path: Path, command: Sequence[str]
) -> None:
    """As a shell's `<(...)` gives it: to be read once, and in no folder that a path in it could start from."""
    (tmp_path / "my.conf").write_text("wrong;\n")
    end, other = os.pipe()
    os.write(other, DIRECT.replace("direct", "nginx:./my.conf", 1).encode())
    os.close(other)
    try:
        piped = harness(*command, f"/dev/fd/{end}")
    finally:
        os.close(end)
    assert piped.status == 2
    assert "my.conf" in piped.err
    assert "there is no" not in piped.err
    folder = harness(*command, tmp_path)
    assert folder.status == 2
    assert "give a path or a" in folder.err
    assert "is a folder" in folder.err


@pytest.mark.parametrize("device", ["/dev/zero"])
def test_what_has_no_end_is_not_read_for_ever(harness: Harness, device: str) -> None:
    said = harness("list", "cells", device)
    assert said.status == 2
    assert "too long: at most 10000000 characters are read" in said.err


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_told_as_what_it_is(harness: Harness, tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "mine")
    (tmp_path / "m.yaml").write_text(DIRECT.replace("direct", "nginx:mine", 1) + "variants: {nginx: {mine: ./mine}}\n")
    for words in (("list", "cells", "m.yaml"), ("run", "--chain", "nginx:./mine")):
        said = harness(*words)
        assert said.status == 2
        assert any(told in said.err for told in ("nginx:mine: mine is a pipe", "mine: is a folder with neither")), (
            said.err
        )
