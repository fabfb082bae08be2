// What a kernel computes with, for every width of vectors.

#pragma once

#include <initializer_list>

// Parts of one allocation, each aligned to 64 bytes if it is.
struct Arena {
  float* free;
  float* take(long floats) {
    float* taken = free;
    free += (floats + 15) / 16 * 16;
    return taken;
  }
};

struct Mlp {
  const float *norm_scale, *norm_bias, *kernel1, *bias1, *kernel2, *bias2;  // kernels packed by `pack_mlp`
  long C, hidden;
};

struct Swin {
  const float* x;  // [B, T, h, w, C]
  float* y;        // may be x: a window is read before it is written, and by nobody else
  const float *query_guidance, *key_guidance;  // [B, windows, N, C]
  const float* mask;                           // [1 or windows, N, keys]: -inf beyond N keys
  long masks;
  const float *norm_scale, *norm_bias, *query, *key, *value, *value_bias, *out, *out_bias;  // kernels packed
  Mlp mlp;
  long T, h, w, C, heads, size, shift;

  long N() const { return size * size; }
  long windows() const { return (h / size) * (w / size); }
  long keys() const { return (N() + 31) / 32 * 32; }
};

// Gradients that are sums over classes: of the parameters, in the order of swin.py, then of the guidance.
struct SwinSums {
  float *norm1_scale, *norm1_bias, *projections, *value_bias, *out, *out_bias;  // projections: [3, C, C]
  float *norm2_scale, *norm2_bias, *kernel1, *bias1, *kernel2, *bias2;
  float *query_guidance, *key_guidance;  // [N, C]

  SwinSums(float* memory, long C, long hidden, long N) {
    Arena arena{memory};
    for (float** array : {&norm1_scale, &norm1_bias}) *array = arena.take(C);
    projections = arena.take(3 * C * C);
    value_bias = arena.take(C);
    out = arena.take(C * C);
    for (float** array : {&out_bias, &norm2_scale, &norm2_bias}) *array = arena.take(C);
    kernel1 = arena.take(C * hidden);
    bias1 = arena.take(hidden);
    kernel2 = arena.take(hidden * C);
    bias2 = arena.take(C);
    for (float** array : {&query_guidance, &key_guidance}) *array = arena.take(N * C);
  }
};

struct SwinGradient {
  Swin forward;     // without y, and with kernel2 of the MLP unused
  const float* dy;  // [B, T, h, w, C]
  float* dx;
  const float* projections;                    // query, key and value as one kernel [C, 3 C], packed
  const float *back, *out, *kernel1, *kernel2;  // transposed and packed; back: of `projections`
  float* sums;                                 // `slot_floats` for each slot: image, window, part of the classes
  long parts;

  long parameter_floats() const {
    const long C = forward.C, hidden = forward.mlp.hidden;
    return 4 * C * C + 2 * C * hidden + 7 * C + hidden;
  }
  long slot_floats() const { return parameter_floats() + 2 * forward.N() * forward.C; }
};

struct Classes {
  const float* x;  // [B, T, patches, C]
  float* y;        // may be x, as in a Swin block
  const float *query_guidance, *key_guidance;  // [B, T, C]
  const float* class_mask;                     // [B, T]
  const float *padding_key, *padding_key_value;  // [C] and [heads, c, c], summed over the padding tokens
  const float *norm_scale, *norm_bias, *query, *key, *value, *value_bias;  // kernels packed
  Mlp mlp;
  long T, patches, C, heads;
  bool residual;  // whether x is added to the result once more
};

struct DecoderStep {
  const float* shared;                                  // [B, 2h, 2w, F]
  const float *kernel, *norm1_scale, *norm1_bias;       // of the transposed convolution, packed
  const float *kernel2, *norm2_scale, *norm2_bias;      // packed
  long F, group;
};

struct Decoder {
  const float* x;  // [B, T, h, w, C]
  float* y;        // [B, T, 4h, 4w]
  DecoderStep steps[2];
  const float *logit, *logit_bias;  // [3, 3, F], [1]
  long T, h, w, C;

