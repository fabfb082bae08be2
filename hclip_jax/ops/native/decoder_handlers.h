// The handlers of the decoder.

#pragma once

#include "handlers.h"

inline const float* floats_of(const ffi::RemainingArgs& arrays, int i) { return arrays.get<In>(i).value().typed_data(); }

// The arguments in the order of decoder.py, the kernels packed into `packed`; false if there is no memory.
inline bool decoder_arguments(const Path* path, const ffi::RemainingArgs& arrays, int64_t group1, int64_t group2,
                              Memory& packed, Decoder& d) {
  const In x = arrays.get<In>(0).value(), shared1 = arrays.get<In>(2).value(), shared2 = arrays.get<In>(9).value();
  const auto sizes = x.dimensions();
  const long C = sizes[4], F1 = shared1.dimensions()[3], F2 = shared2.dimensions()[3];
  packed = allocate(16 * C * F1 + 9 * F1 * F1 + 16 * F1 * F2 + 9 * F2 * F2);
  float* memory = packed.get();
  if (!memory) return false;
  d.x = x.typed_data();
  d.T = sizes[1], d.h = sizes[2], d.w = sizes[3], d.C = C;
  for (int i = 0; i < 2; ++i) {
    const auto array = [&](int k) { return floats_of(arrays, 1 + 7 * i + k); };
    DecoderStep& s = d.steps[i];
    const long in = i ? F1 : C;
    s = DecoderStep{array(1), nullptr, array(2), array(3), nullptr, array(5), array(6), i ? F2 : F1,
                    long(i ? group2 : group1)};
    path->pack_transposed(array(0), in, s.F, memory);
    s.kernel = memory;
    memory += 16 * in * s.F;
    path->pack_conv(array(4), s.F, s.F, memory);
    s.kernel2 = memory;
    memory += 9 * s.F * s.F;
  }
  d.logit = floats_of(arrays, 15);
  return true;
}

inline ffi::Error decoder(ffi::ThreadPool pool, int64_t lanes, int64_t group1, int64_t group2,
                          ffi::RemainingArgs arrays, Out y) {
  const Path* path = best_path(lanes);
  if (!path) return no_path();
  Memory packed;
  Decoder d;
  if (!decoder_arguments(path, arrays, group1, group2, packed, d)) return no_memory();
  d.logit_bias = floats_of(arrays, 16);
  d.y = y->typed_data();
  return run(pool, y->dimensions()[0] * d.T, path->decoder_scratch(d), path->decoder_map, d);
}

inline ffi::Error decoder_gradient(ffi::ThreadPool pool, int64_t lanes, int64_t group1, int64_t group2, int64_t slots,
                                   ffi::RemainingArgs arrays, Out dx, Out dshared1, Out dshared2, Out dparams) {
  const Path* path = best_path(lanes);
  if (!path) return no_path();
  DecoderGradient g;
  Memory packed, packed_back;
  if (!decoder_arguments(path, arrays, group1, group2, packed, g.forward)) return no_memory();
  const long B = dx->dimensions()[0], T = g.forward.T, C = g.forward.C;
  const long F1 = g.forward.steps[0].F, F2 = g.forward.steps[1].F;
  packed_back = allocate(16 * C * F1 + 9 * F1 * F1 + 16 * F1 * F2 + 9 * F2 * F2);
  g.parts = slots > B ? slots / B : 1;
  if (g.parts > T) g.parts = T;
  Memory sums = allocate(B * g.parts * g.slot_floats());
  if (!packed_back || !sums) return no_memory();
  float* back[4] = {packed_back.get()};
  back[1] = back[0] + 16 * C * F1, back[2] = back[1] + 9 * F1 * F1, back[3] = back[2] + 16 * F1 * F2;
  for (int i = 0; i < 2; ++i) {
    const long F = g.forward.steps[i].F;
    path->pack_transposed_back(floats_of(arrays, 1 + 7 * i), i ? F1 : C, F, back[2 * i]);
    path->pack_conv_back(floats_of(arrays, 5 + 7 * i), F, F, back[2 * i + 1]);
    g.kernel[i] = back[2 * i];
    g.kernel2[i] = back[2 * i + 1];
  }
  g.dy = floats_of(arrays, 16);
  g.dx = dx->typed_data();
  g.sums = sums.get();
  ffi::Error error = run(pool, B * g.parts, path->decoder_gradient_scratch(g), path->decoder_gradient_slot, g);
  const Slots params{g.sums, dparams->typed_data(), g.parameter_floats(), B * g.parts, g.slot_floats()};
  if (error.success()) error = run(pool, params.items(), 0, path->add_slots, params);
  const float* first = g.sums + params.floats;
  for (Out* result : {&dshared1, &dshared2}) {
    const long floats = (*result)->element_count() / B;
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
