import pytest

from hclip_jax.analysis.compile.hlo import parse
from hclip_jax.analysis.compile.traffic import memory_traffic

KILO = "f32[250]{0}"  # 1,000 bytes
ON_CHIP = "f32[250]{0:S(1)}"


def traffic(lines: str, other: str = "") -> int:
    """Of a program with a parameter x of 1,000 bytes, of ten such as rows, and an index i."""
    head = f"""\
  %x = {KILO} parameter(0)
  %rows = f32[10,250]{{1,0}} parameter(1)
  %i = s32[] parameter(2)
"""
    return memory_traffic(
        parse(f"HloModule m\n\n{other}\nENTRY %main (x: f32[250]) -> f32[250] {{\n{head}{lines}\n}}\n")
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (f"  ROOT %y = {KILO} negate(%x)", 2000),
        (f"  ROOT %y = {KILO} add(%x, %x)", 3000),
        (f"  %y = {ON_CHIP} negate(%x)\n  ROOT %z = {KILO} negate(%y)", 2000),  # y is kept on the chip
        ("  ROOT %y = (f32[250]{0}) tuple(%x)", 0),
        (
            f"  ROOT %y = {KILO} dynamic-slice(%rows, %i), dynamic_slice_sizes={{1,250}}",
            2004,
        ),  # and the index
        ("  ROOT %y = f32[10,250]{1,0} dynamic-update-slice(%rows, %x, %i)", 2004),
        (
            f"  %s = ({ON_CHIP}, {KILO}, u32[]) copy-start(%x)\n  ROOT %y = {ON_CHIP} copy-done(%s)",
            1000,  # into the chip
        ),
        (
            f"  %s = ((f32[10,250]{{1,0:T(8,128)}}), {ON_CHIP}, s32[]) slice-start(%rows)\n"
            f"  ROOT %y = {ON_CHIP} slice-done(%s)",
            1000,  # a row of them
        ),
    ],
)
def test_operands_and_results_in_memory_count(lines: str, expected: int) -> None:
    assert traffic(lines) == expected


def test_a_fusion_counts_as_one_instruction_by_what_it_slices() -> None:
    fused = f"""\
%fused (r: f32[10,250], v: f32[250], j: s32[]) -> (f32[250], f32[10,250]) {{
  %r = f32[10,250]{{1,0}} parameter(0)
  %v = {KILO} parameter(1)
  %j = s32[] parameter(2)
  %twice = {KILO} add(%v, %v)
  %row = f32[1,250]{{1,0}} bitcast(%twice)
  ROOT %out = f32[10,250]{{1,0}} dynamic-update-slice(%r, %row, %j)
}}
"""
    line = "  ROOT %y = f32[10,250]{1,0} fusion(%rows, %x, %i), kind=kLoop, calls=%fused"
    assert traffic(line, fused) == 1000 + 4 + 1000  # x and the index are read, a row is written in place


def test_fusions_inside_of_a_fusion_count_by_what_they_slice() -> None:
    """An inner fusion takes a row of `rows`; another writes one in place."""
    fused = f"""\
%take (a: f32[10,250], k: s32[]) -> f32[250] {{
  %a = f32[10,250]{{1,0}} parameter(0)
  %k = s32[] parameter(1)
  ROOT %row = {KILO} dynamic-slice(%a, %k), dynamic_slice_sizes={{1,250}}
}}

%put (b: f32[10,250], w: f32[250], m: s32[]) -> f32[10,250] {{
  %b = f32[10,250]{{1,0}} parameter(0)
  %w = {KILO} parameter(1)
  %m = s32[] parameter(2)
  ROOT %out = f32[10,250]{{1,0}} dynamic-update-slice(%b, %w, %m)
}}

%fused (r: f32[10,250], s: f32[10,250], j: s32[]) -> f32[10,250] {{
  %r = f32[10,250]{{1,0}} parameter(0)
  %s = f32[10,250]{{1,0}} parameter(1)
  %j = s32[] parameter(2)
  %taken = {KILO} fusion(%r, %j), kind=kLoop, calls=%take
  ROOT %put.1 = f32[10,250]{{1,0}} fusion(%s, %taken, %j), kind=kLoop, calls=%put
}}
"""
    line = (
        "  %copy = f32[10,250]{1,0:S(1)} copy(%rows)\n"
        "  ROOT %y = f32[10,250]{1,0} fusion(%rows, %rows, %i), kind=kLoop, calls=%fused"
    )
    assert traffic(line, fused) == 10_000 + 1000 + 4 + 1000  # the copy reads all rows


def test_loops_count_in_full() -> None:
    loop = f"""\
%condition (p: (s32[], f32[250])) -> pred[] {{
  %p = (s32[], {KILO}) parameter(0)
  %n = s32[] constant(7)
  %k = s32[] get-tuple-element(%p), index=0
  ROOT %less = pred[] compare(%k, %n), direction=LT
}}

%body (q: (s32[], f32[250])) -> (s32[], f32[250]) {{
  %q = (s32[], {KILO}) parameter(0)
  %old = {KILO} get-tuple-element(%q), index=1
  %new = {KILO} negate(%old)
  ROOT %next = (s32[], {KILO}) tuple(%q, %new)
}}
"""
    lines = f"""\
  %zero = s32[] constant(0)
  %start = (s32[], {KILO}) tuple(%zero, %x)
  ROOT %end = (s32[], {KILO}) while(%start), condition=%condition, body=%body"""
    assert traffic(lines, loop) == 7 * 2000
