// The handlers of the decoder.

#pragma once

#include "handlers.h"

inline ffi::Error decoder(ffi::ThreadPool pool, int64_t lanes, int64_t group1, int64_t group2, In x, In kernel1, In shared1,
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

XLA_FFI_DEFINE_HANDLER_SYMBOL(hclip_jax_decoder, decoder,
                              ffi::Ffi::Bind().POOL_AND_LANES.Attr<int64_t>("group1").Attr<int64_t>("group2")
                                  .FOUR.FOUR.FOUR.FOUR.Arg<In>().Ret<In>());
