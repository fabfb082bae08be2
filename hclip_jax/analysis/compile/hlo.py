"""The text of a compiled program, read: computations, loops with trip counts, source lines.

XLA's own `cost_analysis` counts the body of a loop once and knows no mesh axis; the text has everything.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple


class Instruction(NamedTuple):
    """An instruction of a computation.

    Attributes:
        name: unique in the program.
        shape: type of the result, such as `f32[171,512]{1,0}` or a tuple of such.
        opcode: such as `all-reduce`.
        operands: names of the operands; the value of a constant.
        attributes: the text after the operands.
    """

    name: str
    shape: str
    opcode: str
    operands: tuple[str, ...]
    attributes: str


class Program(NamedTuple):
    """A compiled program.

    Attributes:
        computations: instructions by the name of their computation.
        entry: name of the first computation.
        lines: "file:line" of each stack frame, innermost frame first.
    """

    computations: dict[str, list[Instruction]]
    entry: str
    lines: dict[int, list[str]]


class Execution(NamedTuple):
    """An instruction, and how often a run of the program executes it.

    Attributes:
        instruction: the instruction.
        computation: the instructions beside it.
        times: product of the trip counts of the loops around it.
        loops: names of these loops, the outermost first.
    """

    instruction: Instruction
    computation: list[Instruction]
    times: int
    loops: tuple[str, ...]


_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*?) ([a-z][\w\-]*)\((.*)$")
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) .*\{$")
_CALLED = re.compile(r"\b(?:calls|body|true_computation|false_computation|to_apply)=%?([\w.\-]+)")
_CALLED_LISTS = re.compile(r"\b(?:branch_computations|called_computations)=\{([^}]*)\}")
_RENAMING = ("get-tuple-element", "bitcast", "copy")
_CONTROL_FLOW = ("while", "conditional", "call")
_DTYPE_SIZES = {"pred": 1, "s4": 0.5, "u4": 0.5, "c64": 8, "c128": 16}


def parse(text: str) -> Program:
    """Parses the text of a compiled program."""
    computations: dict[str, list[Instruction]] = {}
    entry, current = "", None
    for line in text.splitlines():
        if line == "}":
            current = None
        elif current is None:
            if match := _COMPUTATION.match(line):
                current = computations.setdefault(match[2], [])
                entry = match[2] if match[1] else entry
        elif match := _INSTRUCTION.match(line):
            operands, attributes = _split_call(match[4])
            current.append(Instruction(match[1], match[2], match[3], operands, attributes))
    return Program(computations, entry, _stack_lines(text))


def executions(program: Program, *, inside_fusions: bool = True) -> Iterator[Execution]:
    """Every instruction that a run executes, those of called computations included.

    Without `inside_fusions` only what reads and writes arrays, nothing of fusions and reductions.
    """
    yield from _executions(program, program.entry, 1, (), inside_fusions)


def called_computations(instruction: Instruction) -> list[str]:
    """Names of the computations that an instruction calls."""
    called = _CALLED.findall(instruction.attributes)
    for names in _CALLED_LISTS.findall(instruction.attributes):
        called += re.findall(r"[\w.\-]+", names)
    return called


def trip_count(program: Program, loop: Instruction, computation: list[Instruction]) -> int | None:
    """How often a `while` of `computation` runs its body; None if the program does not say.

    Loops of a fixed length count from a constant up to the constant of their condition.
    """
    if known := re.search(r'"known_trip_count":\{"n":"(\d+)"\}', loop.attributes):
        return int(known[1])
    condition = re.search(r"condition=%?([\w.\-]+)", loop.attributes)
    body = {i.name: i for i in program.computations.get(condition[1] if condition else "", [])}
    compare = next((i for i in body.values() if i.opcode == "compare"), None)
    if compare is None or "direction=LT" not in compare.attributes:
        return None
    counter, limit = (body.get(name) for name in compare.operands[:2])
    if counter is None or limit is None or limit.opcode != "constant":
        return None
    return int(limit.operands[0]) - _first_value(counter, loop, computation)


def num_bytes(shape: str) -> list[int]:
    """Bytes of each array of a type, without the padding of layouts."""
    sizes = []
    for dtype, dims in re.findall(r"\b([a-z]+\d*\w*)\[([\d,]*)\]", shape):
        bits = re.match(r"[a-z]+(\d+)", dtype)
        size = _DTYPE_SIZES.get(dtype, int(bits[1]) / 8 if bits else 0)
        for n in filter(None, dims.split(",")):
            size *= int(n)
        sizes.append(round(size))
    return sizes


def op_name(instruction: Instruction) -> str:
    """JAX's name of the operation, such as `jit(step)/shard_map/psum`."""
    match = re.search(r'op_name="([^"]*)"', instruction.attributes)
    return match[1] if match else ""


