// Trees as blocks of nodes to walk.
//
// A row answers all questions of a block at once and takes the exit where all answers on the way to it agree. Rows that have not arrived
// yet stand in a list, and a pass takes each of them one block further: no step waits for another one of its pass, and no branch depends
// on a row. Many rows pass through one tree after the other, whose blocks stay in the cache meanwhile, and begin where circuits took them; few
// rows through many trees at once.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "codes.h"
#include "leaf_values.h"
#include "rows.h"
#include "scratch.h"
#include "simd/simd.h"
#include "tops.h"

namespace SKT_ISA {
namespace {

constexpr int kCodeBytes = 1 << 19;    // of the rows at hand: with a large tree they fit into a second-level cache
constexpr int kMostRows = 4096;        // at hand
constexpr int kFewWalkers = 16;        // up to here, each waits for its own loads: the next rows join them
constexpr int kRowByRow = 4;           // up to here, each row at the roots of all trees with its codes in registers
constexpr int kFewRows = 24;           // up to here, many trees at once ...
constexpr int kFewRowsOfLarge = 192;   // ... whose blocks come from memory far away
constexpr int kPairs = 2048;           // then: rows times trees on their way
constexpr int kCacheBytes = 400 << 10; // tables beyond this size do not stay in the second-level cache by themselves
constexpr int kChunk = 64;             // values of a column that become codes at once
constexpr int kSlots = 16;             // columns whose codes are written at once

// Widths of a row's codes that are known at run time only; the latter with slots of 16 bits.
constexpr int kAnyWidth = 0, kWide = -1;

// ------------------------------------------------------------------------------------------------------------------------ codes

inline void put(const uint32_t (*code)[kChunk], int n_codes, int n, int64_t width, uint32_t *slot) {
  if (n_codes == kSlots) { // a cache line
    for (int i = 0; i < n; i++)
      for (int k = 0; k < kSlots; k++) slot[i * width + k] = code[k][i];
    return;
  }
  for (int i = 0; i < n; i++)
    for (int k = 0; k < n_codes; k++) slot[i * width + k] = code[k][i];
}

// The codes of n rows in the slots below `width`; whether a value is missing or counts as zero, so that the slots beyond differ.
template <class Feature>
bool encode(const skt_traversal &t, const skt_rows &rows, int64_t first, int n, int64_t width, uint32_t *codes) {
  const Treatment<Feature> treatment(rows);
  bool special = false;
  Feature x[kChunk];
  uint32_t code[kSlots][kChunk];
  for (int begin = 0; begin < n; begin += kChunk) {
    const int m = std::min(kChunk, n - begin);
    uint32_t *row = codes + begin * width;
    int32_t c = 0;
    while (c < t.codes.n_codes && t.codes.code_slot[c] < width) { // neighbouring slots together: each alone would touch a cache line of every row
      const int32_t slot = t.codes.code_slot[c];
      int k = 0;
      for (; k < kSlots && c < t.codes.n_codes && t.codes.code_slot[c] < width && t.codes.code_slot[c] == slot + k; k++, c++) {
        load_column(column_of(rows, t.codes.code_column[c]), first + begin, m, treatment, x);
        special |= encode_values(t.codes, c, x, m, code[k]);
      }
      put(code, k, m, width, row + slot);
    }
    for (int32_t g = 0; g < t.codes.n_category_codes; g++) {
      load_column(column_of(rows, t.codes.category_column[g]), first + begin, m, treatment, x);
      encode_categories(t.codes, g, x, m, code[0]);
      put(code, 1, m, width, row + t.codes.category_slot[g]);
    }
  }
  return special;
}

// ----------------------------------------------------------------------------------------------------------------------- blocks

struct Trees {
  const skt_block *blocks;
  const uint16_t *wide_code;
  uint32_t n_blocks;

  explicit Trees(const skt_traversal &t) : blocks(t.blocks), wide_code(t.wide_code), n_blocks(static_cast<uint32_t>(t.n_blocks)) {}
};

// The codes of a row, and its answers to the questions of a block, node 0's lowest; bits beyond the nodes may be anything.
template <bool kIsWide>
struct RowInMemory {
  const uint32_t *code;

  RowInMemory(const uint32_t *codes, int64_t width, int64_t row) : code(codes + row * width) {}

