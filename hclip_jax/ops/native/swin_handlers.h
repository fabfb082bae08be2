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

XLA_FFI_DEFINE_HANDLER_SYMBOL(hclip_jax_swin_block, swin_block,
                              ffi::Ffi::Bind().POOL_AND_LANES.Attr<int64_t>("heads").Attr<int64_t>("size")
                                  .Attr<int64_t>("shift").FOUR.FOUR.FOUR.FOUR.Arg<In>().Arg<In>().Ret<In>());
