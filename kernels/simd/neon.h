// 64-bit Arm, whose baseline is NEON.
#pragma once

#include <arm_neon.h>

#include "portable.h"

namespace SKT_ISA {
namespace {

using portable::entries_with_place;
using portable::exceeding;
using portable::exceeding_at;
using portable::exponentials;
using portable::goes_right;
using portable::kCodesInRegisters;
using portable::kRounds;
using portable::kTableBits;
using portable::kTileRows;
using portable::lanes_of;
using portable::load_tile;
using portable::Mask;
using portable::Numbers;
using portable::or_and;
using portable::Path;
using portable::place_of;
using portable::RowInRegisters;
using portable::store_tile;
using portable::Sums;
using portable::TableOfDoubles;
using portable::Thresholds;
using portable::Tile;
using portable::Values;

inline Bits choose(Bits select, Bits if_set, Bits if_clear) {
  Bits out;
  for (int i = 0; i < kSlices; i += 2) {
    const uint64x2_t mask = {select[i], select[i + 1]}, a = {if_set[i], if_set[i + 1]}, b = {if_clear[i], if_clear[i + 1]};
    const uint64x2_t chosen = vbslq_u64(mask, a, b);
    out[i] = vgetq_lane_u64(chosen, 0);
    out[i + 1] = vgetq_lane_u64(chosen, 1);
  }
  return out;
}

// Bit k of each byte of 16, moved to its place in the byte of the plane, and added up.
inline void bits_of_bytes(const uint8_t *bytes, int n_bits, Bits *out) {
  const int8x16_t place = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7};
  for (int bit = 0; bit < n_bits; bit++) {
    uint8_t *const plane = reinterpret_cast<uint8_t *>(out + bit);
    const int8x16_t down = vdupq_n_s8(static_cast<int8_t>(-bit));
    for (int i = 0; i < kBlock / 16; i++) {
      const uint8x16_t own = vandq_u8(vshlq_u8(vld1q_u8(bytes + 16 * i), down), vdupq_n_u8(1));
      const uint8x16_t moved = vshlq_u8(own, place);
      plane[2 * i] = vaddv_u8(vget_low_u8(moved));
      plane[2 * i + 1] = vaddv_u8(vget_high_u8(moved));
    }
  }
}

// A byte of a plane spread over eight lanes, each of which tests a bit of its own.
inline void bytes_of_bits(const Bits *slots, const uint16_t *code, int n_bits, uint8_t *out) {
  const uint8x16_t bit_of = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  for (int i = 0; i < kBlock / 16; i++) {
    uint8x16_t number = vdupq_n_u8(0);
    for (int bit = 0; bit < n_bits; bit++) {
      const uint8_t *const plane = reinterpret_cast<const uint8_t *>(slots + code[bit]) + 2 * i;
      const uint8x16_t spread = vcombine_u8(vdup_n_u8(plane[0]), vdup_n_u8(plane[1]));
      number = vorrq_u8(number, vandq_u8(vtstq_u8(spread, bit_of), vdupq_n_u8(static_cast<uint8_t>(1 << bit))));
    }
    vst1q_u8(out + 16 * i, number);
  }
}

// One exit matches: those behind the last one want what no answer gives. Exits 5 to 12 are read together, the first three of them twice.
inline uint32_t exit_of(const skt_block &block, uint32_t answers) {
  const uint16x8_t all = vdupq_n_u16(static_cast<uint16_t>(answers));
  const uint16x8_t low_exit = {0, 1, 2, 3, 4, 5, 6, 7}, high_exit = {0, 0, 0, 8, 9, 10, 11, 12};
  const uint16x8_t low = vceqq_u16(vandq_u16(all, vld1q_u16(block.care)), vld1q_u16(block.want));
  const uint16x8_t high = vceqq_u16(vandq_u16(all, vld1q_u16(block.care + 5)), vld1q_u16(block.want + 5));
  return vaddvq_u16(vorrq_u16(vandq_u16(low, low_exit), vandq_u16(high, high_exit)));
}

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
