// AVX-512 with VBMI and GFNI: registers of 64 bytes, and look-ups in them by byte.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "../sktensor.h"
#include "lanes.h"
#include "progression.h"

namespace SKT_ISA {
namespace {

// ----------------------------------------------------------------------------------------------------------------------- bits

inline Bits choose(Bits select, Bits if_set, Bits if_clear) {
  return (Bits)_mm512_ternarylogic_epi64((__m512i)select, (__m512i)if_set, (__m512i)if_clear, 0xCA);
}

inline Bits or_and(Bits a, Bits b, Bits c) { return (Bits)_mm512_ternarylogic_epi64((__m512i)a, (__m512i)b, (__m512i)c, 0xF8); }

// Eight matrices of bits, one a word. The instruction multiplies the matrix in `x` with the unit vectors in `units`, and counts the rows
// of a matrix backwards: bit b of byte i of the answer is the i-th unit vector's bit of byte 7 - b.
inline __m512i columns_of_bits(__m512i x, long long units) { return _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi64(units), x, 0); }

// An 8 x 8 matrix of words, a row a register, turned over its diagonal.
inline void transpose_words(__m512i r[8]) {
  __m512i a[8], b[8];
  const __m512i even = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), odd = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; j++) {
      b[i + j] = _mm512_permutex2var_epi64(a[i + j], even, a[i + 2 + j]);
      b[i + 2 + j] = _mm512_permutex2var_epi64(a[i + j], odd, a[i + 2 + j]);
    }
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i64x2(b[i], b[i + 4], 0x44);
    r[i + 4] = _mm512_shuffle_i64x2(b[i], b[i + 4], 0xEE);
  }
}

// Byte i of word w to byte w of word i.
inline __m512i transposed_bytes() {
  return _mm512_setr_epi64(0x3830282018100800ll, 0x3931292119110901ll, 0x3A322A221A120A02ll, 0x3B332B231B130B03ll, 0x3C342C241C140C04ll,
                           0x3D352D251D150D05ll, 0x3E362E261E160E06ll, 0x3F372F271F170F07ll);
}

// Within each word: byte i becomes bit i of the word's eight bytes. Then the bytes of one bit are brought together.
inline void bits_of_bytes(const uint8_t *bytes, int n_bits, Bits *out) {
  const __m512i gather = transposed_bytes();
  __m512i r[8];
  for (int s = 0; s < kSlices; s++)
    r[s] = _mm512_permutexvar_epi8(gather, columns_of_bits(_mm512_loadu_si512(bytes + 64 * s), 0x8040201008040201ll));
  transpose_words(r);
  for (int bit = 0; bit < n_bits; bit++) out[bit] = (Bits)r[bit];
}

// Bit b of a byte comes from row 7 - b of its matrix, so the lowest bit's plane stands last.
inline void bytes_of_bits(const Bits *slots, const uint16_t *code, int, uint8_t *out) { // the slots beyond are clear
  const __m512i gather = transposed_bytes();
  __m512i r[8];
  for (int i = 0; i < 8; i++) r[i] = (__m512i)slots[code[7 - i]];
  transpose_words(r);
  for (int s = 0; s < kSlices; s++)
    _mm512_store_si512(out + 64 * s, columns_of_bits(_mm512_permutexvar_epi8(gather, r[s]), 0x0102040810204080ll));
}

// ------------------------------------------------------------------------------------------------------------------- searches

template <class Value>
constexpr bool kRounds = sizeof(Value) == 8;

// Kept in registers; levels are loaded one by one, so that no load leaves the tree.
template <int kLevels, class Value>
struct Thresholds {
  __m512 top[5], sixth[2], seventh[4], eighth[8];
  Thresholds(const float *tree, const double *) {
    for (int level = 0; level < 5 && level < kLevels; level++)
      top[level] = _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << (1 << level)) - 1), tree + (1 << level));
    if constexpr (kLevels > 5)
      for (int i = 0; i < 2; i++) sixth[i] = _mm512_loadu_ps(tree + 32 + 16 * i);
    if constexpr (kLevels > 6)
      for (int i = 0; i < 4; i++) seventh[i] = _mm512_loadu_ps(tree + 64 + 16 * i);
    if constexpr (kLevels > 7)
      for (int i = 0; i < 8; i++) eighth[i] = _mm512_loadu_ps(tree + 128 + 16 * i);
  }
};

