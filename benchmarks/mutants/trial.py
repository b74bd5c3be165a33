"""Mutants on trial: which of them no test catches.

Where a mutant is in the body of a function, all is imported and collected once, and a fork puts other code into that
function and runs the tests that reach its line. Whoever changes what happens on import, in a function that is called
then or outside of any, is tried by a fork in which nothing of ours is imported yet: it reads it in place of the module.
"""

from __future__ import annotations

import gc
import json
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType

import pytest

from benchmarks.mutants.forks import in_forks, silence
from benchmarks.mutants.operators import Mutant
from benchmarks.mutants.suite import Suite, collected, end_after, pass_all, room

Told = Callable[[str], None]
UNREAD = "unread"
"""Where in the folder the file stands whose mutant no test has read."""


def survivors(mutants: Sequence[Mutant], suite: Suite, folder: Path, workers: int, told: Told) -> list[Mutant]:
    """Return those that no test catches. `told` is called with how far it has come."""
    found = [mutant for mutant in mutants if not suite.against(mutant)]
    left = [mutant for mutant in mutants if mutant not in found and suite.is_read_over(mutant)]
    inside = [mutant for mutant in mutants if mutant not in found and mutant not in left]
    if inside:
        survived, unfit = _survivors_warm(inside, suite, folder, workers, told)
        left += unfit
        found += [mutant for mutant in survived if mutant not in unfit]
    reading_s = _reading_s(suite, folder) if left else 0.0
    tried = in_forks(left, lambda one: _survives_cold(one, suite, folder, reading_s), workers)
    for number, (mutant, survives) in enumerate(tried, 1):
        found += [mutant] if survives else []
        told(f"{number} of {len(left)} tried from the start, {len(found)} survive")
        if (unread := folder / UNREAD).exists():
            raise RuntimeError(
                f"no mutant can take the place of {unread.read_text()}: it is loaded in a way of its own"
            )
    return found


# ---------------------------------------------------------------- with all imported


def _survivors_warm(
    mutants: Sequence[Mutant], suite: Suite, folder: Path, workers: int, told: Told
) -> tuple[Sequence[Mutant], Sequence[Mutant]]:
    """Return those that no test catches, and which of them could not be put in place of anything."""
    kept = folder / "survivors.json"

    def serve(_: object) -> bool:
        return collected(suite.files, folder, each)

    def each(session: pytest.Session) -> None:
        gc.unfreeze()  # what tests froze when they were collected is else not found
        functions = _functions({str(Path(mutant.path).absolute()) for mutant in mutants})
        unfit = [at for at, mutant in enumerate(mutants) if not _fits(mutant, functions)]
        survived = list(unfit)
        gc.collect()
        gc.freeze()  # what is never looked at again is never copied
        fit = [at for at in range(len(mutants)) if at not in unfit]
        jobs = in_forks(fit, lambda at: _survives_warm(mutants[at], suite, session, functions, folder), workers)
        for number, (at, survives) in enumerate(jobs, 1):
            survived += [at] if survives else []
            told(f"{number} of {len(fit)} tried, {len(survived)} survive so far")
        kept.write_text(json.dumps([survived, unfit]))

    for _, done in in_forks([None], serve, 1):
        if not done:
            raise RuntimeError("the tests could not be collected")
    survived, unfit = ([mutants[at] for at in numbers] for numbers in json.loads(kept.read_text()))
    return survived, unfit


Functions = dict[tuple[str, str, int], list[FunctionType]]


def _functions(files: Iterable[str]) -> Functions:
    """Return the functions of some files, by file, qualified name and first line, wherever they are held."""
    wanted, found = set(files), Functions()
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and (code := one.__code__).co_filename in wanted:
            found.setdefault((code.co_filename, code.co_qualname, code.co_firstlineno), []).append(one)
    return found


def _fits(mutant: Mutant, functions: Functions) -> bool:
    """Tell whether a mutant's code can take the place of what is there: it closes over the same names."""
    assert mutant.code is not None
    file = str(Path(mutant.path).absolute())
    closed = len(_code_of(_compiled(mutant, file), mutant.code).co_freevars)
    held = functions.get((file, *mutant.code), [])
    return bool(held) and all(len(function.__code__.co_freevars) == closed for function in held)


def _survives_warm(mutant: Mutant, suite: Suite, session: pytest.Session, functions: Functions, folder: Path) -> bool:
    silence()
    room(folder)
    assert mutant.code is not None
    file = str(Path(mutant.path).absolute())
    code = _code_of(_compiled(mutant, file), mutant.code)
    for function in functions[file, *mutant.code]:
        function.__code__ = code
    return pass_all(session, suite.against(mutant))


def _code_of(code: CodeType, wanted: tuple[str, int]) -> CodeType:
    """Return the code of a function of that qualified name and first line."""
    todo = [code]
    while todo:
        one = todo.pop()
        if (one.co_qualname, one.co_firstlineno) == wanted:
            return one
        todo += [inner for inner in one.co_consts if isinstance(inner, CodeType)]
    raise LookupError(f"no code of {wanted}")


def _compiled(mutant: Mutant, file: str) -> CodeType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return compile(mutant.mutated, file, "exec", dont_inherit=True)


# ---------------------------------------------------------------- with nothing imported


def _put_in_place(mutant: Mutant) -> Callable[[], bool]:
    """Have a mutant read in place of its module, whoever finds that; return what tells whether it was."""
    file, read = Path(mutant.path).absolute(), SourceFileLoader.get_code
    was_read = False

    def get_code(loader: SourceFileLoader, fullname: str) -> CodeType | None:
        nonlocal was_read
        if Path(loader.path).absolute() != file:
            return read(loader, fullname)
        was_read = True
        return _compiled(mutant, loader.path)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]
    return lambda: was_read


def _reading_s(suite: Suite, folder: Path) -> float:
    """Return how long it takes to read all tests from the start, which a mutant may make to last for ever."""
    began = time.monotonic()
    if not all(done for _, done in in_forks([None], lambda _: collected(suite.files, folder, lambda _: None), 1)):
        raise RuntimeError("the tests could not be collected")
    return time.monotonic() - began


def _survives_cold(mutant: Mutant, suite: Suite, folder: Path, reading_s: float) -> bool:
    silence()
    end_after(reading_s)
    wanted = suite.against(mutant)
    files = sorted({name.partition("::")[0] for name in wanted})
    passed = list[bool]()
    was_read = _put_in_place(mutant)
    survives = collected(files, folder, lambda session: passed.append(pass_all(session, wanted))) and passed == [True]
    if survives and not was_read():
        (folder / UNREAD).write_text(mutant.path)
    return survives