  long kernel_floats() const {  // of both steps
    const long F1 = steps[0].F, F2 = steps[1].F;
    return 16 * (C * F1 + F1 * F2) + 9 * (F1 * F1 + F2 * F2);
  }
};

// Gradients that are sums over classes: of the parameters, in the order of decoder.py, then of the guidance.
struct DecoderSums {
  struct Step {
    float *kernel, *norm1_scale, *norm1_bias, *kernel2, *norm2_scale, *norm2_bias;
    float* shared;  // [2h, 2w, F] of one image
  } steps[2];
  float* logit;

  DecoderSums(float* memory, const Decoder& d) {
    Arena arena{memory};
    for (int i = 0; i < 2; ++i) {
      const long C = i ? d.steps[0].F : d.C, F = d.steps[i].F;
      steps[i].kernel = arena.take(16 * C * F);
      steps[i].norm1_scale = arena.take(F);
      steps[i].norm1_bias = arena.take(F);
      steps[i].kernel2 = arena.take(9 * F * F);
      steps[i].norm2_scale = arena.take(F);
      steps[i].norm2_bias = arena.take(F);
    }
    logit = arena.take(9 * d.steps[1].F);
    steps[0].shared = arena.take(4 * d.h * d.w * d.steps[0].F);
    steps[1].shared = arena.take(16 * d.h * d.w * d.steps[1].F);
  }
};

struct DecoderGradient {
  Decoder forward;  // without y and logit_bias
  const float* dy;  // [B, T, 4h, 4w]
  float* dx;
  const float *kernel[2], *kernel2[2];  // transposed and packed
  float* sums;                          // `slot_floats` for each slot: image, part of the classes
  long parts;

  long parameter_floats() const {
    const long F1 = forward.steps[0].F, F2 = forward.steps[1].F;
    return forward.kernel_floats() + 9 * F2 + 4 * (F1 + F2);
  }
  long slot_floats() const {
    return parameter_floats() + 4 * forward.h * forward.w * (forward.steps[0].F + 4 * forward.steps[1].F);
  }
};

// y = the sum of `count` arrays of `floats` floats, each `stride` after the one before.
struct Slots {
  static constexpr long AT_ONCE = 4096;  // floats of an item
  const float* first;
  float* y;
  long floats, count, stride;

  long items() const { return (floats + AT_ONCE - 1) / AT_ONCE; }
};

// The functions of one width of vectors. A `scratch` function gives the floats that a thread needs.
struct Path {
  long lanes;
  void (*pack)(const float* kernel, long ld, long K, long N, float* packed);
  void (*pack_turned)(const float* kernel, long ld, long K, long N, float* packed);
  void (*pack_mlp)(const float* kernel1, const float* kernel2, long C, long hidden, float* packed1, float* packed2);
  void (*pack_transposed)(const float* kernel, long C, long F, float* packed);
  void (*pack_conv)(const float* kernel, long C, long F, float* packed);
  void (*pack_transposed_back)(const float* kernel, long C, long F, float* packed);
  void (*pack_conv_back)(const float* kernel, long C, long F, float* packed);
  void (*add_slots)(const Slots&, long item, float*);
  long (*swin_scratch)(const Swin&);
  void (*swin_window)(const Swin&, long item, float* scratch);
  long (*swin_gradient_scratch)(const SwinGradient&);
  void (*swin_gradient_slot)(const SwinGradient&, long item, float* scratch);
  long (*classes_scratch)(const Classes&);
  void (*classes_patch)(const Classes&, long item, float* scratch);
  long (*decoder_scratch)(const Decoder&);
  void (*decoder_map)(const Decoder&, long item, float* scratch);
  long (*decoder_gradient_scratch)(const DecoderGradient&);
  void (*decoder_gradient_slot)(const DecoderGradient&, long item, float* scratch);
};
