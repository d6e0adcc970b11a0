// 64-bit Arm, whose baseline is NEON.
#pragma once

#include <arm_neon.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "portable.h"

namespace SKT_ISA {
namespace {

using portable::entries_with_place;
using portable::exceeding;
using portable::exceeding_at;
using portable::exponentials;
using portable::kLevelsByStep;
using portable::kShuffledBits;
using portable::kTableBits;
using portable::Numbers;
using portable::place_of;
using portable::ShuffledSums;
using portable::TableOfDoubles;
using portable::Unfinished;

// ----------------------------------------------------------------------------------------------------------------------- bits

// Bits whose address stands in a register: compilers would add up the begin of the array and an index for every 16 bytes.
inline const Bits &addressed(const Bits &bits) {
  const Bits *at = &bits;
  __asm__("" : "+r"(at));
  return *at;
}
inline const Bits &addressed(Bits &&bits) { return bits; } // no array has these, nor memory

template <class IfSet, class IfClear>
inline Bits choose(const Bits &select, IfSet &&if_set, IfClear &&if_clear) {
  const Bits &which = addressed(select), &a = addressed(std::forward<IfSet>(if_set)), &b = addressed(std::forward<IfClear>(if_clear));
  return part_by_part([&](int i) { return (a.part[i] & which.part[i]) | (b.part[i] & ~which.part[i]); }); // one instruction each
}

inline Bits or_and(const Bits &a, const Bits &b, const Bits &c) { return addressed(a) | (addressed(b) & addressed(c)); }
inline Register or_and(Register a, Register b, Register c) { return a | (b & c); }

// Words whose bytes come from four registers.
inline void zip_bytes(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d, float32x4_t *out) {
  const uint16x8_t low0 = vreinterpretq_u16_u8(vzip1q_u8(a, b)), low1 = vreinterpretq_u16_u8(vzip2q_u8(a, b));
  const uint16x8_t high0 = vreinterpretq_u16_u8(vzip1q_u8(c, d)), high1 = vreinterpretq_u16_u8(vzip2q_u8(c, d));
  out[0] = vreinterpretq_f32_u16(vzip1q_u16(low0, high0));
  out[1] = vreinterpretq_f32_u16(vzip2q_u16(low0, high0));
  out[2] = vreinterpretq_f32_u16(vzip1q_u16(low1, high1));
  out[3] = vreinterpretq_f32_u16(vzip2q_u16(low1, high1));
}

// 16 matrices of 8 x 8 bits turned over their diagonals: byte q of register i is row i of matrix q.
inline void transpose_bits(uint8x16_t r[8]) {
  const uint8x16_t even = vdupq_n_u8(0x55), pairs = vdupq_n_u8(0x33);
  for (int i = 0; i < 8; i += 2) {
    const uint8x16_t a = r[i], b = r[i + 1];
    r[i] = vbslq_u8(even, a, vshlq_n_u8(b, 1));
    r[i + 1] = vbslq_u8(even, vshrq_n_u8(a, 1), b);
  }
  for (int half = 0; half < 8; half += 4)
    for (int i = half; i < half + 2; i++) {
      const uint8x16_t a = r[i], b = r[i + 2];
      r[i] = vbslq_u8(pairs, a, vshlq_n_u8(b, 2));
      r[i + 2] = vbslq_u8(pairs, vshrq_n_u8(a, 2), b);
    }
  for (int i = 0; i < 4; i++) {
    const uint8x16_t a = r[i], b = r[i + 4];
    r[i] = vsliq_n_u8(a, b, 4);
    r[i + 4] = vsriq_n_u8(b, a, 4);
  }
}

// Of 128 bytes, number 8 q + k goes to byte q of register k.
inline void bits_of_bytes(const uint8_t *bytes, int n_bits, Bits *out) {
  for (int at = 0; at < 64; at += 16) {
    uint8x16_t r[8];
    const uint16_t *const pairs = reinterpret_cast<const uint16_t *>(bytes + 8 * at);
    const uint16x8x4_t low = vld4q_u16(pairs), high = vld4q_u16(pairs + 32);
    for (int i = 0; i < 4; i++) {
      const uint8x16_t a = vreinterpretq_u8_u16(low.val[i]), b = vreinterpretq_u8_u16(high.val[i]);
      r[2 * i] = vuzp1q_u8(a, b);
      r[2 * i + 1] = vuzp2q_u8(a, b);
    }
    transpose_bits(r);
    for (int bit = 0; bit < 8; bit++)
      if (bit < n_bits) vst1q_u8(reinterpret_cast<uint8_t *>(out + bit) + at, r[bit]);
  }
}

inline void bytes_of_bits(const Bits *slots, const uint16_t *code, int, uint8_t *out) { // the slots beyond are clear
  const uint8_t *plane[8];
  for (int bit = 0; bit < 8; bit++) plane[bit] = reinterpret_cast<const uint8_t *>(&addressed(slots[code[bit]]));
  for (int at = 0; at < 64; at += 16) {
    uint8x16_t r[8];
    for (int bit = 0; bit < 8; bit++) r[bit] = vld1q_u8(plane[bit] + at);
    transpose_bits(r);
    float32x4_t low[4], high[4];
    zip_bytes(r[0], r[1], r[2], r[3], low);
    zip_bytes(r[4], r[5], r[6], r[7], high);
    for (int i = 0; i < 4; i++) {
      vst1q_u8(out + 8 * at + 32 * i, vreinterpretq_u8_f32(vzip1q_f32(low[i], high[i])));
      vst1q_u8(out + 8 * at + 32 * i + 16, vreinterpretq_u8_f32(vzip2q_f32(low[i], high[i])));
    }
  }
}

// ------------------------------------------------------------------------------------------------------------------- searches

template <class Value>
constexpr bool kRounds = sizeof(Value) == 8;

struct Rounding {
  static constexpr bool kThere = false;
};

// The lowest bytes of some thresholds, then the next ones and so on, since instructions look up bytes. Those of the first four levels are looked
// up together, by their places in the tree.
template <int kLevels, class Value>
struct Thresholds {
  float32x4_t root;
  uint8x16x4_t top, fifth;
  alignas(16) uint8_t sixth[4][32], seventh[4][64], eighth[4][128];

