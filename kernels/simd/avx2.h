// AVX2: registers of 32 bytes.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "portable.h"

namespace SKT_ISA {
namespace {

using portable::choose;
using portable::entries_with_place;
using portable::exponentials;
using portable::kTableBits;
using portable::or_and;
using portable::TableOfDoubles;

// Bit k of each byte of one register, where k has no bit of kApart, changes places with bit k + kApart of another one, which may be clear.
template <int kApart, bool kClear = false>
inline void exchange(__m256i &a, __m256i &b) {
  const __m256i mask = _mm256_set1_epi8(kApart == 4 ? 0x0F : kApart == 2 ? 0x33 : 0x55), moved = _mm256_srli_epi16(a, kApart);
  if constexpr (kClear) {
    b = _mm256_and_si256(moved, mask);
    a = _mm256_and_si256(a, mask);
  } else {
    const __m256i differs = _mm256_and_si256(_mm256_xor_si256(moved, b), mask);
    b = _mm256_xor_si256(b, differs);
    a = _mm256_xor_si256(a, _mm256_slli_epi16(differs, kApart));
  }
}

// Eight rows of bits, one a register, become columns: bit k of each byte of register j changes places with bit j of that byte of register k. The
// registers from kRows on, six or eight, are clear.
template <int kRows>
inline void transpose_bits(__m256i r[8]) {
#pragma GCC unroll 4
  for (int i = 0; i < kRows; i += 2) exchange<1>(r[i], r[i + 1]);
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    exchange<2>(r[i], r[i + 2]);
    exchange<2, kRows == 6>(r[i + 4], r[i + 6]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) exchange<4>(r[i], r[i + 4]);
}

// Rows are numbered such that bytes need not change places: bit k of byte q of half h is row 256 h + 32 k + q.
inline void bits_of_bytes(const uint8_t *bytes, int n_bits, Bits *out) {
  for (int half = 0; half < 2; half++) {
    __m256i r[8];
    for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(bytes) + 8 * half + i);
    transpose_bits<8>(r);
    for (int bit = 0; bit < 8; bit++)
      if (bit < n_bits) out[bit].part[half] = (Register)r[bit];
  }
}

template <int kBits>
inline void bytes_of(const Bits *slots, const uint16_t *code, uint8_t *out) {
  for (int half = 0; half < 2; half++) {
    __m256i r[8];
    for (int i = 0; i < kBits; i++) r[i] = (__m256i)slots[code[i]].part[half];
    transpose_bits<kBits>(r);
    for (int i = 0; i < 8; i++) _mm256_store_si256(reinterpret_cast<__m256i *>(out) + 8 * half + i, r[i]);
  }
}

inline void bytes_of_bits(const Bits *slots, const uint16_t *code, int n, uint8_t *out) { // the slots beyond are clear
  n <= 6 ? bytes_of<6>(slots, code, out) : bytes_of<8>(slots, code, out);
}

// ------------------------------------------------------------------------------------------------------------------- searches

template <class Value>
constexpr bool kRounds = sizeof(Value) == 8;

struct Rounding {
  static constexpr bool kThere = false;
};

// The levels whose thresholds are looked up in registers; of those below, all that a value may still meet are compared with at once.
template <int kLevels>
constexpr int kLevelsByStep = kLevels <= 5 ? kLevels : kLevels - 3;

// Copied, so that no load leaves the tree.
template <int kLevels, class Value>
struct Thresholds {
  alignas(32) float level[5][16];
  alignas(32) float rest[kLevelsByStep<kLevels> < kLevels ? 1 << kLevelsByStep<kLevels> : 1][8]; // for each place that the steps lead to

