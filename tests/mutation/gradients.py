"""Mutants of gradients: results of hand-written gradients doubled, gradients of arrays stopped."""

import ast
import collections
import re
from collections.abc import Iterator

from tests.mutation.source import Edit, Source

_ARRAY = re.compile(r"^(?!Int|UInt|Bool|Callable).*(Array|Params|Features|Guid|KeyValue|CostVolume)")
"""Annotations of values that gradients flow through."""


def gradient_edits(source: Source, tree: ast.Module) -> Iterator[Edit]:
    """Doubles results of hand-written gradients, and stops the gradients of arrays."""
    rules, opaque = _custom_gradients(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in rules:
            for statement in _statements(node.body):
                if isinstance(statement, ast.Return) and statement.value:
                    results = statement.value
                    for value in results.elts if isinstance(results, ast.Tuple) else [results]:
                        if not isinstance(value, ast.Constant):  # None, of what gets no gradient
                            span = source.span(value)
                            yield Edit(
                                "double", *span, f"jax.tree.map(lambda g: 2 * g, {source.text(*span)})"
                            )
        if isinstance(node, ast.Module | ast.ClassDef):
            for function in node.body:
                if isinstance(function, ast.FunctionDef) and function.name not in opaque:
                    yield from _stop_gradients(source, function, frozenset())


def _custom_gradients(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Names of the functions that compute gradients, and of those that JAX never differentiates."""
    rules, opaque, users = set(), set(), collections.defaultdict(set)
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(attr="defvjp"), [ast.Name(forward), ast.Name(backward)]):
                rules.add(backward)
                opaque |= {forward, backward}
            case ast.FunctionDef(name):
                decorators = " ".join(map(ast.unparse, node.decorator_list))
                if "defjvp" in decorators:
                    rules.add(name)
                if "custom_" in decorators:
                    opaque.add(name)
                for part in ast.walk(node):
                    if isinstance(part, ast.Name) and part.id != name:
                        users[part.id].add(name)
    private = {name for name in users if name.startswith("_")}
    while more := {name for name in private - opaque if users[name] <= opaque}:
        opaque |= more  # called by gradients alone
    return rules, opaque


def _stop_gradients(source: Source, function: ast.FunctionDef, arrays: frozenset[str]) -> Iterator[Edit]:
    if function.name.startswith(("init", "_init")):
        return  # no gradient is taken of initial values
    stop = "jax.lax" if b"\nimport jax\n" in source.bytes else "__import__('jax').lax"
    arguments = [*function.args.args, *([function.args.vararg] if function.args.vararg else [])]
    arrays |= {a.arg for a in arguments if a.annotation and _ARRAY.search(ast.unparse(a.annotation))}
    for statement in _statements(function.body):
        match statement:
            case ast.FunctionDef():
                yield from _stop_gradients(source, statement, arrays)
                continue
            case ast.Return(value) if value and _uses(value, arrays):
                targets, values = [], _parts(value, arrays)
            case ast.Assign(targets, value) if _uses(value, arrays):
                values = _parts(value, arrays)
            case ast.For(target, iterable) if _uses(iterable, arrays):
                targets, values = [target], []
            case _:
                continue
        for span in map(source.span, values):
            yield Edit("gradient", *span, f"{stop}.stop_gradient({source.text(*span)})")
        names = [name for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        arrays |= {name.id for name in names if isinstance(name.ctx, ast.Store)}


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a function, also those of nested blocks, but not those of nested functions."""
    for statement in body:
        yield statement
        if not isinstance(statement, ast.FunctionDef):
            for block in ("body", "orelse"):
                yield from _statements(getattr(statement, block, []))


def _parts(value: ast.expr, arrays: frozenset[str]) -> list[ast.expr]:
    """The expressions in a value that use `arrays` and can be wrapped in a call."""
    match value:
        case ast.Tuple(elements) if not any(isinstance(element, ast.Starred) for element in elements):
            used = [element for element in elements if _uses(element, arrays)]
            return [part for element in used for part in _parts(element, arrays)]
        case ast.GeneratorExp(element) | ast.ListComp(element) | ast.DictComp(value=element):
            return [element]
        case ast.Name() | ast.Constant() | ast.Lambda() | ast.Dict() | ast.Tuple():
            return []
    return [value]


def _uses(node: ast.AST, arrays: frozenset[str]) -> bool:
    """Whether an expression depends on the values of arrays or parameters, and not only on shapes."""
    match node:
        case (
            ast.Attribute(attr="shape" | "ndim" | "dtype" | "size")
            | ast.Compare()
            | ast.Call(ast.Name("len"))
        ):
            return False
        case ast.Call(ast.Attribute(ast.Name("self"), "param")):
            return True
        case ast.Name(name):
            return name in arrays
    return any(_uses(child, arrays) for child in ast.iter_child_nodes(node))
