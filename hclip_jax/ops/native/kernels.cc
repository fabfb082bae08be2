// The kernels of the segmentation head, for x86 CPUs with AVX-512 or AVX2.
//
// All arrays are float32 and row-major. The Python files of this folder state shapes and check them.

#include "arguments.h"
#include "parallel.h"

// The functions of a path have the instructions of its CPUs as an attribute: the one way of GCC and of Clang that
// lambdas have too. `ENTRY` is for those that handlers call, `FN` for those that they consist of.
#define ENTRY TARGET static
#define FN TARGET static inline __attribute__((always_inline))
#define FN_MEMBER TARGET inline __attribute__((always_inline))
#define FN_LAMBDA TARGET __attribute__((always_inline))

#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")))
#define LANES 16
#define ROWS 12
namespace avx512 {
#include "path.inc"
}
#undef TARGET
#undef LANES
#undef ROWS

#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define ROWS 6
namespace avx2 {
#include "path.inc"
}

#include "classes_handlers.h"
#include "decoder_handlers.h"
#include "swin_handlers.h"

// The digest of these sources, as in library.py.
#ifndef HCLIP_JAX_SOURCES
#define HCLIP_JAX_SOURCES ""
#endif
extern "C" const char* hclip_jax_sources() { return HCLIP_JAX_SOURCES; }

// Floats in the vectors of this CPU; 0 = the kernels cannot run.
extern "C" int hclip_jax_lanes() {
  return best_path(16) == &avx512::path ? 16 : best_path(8) ? 8 : 0;
}
