// What x86 has without AVX-512, for AVX2 and the baseline.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "../sktensor.h"

namespace SKT_ISA {
namespace sse2 {
namespace {

// Lanes behind the last exit may match too, the first one that does is it.
inline uint32_t exit_of(const skt_block &block, uint32_t answers) {
  const __m128i *care = reinterpret_cast<const __m128i *>(block.care), *want = reinterpret_cast<const __m128i *>(block.want);
  const __m128i all = _mm_set1_epi16(static_cast<int16_t>(answers));
  const __m128i low = _mm_cmpeq_epi16(_mm_and_si128(all, _mm_loadu_si128(care)), _mm_loadu_si128(want));
  const __m128i high = _mm_cmpeq_epi16(_mm_and_si128(all, _mm_loadu_si128(care + 1)), _mm_loadu_si128(want + 1));
  return __builtin_ctz(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
}

} // namespace
} // namespace sse2
} // namespace SKT_ISA
