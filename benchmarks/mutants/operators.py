"""Small faults that could be in a module: each is one edit of its text, as a slip of the pen would be. Pure.

What is changed: comparisons (their bound, their sense), arithmetic, `and`/`or`/`not`, conditions (as if always, as if
never), numbers (small ones by one, others to their double and half, as a tuned figure's neighbour is no fault), flags,
what is returned, `break`/`continue`, bounds of slices, `min`/`max`, `any`/`all`, statements that only act (left out),
and strings where they are keys: compared, looked up, in a set or a pattern.

What is left alone, as a test of it would be silly or a type checker's matter: prose (all other strings, whatever is
formatted or raised, what a `key` of a file is about, with its example), docstrings, annotations but for what they
call, decorators, assertions, `zip(strict=)`.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

COMPARED: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
COMPUTED: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
LOOKS_UP = {"get", "startswith", "endswith", "getattr", "partition"}
SMALL = 100
TYPES_ONLY = {"strict", "frozen", "slots"}
"""Keywords that a type checker, or the assertion that they are, takes care of."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file with one edit: `text` in place of its bytes from `start` to `end`, which are of its lines `lines`.

    `where` is the qualified name of what the edit is in, empty at the top. `code` is the outermost function whose
    body it is in, by name and first line, if it is in one: it may be changed while the module is loaded.
    """

    path: str
    source: bytes
    start: int
    end: int
    text: str
    lines: range
    where: str
    code: tuple[str, int] | None

    @property
    def mutated(self) -> bytes:
        """The whole file with the edit."""
        return self.source[: self.start] + self.text.encode() + self.source[self.end :]

    @property
    def was(self) -> str:
        """The edited lines before, as one."""
        return self._lines(self.source, self.end)

    @property
    def becomes(self) -> str:
        """The edited lines after, as one."""
        return self._lines(self.mutated, self.start + len(self.text.encode()))

    def _lines(self, source: bytes, end: int) -> str:
        first, last = source.rfind(b"\n", 0, self.start) + 1, source.find(b"\n", end)
        return " ".join(source[first : last if last >= 0 else None].decode().split())


def mutants(path: str, source: bytes) -> list[Mutant]:
    """Return all mutants of a file, in the order of its text."""
    found = [one for one in _Walk(path, source).mutants() if one.was != one.becomes]
    return sorted(found, key=lambda one: (one.start, one.end, one.text))


@dataclass(frozen=True, slots=True)
class _Place:
    """What surrounds a node: the names down to it, and the outermost function."""

    names: tuple[str, ...] = ()
    code: tuple[str, int] | None = None


class _Walk:
    def __init__(self, path: str, source: bytes) -> None:
        self._path = path
        self._source = source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def mutants(self) -> Iterator[Mutant]:
        yield from self._visit(ast.parse(self._source), _Place())

    # ---------------------------------------------------------------- which nodes

    def _visit(self, node: ast.AST, at: _Place) -> Iterator[Mutant]:
        """Yield the mutants of a node and of all that is in it."""
        match node:
            case ast.JoinedStr() | ast.Raise() | ast.Assert() | ast.Import() | ast.ImportFrom():
                return
            case ast.Expr(value=ast.Constant()):
                return
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
                return
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self._function(node, at)
                return
            case ast.ClassDef():
                inside = _Place((*at.names, node.name), at.code)
                yield from self._each(node.body, inside)
                return
            case ast.AnnAssign():
                yield from self._types(node.annotation, at)
                yield from self._each([node.value] if node.value else [], at)
                return
            case ast.Subscript(value=ast.Name(id=name)) if name[0].isupper() and not name.isupper():
                yield from self._types(node.slice, at)
                return
            case ast.keyword(arg=str() as name) if name in TYPES_ONLY:
                return
            case ast.Call(func=ast.Name(id="key"), args=[_, _, *others], keywords=keywords):  # prose and an example
                yield from self._each([*others, *keywords], at)
                return
        yield from self._own(node, at)
        yield from self._each(ast.iter_child_nodes(node), at)

    def _each(self, nodes: Iterator[ast.AST] | Sequence[ast.AST], at: _Place) -> Iterator[Mutant]:
        for node in nodes:
            yield from self._visit(node, at)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, at: _Place) -> Iterator[Mutant]:
        names = (*at.names, node.name)
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        yield from self._each([*node.args.defaults, *filter(None, node.args.kw_defaults)], _Place(names, at.code))
        yield from self._each(node.body, _Place(names, at.code or (".".join(names), first)))

    def _types(self, node: ast.AST, at: _Place) -> Iterator[Mutant]:
        """Yield the mutants of what an annotation calls: bounds of a field, say."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call):
                yield from self._each([*inner.args, *inner.keywords], at)

    # ---------------------------------------------------------------- what becomes of them

    def _own(self, node: ast.AST, at: _Place) -> Iterator[Mutant]:
        """Yield the mutants of a node itself."""
        match node:
            case ast.Compare(left=left, ops=ops, comparators=others):
                for before, op, after in zip([left, *others], ops, others, strict=False):
                    sign, instead = COMPARED[type(op)]
                    for other in instead:
                        yield self._sign(before, after, sign, other, at)
                for one in [left, *others]:
                    yield from self._keys([one], at)
            case ast.BoolOp(op=op, values=values):
                sign, other = ("and", "or") if isinstance(op, ast.And) else ("or", "and")
                for before, after in itertools.pairwise(values):
                    yield self._sign(before, after, sign, other, at)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in COMPUTED:
                yield self._sign(left, right, *COMPUTED[type(op)], at)
            case ast.AugAssign(target=target, op=op, value=value) if type(op) in COMPUTED:
                yield self._sign(target, value, *COMPUTED[type(op)], at)
                yield self._edit(node, "pass", at)
            case ast.UnaryOp(op=ast.Not()):
                yield self._cut(node, len("not"), at)
            case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
                yield self._cut(node, len("-"), at)
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) if not isinstance(test, ast.Constant):
                yield from self._condition(test, at)
            case ast.comprehension(ifs=conditions):
                for condition in conditions:
                    yield from self._condition(condition, at)
            case ast.match_case(guard=ast.expr() as guard):
                yield from self._condition(guard, at)
            case ast.Constant(value=bool() as flag):
                yield self._edit(node, str(not flag), at)
            case ast.Constant(value=int() | float() as number):
                for figure in _numbers(number):
                    yield self._edit(node, repr(figure), at)
            case ast.Return(value=ast.expr() as value) if not _is_nothing(value):
                yield self._edit(value, "None", at)
            case ast.Break():
                yield self._edit(node, "continue", at)
            case ast.Continue():
                yield self._edit(node, "break", at)
            case ast.Expr(value=ast.Call() | ast.Await()) | ast.Delete():
                yield self._edit(node, "pass", at)
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
                yield self._edit(node, "pass", at)
            case ast.Slice(lower=lower, upper=upper):
                for bound in filter(None, (lower, upper)):
                    yield self._edit(bound, "", at)
            case ast.Call(func=ast.Name(id=name) as called, args=args):
                if name in CALLED:
                    yield self._edit(called, CALLED[name], at)
                if name in LOOKS_UP:
                    yield from self._keys(args, at)
            case ast.Call(func=ast.Attribute(attr=name), args=args) if name in LOOKS_UP:
                yield from self._keys(args, at)
            case ast.Dict(keys=keys):
                yield from self._keys([key for key in keys if key], at)
            case ast.Set(elts=elements):
                yield from self._keys(elements, at)
            case ast.Subscript(slice=key):
                yield from self._keys([key], at)
            case ast.MatchValue(value=value):
                yield from self._keys([value], at)

    def _condition(self, test: ast.expr, at: _Place) -> Iterator[Mutant]:
        yield self._edit(test, "True", at)
        yield self._edit(test, "False", at)

    def _keys(self, nodes: Sequence[ast.expr], at: _Place) -> Iterator[Mutant]:
        """Yield the mutants of strings that are keys, each with a letter more."""
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                start, end = self._span(node)
                quote = next(place for place in range(start, end) if self._source[place] in b"\"'")
                yield self._mutant(quote + 1, quote + 1, "_", node, at)
            elif isinstance(node, ast.Tuple | ast.List):
                yield from self._keys(node.elts, at)

    # ---------------------------------------------------------------- where it stands in the text

    def _span(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, ast.expr | ast.stmt)
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start, end = self._starts[node.lineno - 1], self._starts[node.end_lineno - 1]
        return start + node.col_offset, end + node.end_col_offset

    def _edit(self, node: ast.AST, text: str, at: _Place) -> Mutant:
        return self._mutant(*self._span(node), text, node, at)

    def _cut(self, node: ast.AST, count: int, at: _Place) -> Mutant:
        """Return the mutant without the first so many letters of a node."""
        start, _ = self._span(node)
        return self._mutant(start, start + count, "", node, at)

    def _sign(self, before: ast.expr, after: ast.expr, sign: str, other: str, at: _Place) -> Mutant:
        """Return the mutant with another sign between two operands."""
        behind, ahead = self._span(before)[1], self._span(after)[0]
        start = self._source.index(sign.encode(), behind, ahead)
        return self._mutant(start, start + len(sign), other, after, at)

    def _mutant(self, start: int, end: int, text: str, node: ast.AST, at: _Place) -> Mutant:
        first, last = (self._source.count(b"\n", 0, place) + 1 for place in (start, end))
        return Mutant(self._path, self._source, start, end, text, range(first, last + 1), ".".join(at.names), at.code)


def _numbers(number: int | float) -> tuple[int | float, ...]:
    if isinstance(number, int):
        return (number + 1, number - 1) if number < SMALL else (number * 2, number // 2)
    return (number * 2, number / 2) if number else (1.0,)


def _is_nothing(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value in (None, False)
