// The handler of the class aggregation.

#pragma once

#include "handlers.h"

inline ffi::Error class_aggregation(ffi::ThreadPool pool, int64_t lanes, int64_t heads, int64_t residual,
                                    ffi::RemainingArgs operands, Out y) {
  const Path* path = best_path(lanes);
  if (!path) return no_path();
  const auto d = y->dimensions();
  const long C = d[4];
  Arrays arrays{operands};
  Classes s{};
  for (const float** array : {&s.x, &s.query_guidance, &s.key_guidance, &s.class_mask, &s.padding_key,
                              &s.padding_key_value, &s.norm_scale, &s.norm_bias, &s.query, &s.key, &s.value,
                              &s.value_bias})
    *array = arrays.floats();
  s.mlp = take_mlp(arrays, C);
  Memory packed = allocate(3 * C * C + 2 * C * s.mlp.hidden);
  if (!packed) return no_memory();
  Arena arena{packed.get()};
  for (const float** kernel : {&s.query, &s.key, &s.value}) pack_square(path, C, arena, *kernel);
  pack_mlp(path, arena, s.mlp);
  s.y = y->typed_data();
  s.T = d[1], s.patches = d[2] * d[3], s.C = C, s.heads = heads, s.residual = residual;
  return run(pool, d[0] * s.patches, path->classes_scratch(s), path->classes_patch, s);
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(hclip_jax_class_aggregation, class_aggregation,
                              ffi::Ffi::Bind().POOL_AND_LANES.Attr<int64_t>("heads").Attr<int64_t>("residual")
                                  .RemainingArgs().Ret<In>());