def source_lines(program: Program, instruction: Instruction) -> list[str]:
    """The "file:line" of the Python stack that made an instruction, innermost first."""
    if match := re.search(r"stack_frame_id=(\d+)", instruction.attributes):
        return program.lines.get(int(match[1]), [])
    match = re.search(r'source_file="([^"]*)" source_line=(\d+)', instruction.attributes)
    return [f"{match[1]}:{match[2]}"] if match else []


def is_sliced(program: Program, name: str, computation: list[Instruction]) -> bool:
    """Whether of the result of an instruction only slices are used."""
    users = [i for i in computation if name in i.operands]
    return bool(users) and all(
        is_sliced(program, user.name, computation)
        if user.opcode in _RENAMING
        else user.opcode == "dynamic-slice" or _fuses_slice(program, user)
        for user in users
    )


def _fuses_slice(program: Program, instruction: Instruction) -> bool:
    called = _CALLED.findall(instruction.attributes) if instruction.opcode == "fusion" else []
    inner = [i for name in called for i in program.computations.get(name, [])]
    return any(i.opcode == "dynamic-slice" or _fuses_slice(program, i) for i in inner)


def _executions(
    program: Program, name: str, times: int, loops: tuple[str, ...], inside_fusions: bool
) -> Iterator[Execution]:
    computation = program.computations.get(name, [])
    for instruction in computation:
        yield Execution(instruction, computation, times, loops)
        if not inside_fusions and instruction.opcode not in _CONTROL_FLOW:
            continue
        inner_times, inner_loops = times, loops
        if instruction.opcode == "while":
            inner_times *= trip_count(program, instruction, computation) or 1
            inner_loops = (*loops, instruction.name)
        for inner in called_computations(instruction):
            yield from _executions(program, inner, inner_times, inner_loops, inside_fusions)


def _first_value(counter: Instruction, loop: Instruction, computation: list[Instruction]) -> int:
    """The value with which the counter of a loop starts; 0 where it is no constant."""
    index = re.search(r"index=(\d+)", counter.attributes)
    by_name = {i.name: i for i in computation}
    start = by_name.get(loop.operands[0]) if loop.operands else None
    if index is None or start is None or start.opcode != "tuple" or int(index[1]) >= len(start.operands):
        return 0
    value = by_name.get(start.operands[int(index[1])])
    return int(value.operands[0]) if value is not None and value.opcode == "constant" else 0


def _split_call(text: str) -> tuple[tuple[str, ...], str]:
    """Splits the text after the opening parenthesis into operands and attributes."""
    depth = 1
    for end, character in enumerate(text):  # noqa: B007
        depth += {"(": 1, ")": -1}.get(character, 0)
        if not depth:
            break
    inside, after = text[:end], text[end + 1 :]
    names = re.findall(r"%([\w.\-]+)", inside)
    return tuple(names or filter(None, [inside.strip()])), after


def _stack_lines(text: str) -> dict[int, list[str]]:
    """The tables of file names, locations and frames at the head of the text, joined."""
    files = dict(re.findall(r'^(\d+) "([^"]*/[^"]*)"$', text, re.MULTILINE))
    locations = {
        number: f"{files.get(file, '')}:{line}"
        for number, file, line in re.findall(r"^(\d+) \{file_name_id=(\d+).*? line=(\d+)", text, re.MULTILINE)
    }
    frames = re.findall(r"^(\d+) \{file_location_id=(\d+) parent_frame_id=(\d+)\}", text, re.MULTILINE)
    # The frame without a parent names itself where parents are counted from 1, and 0 otherwise.
    offset = int(any(frame == parent for frame, _, parent in frames[:1]))
    lines: dict[int, list[str]] = {}
    for frame, location, parent in frames:  # parents come first
        lines[int(frame)] = [locations.get(location, ""), *lines.get(int(parent) - offset, [])]
    return lines
