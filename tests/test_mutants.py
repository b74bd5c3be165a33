"""The mutants: what becomes of a text, what is left alone, which are told and listed; and a toy project on trial."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.mutants.listed import KINDS, Kind, entry, idle, key, listed
from benchmarks.mutants.operators import mutants
from benchmarks.publish import ROOT


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("x = a < b", ["x = a <= b", "x = a >= b"]),
        ("x = a is not b", ["x = a is b"]),
        ("x = a and (b) or c", ["x = a and (b) and c", "x = a or (b) or c"]),
        ("x = (a + b) * c", ["x = (a + b) / c", "x = (a - b) * c"]),
        ("a += b", ["a -= b", "pass"]),
        ("x = not a", ["x =  a"]),
        ("x = y if a else z", ["x = y if False else z", "x = y if True else z"]),
        ("x = 1", ["x = 0", "x = 2"]),
        ("x = 2500.0", ["x = 1250.0", "x = 5000.0"]),
        ("x = True", ["x = False"]),
        ("x = a[-2:]", ["x = a[-1:]", "x = a[-3:]", "x = a[:]"]),
        ("x = min(a)", ["x = max(a)"]),
        ("f(a)", ["pass"]),
        ("x = a == 'é'", ["x = a != 'é'", "x = a == '_é'"]),
        ("x = a.get('b')", ["x = a.get('_b')"]),
        ("def f(a=1): return a", ["def f(a=0): return a", "def f(a=1): return None", "def f(a=2): return a"]),
        ("x: Annotated[int, Field(gt=0)]", ["x: Annotated[int, Field(gt=-1)]", "x: Annotated[int, Field(gt=1)]"]),
    ],
)
def test_each_edit_is_a_slip_of_the_pen(line: str, becomes: list[str]) -> None:
    found = mutants("m.py", f"'é'\n{line}\n".encode())
    assert sorted(one.becomes for one in found) == sorted(" ".join(each.split()) for each in becomes)
    assert all(one.mutated.decode().startswith("'é'\n") for one in found)


@pytest.mark.parametrize(
    "line",
    [
        "'''prose'''",
        "x = 'prose'",
        "x = f'{a + 1}'",
        "assert a > 0, a",
        "raise Odd(1)",
        "x: Literal['a'] = y",
        "W = Callable[[int], Literal['a']]",
        "for x in zip(a, b, strict=True): ...",
        "__all__ = ['a', *'b']",
        "if __name__ == '__main__': f()",
        "def f(a: 'int', b=None) -> 'a': ...",
    ],
)
def test_prose_and_what_a_type_checker_knows_are_left_alone(line: str) -> None:
    assert mutants("m.py", line.encode()) == []


MODULE = """
from functools import lru_cache

LIMIT = 3

class Box:
    @property
    def full(self):
        return self.held >= LIMIT

    def __init__(self, held):
        self.held = held

    @lru_cache
    def idle(self):
        while self.held < 0:
            self.held += 1
        return self.held > 7

def unreached(a):
    return a - 1

AGAIN_S = 5
OPEN = True
while not OPEN:
    pass
"""
TESTS = """
import pytest
from box import OPEN, Box

def test_open():
    assert OPEN

@pytest.mark.parametrize(("held", "full"), [(2, False), (3, True), (4, True)])
def test_full(held, full):
    assert Box(held).full is full

@pytest.mark.parametrize(("held", "then", "idle"), [(-1, 0, False), (7, 7, False), (8, 8, True)])
def test_idle(held, then, idle):
    box = Box(held)
    assert (box.idle(), box.held) == (idle, then)
"""
SURVIVE = ["    return None", "    return a + 1", "    return a - 2"]
LISTING = """\
equivalent:
- {file: box.py, in: "", was: "while not OPEN:", becomes: "while False:", why: "it is open"}
- {file: box.py, in: unreached, was: "return a - 1", becomes: "return a - 0", why: "a reason"}
- {file: box.py, in: unreached, was: "return a - 9", becomes: "return a - 0", why: "gone"}
- {file: box.py, in: Box.full, was: "return self.held >= LIMIT", becomes: "return self.held > LIMIT", why: "wrong"}
tuned:
- {file: box.py, in: "", was: "AGAIN_S = 5", becomes: "AGAIN_S = 4", why: "soon"}
- {file: box.py, in: "", was: "AGAIN_S = 5", becomes: "AGAIN_S = 6", why: "soon"}
"""
DOOR = """
import sys
from collections.abc import Mapping
from pathlib import Path
from benchmarks.mutants import suite
from benchmarks.mutants.__main__ import Project, main
suite.GRACE_S = 0.5
here = Path(sys.argv.pop(1))
sys.path.insert(0, str(here))
sys.exit(main(project=Project(here, ("box.py",), ("tests",), ("box.py", "tests"), listing=here / "listed.yaml")))
"""


CONFTEST = """
import gc
import sys
from importlib.machinery import PathFinder
import pytest

sys.meta_path.insert(0, PathFinder)  # a finder before all others, as this project's plug-in has one

pytest.register_assert_rewrite('box')  # as pytest does with a plug-in's package

def pytest_collection_finish():
    gc.freeze()  # as this project's own does

@pytest.fixture(autouse=True, scope="session")
def place(tmp_path_factory):
    with open(".pytest_cache/places", "a") as places:
        print(tmp_path_factory.getbasetemp(), file=places)