  Thresholds(const float *tree, const double *) : root(vdupq_n_f32(tree[1])) {
    uint8_t padded[64] = {};
    std::memcpy(padded, tree, std::min(64, 4 << kLevels));
    top = vld4q_u8(padded);
    if constexpr (kLevels > 4) fifth = vld4q_u8(reinterpret_cast<const uint8_t *>(tree + 16));
    if constexpr (kLevels > 5) part(tree + 32, sixth);
    if constexpr (kLevels > 6) part(tree + 64, seventh);
    if constexpr (kLevels > 7) part(tree + 128, eighth);
  }

 private:
  template <int kEntries>
  static void part(const float *level, uint8_t (*to)[kEntries]) {
    for (int i = 0; i < kEntries; i += 16) {
      const uint8x16x4_t bytes = vld4q_u8(reinterpret_cast<const uint8_t *>(level + i));
      for (int b = 0; b < 4; b++) vst1q_u8(to[b] + i, bytes.val[b]);
    }
  }
};

// Look-ups in 128 bytes: what is beyond the first 64 is not found there, and the other way around.
inline uint8x16_t at_128(const uint8_t *table, uint8x16_t place) {
  return vqtbx4q_u8(vqtbl4q_u8(vld1q_u8_x4(table), place), vld1q_u8_x4(table + 64), vsubq_u8(place, vdupq_n_u8(64)));
}

// The lowest bytes of 16 words.
inline uint8x16_t low_bytes(const uint32x4_t *words) {
  const uint16x8_t low = vuzp1q_u16(vreinterpretq_u16_u32(words[0]), vreinterpretq_u16_u32(words[1]));
  const uint16x8_t high = vuzp1q_u16(vreinterpretq_u16_u32(words[2]), vreinterpretq_u16_u32(words[3]));
  return vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high));
}

struct Floats {
  float32x4_t part[4];
};

struct Mask {
  uint32x4_t part[4];
  Mask &operator|=(const Mask &other) {
    for (int i = 0; i < 4; i++) part[i] = vorrq_u32(part[i], other.part[i]);
    return *this;
  }
};

