// AVX2: registers of 32 bytes.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "portable.h"
#include "sse2.h"

namespace SKT_ISA {
namespace {

using portable::choose;
using portable::entries_with_place;
using portable::exponentials;
using portable::kCodesInRegisters;
using portable::kTableBits;
using portable::kTileRows;
using portable::load_tile;
using portable::or_and;
using portable::place_of;
using portable::RowInRegisters;
using portable::store_tile;
using portable::Sums;
using portable::TableOfDoubles;
using portable::Tile;
using sse2::exit_of;

inline void bits_of_bytes(const uint8_t *bytes, int n_bits, Bits *out) {
  for (int bit = 0; bit < n_bits; bit++) {
    const __m128i up = _mm_cvtsi32_si128(7 - bit); // the bit becomes its byte's highest
    for (int i = 0; i < kBlock / 32; i++) {
      const __m256i part = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(bytes) + i);
      const int of_32 = _mm256_movemask_epi8(_mm256_sll_epi16(part, up));
      std::memcpy(reinterpret_cast<char *>(out + bit) + 4 * i, &of_32, 4);
    }
  }
}

inline void bytes_of_bits(const Bits *slots, const uint16_t *code, int n_bits, uint8_t *out) {
  const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101ll, 0x0202020202020202ll, 0x0303030303030303ll);
  const __m256i bit_of = _mm256_set1_epi64x(0x8040201008040201ll);
  for (int i = 0; i < kBlock / 32; i++) {
    __m256i number = _mm256_setzero_si256();
    for (int bit = 0; bit < n_bits; bit++) {
      int32_t part;
      std::memcpy(&part, reinterpret_cast<const char *>(slots + code[bit]) + 4 * i, 4);
      const __m256i own = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(part), spread), bit_of);
      const __m256i set = _mm256_cmpeq_epi8(own, bit_of);
      number = _mm256_or_si256(number, _mm256_and_si256(set, _mm256_set1_epi8(static_cast<char>(1 << bit))));
    }
    _mm256_store_si256(reinterpret_cast<__m256i *>(out) + i, number);
  }
}

// ------------------------------------------------------------------------------------------------------------------- searches

template <class Value>
constexpr bool kRounds = sizeof(Value) == 8;

// Levels are copied, so that no load leaves the tree.
template <int kLevels, class Value>
struct Thresholds {
  alignas(32) float level[8][128];
  Thresholds(const float *tree, const double *) {
    for (int i = 0; i < kLevels; i++) std::memcpy(level[i], tree + (1 << i), sizeof(float) << i);
  }
};

struct Mask {
  __m256 half[2];
  Mask &operator|=(const Mask &other) {
    for (int i = 0; i < 2; i++) half[i] = _mm256_or_ps(half[i], other.half[i]);
    return *this;
  }
};

struct Floats {
  __m256 half[2];
};

// Float64 values move towards the side on which the thresholds were rounded, so that x and t compare as their float32 images do unless these
// are equal. What the instruction cannot round, it rounds to the nearest, and the neighbour is taken where that is on the wrong side.
template <bool kRightIfEqual>
inline __m256 rounded(const double *x) {
  constexpr int kWrong = kRightIfEqual ? _CMP_LT_OQ : _CMP_GT_OQ;
  const __m256d low = _mm256_loadu_pd(x), high = _mm256_loadu_pd(x + 4);
  const __m128 near_low = _mm256_cvtpd_ps(low), near_high = _mm256_cvtpd_ps(high);
  const __m256d wrong_low = _mm256_cmp_pd(_mm256_cvtps_pd(near_low), low, kWrong), wrong_high = _mm256_cmp_pd(_mm256_cvtps_pd(near_high), high, kWrong);
  const __m256 halves = _mm256_shuffle_ps(_mm256_castpd_ps(wrong_low), _mm256_castpd_ps(wrong_high), 0x88);
  const __m256i wrong = _mm256_permute4x64_epi64(_mm256_castps_si256(halves), 0xD8);
  const __m256i bits = _mm256_castps_si256(_mm256_insertf128_ps(_mm256_castps128_ps256(near_low), near_high, 1));
  const __m256i sign = _mm256_srai_epi32(bits, 31), away = _mm256_or_si256(sign, _mm256_set1_epi32(1)); // of negative numbers the bits count down
  const __m256i step = _mm256_and_si256(wrong, away);
  return _mm256_castsi256_ps(kRightIfEqual ? _mm256_add_epi32(bits, step) : _mm256_sub_epi32(bits, step));
}

template <bool>
inline __m256 rounded(const float *x) {
  return _mm256_loadu_ps(x);
}

template <bool kRightIfEqual, class Value>
struct Values : Floats {
  explicit Values(const Value *x) : Floats{{rounded<kRightIfEqual>(x), rounded<kRightIfEqual>(x + 8)}} {}
};

template <bool kRightIfEqual>
inline Mask goes_right(const Floats &x, const Floats &threshold) {
  constexpr int kCompare = kRightIfEqual ? _CMP_GE_OQ : _CMP_GT_OQ;
  return {{_mm256_cmp_ps(x.half[0], threshold.half[0], kCompare), _mm256_cmp_ps(x.half[1], threshold.half[1], kCompare)}};
}

