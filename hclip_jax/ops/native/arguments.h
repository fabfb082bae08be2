// What a kernel computes with, for every width of vectors.

#pragma once

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
    float** const arrays[] = {&norm1_scale, &norm1_bias, &projections, &value_bias, &out,     &out_bias,       &norm2_scale,
                              &norm2_bias,  &kernel1,    &bias1,       &kernel2,    &bias2,   &query_guidance, &key_guidance};
    const long floats[] = {C, C, 3 * C * C, C, C * C, C, C, C, C * hidden, hidden, hidden * C, C, N * C, N * C};
    for (int i = 0; i < 14; ++i) {
      *arrays[i] = memory;
      memory += floats[i];
    }
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
  void (*add_slots)(const Slots&, long item, float*);
  long (*swin_scratch)(const Swin&);
  void (*swin_window)(const Swin&, long item, float* scratch);
  long (*swin_gradient_scratch)(const SwinGradient&);
  void (*swin_gradient_slot)(const SwinGradient&, long item, float* scratch);
  long (*classes_scratch)(const Classes&);
  void (*classes_patch)(const Classes&, long item, float* scratch);
  long (*decoder_scratch)(const Decoder&);
  void (*decoder_map)(const Decoder&, long item, float* scratch);
};
