// The handlers of a Swin block.

#pragma once

#include "handlers.h"

inline ffi::Error swin_block(ffi::ThreadPool pool, int64_t lanes, int64_t heads, int64_t size, int64_t shift, In x,
                      In query_guidance, In key_guidance, In mask, In norm1_scale, In norm1_bias, In query, In key,
                      In value, In value_bias, In out, In out_bias, In norm2_scale, In norm2_bias, In kernel1,
                      In bias1, In kernel2, In bias2, Out y) {
  const Path* path = best_path(lanes);
  if (!path) return no_path();
  const auto d = x.dimensions();
  const long C = d[4], hidden = bias1.dimensions()[0];
  Memory packed = allocate(4 * C * C + 2 * C * hidden);
  if (!packed) return no_memory();
  float* p[6] = {packed.get()};
  for (int i = 1; i < 5; ++i) p[i] = p[i - 1] + C * C;
  p[5] = p[4] + C * hidden;
  const In* kernels[4] = {&query, &key, &value, &out};
  for (int i = 0; i < 4; ++i) path->pack(kernels[i]->typed_data(), C, C, C, p[i]);
  path->pack_mlp(kernel1.typed_data(), kernel2.typed_data(), C, hidden, p[4], p[5]);
  Swin s{x.typed_data(), y->typed_data(), query_guidance.typed_data(), key_guidance.typed_data(),
         mask.typed_data(), long(mask.dimensions()[0]), norm1_scale.typed_data(), norm1_bias.typed_data(),
         p[0], p[1], p[2], value_bias.typed_data(), p[3], out_bias.typed_data(),
         Mlp{norm2_scale.typed_data(), norm2_bias.typed_data(), p[4], bias1.typed_data(), p[5], bias2.typed_data(), C,
             hidden},
         long(d[1]), long(d[2]), long(d[3]), C, long(heads), long(size), long(shift)};
  return run(pool, d[0] * d[1] * s.windows(), path->swin_scratch(s), path->swin_window, s);
}

inline ffi::Error swin_block_gradient(ffi::ThreadPool pool, int64_t lanes, int64_t heads, int64_t size, int64_t shift,
                                      int64_t slots, In x, In query_guidance, In key_guidance, In mask, In norm1_scale,
                                      In norm1_bias, In query, In key, In value, In value_bias, In out, In out_bias,
                                      In norm2_scale, In norm2_bias, In kernel1, In bias1, In kernel2, In bias2, In dy,
                                      Out dx, Out dquery_guidance, Out dkey_guidance, Out dparams) {
  const Path* path = best_path(lanes);
  if (!path) return no_path();
  const auto d = x.dimensions();
  const long B = d[0], C = d[4], hidden = bias1.dimensions()[0];
  Memory packed = allocate(8 * C * C + 3 * C * hidden);
  if (!packed) return no_memory();
  float *projections = packed.get(), *back = projections + 3 * C * C, *forward_out = back + 3 * C * C;
  float *back_out = forward_out + C * C, *forward1 = back_out + C * C, *back1 = forward1 + C * hidden;
  float* back2 = back1 + C * hidden;
  const float* kernels[3] = {query.typed_data(), key.typed_data(), value.typed_data()};
  for (int i = 0; i < 3; ++i) path->pack(kernels[i], C, C, C, projections + i * C * C);
  for (long n = 0, panel = 2 * path->lanes; n < C; n += panel)
    for (int i = 0; i < 3; ++i) path->pack_turned(kernels[i] + n * C, C, C, panel, back + (3 * n + i * panel) * C);
  path->pack(out.typed_data(), C, C, C, forward_out);
  path->pack_turned(out.typed_data(), C, C, C, back_out);
  path->pack(kernel1.typed_data(), hidden, C, hidden, forward1);
  for (long h = 0; h < hidden; h += C) {
    path->pack_turned(kernel1.typed_data() + h, hidden, C, C, back1 + h * C);
    path->pack_turned(kernel2.typed_data() + h * C, C, C, C, back2 + h * C);
  }
  SwinGradient g{
      Swin{x.typed_data(), nullptr, query_guidance.typed_data(), key_guidance.typed_data(), mask.typed_data(),
           long(mask.dimensions()[0]), norm1_scale.typed_data(), norm1_bias.typed_data(), nullptr, nullptr, nullptr,
           value_bias.typed_data(), forward_out, out_bias.typed_data(),
           Mlp{norm2_scale.typed_data(), norm2_bias.typed_data(), forward1, bias1.typed_data(), nullptr,
               bias2.typed_data(), C, hidden},
           long(d[1]), long(d[2]), long(d[3]), C, long(heads), long(size), long(shift)},
      dy.typed_data(), dx->typed_data(), projections, back, back_out, back1, back2, nullptr, 0};
  const long windows = B * g.forward.windows();
  g.parts = slots > windows ? slots / windows : 1;
  if (g.parts > g.forward.T) g.parts = g.forward.T;
  Memory sums = allocate(windows * g.parts * g.slot_floats());
  if (!sums) return no_memory();
  g.sums = sums.get();
  if (auto error = run(pool, windows * g.parts, path->swin_gradient_scratch(g), path->swin_gradient_slot, g);
      error.failure())
    return error;
  const Slots params{g.sums, dparams->typed_data(), g.parameter_floats(), windows * g.parts, g.slot_floats()};
  if (auto error = run(pool, params.items(), 0, path->add_slots, params); error.failure()) return error;
  const long floats = g.forward.N() * C;
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
                                  .Attr<int64_t>("shift").FOUR.FOUR.FOUR.FOUR.Arg<In>().Arg<In>().Ret<In>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(hclip_jax_swin_block_gradient, swin_block_gradient,
                              ffi::Ffi::Bind().POOL_AND_LANES.Attr<int64_t>("heads").Attr<int64_t>("size")
                                  .Attr<int64_t>("shift").Attr<int64_t>("slots").FOUR.FOUR.FOUR.FOUR.Arg<In>().Arg<In>()
                                  .Arg<In>().Ret<In>().Ret<In>().Ret<In>().Ret<In>());