  uint32_t answers(const Trees &trees, const skt_block &block) const {
    const uint16_t *const wide_code = kIsWide ? trees.wide_code + (&block - trees.blocks) * SKT_BLOCK_NODES : nullptr;
    uint32_t bits = 0;
    for (int i = SKT_BLOCK_NODES - 1; i >= 0; i--) {
      const uint32_t slot = kIsWide ? wide_code[i] : block.code[i];
      bits = 2 * bits + (code[slot] <= block.key[i]);
    }
    return bits;
  }
};

// Those of 16, 32 or 64 codes, a register for 16 of them.
template <int kWidth>
struct Row : RowInRegisters<kWidth / 16> {
  static void arrange(uint32_t *codes, int n) {
    for (int row = 0; row < n; row++) RowInRegisters<kWidth / 16>::arrange(codes + row * kWidth);
  }

  Row(const uint32_t *codes, int64_t, int64_t row) : RowInRegisters<kWidth / 16>(codes, row) {}

  uint32_t answers(const Trees &, const skt_block &block) const { return RowInRegisters<kWidth / 16>::answers(block); }
};

template <>
struct Row<kAnyWidth> : RowInMemory<false> {
  using RowInMemory::RowInMemory;
};
template <>
struct Row<kWide> : RowInMemory<true> {
  using RowInMemory::RowInMemory;
};

inline void prefetch(const void *at) { __builtin_prefetch(at); }
inline void fetch_block(const skt_block *block) {
  prefetch(block);
  prefetch(reinterpret_cast<const char *>(block) + 64);
}
inline void prefetch_far(const void *at) { __builtin_prefetch(at, 0, 2); }

// Which rows are on their way: many in one tree, many in several, or one in several.
enum Kind { kManyInOne, kManyInMany, kOneInMany };

// Their next blocks, and their numbers among the rows at hand. With one tree that is the place of a row's leaf, too; with several the upper half
// is.
struct Walkers {
  uint32_t *block, *row;

  Walkers operator+(int64_t n) const { return {block + n, row + n}; }

  // Keeps those of the first n, of these numbers, that are at a block and not at a leaf; how many there are.
  template <class Numbers>
  int64_t keep(const Trees &trees, Numbers number, int64_t n) const { return keep_below(trees.n_blocks, block, number, n, row); }

  template <Kind kKind>
  static uint32_t row_of(uint32_t number) { return kKind == kManyInOne ? number : number & 0xFFFF; }
  template <Kind kKind>
  static uint32_t place_of(uint32_t number) { return kKind == kManyInOne ? number : number >> 16; }
};

// Takes some walkers, of these numbers and at these blocks, to what comes next: a block, or the leaf that stays. Whatever is asked of one is asked of
// all before the answer is needed: a processor sees no farther than a few steps of one after the other.
template <int kCount, int kWidth, Kind kKind, bool kFetch, class Blocks, class Numbers>
inline void step(const Trees &trees, const uint32_t *codes, int64_t width, const Row<kWidth> &first, Blocks at, Numbers number, int64_t i, uint32_t *next,
                 uint32_t *leaf) {
  constexpr int64_t kAhead = 8;
  const skt_block *block[kCount];
  uint32_t own[kCount], answers[kCount], exit[kCount];
  if (kFetch && std::is_same_v<Blocks, Progression>)
    for (int j = 0; j < kCount; j++) fetch_block(trees.blocks + at[i + j + kAhead]);
  for (int j = 0; j < kCount; j++) block[j] = trees.blocks + at[i + j], own[j] = number[i + j];
  for (int j = 0; j < kCount; j++)
    answers[j] = (kKind == kOneInMany ? first : Row<kWidth>(codes, width, Walkers::row_of<kKind>(own[j]))).answers(trees, *block[j]);
  for (int j = 0; j < kCount; j++) exit[j] = exit_of(*block[j], answers[j]);
  for (int j = 0; j < kCount; j++) {
    const uint32_t found = block[j]->first[exit[j] >= block[j]->n_blocks] + exit[j];
    next[i + j] = leaf[Walkers::place_of<kKind>(own[j])] = found;
    if (kFetch) fetch_block(trees.blocks + found); // of a leaf in vain, which costs less than to ask
  }
}

// The same for all n of them.
template <int kWidth, Kind kKind, bool kFetch, class Blocks, class Numbers>
void advance(const Trees &trees, const uint32_t *codes, int64_t width, Blocks at, Numbers number, int64_t n, uint32_t *next, uint32_t *leaf) {
  constexpr int kAtOnce = 4;
  const Row<kWidth> first(codes, width, 0);
  int64_t i = 0;
  for (; i + kAtOnce <= n; i += kAtOnce) step<kAtOnce, kWidth, kKind, kFetch>(trees, codes, width, first, at, number, i, next, leaf);
  for (; i < n; i++) step<1, kWidth, kKind, kFetch>(trees, codes, width, first, at, number, i, next, leaf);
}

// Takes n walkers a block further; how many have not arrived then.
template <int kWidth, Kind kKind, bool kFetch>
int64_t pass(const Trees &trees, const uint32_t *codes, int64_t width, Walkers walkers, int64_t n, uint32_t *leaf) {
  advance<kWidth, kKind, kFetch>(trees, codes, width, walkers.block, walkers.row, n, walkers.block, leaf);
  return walkers.keep(trees, walkers.row, n);
}

// What is to be in the cache before long: a few lines of it at a time.
struct Ahead {
  const char *at[2], *end[2];