// Float64 values move towards the side on which the thresholds were rounded, so that x and t compare as their float32 images do unless these
// are equal.
template <bool kRightIfEqual>
constexpr int kRoundingMode = (kRightIfEqual ? _MM_FROUND_TO_POS_INF : _MM_FROUND_TO_NEG_INF) | _MM_FROUND_NO_EXC;

template <bool kRightIfEqual>
inline __m512 rounded(const double *x) {
  constexpr int mode = kRoundingMode<kRightIfEqual>;
  const __m256 low = _mm512_cvt_roundpd_ps(_mm512_loadu_pd(x), mode), high = _mm512_cvt_roundpd_ps(_mm512_loadu_pd(x + 8), mode);
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}

template <bool>
inline __m512 rounded(const float *x) {
  return _mm512_loadu_ps(x);
}

struct Floats {
  __m512 all;
};

template <bool kRightIfEqual, class Value>
struct Values : Floats {
  explicit Values(const Value *x) : Floats{rounded<kRightIfEqual>(x)} {}
};

using Mask = __mmask16;

template <bool kRightIfEqual>
inline Mask goes_right(const Floats &x, const Floats &threshold) {
  return _mm512_cmp_ps_mask(x.all, threshold.all, kRightIfEqual ? _CMP_GE_OQ : _CMP_GT_OQ);
}

inline Mask equals(const Floats &x, const Floats &threshold) { return _mm512_cmp_ps_mask(x.all, threshold.all, _CMP_EQ_OQ); }

inline uint32_t lanes_of(Mask mask) { return mask; }

template <int kLevels>
constexpr int kLevelsByStep = kLevels;

template <int kLevels, class Value>
struct Unfinished;

template <int kLevels>
struct Path {
  __m512i j = _mm512_setzero_si512();
  Mask first = 0, second = 0; // what the first decisions were: a level of 64 or 128 takes several registers, between which they choose

  template <int kLevel, class Value>
  Floats at(const Thresholds<kLevels, Value> &thresholds) const {
    if constexpr (kLevel <= 4) {
      return {_mm512_permutexvar_ps(j, thresholds.top[kLevel])};
    } else if constexpr (kLevel == 5) {
      return {_mm512_permutex2var_ps(thresholds.sixth[0], j, thresholds.sixth[1])};
    } else if constexpr (kLevel == 6) {
      const __m512 *const level = thresholds.seventh;
      return {_mm512_mask_blend_ps(first, _mm512_permutex2var_ps(level[0], j, level[1]), _mm512_permutex2var_ps(level[2], j, level[3]))};
    } else {
      const __m512 *const level = thresholds.eighth;
      const __m512 a = _mm512_mask_blend_ps(second, _mm512_permutex2var_ps(level[0], j, level[1]), _mm512_permutex2var_ps(level[2], j, level[3]));
      const __m512 b = _mm512_mask_blend_ps(second, _mm512_permutex2var_ps(level[4], j, level[5]), _mm512_permutex2var_ps(level[6], j, level[7]));
      return {_mm512_mask_blend_ps(first, a, b)};
    }
  }

  template <int kLevel>
  void turn(Mask right) {
    if constexpr (kLevel == 0) first = right;
    if constexpr (kLevel == 1) second = right;
    j = _mm512_add_epi32(j, j);
    j = _mm512_mask_sub_epi32(j, right, j, _mm512_set1_epi32(-1));
  }

  void store(uint8_t *rank) const { _mm_storeu_si128(reinterpret_cast<__m128i *>(rank), _mm512_cvtepi32_epi8(j)); }
};

// ----------------------------------------------------------------------------------------------------------------------- rows

template <class Feature>
constexpr int kTileRows = 64 / sizeof(Feature);

// 16 columns, each a register: of 16 rows of float32, or 8 of float64.
template <class Feature>
struct Tile {
  std::conditional_t<sizeof(Feature) == 4, __m512, __m512i> column[16];
};

