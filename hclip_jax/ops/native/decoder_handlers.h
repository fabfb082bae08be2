// The handlers of the decoder.

#pragma once

#include "handlers.h"

// The arguments in the order of decoder.py but the last, the kernels not packed.
inline Decoder take_decoder(Arrays& arrays, int64_t group1, int64_t group2) {
  Decoder d{};
  const In x = arrays.array();
  d.x = x.typed_data();
  for (DecoderStep& s : d.steps) {
    const In kernel = arrays.array();
    s.kernel = kernel.typed_data();
    s.F = kernel.dimensions()[3];
    for (const float** array : {&s.shared, &s.norm1_scale, &s.norm1_bias, &s.kernel2, &s.norm2_scale, &s.norm2_bias})
      *array = arrays.floats();
  }
  d.logit = arrays.floats();
  const auto sizes = x.dimensions();
  d.T = sizes[1], d.h = sizes[2], d.w = sizes[3], d.C = sizes[4];
  d.steps[0].group = group1, d.steps[1].group = group2;
  return d;
}

// Replaces the kernels by their packed forms in `packed`; false if there is no memory.
inline bool pack_decoder(const Path* path, Decoder& d, Memory& packed) {
  packed = allocate(d.kernel_floats());
  if (!packed) return false;
  Arena arena{packed.get()};
  long in = d.C;
  for (DecoderStep& s : d.steps) {
    float *kernel = arena.take(16 * in * s.F), *kernel2 = arena.take(9 * s.F * s.F);
    path->pack_transposed(s.kernel, in, s.F, kernel);
    path->pack_conv(s.kernel2, s.F, s.F, kernel2);
    s.kernel = kernel, s.kernel2 = kernel2;
    in = s.F;
  }
  return true;
}

inline ffi::Error decoder(ffi::ThreadPool pool, int64_t lanes, int64_t group1, int64_t group2,
                          ffi::RemainingArgs operands, Out y) {
  const Path* path = best_path(lanes);
  if (!path) return no_path();
  Arrays arrays{operands};
  Decoder d = take_decoder(arrays, group1, group2);
  d.logit_bias = arrays.floats();
  d.y = y->typed_data();
  Memory packed;
  if (!pack_decoder(path, d, packed)) return no_memory();
  return run(pool, y->dimensions()[0] * d.T, path->decoder_scratch(d), path->decoder_map, d);
}

inline ffi::Error decoder_gradient(ffi::ThreadPool pool, int64_t lanes, int64_t group1, int64_t group2, int64_t slots,
                                   ffi::RemainingArgs operands, Out dx, Out dshared1, Out dshared2, Out dparams) {
  const Path* path = best_path(lanes);
  if (!path) return no_path();
  Arrays arrays{operands};
  DecoderGradient g{};
  Decoder& d = g.forward;
  d = take_decoder(arrays, group1, group2);
  g.dy = arrays.floats();
  g.dx = dx->typed_data();
  const long B = dx->dimensions()[0];
  g.parts = parts_of(slots, B, d.T);
  Memory packed, packed_back = allocate(d.kernel_floats()), sums = allocate(B * g.parts * g.slot_floats());
  if (!packed_back || !sums) return no_memory();
  g.sums = sums.get();
  Arena arena{packed_back.get()};
  long in = d.C;
  for (int i = 0; i < 2; ++i) {
    const DecoderStep& s = d.steps[i];
    float *kernel = arena.take(16 * in * s.F), *kernel2 = arena.take(9 * s.F * s.F);
    path->pack_transposed_back(s.kernel, in, s.F, kernel);
    path->pack_conv_back(s.kernel2, s.F, s.F, kernel2);
    g.kernel[i] = kernel, g.kernel2[i] = kernel2;
    in = s.F;
  }
  if (!pack_decoder(path, d, packed)) return no_memory();
  ffi::Error error = run(pool, B * g.parts, path->decoder_gradient_scratch(g), path->decoder_gradient_slot, g);
  const Slots params{g.sums, dparams->typed_data(), g.parameter_floats(), B * g.parts, g.slot_floats()};
  if (error.success()) error = run(pool, params.items(), 0, path->add_slots, params);
  const float* first = g.sums + params.floats;
  for (Out* result : {&dshared1, &dshared2}) {
    const auto sizes = (*result)->dimensions();
    const long floats = sizes[1] * sizes[2] * sizes[3];
    for (long image = 0; image < B && error.success(); ++image) {
      const Slots shared{first + image * g.parts * g.slot_floats(), (*result)->typed_data() + image * floats, floats,
                         g.parts, g.slot_floats()};
      error = run(pool, shared.items(), 0, path->add_slots, shared);
    }
    first += floats;
  }
  return error;
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(hclip_jax_decoder, decoder,
                              ffi::Ffi::Bind().POOL_AND_LANES.Attr<int64_t>("group1").Attr<int64_t>("group2")
                                  .RemainingArgs().Ret<In>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(hclip_jax_decoder_gradient, decoder_gradient,
                              ffi::Ffi::Bind().POOL_AND_LANES.Attr<int64_t>("group1").Attr<int64_t>("group2")
                                  .Attr<int64_t>("slots").RemainingArgs().Ret<In>().Ret<In>().Ret<In>().Ret<In>());