  Ahead(const skt_traversal &t, int32_t tree) {
    const size_t value = t.value_number ? sizeof(uint16_t) : t.n_leaf_outputs * (t.sum.acc_dtype == SKT_FLOAT32 ? 4 : 8);
    const char *const values = t.value_number ? reinterpret_cast<const char *>(t.value_number) : static_cast<const char *>(t.values);
    at[0] = reinterpret_cast<const char *>(t.blocks + t.tree_block[tree]);
    end[0] = reinterpret_cast<const char *>(t.blocks + t.tree_block[tree + 1]);
    at[1] = values + value * t.tree_leaf[tree];
    end[1] = values + value * t.tree_leaf[tree + 1];
  }

  int64_t lines() const { return (end[0] - at[0] + end[1] - at[1]) / 64 + 2; }

  void fetch(int64_t n) {
    for (int part = 0; part < 2; part++)
      for (; n > 0 && at[part] < end[part]; n--, at[part] += 64) prefetch_far(at[part]);
  }
};

// Leaves of n rows in one tree, some rows after the others, so that a pass finds the codes of all its rows in the first-level cache.
template <int kWidth>
void walk_tree(const skt_traversal &t, int32_t tree, const Top &top, const uint32_t *codes, int64_t width, int n, bool fetch_next,
               Walkers walkers, uint32_t *leaf) {
  constexpr int kGroup = 16; // rows for which some lines are fetched
  const Trees trees(t);
  Ahead ahead(t, tree + 1 < t.n_trees ? tree + 1 : 0);
  const int64_t lines = fetch_next ? ahead.lines() * kGroup / n + 1 : 0;
  int64_t kept = 0;
  for (int near = 0, near_end; near < n; near = near_end) {
    near_end = std::min(n, near + kNearRows);
    const int taken = std::clamp(top.n, near, near_end);
    top.starts(near, taken, leaf);
    std::fill(leaf + taken, leaf + near_end, static_cast<uint32_t>(tree)); // at its root
    const Walkers entering = walkers + kept;
    for (int begin = near, end; begin < near_end; begin = end) {
      ahead.fetch(lines);
      end = std::min(near_end, begin + kGroup);
      const Progression row{static_cast<uint32_t>(begin), 1};
      advance<kWidth, kManyInOne, false>(trees, codes, width, leaf + begin, row, end - begin, entering.block + (begin - near), leaf);
    }
    kept += entering.keep(trees, Progression{static_cast<uint32_t>(near), 1}, near_end - near);
    if (kWidth > 0)
      while (kept > kFewWalkers) kept = pass<kWidth, kManyInOne, false>(trees, codes, width, walkers, kept, leaf);
  }
  while (kept > 0) kept = pass<kWidth, kManyInOne, false>(trees, codes, width, walkers, kept, leaf);
}

// Leaves of n rows in several trees, tree by tree.
template <int kWidth, bool kFetch>
void walk_trees(const skt_traversal &t, int32_t tree, int32_t end, const uint32_t *codes, int64_t width, int n, Walkers walkers, uint32_t *leaf) {
  const Trees trees(t);
  int64_t kept = 0;
  if (n <= kRowByRow) {
    for (uint32_t row = 0; row < static_cast<uint32_t>(n); row++) {
      const Walkers entering = walkers + kept;
      const Progression root{static_cast<uint32_t>(tree), 1}, number{row | row << 16, static_cast<uint32_t>(n) << 16};
      advance<kWidth, kOneInMany, kFetch>(trees, codes + row * width, width, root, number, end - tree, entering.block, leaf);
      kept += entering.keep(trees, number, end - tree);
    }
  } else { // those in a tree side by side
    for (int32_t i = tree; i < end; i++) {
      if (kFetch) fetch_block(trees.blocks + i);
      for (int row = 0; row < n; row++, kept++) {
        walkers.block[kept] = static_cast<uint32_t>(i);
        walkers.row[kept] = row | static_cast<uint32_t>(kept) << 16;
      }
    }
  }
  const auto further = n == 1 ? pass<kWidth, kOneInMany, kFetch> : pass<kWidth, kManyInMany, kFetch>;
  while (kept > 0) kept = further(trees, codes, width, walkers, kept, leaf);
}

// ------------------------------------------------------------------------------------------------------------- blocks of rows

// Calls use(row, n, tree, end, leaf) with the leaves of n rows from `row` on in the trees from `tree` to `end`, tree by tree.
template <int kWidth, class Use>
void walk_few(const skt_traversal &t, const uint32_t *codes, int64_t width, int64_t row, int n, bool fetch, Walkers walkers, uint32_t *leaf, Use use) {
  const int32_t at_once = kPairs / n;
  for (int32_t tree = 0; tree < t.n_trees; tree += at_once) {
    const int32_t end = std::min(t.n_trees, tree + at_once);
    if (fetch)
      walk_trees<kWidth, true>(t, tree, end, codes, width, n, walkers, leaf);
    else
      walk_trees<kWidth, false>(t, tree, end, codes, width, n, walkers, leaf);
    use(row, n, tree, end, leaf);
  }
}

// The same; apart, lest its code lies between what few rows pass.
template <int kWidth, class Use>
__attribute__((noinline)) void walk_many(const skt_traversal &t, const skt_rows &rows, int32_t features, int64_t at_once, char *memory, const uint32_t *codes,
                                         int64_t width, int64_t row, int n, bool fetch, Walkers walkers, uint32_t *leaf, Use use) {
  int32_t tree = 0, used = 0;
  const auto through = [&](const Top &top) {
    walk_tree<kWidth>(t, tree, top, codes, width, n, fetch, walkers, leaf + int64_t(tree - used) * n);
    if (++tree - used < kTreesAtOnce && tree < t.n_trees) return;
    use(row, n, used, tree, leaf);
    used = tree;
  };
  if (t.n_tops && n >= kTopRows) {
    Tops tops(t, rows, features, at_once, memory);
    for (int32_t i = 0; i < t.n_tops; i++) tops.answer(t.tops[i], row, n, through);
  }
  while (tree < t.n_trees) through(Top());
}

// Codes of n rows, as wide as they have to be; the width.
template <class Feature>
int64_t encode_rows(const skt_traversal &t, const skt_rows &rows, int64_t first, int n, uint32_t *codes) {
  const bool in_registers = kCodesInRegisters && (t.codes.n_base_slots == 16 || t.codes.n_base_slots == 32 || t.codes.n_base_slots == 64) && !t.wide_code;
  if (in_registers && t.codes.n_base_slots < t.codes.n_slots && !encode<Feature>(t, rows, first, n, t.codes.n_base_slots, codes)) return t.codes.n_base_slots;
  encode<Feature>(t, rows, first, n, t.codes.n_slots, codes);
  return t.codes.n_slots;
}

template <class Feature, class Use>
void each_block(const skt_traversal &t, const skt_rows &rows, int64_t first, int64_t last, Scratch &scratch, Use use) {
  const bool large = sizeof(skt_block) * t.n_blocks > size_t(kCacheBytes);
  const int32_t features = sizeof(Feature) == 4 ? SKT_FLOAT32 : SKT_FLOAT64;
  const int64_t most = std::clamp<int64_t>(kCodeBytes / (4 * int64_t(t.codes.n_base_slots)), 64, kMostRows);
  const int64_t at_once = std::min(most, last - first), places = std::max<int64_t>(at_once, kPairs) + kBeyondKept;
  const size_t code_bytes = (size_t(at_once) * t.codes.n_slots * 4 + 63) / 64 * 64;
  const size_t walker_bytes = (8 * places + 4 * std::max(places, kTreesAtOnce * at_once) + 63) / 64 * 64;
  char *const room = scratch.of(code_bytes + walker_bytes + (at_once >= kTopRows ? Tops::bytes(t, at_once) : 0));
  uint32_t *const codes = reinterpret_cast<uint32_t *>(room), *const of_places = reinterpret_cast<uint32_t *>(room + code_bytes);
  const Walkers walkers{of_places, of_places + places};
  uint32_t *const leaf = of_places + 2 * places;
  for (int64_t row = first; row < last; row += at_once) {
    const int n = static_cast<int>(std::min(at_once, last - row));
    const int64_t width = encode_rows<Feature>(t, rows, row, n, codes);
    const auto walk = [&](auto constant) {
      constexpr int kWidth = decltype(constant)::value;
      if constexpr (kWidth > 0) Row<kWidth>::arrange(codes, n);
      if (n <= (large ? kFewRowsOfLarge : kFewRows))
        walk_few<kWidth>(t, codes, width, row, n, large || n == 1, walkers, leaf, use);
      else
        walk_many<kWidth>(t, rows, features, at_once, room + code_bytes + walker_bytes, codes, width, row, n, large, walkers, leaf, use);
    };
    if (t.wide_code) {
      walk(std::integral_constant<int, kWide>());
      continue;
    }
    if constexpr (kCodesInRegisters) switch (width) {
        case 16: walk(std::integral_constant<int, 16>()); continue;
        case 32: walk(std::integral_constant<int, 32>()); continue;
        case 64: walk(std::integral_constant<int, 64>()); continue;
      }
    walk(std::integral_constant<int, kAnyWidth>());
  }
}

template <class Feature, class Acc>
void sums(const skt_traversal &t, const skt_rows &rows, int64_t first, int64_t last, Acc *out, Scratch &scratch) {
  const Acc *const base = static_cast<const Acc *>(t.sum.base);
  const int64_t width = t.sum.n_outputs;
  for (int64_t row = first; row < last && !t.sum.continues; row++)
    for (int64_t k = 0; k < width; k++) out[row * width + k] = base[k];
  each_block<Feature>(t, rows, first, last, scratch, [&](int64_t row, int n, int32_t tree, int32_t end, uint32_t *leaf) {
    add<Feature>(t, rows, row, n, tree, end, leaf, out + row * width);
  });
}

template <class Feature>
void leaves(const skt_traversal &t, const skt_rows &rows, int64_t first, int64_t last, const int32_t *tree_number, int32_t *out, Scratch &scratch) {
  each_block<Feature>(t, rows, first, last, scratch, [&](int64_t row, int n, int32_t tree, int32_t end, const uint32_t *leaf) {
    for (; tree < end; tree++, leaf += n)
      for (int i = 0; i < n; i++) out[(row + i) * t.n_trees + tree_number[tree]] = t.leaf[leaf[i] - t.n_blocks];
  });
}

} // namespace

void traversal_sums(const skt_traversal &t, const skt_rows &rows, int32_t features, int64_t first, int64_t last, void *out, Scratch &scratch) {
  const bool wide = features == SKT_FLOAT64;
  if (t.sum.acc_dtype == SKT_FLOAT32) {
    float *const sum = static_cast<float *>(out);
    wide ? sums<double>(t, rows, first, last, sum, scratch) : sums<float>(t, rows, first, last, sum, scratch);
  } else {
    double *const sum = static_cast<double *>(out);
    wide ? sums<double>(t, rows, first, last, sum, scratch) : sums<float>(t, rows, first, last, sum, scratch);
  }
}

void traversal_leaves(const skt_traversal &t, const skt_rows &rows, int32_t features, int64_t first, int64_t last, const int32_t *tree_number,
                      int32_t *out, Scratch &scratch) {
  features == SKT_FLOAT64 ? leaves<double>(t, rows, first, last, tree_number, out, scratch) : leaves<float>(t, rows, first, last, tree_number, out, scratch);
}

} // namespace SKT_ISA