// `width` neighbouring columns of 16 rows that begin at `at`, as float32: of float64 rounded by this mode.
template <int kMode>
inline void load_floats(const char *at, const skt_rows &rows, int width, Tile<float> &tile) {
  const __mmask16 there = static_cast<__mmask16>((1u << width) - 1);
  __m512 r[16];
  __m512 *const t = tile.column;
  if (rows.dtype == SKT_FLOAT32) {
    for (int i = 0; i < 16; i++) r[i] = _mm512_maskz_loadu_ps(there, at + i * rows.row_stride);
  } else {
    for (int i = 0; i < 16; i++) {
      const char *row = at + i * rows.row_stride;
      const __m256 low = _mm512_cvt_roundpd_ps(_mm512_maskz_loadu_pd(static_cast<__mmask8>(there), row), kMode);
      const __m256 high = _mm512_cvt_roundpd_ps(_mm512_maskz_loadu_pd(static_cast<__mmask8>(there >> 8), row + 64), kMode);
      r[i] = _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
    }
  }
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; j++) {
      const __m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + j + 2]);
      r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
  // r[4 g + c] holds, in lane l, rows 4 g .. 4 g + 3 of column 4 l + c: lanes and groups are what is left to turn over.
  for (int c = 0; c < 4; c++) {
    const __m512 a = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x88), b = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xDD);
    const __m512 d = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x88), e = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xDD);
    t[c] = _mm512_shuffle_f32x4(a, d, 0x88);
    t[8 + c] = _mm512_shuffle_f32x4(a, d, 0xDD);
    t[4 + c] = _mm512_shuffle_f32x4(b, e, 0x88);
    t[12 + c] = _mm512_shuffle_f32x4(b, e, 0xDD);
  }
}

inline void load_tile(const char *at, const skt_rows &rows, int width, Tile<float> &tile) {
  load_floats<_MM_FROUND_CUR_DIRECTION>(at, rows, width, tile);
}

// The same of 8 rows of float64, which rows of float32 are not asked for.
inline void load_tile(const char *at, const skt_rows &rows, int width, Tile<double> &tile) {
  const __mmask16 there = static_cast<__mmask16>((1u << width) - 1);
  for (int half = 0; half < 2; half++) {
    __m512i *const t = tile.column + 8 * half;
    const __mmask8 columns = static_cast<__mmask8>(there >> (8 * half));
    if (!columns) return; // nobody asks for the others
    for (int i = 0; i < 8; i++) t[i] = _mm512_maskz_loadu_epi64(columns, at + i * rows.row_stride + 64 * half);
    transpose_words(t);
  }
}

// Rows of float64 on the way to a search.
struct Rounding {
  static constexpr bool kThere = true;

  template <bool kRightIfEqual>
  static void load(const char *at, const skt_rows &rows, int width, Tile<float> &tile) {
    load_floats<kRoundingMode<kRightIfEqual>>(at, rows, width, tile);
  }

  template <bool kRightIfEqual>
  static void round(const double *x, int n, float *out) { // a multiple of 16
    for (int i = 0; i < n; i += 16) _mm512_store_ps(out + i, rounded<kRightIfEqual>(x + i));
  }
};

inline void store_tile(const Tile<float> &tile, int column, float *to) { _mm512_store_ps(to, tile.column[column]); }
inline void store_tile(const Tile<double> &tile, int column, double *to) { _mm512_store_si512(to, tile.column[column]); }

// ----------------------------------------------------------------------------------------------------------------------- sums

template <int kBits>
inline __m512i bytes_at(const uint8_t *table, __m512i number, __mmask64 upper) {
  const __m512i *t = reinterpret_cast<const __m512i *>(table);
  if constexpr (kBits <= 6) return _mm512_permutexvar_epi8(number, t[0]);
  if constexpr (kBits == 7) return _mm512_permutex2var_epi8(t[0], number, t[1]);
  return _mm512_mask_blend_epi8(upper, _mm512_permutex2var_epi8(t[0], number, t[1]), _mm512_permutex2var_epi8(t[2], number, t[3]));
}