  Thresholds(const float *tree, const double *) {
    constexpr int kStep = kLevelsByStep<kLevels>;
    const auto copy = [&](auto number) { // so that each takes a few moves
      constexpr int kLevel = decltype(number)::value;
      if constexpr (kLevel < kStep) std::memcpy(level[kLevel], tree + (1 << kLevel), sizeof(float) << kLevel);
    };
    copy(std::integral_constant<int, 0>{});
    copy(std::integral_constant<int, 1>{});
    copy(std::integral_constant<int, 2>{});
    copy(std::integral_constant<int, 3>{});
    copy(std::integral_constant<int, 4>{});
    if constexpr (kStep < kLevels)
      for (int i = 0; i < 1 << kStep; i++) {
        const __m128 four = _mm_loadu_ps(tree + (4 << kStep) + 4 * i);
        const __m128 two = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(tree + (2 << kStep) + 2 * i)));
        const __m128 nan = _mm_set1_ps(std::numeric_limits<float>::quiet_NaN()); // which nothing goes beyond
        const __m128 one = _mm_unpacklo_ps(_mm_load_ss(tree + (1 << kStep) + i), nan);
        _mm256_store_ps(rest[i], _mm256_insertf128_ps(_mm256_castps128_ps256(four), _mm_movelh_ps(two, one), 1));
      }
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
  if constexpr (kLevel == 0) {
    return _mm256_broadcast_ss(level);
  } else if constexpr (kLevel <= 2) {
    return _mm256_permutevar_ps(_mm256_broadcast_ps(reinterpret_cast<const __m128 *>(level)), j);
  } else if constexpr (kLevel == 3) {
    return _mm256_permutevar8x32_ps(_mm256_load_ps(level), j);
  } else {
    const __m256 low = looked_up<kLevel - 1>(level, j), high = looked_up<kLevel - 1>(level + (1 << (kLevel - 1)), j);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(j, 32 - kLevel)));
  }
}

// The sums of the elements of each of eight registers, which are 0 or -1.
inline __m256i sums_of(const __m256i *r) {
  const __m256i a = _mm256_packs_epi16(_mm256_packs_epi32(r[0], r[1]), _mm256_packs_epi32(r[2], r[3]));
  const __m256i b = _mm256_packs_epi16(_mm256_packs_epi32(r[4], r[5]), _mm256_packs_epi32(r[6], r[7]));
  const __m256i bytes = _mm256_add_epi8(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31)); // four of each
  return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), _mm256_set1_epi16(1));
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

// Searches of which the last three levels are left: 16 values at a time their seven thresholds are compared with at once. That comes when
// the steps of all values are done, so that no search waits for its own.
template <int kLevels, class Value>
struct Unfinished {
  alignas(32) float value[kRounds<Value> ? kBlock : 1]; // where it is not X's own
  alignas(32) uint32_t place[kBlock];                   // where the thresholds that are left stand, in bytes
  uint32_t doubtful[kRounds<Value> ? kBlock / 16 : 1];

  void keep(int i, const Floats &x, const Path<kLevels> &path, const Mask &equal) {
    for (int half = 0; half < 2; half++) {
      _mm256_store_si256(reinterpret_cast<__m256i *>(place + i) + half, _mm256_slli_epi32(path.j[half], 5));
      if constexpr (kRounds<Value>) _mm256_store_ps(value + i + 8 * half, x.half[half]);
    }
    if constexpr (kRounds<Value>) doubtful[i / 16] = lanes_of(equal);
  }

  // Ranks of values i .. i + 16 of X, and which of them are in doubt.
  template <bool kRightIfEqual>
  uint32_t finish(int i, const Value *x, const Thresholds<kLevels, Value> &thresholds, uint8_t *rank) const {
    constexpr int kCompare = kRightIfEqual ? _CMP_GE_OQ : _CMP_GT_OQ;
    const auto own = [&](int lane) {
      if constexpr (kRounds<Value>)
        return _mm256_set1_ps(value[i + lane]);
      else
        return _mm256_set1_ps(x[i + lane]);
    };
    const auto rest = [&](int lane) {
      return _mm256_load_ps(reinterpret_cast<const float *>(reinterpret_cast<const char *>(thresholds.rest) + place[i + lane]));
    };
    __m256 equal = _mm256_setzero_ps();
    Path<kLevels> path;
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
      __m256i beyond[8];
#pragma GCC unroll 8
      for (int k = 0; k < 8; k++) {
        const __m256 a = own(8 * half + k), b = rest(8 * half + k);
        beyond[k] = _mm256_castps_si256(_mm256_cmp_ps(a, b, kCompare));
        if constexpr (kRounds<Value>) equal = _mm256_or_ps(equal, _mm256_cmp_ps(a, b, _CMP_EQ_OQ));
      }
      const __m256i from = _mm256_load_si256(reinterpret_cast<const __m256i *>(place + i) + half);
      path.j[half] = _mm256_sub_epi32(_mm256_srli_epi32(from, 2), sums_of(beyond));
    }
    path.store(rank);
    if constexpr (kRounds<Value>) {
      uint32_t lanes = doubtful[i / 16];
      if (_mm256_movemask_ps(equal))
        for (int lane = 0; lane < 16; lane++)
          lanes |= static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(own(lane), rest(lane), _CMP_EQ_OQ)) != 0) << lane;
      return lanes;
    } else {
      return 0;
    }
  }
};