// Float64 values move towards the side on which the thresholds were rounded, so that x and t compare as their float32 images do unless these
// are equal. The nearest float32 is taken, and its neighbour where that is on the wrong side.
template <bool kRightIfEqual>
inline float32x4_t rounded(const double *x) {
  const float64x2_t low = vld1q_f64(x), high = vld1q_f64(x + 2);
  const float32x4_t near = vcvt_high_f32_f64(vcvt_f32_f64(low), high);
  const float64x2_t near_low = vcvt_f64_f32(vget_low_f32(near)), near_high = vcvt_high_f64_f32(near);
  const uint64x2_t wrong_low = kRightIfEqual ? vcltq_f64(near_low, low) : vcgtq_f64(near_low, low);
  const uint64x2_t wrong_high = kRightIfEqual ? vcltq_f64(near_high, high) : vcgtq_f64(near_high, high);
  const int32x4_t wrong = vuzp1q_s32(vreinterpretq_s32_u64(wrong_low), vreinterpretq_s32_u64(wrong_high)), bits = vreinterpretq_s32_f32(near);
  const int32x4_t away = vorrq_s32(vshrq_n_s32(bits, 31), vdupq_n_s32(1)), step = vandq_s32(wrong, away); // of negative numbers the bits count down
  return vreinterpretq_f32_s32(kRightIfEqual ? vaddq_s32(bits, step) : vsubq_s32(bits, step));
}

template <bool>
inline float32x4_t rounded(const float *x) {
  return vld1q_f32(x);
}

template <bool kRightIfEqual, class Value>
struct Values : Floats {
  explicit Values(const Value *x)
      : Floats{{rounded<kRightIfEqual>(x), rounded<kRightIfEqual>(x + 4), rounded<kRightIfEqual>(x + 8), rounded<kRightIfEqual>(x + 12)}} {}
};

template <bool kRightIfEqual>
inline Mask goes_right(const Floats &x, const Floats &threshold) {
  Mask right;
  for (int i = 0; i < 4; i++) right.part[i] = kRightIfEqual ? vcgeq_f32(x.part[i], threshold.part[i]) : vcgtq_f32(x.part[i], threshold.part[i]);
  return right;
}

inline Mask equals(const Floats &x, const Floats &threshold) {
  Mask equal;
  for (int i = 0; i < 4; i++) equal.part[i] = vceqq_f32(x.part[i], threshold.part[i]);
  return equal;
}

inline uint32_t lanes_of(const Mask &mask) {
  const uint8x16_t bit_of = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t own = vandq_u8(low_bytes(mask.part), bit_of);
  return vaddv_u8(vget_low_u8(own)) | static_cast<uint32_t>(vaddv_u8(vget_high_u8(own))) << 8;
}

// Where 16 searches stand: for five levels their places in the tree, in each byte of a word of their own, then their places in the level, a byte
// each.
template <int kLevels>
struct Path {
  static constexpr int kWords = 4; // the last level of words
  uint8x16_t node[4];
  uint8x16_t place;

  Path() : place(vdupq_n_u8(0)) {
    for (uint8x16_t &part : node) part = vdupq_n_u8(1);
  }

  template <int kLevel, class Value>
  Floats at(const Thresholds<kLevels, Value> &thresholds) const {
    Floats found;
    if constexpr (kLevel == 0) {
      for (float32x4_t &part : found.part) part = thresholds.root;
    } else if constexpr (kLevel <= kWords) {
      constexpr uint32_t kBegin = kLevel == kWords ? 0x10101010 : 0;
      const uint8x16_t byte = vreinterpretq_u8_u32(vdupq_n_u32(0x30201000 ^ kBegin)); // of a word, from the register that has it
      const uint8x16x4_t &table = kLevel == kWords ? thresholds.fifth : thresholds.top;
      for (int i = 0; i < 4; i++) found.part[i] = vreinterpretq_f32_u8(vqtbl4q_u8(table, veorq_u8(node[i], byte)));
    } else {
      uint8x16_t byte[4];
      for (int b = 0; b < 4; b++) {
        if constexpr (kLevel == 5) byte[b] = vqtbl2q_u8(vld1q_u8_x2(thresholds.sixth[b]), place);
        if constexpr (kLevel == 6) byte[b] = vqtbl4q_u8(vld1q_u8_x4(thresholds.seventh[b]), place);
        if constexpr (kLevel == 7) byte[b] = at_128(thresholds.eighth[b], place);
      }
      zip_bytes(byte[0], byte[1], byte[2], byte[3], found.part);
    }
    return found;
  }

