// What the handlers share, which XLA calls. Included after the paths.

#pragma once

#include <algorithm>
#include <cstdint>

#include "arguments.h"
#include "parallel.h"

namespace ffi = xla::ffi;
using In = ffi::Buffer<ffi::F32>;
using Out = ffi::Result<In>;

// The widest vectors of this CPU, at most `lanes` floats; null if it has none of these.
inline const Path* best_path(int64_t lanes) {
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  if (has_avx512 && lanes >= 16) return &avx512::path;
  return has_avx2 && lanes >= 8 ? &avx2::path : nullptr;
}

inline ffi::Error no_path() {
  return ffi::Error(ffi::ErrorCode::kUnimplemented, "this CPU has neither AVX2 nor AVX-512");
}

inline ffi::Error no_memory() { return ffi::Error(ffi::ErrorCode::kResourceExhausted, "out of memory"); }

template <class Arguments>
ffi::Error run(ffi::ThreadPool& pool, long count, long scratch, void (*work)(const Arguments&, long, float*),
               const Arguments& arguments) {
  if (run_all(pool, count, scratch, [&](long item, float* memory) { work(arguments, item, memory); }))
    return ffi::Error::Success();
  return no_memory();
}

// The arrays of a call in the order of the Python file, which checks their shapes.
struct Arrays {
  const ffi::RemainingArgs& arrays;
  size_t next = 0;

  In array() { return arrays.get<In>(next++).value(); }
  const float* floats() { return array().typed_data(); }
};

// The parameters of the norm and the layers of an MLP, its kernels not packed.
inline Mlp take_mlp(Arrays& arrays, long C) {
  Mlp l;
  l.norm_scale = arrays.floats();
  l.norm_bias = arrays.floats();
  const In kernel1 = arrays.array();
  l.kernel1 = kernel1.typed_data();
  l.bias1 = arrays.floats();
  l.kernel2 = arrays.floats();
  l.bias2 = arrays.floats();
  l.C = C;
  l.hidden = kernel1.dimensions()[1];
  return l;
}

// Replaces a kernel [C, C] by its packed form in `arena`.
inline void pack_square(const Path* path, long C, Arena& arena, const float*& kernel) {
  float* packed = arena.take(C * C);
  path->pack(kernel, C, C, C, packed);
  kernel = packed;
}

// Replaces the kernels of an MLP by their packed forms in `arena`.
inline void pack_mlp(const Path* path, Arena& arena, Mlp& l) {
  float *kernel1 = arena.take(l.C * l.hidden), *kernel2 = arena.take(l.C * l.hidden);
  path->pack_mlp(l.kernel1, l.kernel2, l.C, l.hidden, kernel1, kernel2);
  l.kernel1 = kernel1, l.kernel2 = kernel2;
}

// Slots for each of `groups` sums over T classes: a slot has a part of the classes.
inline long parts_of(int64_t slots, long groups, long T) {
  const long parts = groups ? slots / groups : 1;
  return std::max(1L, std::min(parts, T));
}

#define POOL_AND_LANES Ctx<ffi::ThreadPool>().Attr<int64_t>("lanes")
