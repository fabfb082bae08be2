// The segmentation head without gradients, for x86 CPUs with AVX-512 or AVX2: handlers that XLA calls.
//
// All arrays are float32 and row-major. The Python files of this folder state shapes and check them.

#include <cstdint>

#include "arguments.h"
#include "parallel.h"

#define FN static inline __attribute__((always_inline))
#define FN_MEMBER inline __attribute__((always_inline))
#define FN_LAMBDA __attribute__((always_inline))

#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")
#define LANES 16
#define ROWS 12
namespace avx512 {
#include "path.inc"
}
#undef LANES
#undef ROWS
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define LANES 8
#define ROWS 6
namespace avx2 {
#include "path.inc"
}
#pragma GCC pop_options

namespace ffi = xla::ffi;
using In = ffi::Buffer<ffi::F32>;
using Out = ffi::Result<In>;

namespace {

// The widest vectors of this CPU, at most `lanes` floats; null if it has none of these.
const Path* best_path(int64_t lanes) {
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  if (has_avx512 && lanes >= 16) return &avx512::path;
  return has_avx2 && lanes >= 8 ? &avx2::path : nullptr;
}

template <class Arguments>
ffi::Error run(ffi::ThreadPool& pool, long count, long scratch, void (*work)(const Arguments&, long, float*),
               const Arguments& arguments) {
  if (run_all(pool, count, scratch, [&](long item, float* memory) { work(arguments, item, memory); }))
    return ffi::Error::Success();
  return ffi::Error(ffi::ErrorCode::kResourceExhausted, "out of memory");
}

ffi::Error no_path() { return ffi::Error(ffi::ErrorCode::kUnimplemented, "this CPU has neither AVX2 nor AVX-512"); }

ffi::Error no_memory() { return ffi::Error(ffi::ErrorCode::kResourceExhausted, "out of memory"); }

ffi::Error swin_block(ffi::ThreadPool pool, int64_t lanes, int64_t heads, int64_t size, int64_t shift, In x,
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

ffi::Error class_aggregation(ffi::ThreadPool pool, int64_t lanes, int64_t heads, int64_t residual, In x,
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

ffi::Error decoder(ffi::ThreadPool pool, int64_t lanes, int64_t group1, int64_t group2, In x, In kernel1, In shared1,
                   In scale11, In bias11, In kernel12, In scale12, In bias12, In kernel2, In shared2, In scale21,
                   In bias21, In kernel22, In scale22, In bias22, In logit, In logit_bias, Out y) {
  const Path* path = best_path(lanes);
  if (!path) return no_path();
  const auto d = x.dimensions();
  const long C = d[4], F1 = bias11.dimensions()[0], F2 = bias21.dimensions()[0];
  Memory packed = allocate(16 * C * F1 + 9 * F1 * F1 + 16 * F1 * F2 + 9 * F2 * F2);
  if (!packed) return no_memory();
  float *p1 = packed.get(), *p2 = p1 + 16 * C * F1, *p3 = p2 + 9 * F1 * F1, *p4 = p3 + 16 * F1 * F2;
  path->pack_transposed(kernel1.typed_data(), C, F1, p1);
  path->pack_conv(kernel12.typed_data(), F1, F1, p2);
  path->pack_transposed(kernel2.typed_data(), F1, F2, p3);
  path->pack_conv(kernel22.typed_data(), F2, F2, p4);
  Decoder s{x.typed_data(), y->typed_data(),
            {{shared1.typed_data(), p1, scale11.typed_data(), bias11.typed_data(), p2, scale12.typed_data(),
              bias12.typed_data(), F1, long(group1)},
             {shared2.typed_data(), p3, scale21.typed_data(), bias21.typed_data(), p4, scale22.typed_data(),
              bias22.typed_data(), F2, long(group2)}},
            logit.typed_data(), logit_bias.typed_data(), long(d[1]), long(d[2]), long(d[3]), C};
  return run(pool, d[0] * d[1], path->decoder_scratch(s), path->decoder_map, s);
}

}  // namespace

// Counted up when arguments or results change, with VERSION in library.py.
extern "C" int hclip_jax_version() { return 1; }

// Floats in the vectors of this CPU; 0 = the kernels cannot run.
extern "C" int hclip_jax_lanes() {
  return best_path(16) == &avx512::path ? 16 : best_path(8) ? 8 : 0;
}

#define POOL_AND_LANES Ctx<ffi::ThreadPool>().Attr<int64_t>("lanes")
#define FOUR Arg<In>().Arg<In>().Arg<In>().Arg<In>()

XLA_FFI_DEFINE_HANDLER_SYMBOL(hclip_jax_swin_block, swin_block,
                              ffi::Ffi::Bind().POOL_AND_LANES.Attr<int64_t>("heads").Attr<int64_t>("size")
                                  .Attr<int64_t>("shift").FOUR.FOUR.FOUR.FOUR.Arg<In>().Arg<In>().Ret<In>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(hclip_jax_class_aggregation, class_aggregation,
                              ffi::Ffi::Bind().POOL_AND_LANES.Attr<int64_t>("heads").Attr<int64_t>("residual").FOUR.FOUR.FOUR.FOUR.Arg<In>()
                                  .Arg<In>().Ret<In>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(hclip_jax_decoder, decoder,
                              ffi::Ffi::Bind().POOL_AND_LANES.Attr<int64_t>("group1").Attr<int64_t>("group2")
                                  .FOUR.FOUR.FOUR.FOUR.Arg<In>().Ret<In>());