// Looks up the values of 64 rows a byte at a time and puts the bytes together. Register q of four (eight) then holds rows
// 16 l + 4 q + i (16 l + 2 q + i) in its l-th quarter.
template <int kBits>
inline void add_values(__m512 *acc, const uint8_t *table, __m512i number) {
  constexpr int kStep = kBits <= 6 ? 64 : 1 << kBits;
  const __mmask64 upper = kBits == 8 ? _mm512_movepi8_mask(number) : 0;
  __m512i b[4];
  for (int k = 0; k < 4; k++) b[k] = bytes_at<kBits>(table + k * kStep, number, upper);
  const __m512i low0 = _mm512_unpacklo_epi8(b[0], b[1]), low1 = _mm512_unpackhi_epi8(b[0], b[1]);
  const __m512i high0 = _mm512_unpacklo_epi8(b[2], b[3]), high1 = _mm512_unpackhi_epi8(b[2], b[3]);
  acc[0] = _mm512_add_ps(acc[0], _mm512_castsi512_ps(_mm512_unpacklo_epi16(low0, high0)));
  acc[1] = _mm512_add_ps(acc[1], _mm512_castsi512_ps(_mm512_unpackhi_epi16(low0, high0)));
  acc[2] = _mm512_add_ps(acc[2], _mm512_castsi512_ps(_mm512_unpacklo_epi16(low1, high1)));
  acc[3] = _mm512_add_ps(acc[3], _mm512_castsi512_ps(_mm512_unpackhi_epi16(low1, high1)));
}

template <int kBits>
inline void add_values(__m512d *acc, const uint8_t *table, __m512i number) {
  constexpr int kStep = kBits <= 6 ? 64 : 1 << kBits;
  const __mmask64 upper = kBits == 8 ? _mm512_movepi8_mask(number) : 0;
  __m512i pair[4][2]; // two bytes of 8 values in each quarter
  for (int k = 0; k < 4; k++) {
    const __m512i even = bytes_at<kBits>(table + 2 * k * kStep, number, upper), odd = bytes_at<kBits>(table + (2 * k + 1) * kStep, number, upper);
    pair[k][0] = _mm512_unpacklo_epi8(even, odd);
    pair[k][1] = _mm512_unpackhi_epi8(even, odd);
  }
  for (int half = 0; half < 2; half++) {
    const __m512i low0 = _mm512_unpacklo_epi16(pair[0][half], pair[1][half]), low1 = _mm512_unpackhi_epi16(pair[0][half], pair[1][half]);
    const __m512i high0 = _mm512_unpacklo_epi16(pair[2][half], pair[3][half]), high1 = _mm512_unpackhi_epi16(pair[2][half], pair[3][half]);
    __m512d *a = acc + 4 * half;
    a[0] = _mm512_add_pd(a[0], _mm512_castsi512_pd(_mm512_unpacklo_epi32(low0, high0)));
    a[1] = _mm512_add_pd(a[1], _mm512_castsi512_pd(_mm512_unpackhi_epi32(low0, high0)));
    a[2] = _mm512_add_pd(a[2], _mm512_castsi512_pd(_mm512_unpacklo_epi32(low1, high1)));
    a[3] = _mm512_add_pd(a[3], _mm512_castsi512_pd(_mm512_unpackhi_epi32(low1, high1)));
  }
}

// Sums of 64 rows, which stay in registers from piece to piece.
template <class Acc>
struct Sums {
  static constexpr int kRows = kSlice;
  std::conditional_t<sizeof(Acc) == 4, __m512, __m512d> sum[sizeof(Acc)];

  explicit Sums(const Acc *from) { std::memcpy(sum, from, sizeof sum); }
  void store(Acc *to) const { std::memcpy(to, sum, sizeof sum); }

  void add(const skt_bitsliced &t, int first, int last, int output, const uint8_t *numbers) {
    for (int p = first; p < last; p++, numbers += kBlock) add_piece(t, p, output, numbers);
  }

 private:
  void add_piece(const skt_bitsliced &t, int piece, int output, const uint8_t *numbers) {
    const __m512i number = _mm512_load_si512(numbers);
    const int bits = t.piece_bits[piece];
    const uint8_t *table = t.value_bytes + t.piece_bytes[piece] + static_cast<int64_t>(output) * sizeof(Acc) * std::max(64, 1 << bits);
    if (bits <= 6)
      add_values<6>(sum, table, number);
    else if (bits == 7)
      add_values<7>(sum, table, number);
    else
      add_values<8>(sum, table, number);
  }
};

template <class Acc>
constexpr int kShuffledBits = -1; // Sums does that

template <class Acc>
struct ShuffledSums;