// ----------------------------------------------------------------------------------------------------------------------- rows

template <class Feature>
constexpr int kTileRows = 64 / sizeof(Feature);

// 16 columns, each a cache line in two registers: of 16 rows of float32, or 8 of float64.
template <class Feature>
struct Tile {
  std::conditional_t<sizeof(Feature) == 4, __m256, __m256d> half[2][16];
};

// The first n of 4 neighbouring values as float32, all of 2 as float64, where n is less than that; the others may not be there.
inline __m128 some_of(const float *at, int n) {
  return n >= 4 ? _mm_loadu_ps(at) : _mm_maskload_ps(at, _mm_cmpgt_epi32(_mm_set1_epi32(n), _mm_setr_epi32(0, 1, 2, 3)));
}
inline __m128d some_of(const double *at, int n) {
  if (n >= 2) return _mm_loadu_pd(at);
  double one; // which may be misaligned
  std::memcpy(&one, at, sizeof one);
  return _mm_set_sd(one);
}
inline __m128 some_as_float(const double *at, int n) {
  const __m256i there = _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  return _mm256_cvtpd_ps(n >= 4 ? _mm256_loadu_pd(at) : _mm256_maskload_pd(at, there));
}

// `width` neighbouring columns of 8 rows that begin at `at`, as float32; four columns at a time, rows 0 to 3 in the lower halves.
inline void load_half(const char *at, const skt_rows &rows, int width, __m256 column[16]) {
  for (int c = 0; c < width; c += 4) {
    const auto row = [&](int i) {
      const char *const from = at + i * rows.row_stride;
      return rows.dtype == SKT_FLOAT32 ? some_of(reinterpret_cast<const float *>(from) + c, width - c)
                                       : some_as_float(reinterpret_cast<const double *>(from) + c, width - c);
    };
    const auto rows_of = [&](int i) { return _mm256_insertf128_ps(_mm256_castps128_ps256(row(i)), row(i + 4), 1); };
    const __m256 r0 = rows_of(0), r1 = rows_of(1), r2 = rows_of(2), r3 = rows_of(3);
    const __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1)), high01 = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
    const __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3)), high23 = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
    column[c] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
    column[c + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
    column[c + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
    column[c + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
  }
}

// The same of 4 rows of float64, which rows of float32 are not asked for.
inline void load_half(const char *at, const skt_rows &rows, int width, __m256d column[16]) {
  for (int c = 0; c < width; c += 2) {
    const auto row = [&](int i) { return some_of(reinterpret_cast<const double *>(at + i * rows.row_stride) + c, width - c); };
    const auto rows_of = [&](int i) { return _mm256_insertf128_pd(_mm256_castpd128_pd256(row(i)), row(i + 2), 1); };
    const __m256d r0 = rows_of(0), r1 = rows_of(1);
    column[c] = _mm256_unpacklo_pd(r0, r1);
    column[c + 1] = _mm256_unpackhi_pd(r0, r1);
  }
}

template <class Feature>
void load_tile(const char *at, const skt_rows &rows, int width, Tile<Feature> &tile) {
  load_half(at, rows, width, tile.half[0]);
  load_half(at + kTileRows<Feature> / 2 * rows.row_stride, rows, width, tile.half[1]);
}

inline void store_tile(const Tile<float> &tile, int column, float *to) {
  _mm256_store_ps(to, tile.half[0][column]);
  _mm256_store_ps(to + 8, tile.half[1][column]);
}
inline void store_tile(const Tile<double> &tile, int column, double *to) {
  _mm256_store_pd(to, tile.half[0][column]);
  _mm256_store_pd(to + 4, tile.half[1][column]);
}

// ----------------------------------------------------------------------------------------------------------------------- sums

// Where the sum of a block's row stands: as shuffles put values of float32 together, register q of four holds rows 16 h + 4 q + i of 32 in its half h.
template <class Acc>
inline int place_of(int row) {
  return sizeof(Acc) == 8 ? row : row / 32 * 32 + row / 4 % 4 * 8 + row / 16 % 2 * 4 + row % 4;
}

// Sums of 16 rows, each in a register of its own: to look a value up and add it is one instruction, and putting values together in
// vectors would take more of them than it spares.
template <class Acc>
struct Sums {
  static constexpr int kRows = 16;
  Acc sum[kRows];

  explicit Sums(const Acc *from) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; i++) sum[i] = from[place_of<Acc>(i)];
  }
  void store(Acc *to) const {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; i++) to[place_of<Acc>(i)] = sum[i];
  }

  void add(const skt_bitsliced &t, int first, int last, int output, const uint8_t *numbers) {
    const int64_t width = t.n_leaf_outputs;
    const Acc *const values = static_cast<const Acc *>(t.values) + output;
    if (width == 1)
      for (int p = first; p < last; p++, numbers += kBlock) add_each(values + t.piece_first[p], numbers, [](uint64_t n) { return n; });
    else
      for (int p = first; p < last; p++, numbers += kBlock) add_each(values + t.piece_first[p] * width, numbers, [width](uint64_t n) { return n * width; });
  }

 private:
  template <class Place>
  void add_each(const Acc *values, const uint8_t *number, Place place) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
      uint64_t numbers;
      std::memcpy(&numbers, number + 8 * half, 8);