"""
FILES = {
    "conftest.py": CONFTEST,
    "box.py": MODULE,
    "tests/test_box.py": TESTS,
    "listed.yaml": LISTING,
    "pytest.ini": "[pytest]\n",
}


def on_trial(place: Path, files: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Write a toy project and put it on trial."""
    for name, text in files.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)
    argv = [sys.executable, "-B", "-c", DOOR, str(place), "--seed", "3"]
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.proxies
def test_a_toy_project_is_told_what_its_tests_let_through_and_stays_as_it_was(tmp_path: Path) -> None:
    """Some of its mutants loop for ever: while its tests are read, and while one of them runs."""
    said = on_trial(tmp_path, FILES)
    survived = [line[1:] for line in said.stdout.splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert (said.returncode, sorted(survived)) == (1, SURVIVE), said.stdout + said.stderr
    assert re.search(r"^10 of \d+ tried, \d+ survive so far$", said.stdout, re.M), "a fork of what is warm tries most"
    places = (tmp_path / ".pytest_cache/places").read_text().splitlines()
    assert len(set(places)) == len(places), "what is tried side by side does not share a folder"
    assert "--- box.py:21\n+++ unreached\n" in said.stdout
    assert "listed, but there is no such line, or no such mutant of it: box.py: unreached: return a - 9" in said.stdout
    assert "listed, but a test catches it: box.py: Box.full: return self.held >= LIMIT" in said.stdout
    assert said.stdout.splitlines()[-1].endswith(
        "caught, 2 listed as equivalent, 2 listed as tuned, 3 survived, 2 listed in vain"
    )
    assert {path.name for path in tmp_path.iterdir()} == {*(name.partition("/")[0] for name in FILES), ".pytest_cache"}
    assert {name: (tmp_path / name).read_text() for name in FILES} == FILES


@pytest.mark.proxies
def test_tests_that_fail_without_any_mutant_are_named_and_nothing_is_tried(tmp_path: Path) -> None:
    said = on_trial(tmp_path, FILES | {"box.py": MODULE.replace("LIMIT = 3", "LIMIT = 4")})
    assert said.returncode == 2
    assert said.stderr.endswith("error: without any mutant these fail: tests/test_box.py::test_full[3-True]\n")


@pytest.mark.proxies
def test_a_module_in_whose_place_no_mutant_is_read_is_named(tmp_path: Path) -> None:
    own = (
        "class Own(SourceFileLoader): get_code = lambda self, name: compile(open(self.path).read(), self.path, 'exec')"
    )
    text = f"from importlib.machinery import SourceFileLoader\n{own}\nimport sys\n"
    text += "sys.modules['box'] = Own('box', str(__import__('pathlib').Path('box.py').absolute())).load_module()\n"
    said = on_trial(tmp_path, FILES | {"conftest.py": CONFTEST + text})
    assert said.returncode == 2
    assert said.stderr.endswith("error: no mutant can take the place of box.py: it is loaded in a way of its own\n")


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_is_read_as_it_is_written_and_names_its_mutant_wherever_the_line_moves(
    kind: Kind, tmp_path: Path
) -> None:
    listing = tmp_path / "listed.yaml"
    mutant, other = mutants("m.py", b"AGAIN_S = 5")[:2]
    (moved,) = [one for one in mutants("m.py", b"import os\n\nAGAIN_S = 5") if one.text == mutant.text]
    listing.write_text(f"{kind}:\n" + entry(mutant).replace("why: ''", "why: a reason"))
    assert listed(listing) == {key(moved): kind}
    assert idle(listed(listing), [moved], []) == {}
    assert list(idle(listed(listing), [other], [])) == list(idle(listed(listing), [moved], [moved])) == [key(mutant)]


LACKS = "entry 1 of equivalent: has to have text for each of file, in, was, becomes, why"
NO_FIGURE = "entry 1 of tuned: is no number that stands by itself"


@pytest.mark.parametrize(
    ("listing", "complaint"),
    [
        ("- a", "has to have lists for equivalent and tuned, and no more"),
        ("equivalent: a", "has to have lists for equivalent and tuned, and no more"),
        ("ignored: []", "has to have lists for equivalent and tuned, and no more"),
        ("equivalent: [a]", LACKS),
        ("equivalent: [{file: a}]", LACKS),
        ("equivalent: [{file: a, in: b, was: c, becomes: d, why: 1}]", LACKS),
        ("tuned: [{file: a, in: f, was: A = 1, becomes: A = 2, why: e}]", NO_FIGURE),
        ("tuned: [{file: a, in: '', was: A = b, becomes: A = c, why: e}]", NO_FIGURE),
        ("tuned: [{file: a, in: '', was: A > 1, becomes: A >= 1, why: e}]", NO_FIGURE),
        (
            "equivalent: [&one {file: a, in: '', was: A = 1, becomes: A = 2, why: e}]\ntuned: [*one]",
            "entry 1 of tuned is there twice: A = 1",
        ),
    ],
)
def test_a_listing_that_is_not_as_it_has_to_be_is_told(tmp_path: Path, listing: str, complaint: str) -> None:
    (tmp_path / "listed.yaml").write_text(listing)
    with pytest.raises(ValueError, match=f"listed.yaml: {complaint}"):
        listed(tmp_path / "listed.yaml")


def test_the_listing_is_as_it_has_to_be_and_names_files_that_are_there() -> None:
    assert {
        file for file, *_ in listed(ROOT / "benchmarks/mutants/listed.yaml") if not (ROOT / file).is_file()
    } == set()
