// 512 rows at a time: one bit a row in a vector of 64 bytes, which compilers split where registers are shorter.
//
// Row 64 s + 8 q + k is bit k of byte q of word s; with GFNI it is bit 7 - k, which spares a step. Only code that turns bytes into bits or
// bits into bytes knows.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#ifndef SKT_ISA
#error "SKT_ISA names the namespace of the instruction set"
#endif

namespace SKT_ISA {

constexpr int kBlock = 512; // rows
constexpr int kSlice = 64;  // rows whose bits share a word
constexpr int kSlices = kBlock / kSlice;

typedef uint64_t Bits __attribute__((vector_size(64)));

inline Bits all_clear() { return Bits{}; }
inline Bits all_set() { return ~Bits{}; }

inline Bits choose(Bits select, Bits if_set, Bits if_clear) {
#if defined(__AVX512F__)
  return (Bits)_mm512_ternarylogic_epi64((__m512i)select, (__m512i)if_set, (__m512i)if_clear, 0xCA);
#else
  return if_clear ^ (select & (if_set ^ if_clear));
#endif
}

// a | (b & c)
inline Bits or_and(Bits a, Bits b, Bits c) {
#if defined(__AVX512F__)
  return (Bits)_mm512_ternarylogic_epi64((__m512i)a, (__m512i)b, (__m512i)c, 0xF8);
#else
  return a | (b & c);
#endif
}

// An 8 x 8 matrix of bits, a row a byte, turned over its diagonal.
inline uint64_t transposed(uint64_t x) {
  uint64_t t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAull;
  x ^= t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCull;
  x ^= t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0ull;
  return x ^ t ^ (t << 28);
}

#if defined(__AVX512VBMI__) && defined(__GFNI__)
#define SKT_HAS_GFNI 1

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
#endif

} // namespace SKT_ISA
