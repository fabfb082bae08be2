// The handlers of a Swin block.

#pragma once

#include "handlers.h"

// The arguments in the order of swin.py, the kernels not packed.
inline Swin take_swin(Arrays& arrays, int64_t heads, int64_t size, int64_t shift) {
  Swin s{};
  const In x = arrays.array();
  s.x = x.typed_data();
  s.query_guidance = arrays.floats();
  s.key_guidance = arrays.floats();
  const In mask = arrays.array();
  s.mask = mask.typed_data();
  s.masks = mask.dimensions()[0];
  for (const float** array : {&s.norm_scale, &s.norm_bias, &s.query, &s.key, &s.value, &s.value_bias, &s.out, &s.out_bias})
    *array = arrays.floats();
  const auto d = x.dimensions();
  s.mlp = take_mlp(arrays, d[4]);
  s.T = d[1], s.h = d[2], s.w = d[3], s.C = d[4];
  s.heads = heads, s.size = size, s.shift = shift;
  return s;
}

inline ffi::Error swin_block(ffi::ThreadPool pool, int64_t lanes, int64_t heads, int64_t size, int64_t shift,
                             ffi::RemainingArgs operands, Out y) {
  const Path* path = best_path(lanes);
  if (!path) return no_path();
  Arrays arrays{operands};
  Swin s = take_swin(arrays, heads, size, shift);
  const long C = s.C, hidden = s.mlp.hidden;
  Memory packed = allocate(4 * C * C + 2 * C * hidden);
  if (!packed) return no_memory();
  Arena arena{packed.get()};
  for (const float** kernel : {&s.query, &s.key, &s.value, &s.out}) pack_square(path, C, arena, *kernel);
  pack_mlp(path, arena, s.mlp);
  s.y = y->typed_data();
  return run(pool, y->dimensions()[0] * s.T * s.windows(), path->swin_scratch(s), path->swin_window, s);
}

inline ffi::Error swin_block_gradient(ffi::ThreadPool pool, int64_t lanes, int64_t heads, int64_t size, int64_t shift,
                                      int64_t slots, ffi::RemainingArgs operands, Out dx, Out dquery_guidance,
                                      Out dkey_guidance, Out dparams) {
  const Path* path = best_path(lanes);
  if (!path) return no_path();
  Arrays arrays{operands};
  SwinGradient g{};
  Swin& s = g.forward;
  s = take_swin(arrays, heads, size, shift);
  g.dy = arrays.floats();
  g.dx = dx->typed_data();
  const long C = s.C, hidden = s.mlp.hidden, windows = dx->dimensions()[0] * s.windows();
  Memory packed = allocate(8 * C * C + 3 * C * hidden);
  if (!packed) return no_memory();
  Arena arena{packed.get()};
  float *projections = arena.take(3 * C * C), *back = arena.take(3 * C * C), *out = arena.take(C * C);
  float *kernel1 = arena.take(C * hidden), *kernel2 = arena.take(C * hidden);
  float* forward1 = arena.take(C * hidden);
  const float* kernels[3] = {s.query, s.key, s.value};
  for (int i = 0; i < 3; ++i) path->pack(kernels[i], C, C, C, projections + i * C * C);
  for (long n = 0, panel = 2 * path->lanes; n < C; n += panel)
    for (int i = 0; i < 3; ++i) path->pack_turned(kernels[i] + n * C, C, C, panel, back + (3 * n + i * panel) * C);
  path->pack_turned(s.out, C, C, C, out);
  for (long h = 0; h < hidden; h += C) {
    path->pack_turned(s.mlp.kernel1 + h, hidden, C, C, kernel1 + h * C);
    path->pack_turned(s.mlp.kernel2 + h * C, C, C, C, kernel2 + h * C);
  }
  g.projections = projections, g.back = back, g.out = out, g.kernel1 = kernel1, g.kernel2 = kernel2;
  pack_square(path, C, arena, s.out);
  path->pack(s.mlp.kernel1, hidden, C, hidden, forward1);
  s.mlp.kernel1 = forward1;
  g.parts = parts_of(slots, windows, s.T);
  Memory sums = allocate(windows * g.parts * g.slot_floats());
  if (!sums) return no_memory();
  g.sums = sums.get();
  if (auto error = run(pool, windows * g.parts, path->swin_gradient_scratch(g), path->swin_gradient_slot, g);
      error.failure())
    return error;
  const Slots params{g.sums, dparams->typed_data(), g.parameter_floats(), windows * g.parts, g.slot_floats()};
  if (auto error = run(pool, params.items(), 0, path->add_slots, params); error.failure()) return error;
  const long floats = s.N() * C;
  for (long window = 0; window < windows; ++window) {
    const float* first = g.sums + window * g.parts * g.slot_floats() + g.parameter_floats();
    for (Out* result : {&dquery_guidance, &dkey_guidance}) {
      const Slots guidance{first, (*result)->typed_data() + window * floats, floats, g.parts, g.slot_floats()};
      for (long item = 0; item < guidance.items(); ++item) path->add_slots(guidance, item, nullptr);
      first += floats;
    }
  }
  return ffi::Error::Success();
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(hclip_jax_swin_block, swin_block,
                              ffi::Ffi::Bind().POOL_AND_LANES.Attr<int64_t>("heads").Attr<int64_t>("size")
                                  .Attr<int64_t>("shift").RemainingArgs().Ret<In>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(hclip_jax_swin_block_gradient, swin_block_gradient,
                              ffi::Ffi::Bind().POOL_AND_LANES.Attr<int64_t>("heads").Attr<int64_t>("size")
                                  .Attr<int64_t>("shift").Attr<int64_t>("slots").RemainingArgs().Ret<In>().Ret<In>()
                                  .Ret<In>().Ret<In>());
