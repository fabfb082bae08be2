"""The bytes that a program moves between a chip's memory and the chip: operands and results of instructions.

Arrays that the compiler keeps on the chip (memory space S(1) of their layout) are left out, loops count in
full, and sizes are without the padding of layouts. Where an instruction reads a slice of an operand, or
writes one into a larger array, the slice counts.
"""

import re
from collections.abc import Iterator

from hclip_jax.analysis.compile.hlo import Instruction, Program, called_computations, executions, num_bytes

Body = dict[str, Instruction]
"""The instructions of a computation by name."""

_MOVES_NOTHING = {
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional", "call"),
    *("after-all", "opt-barrier", "partition-id", "replica-id", "iota"),
}
_SLICES = ("dynamic-slice", "slice", "gather")


def memory_traffic(program: Program) -> int:
    """Bytes that a run reads from and writes to a chip's memory."""
    bodies = {name: {i.name: i for i in body} for name, body in program.computations.items()}
    by_list = {id(program.computations[name]): body for name, body in bodies.items()}
    return sum(
        e.times * _bytes_moved(bodies, e.instruction, by_list[id(e.computation)])
        for e in executions(program, inside_fusions=False)
        if e.instruction.opcode not in _MOVES_NOTHING and not e.instruction.opcode.endswith("-done")
    )


def _bytes_moved(bodies: dict[str, Body], instruction: Instruction, body: Body) -> int:
    operands = [body.get(name) for name in instruction.operands]
    if instruction.opcode.endswith("-start"):  # an asynchronous copy, of a whole array or of a slice
        target = _target(instruction.shape)
        places = [target, *(operand.shape for operand in operands if operand)]
        return sum(num_bytes(target)) * sum(map(_in_memory, places))
    inner = _fused(bodies, instruction, operands)
    read = sum(
        _bytes_read(bodies, inner, index, operand)
        for index, operand in enumerate(operands)
        if operand and _in_memory(operand.shape)
    )
    written = zip(_written_parts(bodies, inner), _arrays(instruction.shape), strict=False)
    return read + sum(sum(num_bytes(part)) for part, result in written if _in_memory(result))


def _bytes_read(bodies: dict[str, Body], inner: Body, index: int, operand: Instruction) -> int:
    """Bytes that an instruction reads of an operand in memory."""
    uses = list(_uses(bodies, inner, _parameter(inner, index)))
    if all(user.opcode in _SLICES and position == 0 for user, position in uses):
        return sum(sum(num_bytes(user.shape)) for user, _ in uses)
    if all(user.opcode == "dynamic-update-slice" and position == 0 for user, position in uses):
        return 0  # written in place
    return sum(num_bytes(operand.shape))


def _written_parts(bodies: dict[str, Body], inner: Body) -> list[str]:
    """The types of what a computation writes for each of its results: of a larger array the slice."""
    root = list(inner.values())[-1]
    parts = [inner[name] for name in root.operands] if root.opcode == "tuple" else [root]
    return [_written_part(bodies, inner, part) for part in parts]


def _written_part(bodies: dict[str, Body], inner: Body, part: Instruction) -> str:
    if part.opcode == "bitcast":
        return _written_part(bodies, inner, inner[part.operands[0]])
    if part.opcode == "dynamic-update-slice":
        return inner[part.operands[1]].shape
    if part.opcode == "fusion" and not part.shape.startswith("("):
        return _written_parts(bodies, bodies[called_computations(part)[0]])[0]
    return part.shape


def _uses(bodies: dict[str, Body], inner: Body, value: Instruction) -> Iterator[tuple[Instruction, int]]:
    """The instructions that use a value, behind bitcasts and in inner fusions, and as which operand."""
    for user in inner.values():
        for position, name in enumerate(user.operands):
            if name != value.name or user.opcode == "parameter":
                continue
            if user.opcode == "bitcast":
                yield from _uses(bodies, inner, user)
            elif user.opcode == "fusion":
                fused = bodies[called_computations(user)[0]]
                yield from _uses(bodies, fused, _parameter(fused, position))
            else:
                yield user, position


def _parameter(inner: Body, index: int) -> Instruction:
    return next(i for i in inner.values() if i.opcode == "parameter" and i.operands == (str(index),))


def _fused(bodies: dict[str, Body], instruction: Instruction, operands: list[Instruction | None]) -> Body:
    """The instructions of a fusion, its root last; of another instruction, itself behind its operands."""
    if instruction.opcode == "fusion":
        return bodies[called_computations(instruction)[0]]
    inner = {}
    for index, operand in enumerate(operands):
        name = f"operand {index}"  # one may be there twice
        inner[name] = Instruction(name, operand.shape if operand else "", "parameter", (str(index),), "")
    return {**inner, instruction.name: instruction._replace(operands=tuple(inner))}


def _target(shape: str) -> str:
    """The target in the type of an asynchronous copy: (target, operand, ...) or ((operands), target, ...)."""
    end = 0
    if shape.startswith("(("):
        depth = 0
        for end, character in enumerate(shape[1:], start=1):  # noqa: B007
            depth += {"(": 1, ")": -1}.get(character, 0)
            if not depth:
                break
    return _arrays(shape[end:])[0]


def _arrays(shape: str) -> list[str]:
    """The types of a tuple's arrays, or the one type, with their layouts."""
    return re.findall(r"\b[a-z]+\d*\w*\[[\d,]*\](?:\{[^}]*\})?", shape)


def _in_memory(shape: str) -> bool:
    return "S(1)" not in shape