#pragma GCC unroll 4
      for (int i = 0; i < 8; i += 2) {
        Acc &a = sum[8 * half + i], &b = sum[8 * half + i + 1];
        Acc x = a + values[place(numbers & 0xFF)];
        asm("" : "+x"(x)); // keeps compilers from putting vectors together
        Acc y = b + values[place(numbers >> 8 & 0xFF)];
        asm("" : "+x"(y));
        numbers >>= 16;
        asm("" : "+r"(numbers)); // and from copies of it for each shift
        a = x, b = y;
      }
    }
  }
};

// Sums of 32 rows in registers, for tables of up to 64 values of float32, looked up a byte at a time, and of up to 8 of float64, half a value
// at a time.
template <class Acc>
constexpr int kShuffledBits = sizeof(Acc) == 4 ? 6 : 3;

template <class Acc>
struct ShuffledSums;

template <>
struct ShuffledSums<float> {
  static constexpr int kRows = 32;
  __m256 sum[4];

  struct Tables {
    const uint8_t *bytes;
    const int64_t *begin, *end; // where the bytes of each piece stand
    int most_bits;

    Tables(const skt_bitsliced &t, int first, int last, int output)
        : bytes(t.value_bytes + output * int64_t(256)),
          begin(t.piece_bytes + first),
          end(t.piece_bytes + last),
          most_bits(*std::max_element(t.piece_bits + first, t.piece_bits + last)) {}
    static bool there(const skt_bitsliced &t) { return t.value_bytes != nullptr; }
  };