// Where the sum of a block's row stands in the accumulators.
template <class Acc>
inline int place_of(int row) {
  constexpr int kPart = 16 / sizeof(Acc); // values in a quarter of a register
  const int in_slice = row % kSlice, quarter = in_slice / 16, part = in_slice % 16 / kPart;
  return row - in_slice + part * 4 * kPart + quarter * kPart + in_slice % kPart;
}

// ---------------------------------------------------------------------------------------------------------------------- links

constexpr double kRound = 6755399441055744.0;    // 1.5 * 2**52: adding it rounds to a whole number, in the low bits
constexpr double kLeast = -110.0, kMost = 100.0; // beyond, float32 knows only 0 and infinity

// The operations of simd/portable.h in their order; the table in four registers.
inline __m256 eight_exponentials(const skt_expf &t, __m256 x) {
  const __m512d value = _mm512_min_pd(_mm512_set1_pd(kMost), _mm512_max_pd(_mm512_set1_pd(kLeast), _mm512_cvtps_pd(x))); // NaN stays
  const __m512d scaled = _mm512_mul_pd(value, _mm512_set1_pd(t.scale)), shifted = _mm512_add_pd(scaled, _mm512_set1_pd(kRound));
  const __m512d rest = _mm512_sub_pd(scaled, _mm512_sub_pd(shifted, _mm512_set1_pd(kRound)));
  const __m512i steps = _mm512_castpd_si512(shifted);
  const __m512d low = _mm512_permutex2var_pd(_mm512_loadu_pd(t.power), steps, _mm512_loadu_pd(t.power + 8));
  const __m512d high = _mm512_permutex2var_pd(_mm512_loadu_pd(t.power + 16), steps, _mm512_loadu_pd(t.power + 24));
  const __m512d fraction = _mm512_mask_blend_pd(_mm512_test_epi64_mask(steps, _mm512_set1_epi64(16)), low, high);
  const __m512i exponent = _mm512_slli_epi64(_mm512_add_epi64(_mm512_srli_epi64(steps, 5), _mm512_set1_epi64(1023)), 52);
  const __m512d cubic = _mm512_add_pd(_mm512_mul_pd(_mm512_set1_pd(t.cubic[0]), rest), _mm512_set1_pd(t.cubic[1]));
  const __m512d line = _mm512_add_pd(_mm512_mul_pd(_mm512_set1_pd(t.cubic[2]), rest), _mm512_set1_pd(1.0));
  const __m512d sum = _mm512_add_pd(_mm512_mul_pd(cubic, _mm512_mul_pd(rest, rest)), line);
  return _mm512_cvtpd_ps(_mm512_mul_pd(sum, _mm512_mul_pd(fraction, _mm512_castsi512_pd(exponent))));
}

inline void exponentials(const skt_expf &t, const float *x, int n, float *out) {
  for (int i = 0; i < n; i += 16) {
    const __mmask16 there = n - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (n - i)) - 1);
    const __m512 values = _mm512_maskz_loadu_ps(there, x + i);
    const __m256 low = eight_exponentials(t, _mm512_castps512_ps256(values)), high = eight_exponentials(t, _mm512_extractf32x8_ps(values, 1));
    _mm512_mask_storeu_ps(out + i, there, _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1));
  }
}

// ---------------------------------------------------------------------------------------------------------------------- blocks

// Lanes behind the last exit may match too, the first one that does is it.
inline uint32_t exit_of(const skt_block &block, uint32_t answers) {
  asm("" : "+r"(answers)); // a number: clang spreads a mask word by word
  const __m256i care = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(block.care));
  const __m256i want = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(block.want));
  const __m256i told = _mm256_and_si256(_mm256_set1_epi16(static_cast<int16_t>(answers)), care);
  return __builtin_ctz(_mm256_cmpeq_epi16_mask(told, want));
}

