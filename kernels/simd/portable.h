// Primitives without instructions of their own: loops that compilers vectorise.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "../sktensor.h"
#include "lanes.h"
#include "progression.h"

namespace SKT_ISA {
namespace portable {
namespace {

inline Bits choose(Bits select, Bits if_set, Bits if_clear) { return if_clear ^ (select & (if_set ^ if_clear)); }

template <class T>
inline T or_and(T a, T b, T c) {
  return a | (b & c);
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

inline void bits_of_bytes(const uint8_t *bytes, int n_bits, Bits *out) {
  uint8_t planes[8][64];
  for (int q = 0; q < kBlock / 8; q++) {
    uint64_t word;
    std::memcpy(&word, bytes + 8 * q, 8);
    word = transposed(word);
    for (int bit = 0; bit < 8; bit++) planes[bit][q] = static_cast<uint8_t>(word >> (8 * bit));
  }
  std::memcpy(out, planes, n_bits * sizeof(Bits));
}

inline void bytes_of_bits(const Bits *slots, const uint16_t *code, int, uint8_t *out) { // the slots beyond are clear
  const uint8_t *plane[8];
  for (int bit = 0; bit < 8; bit++) plane[bit] = reinterpret_cast<const uint8_t *>(slots + code[bit]);
  for (int q = 0; q < kBlock / 8; q++) {
    uint64_t word = 0;
    for (int bit = 0; bit < 8; bit++) word |= static_cast<uint64_t>(plane[bit][q]) << (8 * bit);
    word = transposed(word);
    std::memcpy(out + 8 * q, &word, 8);
  }
}

// The numbers of those of n entries whose column has a place below n_places; the indices are columns, and
// `entries` has room for all.
template <class Index>
inline int32_t entries_with_place(const char *indices, int32_t n, const int32_t *place, uint32_t n_places, int32_t *entries) {
  int32_t n_kept = 0;
#pragma GCC unroll 4
  for (int32_t i = 0; i < n; i++) {
    Index column;
    std::memcpy(&column, indices + i * int64_t(sizeof column), sizeof column);
    entries[n_kept] = i;
    n_kept += static_cast<uint32_t>(place[column]) < n_places;
  }
  return n_kept;
}

// ------------------------------------------------------------------------------------------------------------------- searches

template <class Value>
constexpr bool kRounds = false;

struct Rounding {
  static constexpr bool kThere = false;
};

template <class Value>
struct Sixteen {
  Value lane[16];
};

// The tree itself, in the dtype of the values.
template <int, class Value>
struct Thresholds {
  const Value *tree;
  Thresholds(const float *tree32, const double *tree64) {
    if constexpr (sizeof(Value) == 4)
      tree = tree32;
    else
      tree = tree64;
  }
};

template <bool, class Value>
struct Values : Sixteen<Value> {
  explicit Values(const Value *x) { std::memcpy(this->lane, x, sizeof this->lane); }
};

using Mask = Sixteen<uint32_t>;

template <bool kRightIfEqual, class Value>
inline Mask goes_right(const Sixteen<Value> &x, const Sixteen<Value> &threshold) {
  Mask right;
  for (int k = 0; k < 16; k++) right.lane[k] = kRightIfEqual ? x.lane[k] >= threshold.lane[k] : x.lane[k] > threshold.lane[k];
  return right;
}

inline uint32_t lanes_of(const Mask &) { return 0; } // values that are not rounded are never in doubt

template <int kLevels>
constexpr int kLevelsByStep = kLevels;

template <int kLevels, class Value>
struct Unfinished;

template <int kLevels>
struct Path {
  uint32_t node[16];

  Path() { std::fill_n(node, 16, 1u); }

  template <int, class Value>
  Sixteen<Value> at(const Thresholds<kLevels, Value> &thresholds) const {
    Sixteen<Value> found;
    for (int k = 0; k < 16; k++) found.lane[k] = thresholds.tree[node[k]];
    return found;
  }

  template <int>
  void turn(const Mask &right) {
    for (int k = 0; k < 16; k++) node[k] = 2 * node[k] + right.lane[k];
  }

  void store(uint8_t *rank) const {
    for (int k = 0; k < 16; k++) rank[k] = static_cast<uint8_t>(node[k] - (1u << kLevels));
  }
};

// ----------------------------------------------------------------------------------------------------------------------- rows

template <class Feature>
constexpr int kTileRows = 0;

template <class Feature>
struct Tile {};

template <class Feature>
inline void load_tile(const char *, const skt_rows &, int, Tile<Feature> &) {}
template <class Feature>
inline void store_tile(const Tile<Feature> &, int, Feature *) {}

// ----------------------------------------------------------------------------------------------------------------------- sums

// Sums of 16 rows, which stay in registers from piece to piece.
template <class Acc>
struct Sums {
  static constexpr int kRows = 16;
  Acc sum[kRows];

  explicit Sums(const Acc *from) { std::memcpy(sum, from, sizeof sum); }
  void store(Acc *to) const { std::memcpy(to, sum, sizeof sum); }

  void add(const skt_bitsliced &t, int first, int last, int output, const uint8_t *numbers) {
    for (int p = first; p < last; p++, numbers += kBlock) add_piece(t, p, output, numbers);
  }

 private:
  void add_piece(const skt_bitsliced &t, int piece, int output, const uint8_t *number) {
    const int64_t width = t.n_leaf_outputs;
    const Acc *const values = static_cast<const Acc *>(t.values) + t.piece_first[piece] * width + output;
    if (width == 1)
      for (int i = 0; i < kRows; i++) sum[i] += values[number[i]];
    else
      for (int i = 0; i < kRows; i++) sum[i] += values[number[i] * width];
  }
};

template <class Acc>
constexpr int kShuffledBits = -1;

template <class Acc>
struct ShuffledSums;

template <class Acc>
inline int place_of(int row) {
  return row;
}

// ---------------------------------------------------------------------------------------------------------------------- links

constexpr int kSteps = 32;      // of the table of powers
constexpr int kMostAtOnce = 64; // exponentials

constexpr double kRound = 6755399441055744.0;    // 1.5 * 2**52: adding it rounds to a whole number, in the low bits
constexpr double kLeast = -110.0, kMost = 100.0; // beyond, float32 knows only 0 and infinity

// 2**(i / 32) from a table, and a cubic for the rest; `out` may be `x`.
inline void exponentials(const skt_expf &t, const float *x, int n, float *out) {
  double rest[kMostAtOnce], whole[kMostAtOnce], fraction[kMostAtOnce];
  int64_t steps[kMostAtOnce];
  for (int i = 0; i < n; i++) {
    double value = x[i];
    value = value < kLeast ? kLeast : value;
    value = value > kMost ? kMost : value;
    const double scaled = value * t.scale, shifted = scaled + kRound;
    rest[i] = scaled - (shifted - kRound);
    std::memcpy(steps + i, &shifted, 8); // of a NaN anything, which does not matter
  }
  for (int i = 0; i < n; i++) {
    fraction[i] = t.power[steps[i] & (kSteps - 1)];
    const uint64_t bits = ((static_cast<uint64_t>(steps[i]) >> 5) + 1023) << 52; // the upper ones fall off
    std::memcpy(whole + i, &bits, 8);
  }
  const double a = t.cubic[0], b = t.cubic[1], c = t.cubic[2];
  for (int i = 0; i < n; i++)
    out[i] = static_cast<float>(((a * rest[i] + b) * (rest[i] * rest[i]) + (c * rest[i] + 1.0)) * (fraction[i] * whole[i]));
}

// --------------------------------------------------------------------------------------------------------------------- doubles

constexpr int kDoubles = 2;

typedef double Doubles __attribute__((vector_size(16)));
typedef int64_t Choice __attribute__((vector_size(16)));

inline Doubles spread(double x) { return Doubles{x, x}; }
inline Doubles fused(Doubles a, Doubles b, Doubles c) { return Doubles{std::fma(a[0], b[0], c[0]), std::fma(a[1], b[1], c[1])}; }
inline Choice choice_of(uint64_t bits) { return Choice{-static_cast<int64_t>(bits & 1), -static_cast<int64_t>(bits >> 1 & 1)}; }
inline Doubles pick(Choice which, Doubles if_set, Doubles if_clear) {
  return reinterpret_cast<Doubles>((reinterpret_cast<Choice>(if_set) & which) | (reinterpret_cast<Choice>(if_clear) & ~which));
}

inline Doubles gathered(const double *from, const int32_t *index, Doubles otherwise) {
  return Doubles{index[0] < 0 ? otherwise[0] : from[index[0]], index[1] < 0 ? otherwise[1] : from[index[1]]};
}

// No table of doubles stays in registers.
constexpr int kTableBits = -1;
template <int kBits>
struct TableOfDoubles;

// Numbers of 64 rows, bit by bit.
struct Numbers {
  int32_t number[64] = {};

  void add(uint64_t bits, int bit) {
    for (int i = 0; i < 64; i++) number[i] |= static_cast<int32_t>(bits >> i & 1) << bit;
  }
  void store(int32_t *to) const { std::memcpy(to, number, sizeof number); }
};

inline uint32_t exceeding_at(const uint32_t *code, const int32_t *slot, const uint32_t *key) {
  uint32_t bits = 0;
  for (int i = 0; i < 16; i++) bits |= static_cast<uint32_t>(code[slot[i]] > key[i]) << i;
  return bits;
}

inline uint64_t exceeding(const uint32_t *code, uint32_t key) {
  uint64_t bits = 0;
  for (int i = 0; i < 64; i++) bits |= static_cast<uint64_t>(code[i] > key) << i;
  return bits;
}

// ---------------------------------------------------------------------------------------------------------------------- blocks

inline uint32_t exit_of(const skt_block &block, uint32_t answers) {
  uint32_t exit = 0; // one lane matches, and vectors find the sum over lanes faster than the first of them
  for (uint32_t e = 0; e < SKT_BLOCK_EXITS; e++) exit += (answers & block.care[e]) == block.want[e] ? e : 0;
  return exit;
}

inline void look_up_highest(const uint8_t *table, int, const uint8_t *number, int n, uint8_t *highest) {
  for (int i = 0; i < n; i++) highest[i] = std::max(highest[i], table[number[i]]);
}

constexpr int kBeyondKept = 0;

template <class Numbers>
inline int64_t keep_below(uint32_t bound, uint32_t *value, Numbers number, int64_t n, uint32_t *kept_number) {
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i++) {
    const uint32_t own = value[i], its_number = number[i];
    value[kept] = own;
    kept_number[kept] = its_number;
    kept += own < bound;
  }
  return kept;
}

constexpr bool kCodesInRegisters = false;

template <int kRegisters>
struct RowInRegisters;

} // namespace
} // namespace portable
} // namespace SKT_ISA
