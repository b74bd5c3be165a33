"""What the marker `proxies` asks for: a matrix or a chain, told apart by a colon; and where files are looked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.plugin.markers import Asked, folder_of, is_chain, read
from harness.plugin.settings import Settings
from harness.plugin.states import State
from tests.sandbox import DIRECT, Sandbox


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as place:
        yield place


@pytest.mark.parametrize(
    ("given", "is_one"),
    [
        ("direct", True),
        ("nginx:default", True),
        ("nginx:./a/nginx.conf>nextjs:web=./web", True),
        ("traefik:./traefik.yaml", True),
        (["direct"], True),
        ("my.yaml", False),
        ("smoke", False),
        ("reports/000-playground", False),
        ("./direct", False),
        (Path("a:b.yaml"), False),
    ],
)
def test_a_colon_makes_a_chain(given: object, is_one: bool) -> None:
    assert is_chain(given) is is_one


@pytest.mark.parametrize(
    "chain",
    ["nginx:./deploy/nginx.conf", "nginx:gateway=deploy/nginx.conf", "nextjs:dev > nginx:./deploy/nginx.conf@1.31"],
)
def test_files_of_a_chain_are_looked_for_folder_by_folder(tmp_path: Path, chain: str) -> None:
    inner, outer = tmp_path / "tests", tmp_path
    (outer / "deploy").mkdir()
    inner.mkdir()
    with pytest.raises(InputError, match=rf"there is no (\./)?deploy/nginx\.conf\S* in {inner} nor in {outer}"):
        folder_of([chain], [inner, outer])
    (outer / "deploy/nginx.conf").touch()
    assert folder_of([chain], [inner, outer]) == outer
    (inner / "deploy").mkdir()
    (inner / "deploy/nginx.conf").touch()
    assert folder_of([chain], [inner, outer]) == inner


def test_a_chain_is_never_put_together_from_files_of_several_folders(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / f"{folder.name}.conf").touch()
    with pytest.raises(InputError, match=r"\./one\.conf and \./other\.conf lie in several folders"):
        folder_of(["nginx:./one.conf>nginx:./other.conf"], [one, other])


def test_the_tests_of_a_chain_are_its_cells_and_not_what_they_are_held_against(tmp_path: Path) -> None:
    asked = read(
        ["nginx:http10"], {"request": ("curl", "browser"), "mitigations": ["pad-2k", "pad-4k+no-cache"]}, [tmp_path]
    )
    assert asked
    job, cells = asked.job()
    assert [(cell.request, cell.mitigations) for cell in cells] == [
        (request, names) for request in ("curl", "browser") for names in (("pad-2k",), ("no-cache", "pad-4k"))
    ]
    assert {cell.id for cell in job.cells} > {cell.id for cell in cells}
    assert {cell.workload.name for cell in cells} == {"32x96"}


def test_the_tests_of_a_matrix_are_all_of_its_cells(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DIRECT)
    asked = read([tmp_path / "m.yaml"], {}, [tmp_path])
    assert asked == Asked(matrix=str(tmp_path / "m.yaml"))
    job, cells = asked.job()
    assert cells == job.cells


WAYS = [
    {},
    {"path": "/api/x"},
    {"path": "/api/chat"},
    {"path": "/api-x"},
    {"path": "/api.x"},
    {"path": "/api/x/"},
    {"path": "/api/x?key=s3cr3t"},
    {"path": "/"},
    {"path": "/" + "x" * 99},
    {"path": "/" + "x" * 98},
    {"path": "/api/x", "map": "${UPSTREAM}/"},
    {"map": "${UPSTREAM}/"},
    {"server": ":80"},
]


@pytest.mark.usefixtures("no_nginx")
def test_whatever_one_config_is_asked_for_is_a_cell_of_its_own(place: Sandbox) -> None:
    place.nginx_conf("a.conf")
    state = State(Settings(None, Path(), (), False, False, Path(), 0.0), "secret", "", "")
    ids = list[str]()
    for said in WAYS:
        asked = read(["nginx:./a.conf"], said, [place.folder])
        assert asked
        _, cells = state.job(asked)
        ids += [cell.id for cell in cells]
    assert len(set(ids)) == len(WAYS)
    assert ids[:3] == [
        f"nginx:a/sse/chunked/curl/aiohttp/{name}/none/lockstep" for name in ("32x96", "32x96.api.x", "32x96.api.chat")
    ]
    assert not any("s3cr3t" in one for one in ids)


@pytest.mark.parametrize(
    ("nodeids", "names"),
    [
        (["tests/test_a.py::TestB::test_c"], [r"tests\.test_a\.TestB\.test_c"]),
        (["test_a.py::test_c[1-2]"], [r"test_a\.test_c\.1-2"]),
        (["test_a.py::test_c", "test_a.py::test_c"], [r"test_a\.test_c", r"test_a\.test_c-2"]),
        (["test_a.py::test_c[/chat?key=s3cr3t]", "test_a.py::test_c[a?b-1]"], [r"test_a\.test_c-[0-9a-f]{6}"] * 2),
        (["test_a.py::test_c[ü]", "test_a.py::test_c[ö]"], [r"test_a\.test_c\._-[0-9a-f]{6}"] * 2),
        ([f"test_a.py::test_c[{'x' * 999}]"], [r"test_a\.test_c\.x{1,100}-[0-9a-f]{6}"]),
    ],
)
def test_a_stream_of_an_application_is_called_after_its_test(nodeids: list[str], names: list[str]) -> None:
    state = State(Settings(None, Path(), (), False, False, Path(), 0.0), "secret", "", "")
    found = [state.name(nodeid) for nodeid in nodeids]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(name, one) for name, one in zip(names, found, strict=True)), found
