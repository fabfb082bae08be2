from hclip_jax.analysis.compile import hlo
from tests.analysis.compile.small_program import TEXT

PROGRAM = hlo.parse(TEXT)


def executed(name: str) -> hlo.Execution:
    (found,) = (e for e in hlo.executions(PROGRAM) if e.instruction.name == name)
    return found


def test_computations_and_the_entry() -> None:
    assert PROGRAM.entry == "main"
    assert [i.opcode for i in PROGRAM.computations["add"]] == ["parameter", "parameter", "add"]
    start = PROGRAM.computations["main"][2]
    assert (start.name, start.opcode, start.operands) == ("start", "tuple", ("two", "w"))


def test_loops_count_from_their_first_value_to_their_limit() -> None:
    assert executed("gradients").times == 1
    assert executed("bad").times == 7 - 2
    inner = executed("gathered")
    assert (inner.times, inner.loops) == (5 * 3, ("loop", "loop2"))


def test_a_trip_count_that_the_compiler_states_wins() -> None:
    loop = executed("loop")
    known = loop.instruction._replace(attributes='backend_config={"known_trip_count":{"n":"12"}}')
    assert hlo.trip_count(PROGRAM, known, loop.computation) == 12
    unknown = loop.instruction._replace(attributes="condition=%add")
    assert hlo.trip_count(PROGRAM, unknown, loop.computation) is None


def test_bytes_of_types() -> None:
    assert hlo.num_bytes("(f32[171,512]{1,0:T(8,128)}, /*index=1*/bf16[3]{0:T(8,128)(2,1)S(1)})") == [
        350208,
        6,
    ]
    assert hlo.num_bytes("pred[8]{0}") == [8]
    assert hlo.num_bytes("s32[]{:T(128)}") == [4]
    assert hlo.num_bytes("f8e4m3fn[16]") == [16]


def test_lines_are_innermost_first() -> None:
    lines = hlo.source_lines(PROGRAM, executed("gradients").instruction)
    assert [line.rpartition("/")[2] for line in lines] == ["collectives.py:21", "block.py:97", "step.py:68"]
    named = executed("w").instruction._replace(attributes='metadata={source_file="/a/b.py" source_line=5}')
    assert hlo.source_lines(PROGRAM, named) == ["/a/b.py:5"]


def test_a_sum_of_which_only_slices_are_used() -> None:
    sums = executed("scattered")
    assert hlo.is_sliced(PROGRAM, "scattered", sums.computation)
    assert not hlo.is_sliced(PROGRAM, "x", sums.computation)
