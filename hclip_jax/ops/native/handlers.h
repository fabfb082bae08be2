// What the handlers share, which XLA calls. Included after the paths.

#pragma once

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

#define POOL_AND_LANES Ctx<ffi::ThreadPool>().Attr<int64_t>("lanes")
#define FOUR Arg<In>().Arg<In>().Arg<In>().Arg<In>()
