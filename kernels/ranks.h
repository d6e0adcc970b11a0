// Ranks of 512 values among a column's thresholds, and the bit planes "rank > r" of them.
//
// Thresholds stand in the order of a search tree: element 1 is the middle one, the children of element i are 2 i and 2 i + 1. A search
// of L levels is L comparisons without a branch.
#pragma once

#include <cmath>

#include "lanes.h"
#include "rows.h"

namespace SKT_ISA {

template <bool kRightIfEqual, class T>
inline bool goes_right(T x, T threshold) {
  return kRightIfEqual ? x >= threshold : x > threshold;
}

template <bool kRightIfEqual, class T>
inline uint8_t rank_of(T x, const T *tree, int levels) {
  uint32_t at = 1;
  for (int level = 0; level < levels; level++) at = 2 * at + goes_right<kRightIfEqual>(x, tree[at]);
  return static_cast<uint8_t>(at - (1u << levels));
}

#if defined(__AVX512VBMI__)

// Rounding that moves float64 values towards the side on which the thresholds were rounded, so that x and t compare as their float32
// images do unless these are equal.
template <bool kRightIfEqual>
inline __m512 rounded(const double *x) {
  constexpr int mode = (kRightIfEqual ? _MM_FROUND_TO_POS_INF : _MM_FROUND_TO_NEG_INF) | _MM_FROUND_NO_EXC;
  const __m256 low = _mm512_cvt_roundpd_ps(_mm512_loadu_pd(x), mode), high = _mm512_cvt_roundpd_ps(_mm512_loadu_pd(x + 8), mode);
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}

template <bool>
inline __m512 rounded(const float *x) {
  return _mm512_loadu_ps(x);
}

// Element j of a level's thresholds; a level of 64 or 128 takes several registers, chosen by the first decisions.
template <int kLevel>
inline __m512 looked_up(const __m512 *level, __m512i j, __mmask16 first, __mmask16 second) {
  if constexpr (kLevel <= 4) {
    return _mm512_permutexvar_ps(j, level[0]);
  } else if constexpr (kLevel == 5) {
    return _mm512_permutex2var_ps(level[0], j, level[1]);
  } else if constexpr (kLevel == 6) {
    return _mm512_mask_blend_ps(first, _mm512_permutex2var_ps(level[0], j, level[1]), _mm512_permutex2var_ps(level[2], j, level[3]));
  } else {
    const __m512 a = _mm512_mask_blend_ps(second, _mm512_permutex2var_ps(level[0], j, level[1]), _mm512_permutex2var_ps(level[2], j, level[3]));
    const __m512 b = _mm512_mask_blend_ps(second, _mm512_permutex2var_ps(level[4], j, level[5]), _mm512_permutex2var_ps(level[6], j, level[7]));
    return _mm512_mask_blend_ps(first, a, b);
  }
}

template <int kLevels, bool kRightIfEqual, class Value>
inline void search(const Value *x, int n, const float *tree, const double *tree64, uint8_t *rank) {
  constexpr int kCompare = kRightIfEqual ? _CMP_GE_OQ : _CMP_GT_OQ;
  constexpr bool kWide = sizeof(Value) == 8;
  __m512 top[5], sixth[2], seventh[4], eighth[8]; // kept in registers; a level is copied so that no load leaves the tree
  for (int level = 0; level < 5 && level < kLevels; level++)
    top[level] = _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << (1 << level)) - 1), tree + (1 << level));
  if constexpr (kLevels > 5)
    for (int i = 0; i < 2; i++) sixth[i] = _mm512_loadu_ps(tree + 32 + 16 * i);
  if constexpr (kLevels > 6)
    for (int i = 0; i < 4; i++) seventh[i] = _mm512_loadu_ps(tree + 64 + 16 * i);
  if constexpr (kLevels > 7)
    for (int i = 0; i < 8; i++) eighth[i] = _mm512_loadu_ps(tree + 128 + 16 * i);

  for (int i = 0; i < n; i += 16) {
    const __m512 v = rounded<kRightIfEqual>(x + i);
    __m512i j = _mm512_setzero_si512();
    __mmask16 first = 0, second = 0, equal = 0;
    auto step = [&](auto level, const __m512 *thresholds) {
      constexpr int k = decltype(level)::value;
      if constexpr (k < kLevels) {
        const __m512 t = looked_up<k>(thresholds, j, first, second);
        const __mmask16 right = _mm512_cmp_ps_mask(v, t, kCompare);
        if constexpr (kWide) equal |= _mm512_cmp_ps_mask(v, t, _CMP_EQ_OQ);
        if constexpr (k == 0) first = right;
        if constexpr (k == 1) second = right;
        j = _mm512_add_epi32(j, j);
        j = _mm512_mask_sub_epi32(j, right, j, _mm512_set1_epi32(-1));
      }
    };
    step(std::integral_constant<int, 0>{}, top + 0);
    step(std::integral_constant<int, 1>{}, top + 1);
    step(std::integral_constant<int, 2>{}, top + 2);
    step(std::integral_constant<int, 3>{}, top + 3);
    step(std::integral_constant<int, 4>{}, top + 4);
    step(std::integral_constant<int, 5>{}, sixth);
    step(std::integral_constant<int, 6>{}, seventh);
    step(std::integral_constant<int, 7>{}, eighth);
    _mm_storeu_si128(reinterpret_cast<__m128i *>(rank + i), _mm512_cvtepi32_epi8(j));
    if constexpr (kWide) {
      for (uint32_t left = equal; left; left &= left - 1) { // too close to a threshold to be told apart in float32
        const int lane = __builtin_ctz(left);
        rank[i + lane] = rank_of<kRightIfEqual>(static_cast<double>(x[i + lane]), tree64, kLevels);
      }
    }
  }
}

