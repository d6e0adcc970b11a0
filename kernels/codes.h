// Codes of values of X, which every node compares with a key of its own.
//
// Included by every kernel that is compiled once for each instruction set, hence the namespace, as of rows.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "rows.h"

namespace SKT_ISA {

// The bits of a float32 as a number that grows with it. Integers throughout: a thread may have been told to take denormals for zero.
inline uint32_t monotone(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = bits == 0x80000000u ? 0 : bits; // -0.0 is 0.0
  return bits ^ (static_cast<uint32_t>(static_cast<int32_t>(bits) >> 31) | 0x80000000u);
}

template <bool kRightIfEqual, class Feature>
inline uint32_t beyond(Feature x, double threshold) {
  return kRightIfEqual ? x >= threshold : x > threshold;
}

constexpr int kOneByOne = 3; // up to so many values, a search whose steps wait in registers is faster than several side by side

template <bool kRightIfEqual, class Feature>
inline uint32_t rank_of(Feature x, const double *thresholds, int64_t count) {
  if (count == 0) return 0;
  const double *at = thresholds;
  for (; count > 1; count -= count / 2) at += beyond<kRightIfEqual>(x, at[count / 2 - 1]) * (count / 2);
  return static_cast<uint32_t>(at - thresholds) + beyond<kRightIfEqual>(x, *at);
}

// How many of the thresholds each value goes beyond.
template <bool kRightIfEqual, class Feature>
void rank(const Feature *x, int n, const double *thresholds, int64_t count, uint32_t *code) {
  if (n <= kOneByOne) {
    for (int i = 0; i < n; i++) code[i] = rank_of<kRightIfEqual>(x[i], thresholds, count);
    return;
  }
  std::fill(code, code + n, 0u);
  if (count == 0) return;
  for (; count > 1; count -= count / 2) {
    const uint32_t half = static_cast<uint32_t>(count / 2);
    for (int i = 0; i < n; i++) code[i] += beyond<kRightIfEqual>(x[i], thresholds[code[i] + half - 1]) * half;
  }
  for (int i = 0; i < n; i++) code[i] += beyond<kRightIfEqual>(x[i], thresholds[code[i]]);
}

// The codes of some values of a column, and whether one of them is missing or counts as zero.
template <class Feature>
bool encode_values(const skt_codes &t, int32_t c, const Feature *x, int n, uint32_t *code) {
  if (!t.thresholds) {
    // Features of float64 have codes of this kind for rows of float32 only, which nothing happens to in this cast.
    for (int i = 0; i < n; i++) code[i] = monotone(static_cast<float>(x[i]));
  } else {
    const double *own = t.thresholds + t.code_first[c];
    const int64_t count = t.code_first[c + 1] - t.code_first[c];
    t.right_if_equal ? rank<true>(x, n, own, count, code) : rank<false>(x, n, own, count, code);
  }
  const uint32_t nan = t.code_nan[c];
  uint32_t special = 0;
  for (int i = 0; i < n; i++) {
    const uint32_t missing = x[i] != x[i];
    code[i] = missing ? nan : code[i];
    special |= missing;
  }
  if (t.code_has_zero) {
    const Feature limit = static_cast<Feature>(t.zero_limit);
    const uint32_t own = t.code_has_zero[c] != 0, zero = t.code_zero[c];
    for (int i = 0; i < n; i++) {
      const uint32_t is_zero = std::fabs(x[i]) <= limit;
      code[i] = is_zero & own ? zero : code[i];
      special |= is_zero;
    }
  }
  return special != 0;
}

template <class Feature>
void encode_categories(const skt_codes &t, int32_t g, const Feature *x, int n, uint32_t *code) {
  const uint8_t *answers = t.answers + t.category_first[g];
  const bool truncate = t.truncate_first != 0;
  for (int i = 0; i < n; i++) code[i] = answers[category_of(x[i], t.category_count[g], truncate, t.category_limit)];
}

} // namespace SKT_ISA