// Tables of fewer entries than two or four registers have stand there several times.
inline void look_up_highest(const uint8_t *table, int n_bits, const uint8_t *number, int n, uint8_t *highest) {
  const int last_part = n_bits <= 6 ? 0 : (1 << (n_bits - 6)) - 1;
  const __mmask64 there = n_bits >= 6 ? ~0ull : (1ull << (1 << n_bits)) - 1;
  __m512i part[4];
  for (int i = 0; i < 4; i++) part[i] = _mm512_maskz_loadu_epi8(there, table + 64 * (i & last_part));
  for (int i = 0; i < n; i += 64) {
    const __mmask64 rows = n - i >= 64 ? ~0ull : (1ull << (n - i)) - 1;
    const __m512i at = _mm512_maskz_loadu_epi8(rows, number + i);
    __m512i found = _mm512_permutex2var_epi8(part[0], at, part[1]);
    if (n_bits == 8) found = _mm512_mask_mov_epi8(found, _mm512_movepi8_mask(at), _mm512_permutex2var_epi8(part[2], at, part[3]));
    _mm512_mask_storeu_epi8(highest + i, rows, _mm512_max_epu8(found, _mm512_maskz_loadu_epi8(rows, highest + i)));
  }
}

constexpr int kBeyondKept = 16;

inline __m512i sixteen(const uint32_t *number, int64_t i, __mmask16 there) { return _mm512_maskz_loadu_epi32(there, number + i); }
inline __m512i sixteen(Progression number, int64_t i, __mmask16) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i apart = _mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(number.by)));
  return _mm512_add_epi32(apart, _mm512_set1_epi32(static_cast<int>(number[i])));
}

// Whole registers are stored: some processors take a hundred cycles to store lanes side by side.
template <class Numbers>
inline int64_t keep_below(uint32_t bound, uint32_t *value, Numbers number, int64_t n, uint32_t *kept_number) {
  const __m512i limit = _mm512_set1_epi32(static_cast<int>(bound));
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 there = n - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (n - i)) - 1);
    const __m512i own = sixteen(value, i, there), its_number = sixteen(number, i, there);
    const __mmask16 below = _mm512_mask_cmplt_epu32_mask(there, own, limit);
    _mm512_storeu_si512(value + kept, _mm512_maskz_compress_epi32(below, own));
    _mm512_storeu_si512(kept_number + kept, _mm512_maskz_compress_epi32(below, its_number));
    kept += __builtin_popcount(below);
  }
  return kept;
}

constexpr bool kCodesInRegisters = true;

// The codes of a row in 1, 2 or 4 registers, from which one instruction fetches those of all nodes. It looks at as many bits of a slot as
// there are codes, so that slots from n_base_slots on become those of the same columns.
template <int kRegisters>
struct RowInRegisters {
  __m512i part[kRegisters];

  static void arrange(uint32_t *) {}

  RowInRegisters(const uint32_t *codes, int64_t row) {
    const uint32_t *at = codes + row * kRegisters * 16;
    asm("" : "+r"(at)); // GCC computes it anew for each register otherwise
    for (int i = 0; i < kRegisters; i++) part[i] = _mm512_loadu_si512(at + 16 * i);
  }

  uint32_t answers(const skt_block &block) const {
    const __m512i slot = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(block.code)));
    __m512i code;
    if constexpr (kRegisters == 1) code = _mm512_permutexvar_epi32(slot, part[0]);
    if constexpr (kRegisters >= 2) code = _mm512_permutex2var_epi32(part[0], slot, part[1]);
    if constexpr (kRegisters == 4) {
      const __m512i high = _mm512_permutex2var_epi32(part[2], slot, part[3]);
      code = _mm512_mask_mov_epi32(code, _mm512_test_epi32_mask(slot, _mm512_set1_epi32(32)), high);
    }
    return _mm512_cmple_epu32_mask(code, _mm512_loadu_si512(block.key));
  }
};

// -------------------------------------------------------------------------------------------------------------------- entries

template <class Index>
inline int32_t entries_with_place(const char *indices, int32_t n, const int32_t *place, uint32_t n_places, int32_t *entries) {
  const __m512i most = _mm512_set1_epi32(static_cast<int32_t>(n_places));
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  int32_t n_kept = 0;
  for (int32_t i = 0; i < n; i += 16) {
    const __mmask16 there = n - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (n - i)) - 1);
    const char *const here = indices + i * int64_t(sizeof(Index));
    __m512i column;
    if constexpr (sizeof(Index) == 4) {
      column = _mm512_maskz_loadu_epi32(there, here);
    } else {
      const __m256i low = _mm512_cvtepi64_epi32(_mm512_maskz_loadu_epi64(static_cast<__mmask8>(there), here));
      const __m256i high = _mm512_cvtepi64_epi32(_mm512_maskz_loadu_epi64(static_cast<__mmask8>(there >> 8), here + 64));
      column = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    }
    const __m512i found = _mm512_mask_i32gather_epi32(most, there, column, place, 4);
    const __mmask16 kept = _mm512_cmplt_epu32_mask(found, most);
    _mm512_mask_compressstoreu_epi32(entries + n_kept, kept, _mm512_add_epi32(lane, _mm512_set1_epi32(i)));
    n_kept += __builtin_popcount(kept);
  }
  return n_kept;
}