inline Mask equals(const Floats &x, const Floats &threshold) {
  return {{_mm256_cmp_ps(x.half[0], threshold.half[0], _CMP_EQ_OQ), _mm256_cmp_ps(x.half[1], threshold.half[1], _CMP_EQ_OQ)}};
}

inline uint32_t lanes_of(const Mask &mask) {
  return static_cast<uint32_t>(_mm256_movemask_ps(mask.half[0])) | static_cast<uint32_t>(_mm256_movemask_ps(mask.half[1])) << 8;
}

// Element j of a level's thresholds: one register holds eight; the bits of j beyond choose between registers.
template <int kLevel>
inline __m256 looked_up(const float *level, __m256i j) {
  if constexpr (kLevel <= 3) {
    return _mm256_permutevar8x32_ps(_mm256_load_ps(level), j);
  } else {
    const __m256 low = looked_up<kLevel - 1>(level, j), high = looked_up<kLevel - 1>(level + (1 << (kLevel - 1)), j);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(j, 32 - kLevel)));
  }
}

template <int kLevels>
struct Path {
  __m256i j[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};

  template <int kLevel, class Value>
  Floats at(const Thresholds<kLevels, Value> &thresholds) const {
    return {{looked_up<kLevel>(thresholds.level[kLevel], j[0]), looked_up<kLevel>(thresholds.level[kLevel], j[1])}};
  }

  template <int>
  void turn(const Mask &right) { // -1 where it is
    for (int i = 0; i < 2; i++) j[i] = _mm256_sub_epi32(_mm256_add_epi32(j[i], j[i]), _mm256_castps_si256(right.half[i]));
  }

  void store(uint8_t *rank) const {
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(j[0], j[1]), 0xD8);
    _mm_storeu_si128(reinterpret_cast<__m128i *>(rank), _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
  }
};

// --------------------------------------------------------------------------------------------------------------------- doubles

constexpr int kDoubles = 4;

using Doubles = __m256d;
using Choice = __m256d;

inline Doubles spread(double x) { return _mm256_set1_pd(x); }
inline Doubles fused(Doubles a, Doubles b, Doubles c) { return _mm256_fmadd_pd(a, b, c); }
inline Choice choice_of(uint64_t bits) {
  const __m256i bit_of = _mm256_setr_epi64x(1, 2, 4, 8);
  return _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x(static_cast<long long>(bits)), bit_of), bit_of));
}
inline Doubles pick(Choice which, Doubles if_set, Doubles if_clear) { return _mm256_blendv_pd(if_clear, if_set, which); }

inline Doubles gathered(const double *from, const int32_t *index, Doubles otherwise) {
  const __m128i at = _mm_loadu_si128(reinterpret_cast<const __m128i *>(index));
  const __m256i there = _mm256_xor_si256(_mm256_cvtepi32_epi64(at), _mm256_set1_epi64x(-1)); // the highest bit tells
  return _mm256_mask_i32gather_pd(otherwise, from, at, _mm256_castsi256_pd(there), 8);
}

struct Numbers {
  __m256i number[8];

  Numbers() {
    for (__m256i &part : number) part = _mm256_setzero_si256();
  }
  void add(uint64_t bits, int bit) {
    const __m256i bit_of = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128), weight = _mm256_set1_epi32(1 << bit);
    for (int i = 0; i < 8; i++) {
      const __m256i own = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits >> (8 * i) & 0xFF)), bit_of);
      number[i] = _mm256_or_si256(number[i], _mm256_and_si256(_mm256_cmpeq_epi32(own, bit_of), weight));
    }
  }
  void store(int32_t *to) const { std::memcpy(to, number, sizeof number); }
};

inline uint32_t exceeding_at(const uint32_t *code, const int32_t *slot, const uint32_t *key) {
  const __m256i sign = _mm256_set1_epi32(INT32_MIN);
  uint32_t bits = 0;
  for (int i = 0; i < 2; i++) {
    const __m256i at = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(slot) + i);
    const __m256i own = _mm256_xor_si256(_mm256_i32gather_epi32(reinterpret_cast<const int *>(code), at, 4), sign);
    const __m256i limit = _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(key) + i), sign);
    bits |= static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(own, limit)))) << (8 * i);
  }
  return bits;
}

// Integers are compared with their sign, so the highest bit is turned first.
inline uint64_t exceeding(const uint32_t *code, uint32_t key) {
  const __m256i sign = _mm256_set1_epi32(INT32_MIN), limit = _mm256_set1_epi32(static_cast<int32_t>(key ^ 0x80000000u));
  uint64_t bits = 0;
  for (int i = 0; i < 8; i++) {
    const __m256i own = _mm256_xor_si256(_mm256_load_si256(reinterpret_cast<const __m256i *>(code) + i), sign);
    bits |= static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(own, limit))))) << (8 * i);
  }
  return bits;
}

} // namespace
} // namespace SKT_ISA