#elif defined(__AVX2__)

// As above; what the instruction cannot round, it rounds to the nearest, and the neighbour is taken where that is on the wrong side.
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

template <int kLevels, bool kRightIfEqual, class Value>
inline void search(const Value *x, int n, const float *tree, const double *tree64, uint8_t *rank) {
  constexpr int kCompare = kRightIfEqual ? _CMP_GE_OQ : _CMP_GT_OQ;
  constexpr bool kWide = sizeof(Value) == 8;
  alignas(32) float levels[8][128]; // copied so that no load leaves the tree
  for (int level = 0; level < kLevels; level++) std::memcpy(levels[level], tree + (1 << level), sizeof(float) << level);

  for (int i = 0; i < n; i += 16) {
    const __m256 v[2] = {rounded<kRightIfEqual>(x + i), rounded<kRightIfEqual>(x + i + 8)};
    __m256i j[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    __m256 equal[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    auto step = [&](auto level) {
      constexpr int k = decltype(level)::value;
      if constexpr (k < kLevels)
        for (int half = 0; half < 2; half++) {
          const __m256 t = looked_up<k>(levels[k], j[half]);
          const __m256i right = _mm256_castps_si256(_mm256_cmp_ps(v[half], t, kCompare)); // -1 where it is
          if constexpr (kWide) equal[half] = _mm256_or_ps(equal[half], _mm256_cmp_ps(v[half], t, _CMP_EQ_OQ));
          j[half] = _mm256_sub_epi32(_mm256_add_epi32(j[half], j[half]), right);
        }
    };
    step(std::integral_constant<int, 0>{});
    step(std::integral_constant<int, 1>{});
    step(std::integral_constant<int, 2>{});
    step(std::integral_constant<int, 3>{});
    step(std::integral_constant<int, 4>{});
    step(std::integral_constant<int, 5>{});
    step(std::integral_constant<int, 6>{});
    step(std::integral_constant<int, 7>{});
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(j[0], j[1]), 0xD8);
    _mm_storeu_si128(reinterpret_cast<__m128i *>(rank + i), _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
    if constexpr (kWide) {
      const uint32_t doubtful = static_cast<uint32_t>(_mm256_movemask_ps(equal[0])) | static_cast<uint32_t>(_mm256_movemask_ps(equal[1])) << 8;
      for (uint32_t left = doubtful; left; left &= left - 1) { // too close to a threshold to be told apart in float32
        const int lane = __builtin_ctz(left);
        rank[i + lane] = rank_of<kRightIfEqual>(static_cast<double>(x[i + lane]), tree64, kLevels);
      }
    }
  }
}

#endif

#if defined(__AVX2__)

template <bool kRightIfEqual, class Value>
inline void ranks(const Value *x, int n, int levels, const float *tree, const double *tree64, uint8_t *rank) {
  switch (levels) {
    case 0: std::memset(rank, 0, n); break;
    case 1: search<1, kRightIfEqual>(x, n, tree, tree64, rank); break;
    case 2: search<2, kRightIfEqual>(x, n, tree, tree64, rank); break;
    case 3: search<3, kRightIfEqual>(x, n, tree, tree64, rank); break;
    case 4: search<4, kRightIfEqual>(x, n, tree, tree64, rank); break;
    case 5: search<5, kRightIfEqual>(x, n, tree, tree64, rank); break;
    case 6: search<6, kRightIfEqual>(x, n, tree, tree64, rank); break;
    case 7: search<7, kRightIfEqual>(x, n, tree, tree64, rank); break;
    default: search<8, kRightIfEqual>(x, n, tree, tree64, rank);
  }
}

#else

template <bool kRightIfEqual, class Value>
inline void ranks(const Value *x, int n, int levels, const float *tree32, const double *tree64, uint8_t *rank) {
  const Value *tree;
  if constexpr (sizeof(Value) == 4)
    tree = tree32;
  else
    tree = tree64;
  uint32_t at[16];
  for (int i = 0; i < n; i += 16) {
    for (int k = 0; k < 16; k++) at[k] = 1;
    for (int level = 0; level < levels; level++)
      for (int k = 0; k < 16; k++) at[k] = 2 * at[k] + goes_right<kRightIfEqual>(x[i + k], tree[at[k]]);
    for (int k = 0; k < 16; k++) rank[i + k] = static_cast<uint8_t>(at[k] - (1u << levels));
  }
}

#endif

// The bits of 512 bytes, lowest first.
inline void bits_of_bytes(const uint8_t *bytes, int n_bits, Bits *out) {
#if defined(SKT_HAS_GFNI)
  // Within each word: byte i becomes bit i of the word's eight bytes. Then the bytes of one bit are brought together.
  const __m512i gather = _mm512_setr_epi64(0x3830282018100800ll, 0x3931292119110901ll, 0x3A322A221A120A02ll, 0x3B332B231B130B03ll,
                                           0x3C342C241C140C04ll, 0x3D352D251D150D05ll, 0x3E362E261E160E06ll, 0x3F372F271F170F07ll);
  __m512i r[8];
  for (int s = 0; s < kSlices; s++)
    r[s] = _mm512_permutexvar_epi8(gather, columns_of_bits(_mm512_loadu_si512(bytes + 64 * s), 0x8040201008040201ll));
  transpose_words(r);
  for (int bit = 0; bit < n_bits; bit++) out[bit] = (Bits)r[bit];
#elif defined(__AVX2__)
  for (int bit = 0; bit < n_bits; bit++) {
    const __m128i up = _mm_cvtsi32_si128(7 - bit); // the bit becomes its byte's highest
    for (int i = 0; i < kBlock / 32; i++) {
      const __m256i part = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(bytes) + i);
      const int of_32 = _mm256_movemask_epi8(_mm256_sll_epi16(part, up));
      std::memcpy(reinterpret_cast<char *>(out + bit) + 4 * i, &of_32, 4);
    }
  }
#else
  uint8_t planes[8][64];
  for (int q = 0; q < kBlock / 8; q++) {
    uint64_t word;
    std::memcpy(&word, bytes + 8 * q, 8);
    word = transposed(word);
    for (int bit = 0; bit < 8; bit++) planes[bit][q] = static_cast<uint8_t>(word >> (8 * bit));
  }
  std::memcpy(out, planes, n_bits * sizeof(Bits));
#endif
}

// Planes "code > r" for each r of `rank`. A code is split into two digits of four bits: it is greater if its high digit is, or if that is
// equal and its low digit is greater.
inline void planes_of(const Bits *bits, int n_bits, const uint8_t *rank, int n, Bits *out) {
  const int n_low = n_bits < 4 ? n_bits : 4, n_high = n_bits - n_low;
  Bits low[16]; // low digit > l
  low[0] = all_clear();
  for (int bit = 0; bit < n_low; bit++)
    for (int l = 0; l < 1 << bit; l++) {
      const Bits above = low[l];
      low[l + (1 << bit)] = bits[bit] & above;
      low[l] = bits[bit] | above;
    }
  if (n_high == 0) {
    for (int i = 0; i < n; i++) out[i] = low[rank[i]];
    return;
  }
  Bits same[16], high[16]; // high digit == h, high digit > h
  same[0] = all_set();
  for (int bit = 0; bit < n_high; bit++)
    for (int h = 0; h < 1 << bit; h++) {
      const Bits below = same[h];
      same[h + (1 << bit)] = below & bits[n_low + bit];
      same[h] = below & ~bits[n_low + bit];
    }
  const int last = (1 << n_high) - 1;
  high[last] = all_clear();
  for (int h = last; h > 0; h--) high[h - 1] = high[h] | same[h];
  for (int i = 0; i < n; i++) out[i] = or_and(high[rank[i] >> 4], same[rank[i] >> 4], low[rank[i] & 15]);
}

} // namespace SKT_ISA