  template <int kLevel>
  void turn(const Mask &right) { // its lowest bit behind the others
    if constexpr (kLevel <= kWords)
      for (int i = 0; i < 4; i++) node[i] = vsliq_n_u8(vreinterpretq_u8_u32(right.part[i]), node[i], 1);
    if constexpr (kLevel == kWords) place = in_level<kLevel + 1>();
    if constexpr (kLevel > kWords) place = vsliq_n_u8(low_bytes(right.part), place, 1);
  }

  void store(uint8_t *rank) const { vst1q_u8(rank, kLevels > kWords ? place : in_level<kLevels>()); }

 private:
  template <int kLevel>
  uint8x16_t in_level() const {
    uint32x4_t words[4];
    for (int i = 0; i < 4; i++) words[i] = vreinterpretq_u32_u8(node[i]);
    return veorq_u8(low_bytes(words), vdupq_n_u8(kLevel < 8 ? 1 << kLevel : 0));
  }
};

// ----------------------------------------------------------------------------------------------------------------------- rows

template <class Feature>
constexpr int kTileRows = 64 / sizeof(Feature);

template <class Feature>
struct Tile {
  alignas(16) Feature column[16][kTileRows<Feature>];
};

inline float32x4_t four_floats(const char *at, const skt_rows &rows, int column) {
  if (rows.dtype == SKT_FLOAT32) return vreinterpretq_f32_u8(vld1q_u8(reinterpret_cast<const uint8_t *>(at + 4 * column)));
  const uint8_t *const wide = reinterpret_cast<const uint8_t *>(at + 8 * column);
  return vcvt_high_f32_f64(vcvt_f32_f64(vreinterpretq_f64_u8(vld1q_u8(wide))), vreinterpretq_f64_u8(vld1q_u8(wide + 16)));
}

// `width` neighbouring columns, four or more, of 16 rows that begin at `at`, as float32. The last four may be some of those before once more.
inline void load_tile(const char *at, const skt_rows &rows, int width, Tile<float> &tile) {
  for (int next = 0; next < width; next += 4) {
    const int first = std::min(next, width - 4);
    const char *row = at;
    for (int i = 0; i < 16; i += 4) {
      float32x4_t r[4];
      for (float32x4_t &part : r) part = four_floats(row, rows, first), row += rows.row_stride;
      const float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r[0], r[1])), b = vreinterpretq_f64_f32(vtrn2q_f32(r[0], r[1]));
      const float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r[2], r[3])), d = vreinterpretq_f64_f32(vtrn2q_f32(r[2], r[3]));
      vst1q_f32(tile.column[first] + i, vreinterpretq_f32_f64(vtrn1q_f64(a, c)));
      vst1q_f32(tile.column[first + 1] + i, vreinterpretq_f32_f64(vtrn1q_f64(b, d)));
      vst1q_f32(tile.column[first + 2] + i, vreinterpretq_f32_f64(vtrn2q_f64(a, c)));
      vst1q_f32(tile.column[first + 3] + i, vreinterpretq_f32_f64(vtrn2q_f64(b, d)));
    }
  }
}

// The same of 8 rows of float64, which rows of float32 are not asked for.
inline void load_tile(const char *at, const skt_rows &rows, int width, Tile<double> &tile) {
  for (int next = 0; next < width; next += 2) {
    const int first = std::min(next, width - 2);
    const char *row = at + 8 * first;
    for (int i = 0; i < 8; i += 2, row += 2 * rows.row_stride) {
      const float64x2_t a = vreinterpretq_f64_u8(vld1q_u8(reinterpret_cast<const uint8_t *>(row)));
      const float64x2_t b = vreinterpretq_f64_u8(vld1q_u8(reinterpret_cast<const uint8_t *>(row + rows.row_stride)));
      vst1q_f64(tile.column[first] + i, vtrn1q_f64(a, b));
      vst1q_f64(tile.column[first + 1] + i, vtrn2q_f64(a, b));
    }
  }
}

template <class Feature>
inline void store_tile(const Tile<Feature> &tile, int column, Feature *to) {
  std::memcpy(to, tile.column[column], sizeof tile.column[column]);
}