// --------------------------------------------------------------------------------------------------------------------- doubles

constexpr int kDoubles = 8;

using Doubles = __m512d;
using Choice = __mmask8;

inline Doubles spread(double x) { return _mm512_set1_pd(x); }
inline Doubles fused(Doubles a, Doubles b, Doubles c) { return _mm512_fmadd_pd(a, b, c); }
inline Choice choice_of(uint64_t bits) { return static_cast<__mmask8>(bits); }
inline Doubles pick(Choice which, Doubles if_set, Doubles if_clear) { return _mm512_mask_blend_pd(which, if_clear, if_set); }

inline Doubles gathered(const double *from, const int32_t *index, Doubles otherwise) {
  const __m256i at = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(index));
  return _mm512_mask_i32gather_pd(otherwise, _mm256_cmpge_epi32_mask(at, _mm256_setzero_si256()), at, from, 8);
}

// Registers hold 8 numbers each; two of them are looked up by one instruction, and the bits of a number beyond choose between pairs.
constexpr int kTableBits = 6;

template <int kBits>
struct TableOfDoubles {
  static constexpr int kParts = kBits <= 3 ? 1 : 1 << (kBits - 3);
  __m512d part[kParts];

  explicit TableOfDoubles(const double *from) {
    if constexpr (kBits < 3)
      part[0] = _mm512_maskz_loadu_pd(static_cast<__mmask8>((1 << (1 << kBits)) - 1), from);
    else
      for (int i = 0; i < kParts; i++) part[i] = _mm512_loadu_pd(from + 8 * i);
  }

  Doubles at(const int32_t *number) const {
    const __m512i n = _mm512_cvtepi32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(number)));
    if constexpr (kParts == 1) {
      return _mm512_permutexvar_pd(n, part[0]);
    } else {
      __m512d found[kParts / 2];
      for (int i = 0; i < kParts / 2; i++) found[i] = _mm512_permutex2var_pd(part[2 * i], n, part[2 * i + 1]);
      for (int pairs = kParts / 4, bit = 16; pairs > 0; pairs /= 2, bit *= 2) {
        const __mmask8 above = _mm512_test_epi64_mask(n, _mm512_set1_epi64(bit));
        for (int i = 0; i < pairs; i++) found[i] = _mm512_mask_blend_pd(above, found[2 * i], found[2 * i + 1]);
      }
      return found[0];
    }
  }
};

struct Numbers {
  __m512i number[4];

  Numbers() {
    for (__m512i &part : number) part = _mm512_setzero_si512();
  }
  void add(uint64_t bits, int bit) {
    const __m512i weight = _mm512_set1_epi32(1 << bit);
    for (int i = 0; i < 4; i++) number[i] = _mm512_mask_or_epi32(number[i], static_cast<__mmask16>(bits >> (16 * i)), number[i], weight);
  }
  void store(int32_t *to) const { std::memcpy(to, number, sizeof number); }
};

inline uint32_t exceeding_at(const uint32_t *code, const int32_t *slot, const uint32_t *key) {
  const __m512i own = _mm512_i32gather_epi32(_mm512_loadu_si512(slot), code, 4);
  return _mm512_cmpgt_epu32_mask(own, _mm512_loadu_si512(key));
}

inline uint64_t exceeding(const uint32_t *code, uint32_t key) {
  const __m512i limit = _mm512_set1_epi32(static_cast<int32_t>(key));
  __mmask16 bits[4];
  for (int i = 0; i < 4; i++) bits[i] = _mm512_cmpgt_epu32_mask(_mm512_load_si512(code + 16 * i), limit);
  return _mm512_kunpackd(_mm512_kunpackw(bits[3], bits[2]), _mm512_kunpackw(bits[1], bits[0]));
}

} // namespace
} // namespace SKT_ISA