  explicit ShuffledSums(const float *from) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) sum[i] = _mm256_loadu_ps(from + 8 * i);
  }
  void store(float *to) const {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) _mm256_storeu_ps(to + 8 * i, sum[i]);
  }

  // All pieces in one loop, those of fewer bits too: a branch for each of them would take longer than the look-ups that it spares.
  __attribute__((always_inline)) void add(const Tables &tables, const uint8_t *numbers) {
    if (tables.most_bits <= 4)
      add_pieces<1>(tables, numbers);
    else if (tables.most_bits == 5)
      add_pieces<2>(tables, numbers);
    else
      add_pieces<4>(tables, numbers);
  }

 private:
  template <int kParts>
  __attribute__((always_inline)) void add_pieces(const Tables &tables, const uint8_t *numbers) {
    for (const int64_t *at = tables.begin; at < tables.end; at++, numbers += kBlock)
      add_values<kParts>(tables.bytes + *at, _mm256_load_si256(reinterpret_cast<const __m256i *>(numbers)));
  }

  // Of kParts tables of 16 bytes each, a number finds its byte in one, and 0 in the others: there its place has the highest bit set.
  template <int kParts>
  static __m256i looked_up(const uint8_t *table, const __m256i place[kParts]) {
    const __m128i *const part = reinterpret_cast<const __m128i *>(table);
    __m256i byte = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128(part)), place[0]);
#pragma GCC unroll 4
    for (int i = 1; i < kParts; i++)
      byte = _mm256_or_si256(byte, _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128(part + i)), place[i]));
    asm volatile("" : "+x"(byte)); // one byte after the other: those of all would not fit into the registers
    return byte;
  }

  template <int kParts>
  void add_values(const uint8_t *table, __m256i number) {
    __m256i place[kParts];
#pragma GCC unroll 4
    for (int i = 0; i < kParts; i++) {
      place[i] = i ? _mm256_sub_epi8(number, _mm256_set1_epi8(static_cast<char>(16 * i))) : number;
      if (i + 1 < kParts) place[i] = _mm256_adds_epu8(place[i], _mm256_set1_epi8(0x70));
    }
    const __m256i byte0 = looked_up<kParts>(table, place), byte1 = looked_up<kParts>(table + 64, place);
    const __m256i byte2 = looked_up<kParts>(table + 128, place), byte3 = looked_up<kParts>(table + 192, place);
    const __m256i low0 = _mm256_unpacklo_epi8(byte0, byte1), low1 = _mm256_unpackhi_epi8(byte0, byte1);
    const __m256i high0 = _mm256_unpacklo_epi8(byte2, byte3), high1 = _mm256_unpackhi_epi8(byte2, byte3);
    sum[0] = _mm256_add_ps(sum[0], _mm256_castsi256_ps(_mm256_unpacklo_epi16(low0, high0)));
    sum[1] = _mm256_add_ps(sum[1], _mm256_castsi256_ps(_mm256_unpackhi_epi16(low0, high0)));
    sum[2] = _mm256_add_ps(sum[2], _mm256_castsi256_ps(_mm256_unpacklo_epi16(low1, high1)));
    sum[3] = _mm256_add_ps(sum[3], _mm256_castsi256_ps(_mm256_unpackhi_epi16(low1, high1)));
  }
};

template <>
struct ShuffledSums<double> {
  static constexpr int kRows = 32;
  __m256d sum[8]; // of rows 0, 1, 4, 5, then 2, 3, 6, 7, as halves of values are put together, and so on

  // The lower and the upper halves of each piece's values.
  struct Tables {
    int n;
    __m256i lower[kGroup], upper[kGroup];