// ----------------------------------------------------------------------------------------------------------------------- sums

template <int kBits>
inline uint8x16_t bytes_at(const uint8_t *table, uint8x16_t number) {
  if constexpr (kBits <= 4) return vqtbl1q_u8(vld1q_u8(table), number);
  if constexpr (kBits == 5) return vqtbl2q_u8(vld1q_u8_x2(table), number);
  if constexpr (kBits >= 6) {
    return kBits == 6 ? vqtbl4q_u8(vld1q_u8_x4(table), number) : at_128(table, number);
  }
}

// Sums of some rows, which stay in registers from piece to piece.
template <class Acc>
struct Sums;

// Values are looked up a byte at a time, and the bytes put together.
template <>
struct Sums<float> {
  static constexpr int kRows = 32;
  float32x4_t sum[8];

  explicit Sums(const float *from) { std::memcpy(sum, from, sizeof sum); }
  void store(float *to) const { std::memcpy(to, sum, sizeof sum); }

  void add(const skt_bitsliced &t, int first, int last, int output, const uint8_t *numbers) {
    for (int piece = first; piece < last; piece++, numbers += kBlock) add_piece(t, piece, output, numbers);
  }

 private:
  void add_piece(const skt_bitsliced &t, int piece, int output, const uint8_t *numbers) {
    const int bits = t.piece_bits[piece];
    if (bits > 7 || !t.value_bytes) return add_one_by_one(t, piece, output, numbers); // so many tables take longer than a load for each row
    const uint8_t *const table = t.value_bytes + t.piece_bytes[piece] + static_cast<int64_t>(output) * 4 * std::max(64, 1 << bits);
    if (bits <= 4)
      add_values<4>(table, numbers);
    else if (bits == 5)
      add_values<5>(table, numbers);
    else if (bits == 6)
      add_values<6>(table, numbers);
    else
      add_values<7>(table, numbers);
  }

  template <int kBits>
  void add_values(const uint8_t *table, const uint8_t *numbers) {
    constexpr int kStep = kBits <= 6 ? 64 : 1 << kBits;
    for (int half = 0; half < 2; half++) {
      const uint8x16_t number = vld1q_u8(numbers + 16 * half);
      float32x4_t value[4];
      zip_bytes(bytes_at<kBits>(table, number), bytes_at<kBits>(table + kStep, number), bytes_at<kBits>(table + 2 * kStep, number),
                bytes_at<kBits>(table + 3 * kStep, number), value);
      for (int i = 0; i < 4; i++) sum[4 * half + i] = vaddq_f32(sum[4 * half + i], value[i]);
    }
  }

  void add_one_by_one(const skt_bitsliced &t, int piece, int output, const uint8_t *numbers) {
    const int64_t width = t.n_leaf_outputs;
    const float *const values = static_cast<const float *>(t.values) + t.piece_first[piece] * width + output;
    if (width == 1)
      add_some(numbers, [=](uint8_t number) { return values[number]; });
    else
      add_some(numbers, [=](uint8_t number) { return values[number * width]; });
  }

  template <class Value>
  void add_some(const uint8_t *numbers, Value value) {
    for (int i = 0; i < 8; i++, numbers += 4) {
      const float32x4_t four = {value(numbers[0]), value(numbers[1]), value(numbers[2]), value(numbers[3])};
      sum[i] = vaddq_f32(sum[i], four);
    }
  }
};

// Eight bytes take longer to put together than two values to load.
template <>
struct Sums<double> {
  static constexpr int kRows = 16;
  float64x2_t sum[8];

  explicit Sums(const double *from) { std::memcpy(sum, from, sizeof sum); }
  void store(double *to) const { std::memcpy(to, sum, sizeof sum); }

  void add(const skt_bitsliced &t, int first, int last, int output, const uint8_t *numbers) {
    for (int piece = first; piece < last; piece++, numbers += kBlock) add_piece(t, piece, output, numbers);
  }

 private:
  void add_piece(const skt_bitsliced &t, int piece, int output, const uint8_t *numbers) {
    const int64_t width = t.n_leaf_outputs;
    const double *const values = static_cast<const double *>(t.values) + t.piece_first[piece] * width + output;
    if (width == 1)
      add_some(numbers, [=](uint8_t number) { return values[number]; });
    else
      add_some(numbers, [=](uint8_t number) { return values[number * width]; });
  }

