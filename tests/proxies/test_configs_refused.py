"""Servers of Debian's: a mistake in a config is told in their own words, with its file, and its line if they say it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from harness.errors import InputError
from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.resources import configs
from tests.proxies.serving import started


class Mistake(NamedTuple):
    """What is written in a shipped config where something else stands, and what is told of it at its line."""

    file: str
    right: str
    wrong: str
    told: str


MISTAKES = [
    Mistake("lighttpd/default.conf", '"host" =>', '"host" =', ":{line}: use => for assignments in arrays"),
    Mistake("squid/default.conf", "http_access", "http_acces", ":{line}: unrecognized: 'http_acces'"),
    Mistake("squid/default.conf", "http_access allow all", "http_access allow nobody", ":{line}: "),
    Mistake("varnish/default.vcl", ".port", ".prt", ":{line}: Unknown field: 'prt'"),
    Mistake(
        "h2o/default.conf", "proxy.reverse.url:", "proxy.revers.url:", ":{line}: unknown command: proxy.revers.url"
    ),
    Mistake("nghttpx/default.conf", "workers=1", "wrkers=1", ": Unknown option: wrkers"),  # which says no line
    Mistake("trafficserver/default.remap.config", "map /", "mapp /", ":{line}: unknown mapping type"),
]


@pytest.mark.proxies
@pytest.mark.parametrize(
    "mistake",
    [pytest.param(one, id=one.wrong, marks=pytest.mark.needs(one.file.partition("/")[0])) for one in MISTAKES],
)
async def test_a_mistake_is_told_with_its_place(mistake: Mistake, tmp_path: Path) -> None:
    shipped = configs() / mistake.file
    text = shipped.read_text()
    assert text.count(mistake.right) == 1
    line = 1 + text[: text.index(mistake.right)].count("\n")
    mine = tmp_path / f"my.{shipped.name.partition('.')[2]}"
    mine.write_text(text.replace(mistake.right, mistake.wrong))
    async with Launcher() as launcher:
        with pytest.raises(InputError) as refused:
            await started(shipped.parent.name, mine, Endpoint(1), tmp_path, launcher)
    assert f"{mine}{mistake.told.format(line=line)}" in str(refused.value)