    Tables(const skt_bitsliced &t, int first, int last, int) : n(last - first) {
      for (int i = 0; i < n; i++) {
        alignas(32) uint64_t value[8] = {};
        std::memcpy(value, static_cast<const double *>(t.values) + t.piece_first[first + i], sizeof(double) << t.piece_bits[first + i]);
        const __m256 a = _mm256_load_ps(reinterpret_cast<const float *>(value)), b = _mm256_load_ps(reinterpret_cast<const float *>(value + 4));
        lower[i] = _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)), 0xD8);
        upper[i] = _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xDD)), 0xD8);
      }
    }
    static bool there(const skt_bitsliced &t) { return t.n_leaf_outputs == 1; }
  };

  explicit ShuffledSums(const double *from) {
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) exchange(_mm256_loadu_pd(from + 4 * i), _mm256_loadu_pd(from + 4 * i + 4), sum + i);
  }
  void store(double *to) const {
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      __m256d in_order[2];
      exchange(sum[i], sum[i + 1], in_order);
      _mm256_storeu_pd(to + 4 * i, in_order[0]);
      _mm256_storeu_pd(to + 4 * i + 4, in_order[1]);
    }
  }

  void add(const Tables &tables, const uint8_t *numbers) {
    for (int piece = 0; piece < tables.n; piece++, numbers += kBlock) {
      const __m256i lower = tables.lower[piece], upper = tables.upper[piece];
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) {
        const __m256i number = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(numbers + 8 * i)));
        const __m256i low = _mm256_permutevar8x32_epi32(lower, number), high = _mm256_permutevar8x32_epi32(upper, number);
        sum[2 * i] = _mm256_add_pd(sum[2 * i], _mm256_castsi256_pd(_mm256_unpacklo_epi32(low, high)));
        sum[2 * i + 1] = _mm256_add_pd(sum[2 * i + 1], _mm256_castsi256_pd(_mm256_unpackhi_epi32(low, high)));
      }
    }
  }

 private:
  static void exchange(__m256d a, __m256d b, __m256d *to) { // the upper half of the first one and the lower one of the second
    to[0] = _mm256_permute2f128_pd(a, b, 0x20);
    to[1] = _mm256_permute2f128_pd(a, b, 0x31);
  }
};

// ---------------------------------------------------------------------------------------------------------------------- blocks

// Lanes behind the last exit may match too, the first one that does is it.
inline uint32_t exit_of(const skt_block &block, uint32_t answers) {
  const __m256i care = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(block.care));
  const __m256i want = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(block.want));
  const __m256i told = _mm256_and_si256(_mm256_set1_epi16(static_cast<int16_t>(answers)), care);
  return __builtin_ctz(_mm256_movemask_epi8(_mm256_cmpeq_epi16(told, want))) / 2;
}

// 16 entries of the table at a time, from which a number that is not among them finds 0: there its place has the highest bit set.
inline void look_up_highest(const uint8_t *table, int n_bits, const uint8_t *number, int n, uint8_t *highest) {
  int i = 0;
  for (; n_bits >= 4 && i + 32 <= n; i += 32) {
    __m256i *const to = reinterpret_cast<__m256i *>(highest + i);
    __m256i own = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(number + i)), found = _mm256_loadu_si256(to);
    for (int entry = 0; entry < 1 << n_bits; entry += 16) {
      const __m256i part = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i *>(table + entry)));
      found = _mm256_max_epu8(found, _mm256_shuffle_epi8(part, _mm256_adds_epu8(own, _mm256_set1_epi8(0x70))));
      own = _mm256_sub_epi8(own, _mm256_set1_epi8(16));
    }
    _mm256_storeu_si256(to, found);
  }
  portable::look_up_highest(table, n_bits, number + i, n - i, highest + i);
}

constexpr int kBeyondKept = 8;

// For each set of 8 lanes their numbers, side by side.
struct LanesOfSets {
  uint8_t lane[256][8] = {};

  constexpr LanesOfSets() {
    for (int set = 0; set < 256; set++)
      for (int i = 0, n = 0; i < 8; i++)
        if (set >> i & 1) lane[set][n++] = static_cast<uint8_t>(i);
  }
};
constexpr LanesOfSets kLanesOfSets;

inline __m256i eight(const uint32_t *number, int64_t i) { return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(number + i)); }
inline __m256i eight(Progression number, int64_t i) {
  const __m256i apart = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(static_cast<int>(number.by)));
  return _mm256_add_epi32(apart, _mm256_set1_epi32(static_cast<int>(number[i])));
}