  template <class Value>
  void add_some(const uint8_t *numbers, Value value) {
    for (int i = 0; i < 8; i++, numbers += 2) {
      const float64x2_t two = {value(numbers[0]), value(numbers[1])};
      sum[i] = vaddq_f64(sum[i], two);
    }
  }
};

// ---------------------------------------------------------------------------------------------------------------------- blocks

// One exit matches: those behind the last one want what no answer gives. Exits 5 to 12 are read together, the first three of them twice.
inline uint32_t exit_of(const skt_block &block, uint32_t answers) {
  const uint16x8_t all = vdupq_n_u16(static_cast<uint16_t>(answers));
  const uint16x8_t low_exit = {0, 1, 2, 3, 4, 5, 6, 7}, high_exit = {0, 0, 0, 8, 9, 10, 11, 12};
  const uint16x8_t low = vceqq_u16(vandq_u16(all, vld1q_u16(block.care)), vld1q_u16(block.want));
  const uint16x8_t high = vceqq_u16(vandq_u16(all, vld1q_u16(block.care + 5)), vld1q_u16(block.want + 5));
  return vaddvq_u16(vorrq_u16(vandq_u16(low, low_exit), vandq_u16(high, high_exit)));
}

// 64 entries of the table at a time, from which a number that is not among them finds 0.
inline void look_up_highest(const uint8_t *table, int n_bits, const uint8_t *number, int n, uint8_t *highest) {
  const int by_part = n_bits >= 6 ? n / 16 * 16 : 0;
  for (int entry = 0; entry < 1 << n_bits && by_part; entry += 64) {
    const uint8x16x4_t part = vld1q_u8_x4(table + entry);
    const uint8x16_t first = vdupq_n_u8(static_cast<uint8_t>(entry));
    for (int i = 0; i < by_part; i += 16)
      vst1q_u8(highest + i, vmaxq_u8(vld1q_u8(highest + i), vqtbl4q_u8(part, vsubq_u8(vld1q_u8(number + i), first))));
  }
  portable::look_up_highest(table, n_bits, number + by_part, n - by_part, highest + by_part);
}

constexpr int kBeyondKept = 0;

// For each set of 4 lanes how many they are, and the places of their bytes, side by side.
struct BytesOfSets {
  uint8_t n_lanes[16] = {}, byte[16][16] = {};

  constexpr BytesOfSets() {
    for (int set = 0; set < 16; set++)
      for (int i = 0; i < 4; i++)
        if (set >> i & 1) {
          for (int k = 0; k < 4; k++) byte[set][4 * n_lanes[set] + k] = static_cast<uint8_t>(4 * i + k);
          n_lanes[set]++;
        }
  }
};
constexpr BytesOfSets kBytesOfSets;

inline uint32x4_t four(const uint32_t *number, int64_t i) { return vld1q_u32(number + i); }
inline uint32x4_t four(Progression number, int64_t i) {
  const uint32x4_t lane = {0, 1, 2, 3};
  return vmlaq_n_u32(vdupq_n_u32(number[i]), lane, number.by);
}

template <class Numbers>
inline int64_t keep_below(uint32_t bound, uint32_t *value, Numbers number, int64_t n, uint32_t *kept_number) {
  const uint32x4_t limit = vdupq_n_u32(bound), bit = {1, 2, 4, 8};
  int64_t kept = 0, i = 0;
  for (; i + 4 <= n; i += 4) {
    const uint32x4_t own = four(value, i), its_number = four(number, i);
    const uint32_t below = vaddvq_u32(vandq_u32(vcltq_u32(own, limit), bit));
    const uint8x16_t bytes = vld1q_u8(kBytesOfSets.byte[below]);
    vst1q_u32(value + kept, vreinterpretq_u32_u8(vqtbl1q_u8(vreinterpretq_u8_u32(own), bytes)));
    vst1q_u32(kept_number + kept, vreinterpretq_u32_u8(vqtbl1q_u8(vreinterpretq_u8_u32(its_number), bytes)));
    kept += kBytesOfSets.n_lanes[below];
  }
  for (; i < n; i++) {
    const uint32_t own = value[i], its_number = number[i];
    value[kept] = own;
    kept_number[kept] = its_number;
    kept += own < bound;
  }
  return kept;
}

