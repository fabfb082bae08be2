// The handler of the class aggregation.

#pragma once

#include "handlers.h"

inline ffi::Error class_aggregation(ffi::ThreadPool pool, int64_t lanes, int64_t heads, int64_t residual, In x,
                             In query_guidance, In key_guidance, In class_mask, In padding_key, In padding_key_value, In norm1_scale,
                             In norm1_bias, In query, In key, In value, In value_bias, In norm2_scale, In norm2_bias,
                             In kernel1, In bias1, In kernel2, In bias2, Out y) {
  const Path* path = best_path(lanes);
  if (!path) return no_path();
  const auto d = x.dimensions();
  const long C = d[4], hidden = bias1.dimensions()[0];
  Memory packed = allocate(3 * C * C + 2 * C * hidden);
  if (!packed) return no_memory();
  float* p[5] = {packed.get()};
  for (int i = 1; i < 4; ++i) p[i] = p[i - 1] + C * C;
  p[4] = p[3] + C * hidden;
  const In* kernels[3] = {&query, &key, &value};
  for (int i = 0; i < 3; ++i) path->pack(kernels[i]->typed_data(), C, C, C, p[i]);
  path->pack_mlp(kernel1.typed_data(), kernel2.typed_data(), C, hidden, p[3], p[4]);
  Classes s{x.typed_data(), y->typed_data(), query_guidance.typed_data(), key_guidance.typed_data(),
            class_mask.typed_data(), padding_key.typed_data(), padding_key_value.typed_data(),
            norm1_scale.typed_data(), norm1_bias.typed_data(), p[0], p[1], p[2], value_bias.typed_data(),
            Mlp{norm2_scale.typed_data(), norm2_bias.typed_data(), p[3], bias1.typed_data(), p[4], bias2.typed_data(),
                C, hidden},
            long(d[1]), long(d[2] * d[3]), C, long(heads), residual != 0};
  return run(pool, d[0] * s.patches, path->classes_scratch(s), path->classes_patch, s);
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(hclip_jax_class_aggregation, class_aggregation,
                              ffi::Ffi::Bind().POOL_AND_LANES.Attr<int64_t>("heads").Attr<int64_t>("residual").FOUR.FOUR.FOUR.FOUR.Arg<In>()
                                  .Arg<In>().Ret<In>());
