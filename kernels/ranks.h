// Ranks of 512 values among a column's thresholds, and the bit planes "rank > r" of them.
//
// Thresholds stand in the order of a search tree: element 1 is the middle one, the children of element i are 2 i and 2 i + 1. A search
// of L levels is L comparisons without a branch.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "simd/simd.h"

namespace SKT_ISA {

struct NoneUnfinished {};

template <bool kRightIfEqual, class T>
inline uint8_t rank_of(T x, const T *tree, int levels) {
  uint32_t at = 1;
  for (int level = 0; level < levels; level++) at = 2 * at + (kRightIfEqual ? x >= tree[at] : x > tree[at]);
  return static_cast<uint8_t>(at - (1u << levels));
}

// Values as they are compared; `exact(i)` is what x[i] was before it was rounded.
template <class Value>
struct AsTheyAre {
  static constexpr bool kDoubts = kRounds<Value>;
  const Value *x;
  double exact(int i) const { return static_cast<double>(x[i]); }
};

// Ranks of n values, a multiple of 16, at most 512.
template <int kLevels, bool kRightIfEqual, class Value, class Source>
inline void search(const Value *x, int n, const float *tree, const double *tree64, const Source &source, uint8_t *rank) {
  constexpr bool kDoubts = Source::kDoubts;
  const Thresholds<kLevels, Value> thresholds(tree, tree64);
  const auto look_again = [&](int i, uint32_t lanes) { // at values too close to a threshold to be told apart in float32
    for (; lanes; lanes &= lanes - 1) {
      const int lane = i + __builtin_ctz(lanes);
      rank[lane] = rank_of<kRightIfEqual>(source.exact(lane), tree64, kLevels);
    }
  };
  std::conditional_t<(kLevelsByStep<kLevels> < kLevels), Unfinished<kLevels, Value>, NoneUnfinished> unfinished;
  for (int i = 0; i < n; i += 16) {
    const Values<kRightIfEqual, Value> values(x + i);
    Path<kLevels> path;
    Mask doubtful{};
    auto step = [&](auto level) {
      constexpr int kLevel = decltype(level)::value;
      if constexpr (kLevel < kLevelsByStep<kLevels>) {
        const auto threshold = path.template at<kLevel>(thresholds);
        if constexpr (kDoubts) doubtful |= equals(values, threshold);
        path.template turn<kLevel>(goes_right<kRightIfEqual>(values, threshold));
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
    if constexpr (kLevelsByStep<kLevels> < kLevels) {
      unfinished.keep(i, values, path, doubtful);
    } else {
      path.store(rank + i);
      if constexpr (kDoubts) look_again(i, lanes_of(doubtful));
    }
  }
  if constexpr (kLevelsByStep<kLevels> < kLevels)
    for (int i = 0; i < n; i += 16) {
      const uint32_t lanes = unfinished.template finish<kRightIfEqual>(i, x, thresholds, rank + i);
      if constexpr (kDoubts) look_again(i, lanes);
    }
}

template <bool kRightIfEqual, class Value, class Source>
inline void ranks(const Value *x, int n, int levels, const float *tree, const double *tree64, const Source &source, uint8_t *rank) {
  switch (levels) {
    case 0: std::memset(rank, 0, n); break;
    case 1: search<1, kRightIfEqual>(x, n, tree, tree64, source, rank); break;
    case 2: search<2, kRightIfEqual>(x, n, tree, tree64, source, rank); break;
    case 3: search<3, kRightIfEqual>(x, n, tree, tree64, source, rank); break;
    case 4: search<4, kRightIfEqual>(x, n, tree, tree64, source, rank); break;
    case 5: search<5, kRightIfEqual>(x, n, tree, tree64, source, rank); break;
    case 6: search<6, kRightIfEqual>(x, n, tree, tree64, source, rank); break;
    case 7: search<7, kRightIfEqual>(x, n, tree, tree64, source, rank); break;
    default: search<8, kRightIfEqual>(x, n, tree, tree64, source, rank);
  }
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