constexpr bool kCodesInRegisters = true;

// What is looked up in a table of bytes of 1, 2 or 4 registers.
inline uint8x16_t looked_up(const uint8_t *table, uint8x16_t place, std::integral_constant<int, 1>) { return vqtbl1q_u8(vld1q_u8(table), place); }
inline uint8x16_t looked_up(const uint8_t *table, uint8x16_t place, std::integral_constant<int, 2>) { return vqtbl2q_u8(vld1q_u8_x2(table), place); }
inline uint8x16_t looked_up(const uint8_t *table, uint8x16_t place, std::integral_constant<int, 4>) { return vqtbl4q_u8(vld1q_u8_x4(table), place); }

// The codes of a row as bytes, first the lowest ones of all slots, so that one instruction looks a byte of all nodes up. Slots from n_base_slots on
// become those of the same columns.
template <int kParts>
struct RowInRegisters {
  const uint8_t *bytes;

  RowInRegisters(const uint32_t *codes, int64_t row) : bytes(reinterpret_cast<const uint8_t *>(codes + row * 16 * kParts)) {}

  static void arrange(uint32_t *codes) {
    uint8x16x4_t part[kParts];
    for (int i = 0; i < kParts; i++) part[i] = vld4q_u8(reinterpret_cast<const uint8_t *>(codes + 16 * i));
    uint8_t *to = reinterpret_cast<uint8_t *>(codes);
    for (int byte = 0; byte < 4; byte++)
      for (int i = 0; i < kParts; i++, to += 16) vst1q_u8(to, part[i].val[byte]);
  }

  uint32_t answers(const skt_block &block) const {
    const uint8x16_t slot = vandq_u8(vld1q_u8(block.code), vdupq_n_u8(16 * kParts - 1));
    uint8x16_t byte[4]; // of all nodes
    for (int i = 0; i < 4; i++) byte[i] = looked_up(bytes + 16 * kParts * i, slot, std::integral_constant<int, kParts>());
    const uint16x8_t lower = vreinterpretq_u16_u8(vzip1q_u8(byte[0], byte[1])), upper = vreinterpretq_u16_u8(vzip1q_u8(byte[2], byte[3]));
    const uint16x8_t last_lower = vreinterpretq_u16_u8(vzip2q_u8(byte[0], byte[1])), last_upper = vreinterpretq_u16_u8(vzip2q_u8(byte[2], byte[3]));
    const uint16x8_t code[] = {vzip1q_u16(lower, upper), vzip2q_u16(lower, upper), vzip1q_u16(last_lower, last_upper)}; // of four nodes each
    const uint32x4_t bit_of = {1, 2, 4, 8};
    uint32x4_t bits = vdupq_n_u32(0);
    for (int i = 0; i < 3; i++)
      bits = vorrq_u32(bits, vandq_u32(vcleq_u32(vreinterpretq_u32_u16(code[i]), vld1q_u32(block.key + 4 * i)), vshlq_u32(bit_of, vdupq_n_s32(4 * i))));
    return vaddvq_u32(bits);
  }
};

// --------------------------------------------------------------------------------------------------------------------- doubles

constexpr int kDoubles = 2;

using Doubles = float64x2_t;
using Choice = uint64x2_t;

inline Doubles spread(double x) { return vdupq_n_f64(x); }
inline Doubles fused(Doubles a, Doubles b, Doubles c) { return vfmaq_f64(c, a, b); }
inline Choice choice_of(uint64_t bits) {
  const uint64x2_t bit_of = {1, 2};
  return vtstq_u64(vdupq_n_u64(bits), bit_of);
}
inline Doubles gathered(const double *from, const int32_t *index, Doubles otherwise) {
  const double found[] = {index[0] < 0 ? vgetq_lane_f64(otherwise, 0) : from[index[0]], index[1] < 0 ? vgetq_lane_f64(otherwise, 1) : from[index[1]]};
  return vld1q_f64(found);
}
inline Doubles pick(Choice which, Doubles if_set, Doubles if_clear) { return vbslq_f64(which, if_set, if_clear); }

} // namespace
} // namespace SKT_ISA
