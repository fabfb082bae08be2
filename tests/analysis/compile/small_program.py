"""The text of a small compiled program, as libtpu writes it, on a mesh of 4 x 2."""

AXES = {"data": 4, "class": 2}

TEXT = """\
HloModule jit_step, is_scheduled=true, num_partitions=8

FileNames
1 "/somewhere/hclip_jax/training/step.py"
2 "/somewhere/hclip_jax/ops/collectives.py"
3 "/venv/site-packages/jax/lax.py"
4 "/somewhere/hclip_jax/models/clip/block.py"

FunctionNames
1 "summed"

FileLocations
1 {file_name_id=1 function_name_id=1 line=68 end_line=68 column=28 end_column=28}
2 {file_name_id=4 function_name_id=1 line=97 end_line=97 column=1 end_column=2}
3 {file_name_id=2 function_name_id=1 line=21 end_line=21 column=1 end_column=2}
4 {file_name_id=3 function_name_id=1 line=5 end_line=5 column=1 end_column=2}

StackFrames
1 {file_location_id=1 parent_frame_id=1}
2 {file_location_id=2 parent_frame_id=2}
3 {file_location_id=3 parent_frame_id=3}
4 {file_location_id=4 parent_frame_id=4}

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[]{:T(128)} parameter(0)
  %b = f32[]{:T(128)} parameter(1)
  ROOT %sum = f32[]{:T(128)} add(%a, %b)
}

%inner_condition (p: (s32[], f32[4])) -> pred[] {
  %p = (s32[]{:T(128)}, f32[4]{0}) parameter(0)
  %limit = s32[]{:T(128)} constant(3)
  %i = s32[]{:T(128)} get-tuple-element(%p), index=0
  ROOT %lt = pred[]{:T(512)} compare(%i, %limit), direction=LT
}

%inner_body (q: (s32[], f32[4])) -> (s32[], f32[4]) {
  %q = (s32[]{:T(128)}, f32[4]{0}) parameter(0)
  %x = f32[4]{0} get-tuple-element(%q), index=1, metadata={op_name="jit(step)/x" stack_frame_id=2}
  %gathered = bf16[2,4]{1,0:T(8,128)(2,1)} all-gather(%x), channel_id=1, replica_groups=[4,2]<=[8], dimensions={0}, use_global_device_ids=true, metadata={op_name="jit(step)/all_gather" stack_frame_id=4}
  %scattered = (f32[4]{0}, f32[4]{0}) all-reduce(%x, %x), channel_id=2, replica_groups={{0,1},{2,3},{4,5},{6,7}}, to_apply=%add
  %part = f32[4]{0} get-tuple-element(%scattered), index=0
  %part2 = f32[4]{0} get-tuple-element(%scattered), index=1
  %slice = f32[2]{0} dynamic-slice(%part, %i2), dynamic_slice_sizes={2}
  %slice2 = f32[2]{0} fusion(%part2, %i2), kind=kLoop, calls=%slicing
  ROOT %next = (s32[]{:T(128)}, f32[4]{0}) tuple(%i2, %x)
}

%slicing (u: f32[4]) -> f32[2] {
  %u = f32[4]{0} parameter(0)
  ROOT %cut = f32[2]{0} dynamic-slice(%u, %u), dynamic_slice_sizes={2}
}

%outer_condition (p2: (s32[], f32[4])) -> pred[] {
  %p2 = (s32[]{:T(128)}, f32[4]{0}) parameter(0)
  %limit2 = s32[]{:T(128)} constant(7)
  %i3 = s32[]{:T(128)} get-tuple-element(%p2), index=0
  ROOT %lt2 = pred[]{:T(512)} compare(%i3, %limit2), direction=LT
}

%outer_body (q2: (s32[], f32[4])) -> (s32[], f32[4]) {
  %q2 = (s32[]{:T(128)}, f32[4]{0}) parameter(0)
  %zero2 = s32[]{:T(128)} constant(0)
  %start2 = (s32[]{:T(128)}, f32[4]{0}) tuple(%zero2, %x2)
  %loop2 = (s32[]{:T(128)}, /*index=1*/f32[4]{0}) while(%start2), condition=%inner_condition, body=%inner_body, metadata={op_name="jit(step)/while" stack_frame_id=2}
  ROOT %bad = f32[3,5]{1,0} all-reduce(%x2), channel_id=3, replica_groups=[2,4]<=[4,2]T(1,0), to_apply=%add, metadata={op_name="jit(step)/transpose/dot_general" stack_frame_id=2}
}

ENTRY %main (w: f32[4]) -> f32[4] {
  %w = f32[4]{0:T(128)} parameter(0)
  %two = s32[]{:T(128)} constant(2)
  %start = (s32[]{:T(128)}, f32[4]{0}) tuple(%two, %w)
  %loop = (s32[]{:T(128)}, f32[4]{0}) while(%start), condition=%outer_condition, body=%outer_body
  ROOT %gradients = (f32[171,512]{1,0:T(8,128)}, f32[]{:T(128)}) all-reduce(%w, %w), channel_id=4, replica_groups={{0,1,2,3,4,5,6,7}}, to_apply=%add, metadata={op_name="jit(step)/shard_map/psum" stack_frame_id=3}
}
"""
