"""Finds the mutants of a source file: copies of it with one operator, constant or gradient changed."""

import ast
import itertools
from collections.abc import Iterator
from typing import NamedTuple

from tests.mutation.gradients import gradient_edits
from tests.mutation.source import Edit, Source

_BINARY: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
_COMPARE: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
_TRANSPOSES = ("T", "swapaxes", "transpose", "moveaxis")
_NOT_VISITED = (ast.JoinedStr, ast.Raise, ast.Import, ast.ImportFrom)  # names and messages


class Mutant(NamedTuple):
    """A source file with one change.

    Attributes:
        file: path relative to the repository.
        line: line of the change, from 1.
        kind: one word for the change.
        before: the changed lines of the source, stripped and joined.
        after: the same lines of the mutant.
        text: the whole mutant; "" in records of finished mutants.
    """

    file: str
    line: int
    kind: str
    before: str
    after: str
    text: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Identifies the mutant in records."""
        return self.file, str(self.line), self.kind, self.before, self.after


def find_mutants(file: str, text: str, gradients: bool) -> list[Mutant]:
    """All mutants of a file, in the order of their lines.

    Args:
        file: path relative to the repository.
        text: its source.
        gradients: whether to include those that stop or double a gradient.
    """
    tree, source = ast.parse(text), Source(text)
    edits = list(itertools.chain.from_iterable(_edits(source, node) for node in _walk(tree)))
    if gradients:
        edits += gradient_edits(source, tree)
    mutants, seen = [], {ast.dump(tree)}
    for edit in sorted(edits, key=lambda edit: edit.start):
        mutant = _mutant(file, source, edit)
        meaning = ast.dump(ast.parse(mutant.text))
        if meaning not in seen:  # two kinds can make the same change
            seen.add(meaning)
            mutants.append(mutant)
    return mutants


def _mutant(file: str, source: Source, edit: Edit) -> Mutant:
    mutated = source.bytes[: edit.start] + edit.new.encode() + source.bytes[edit.end :]
    before, after = source.bytes.decode().split("\n"), mutated.decode().split("\n")
    first = source.bytes.count(b"\n", 0, edit.start)
    last = source.bytes.count(b"\n", 0, edit.end) + 1
    return Mutant(
        file,
        first + 1,
        edit.kind,
        " ".join(map(str.strip, before[first:last])),
        " ".join(map(str.strip, after[first : len(after) - (len(before) - last)])),
        mutated.decode(),
    )


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree without annotations, imports and messages."""
    yield node
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, _NOT_VISITED) or name in ("annotation", "returns"):
                continue
            if isinstance(child, ast.keyword) and child.arg == "strict":
                continue  # a check by `zip`
            if isinstance(child, ast.AST):
                yield from _walk(child)


def _edits(source: Source, node: ast.AST) -> Iterator[Edit]:
    """The changes of one node."""
    match node:
        case ast.BinOp(left, ast.MatMult(), right):
            start, end = source.span(node)
            middle, behind = source.operator(left, right, "@")
            new = f"({source.text(behind, end)}) @ ({source.text(start, middle)})"
            yield Edit("swap", start, end, new)
        case ast.BinOp(ast.Name() | ast.Attribute() | ast.Subscript(), ast.BitOr()):
            pass  # a union of types
        case ast.BinOp(left, operator, right) if type(operator) in _BINARY:
            old, new = _BINARY[type(operator)]
            yield Edit("operator", *source.operator(left, right, old), new)
        case ast.AugAssign(target, operator, value) if type(operator) in _BINARY:
            old, new = _BINARY[type(operator)]
            yield Edit("operator", *source.operator(target, value, f"{old}="), f"{new}=")
        case ast.Compare(left, operators, comparators):
            for a, operator, b in zip([left, *comparators], operators, comparators, strict=False):
                old, new = _COMPARE[type(operator)]
                yield Edit("comparison", *source.operator(a, b, old), new)
        case ast.BoolOp(operator, values):
            old, new = ("and", "or") if isinstance(operator, ast.And) else ("or", "and")
            start, end = source.span(node)
            text = source.bytes[start:end]
            for a, b in reversed(list(itertools.pairwise(values))):
                first, last = source.operator(a, b, old)
                text = text[: first - start] + new.encode() + text[last - start :]
            yield Edit("boolean", start, end, text.decode())
        case ast.UnaryOp(ast.USub(), ast.Constant(int())):
            pass  # an axis or an index: its number changes, which is enough
        case ast.UnaryOp(ast.Not() | ast.USub() | ast.Invert() as operator):
            start, _ = source.span(node)
            yield Edit("unary", start, start + (3 if isinstance(operator, ast.Not) else 1), "")
        case ast.Constant(bool() as value):
            yield Edit("boolean", *source.span(node), str(not value))
        case ast.Constant(int() as value):
            yield Edit("constant", *source.span(node), str(value + 1))
        case ast.Constant(float() as value):
            yield Edit("constant", *source.span(node), repr(2 * value or 1.0))
        case ast.Call(ast.Attribute(attr="where"), [_, a, b]):
            (start, middle), (behind, end) = source.span(a), source.span(b)
            new = source.text(behind, end) + source.text(middle, behind) + source.text(start, middle)
            yield Edit("swap", start, end, new)
        case ast.Call(ast.Attribute(ast.Name("jnp" | "np"), attr), [x, *_]) if attr in _TRANSPOSES:
            yield Edit("transpose", *source.span(node), f"({source.text(*source.span(x))})")
        case ast.Call(ast.Attribute(attr=attr) as method) if attr in _TRANSPOSES:
            yield Edit("transpose", source.span(method)[1] - len(attr) - 1, source.span(node)[1], "")
        case ast.Attribute(attr="T"):
            end = source.span(node)[1]
            yield Edit("transpose", end - 2, end, "")
    if isinstance(node, ast.If | ast.IfExp | ast.While) and not _has_opposite(node.test):
        start, end = source.span(node.test)
        yield Edit("condition", start, end, f"not ({source.text(start, end)})")


def _has_opposite(test: ast.expr) -> bool:
    """Whether changing the operator of a condition negates it."""
    match test:
        case ast.Compare(ops=[ast.Eq() | ast.NotEq() | ast.Is() | ast.IsNot() | ast.In() | ast.NotIn()]):
            return True
    return isinstance(test, ast.UnaryOp)