template <class Numbers>
inline int64_t keep_below(uint32_t bound, uint32_t *value, Numbers number, int64_t n, uint32_t *kept_number) {
  const __m256i most = _mm256_set1_epi32(static_cast<int>(bound - 1));
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i += 8) {
    const __m256i own = eight(value, i), its_number = eight(number, i);
    const __m256i is_below = _mm256_cmpeq_epi32(_mm256_min_epu32(own, most), own);
    uint32_t below = static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(is_below)));
    if (n - i < 8) below &= (1u << (n - i)) - 1;
    const __m256i lanes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(kLanesOfSets.lane[below])));
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(value + kept), _mm256_permutevar8x32_epi32(own, lanes));
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(kept_number + kept), _mm256_permutevar8x32_epi32(its_number, lanes));
    kept += __builtin_popcount(below);
  }
  return kept;
}

constexpr bool kCodesInRegisters = true;

// The codes of a row as bytes. 16 slots take two registers: the lowest and the third bytes of all codes in one, the second and the highest ones in
// the other, so that one shuffle looks two bytes of all nodes up. As with AVX-512, slots from n_base_slots on become those of the same columns.
template <int kParts>
struct RowInRegisters {
  const __m256i *part;

  RowInRegisters(const uint32_t *codes, int64_t row) : part(reinterpret_cast<const __m256i *>(codes) + row * 2 * kParts) {}

  static void arrange(uint32_t *codes) {
    const __m256i by_byte = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const __m256i by_slot = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i *at = reinterpret_cast<__m256i *>(codes);
    for (int i = 0; i < kParts; i++, at += 2) {
      const __m256i a = _mm256_shuffle_epi8(_mm256_load_si256(at), by_byte), b = _mm256_shuffle_epi8(_mm256_load_si256(at + 1), by_byte);
      const __m256i low = _mm256_permutevar8x32_epi32(_mm256_unpacklo_epi32(a, b), by_slot);
      const __m256i high = _mm256_permutevar8x32_epi32(_mm256_unpackhi_epi32(a, b), by_slot);
      _mm256_store_si256(at, _mm256_permute2x128_si256(low, high, 0x20));
      _mm256_store_si256(at + 1, _mm256_permute2x128_si256(low, high, 0x31));
    }
  }

  __attribute__((always_inline)) uint32_t answers(const skt_block &block) const { // GCC calls it for the last rows of a pass otherwise
    const __m256i codes = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i *>(block.code)));
    const __m256i slot = _mm256_and_si256(codes, _mm256_set1_epi8(16 * kParts - 1));
    __m256i even = _mm256_setzero_si256(), odd = even; // the bytes of all nodes
#pragma GCC unroll 4
    for (int i = 0; i < kParts; i++) { // of slots in other parts a shuffle finds 0: there the place has the highest bit set
      __m256i place = i ? _mm256_sub_epi8(slot, _mm256_set1_epi8(static_cast<char>(16 * i))) : slot;
      if (i + 1 < kParts) place = _mm256_adds_epu8(place, _mm256_set1_epi8(0x70));
      even = _mm256_or_si256(even, _mm256_shuffle_epi8(_mm256_load_si256(part + 2 * i), place));
      odd = _mm256_or_si256(odd, _mm256_shuffle_epi8(_mm256_load_si256(part + 2 * i + 1), place));
    }
    // Halves of codes, the lower ones in the first lane, are put together: those of eight nodes and of the last four.
    const __m256i whole = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
    const __m256i code = _mm256_shuffle_epi8(_mm256_permute4x64_epi64(_mm256_unpacklo_epi8(even, odd), 0xD8), whole);
    const __m256i last = _mm256_unpackhi_epi8(even, odd), key = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(block.key));
    const __m128i last_code = _mm_unpacklo_epi16(_mm256_castsi256_si128(last), _mm256_extracti128_si256(last, 1));
    const __m128i last_key = _mm_loadu_si128(reinterpret_cast<const __m128i *>(block.key + 8));
    const int first_bits = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(code, key), key)));
    const int last_bits = _mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(_mm_max_epu32(last_code, last_key), last_key)));
    uint32_t bits = static_cast<uint32_t>(first_bits | last_bits << 8);
    asm("" : "+r"(bits)); // GCC keeps both parts in memory otherwise, until all rows at hand have theirs
    return bits;
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
