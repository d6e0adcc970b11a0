// Sums of the leaves that rows come to.
//
// Included by a kernel that is compiled once for each instruction set, hence the namespace, as of rows.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "rows.h"
#include "sktensor.h"

namespace SKT_ISA {

constexpr int kTreesAtOnce = 4; // whose leaves many rows wait for, so that a sum is loaded once for all of them

// What a linear leaf adds to a row, its terms in their order.
template <class Feature>
double linear_value(const skt_traversal &t, const skt_rows &rows, const Treatment<Feature> &treatment, uint32_t leaf, int64_t row) {
  const double constant = static_cast<const double *>(t.values)[leaf];
  double total = t.linear_const[leaf];
  const int32_t begin = t.linear_first[leaf], end = t.linear_first[leaf + 1];
  for (int32_t j = begin; j < end; j++) {
    const double x = value_at(column_of(rows, t.linear_column[j]), row, treatment);
    if (x != x) return constant;
    total += t.linear_coef[j] * x;
  }
  return begin == end ? constant : total;
}

// The entry of `values` for a leaf, of which blocks number the first one `first`: its own, or one that it shares with others of the same value.
struct Own {
  int64_t first;
  int64_t operator()(uint32_t leaf) const { return leaf - first; }
};
struct Shared {
  int64_t first;
  const uint16_t *number;
  int64_t operator()(uint32_t leaf) const { return number[leaf - first]; }
};

// Adds the leaves of some trees, in their order, to the sums of n rows, `stride` apart; a leaf has n_values.
template <int kTrees, int kValues, class Acc, class Entry>
void add_trees(const Acc *__restrict values, Entry entry, const uint32_t *leaf, int n_trees, int n, int64_t n_values, int64_t stride,
               Acc *__restrict out) {
  for (int i = 0; i < n; i++, out += stride)
    if constexpr (kValues > 0) {
      Acc sum[kValues];
      std::memcpy(sum, out, sizeof sum);
      for (int tree = 0; tree < (kTrees ? kTrees : n_trees); tree++) {
        const Acc *const value = values + entry(leaf[int64_t(tree) * n + i]) * kValues;
        for (int k = 0; k < kValues; k++) sum[k] += value[k];
      }
      std::memcpy(out, sum, sizeof sum);
    } else {
      for (int tree = 0; tree < n_trees; tree++) {
        const Acc *const value = values + entry(leaf[int64_t(tree) * n + i]) * n_values;
        for (int64_t k = 0; k < n_values; k++) out[k] += value[k];
      }
    }
}

template <int kValues, class Acc, class Entry>
void add_values(const skt_traversal &t, Entry entry, int n, int n_trees, const uint32_t *leaf, Acc *out) {
  const auto add = n_trees == kTreesAtOnce ? add_trees<kTreesAtOnce, kValues, Acc, Entry> : add_trees<0, kValues, Acc, Entry>;
  add(static_cast<const Acc *>(t.values), entry, leaf, n_trees, n, t.n_leaf_outputs, t.sum.n_outputs, out);
}

// The same for n rows whose sums begin at `out`, whichever outputs the trees add to.
template <class Acc, class Entry>
void add_leaves(const skt_traversal &t, Entry entry, int n, int32_t tree, int32_t end, const uint32_t *leaf, Acc *out) {
  switch (t.n_leaf_outputs) {
    case 1:
      for (int32_t next; tree < end; leaf += int64_t(next - tree) * n, tree = next) {
        for (next = tree + 1; next < end && t.tree_output[next] == t.tree_output[tree];) next++;
        add_values<1>(t, entry, n, next - tree, leaf, out + t.tree_output[tree]);
      }
      break;
    case 2: add_values<2>(t, entry, n, end - tree, leaf, out); break;
    case 3: add_values<3>(t, entry, n, end - tree, leaf, out); break;
    case 4: add_values<4>(t, entry, n, end - tree, leaf, out); break;
    default: add_values<0>(t, entry, n, end - tree, leaf, out);
  }
}

// The same for rows first .. first + n, by whatever kind of leaves these are.
template <class Feature, class Acc>
void add(const skt_traversal &t, const skt_rows &rows, int64_t first, int n, int32_t tree, int32_t end, uint32_t *leaf, Acc *out) {
  const int64_t first_leaf = t.n_blocks;
  if (t.linear_first) {
    const Treatment<Feature> treatment(rows);
    for (; tree < end; tree++, leaf += n)
      for (int i = 0; i < n; i++) out[i * t.sum.n_outputs + t.tree_output[tree]] += linear_value(t, rows, treatment, static_cast<uint32_t>(leaf[i] - first_leaf), first + i);
  } else if (t.value_number && end - tree <= kTreesAtOnce) {
    add_leaves(t, Shared{first_leaf, t.value_number}, n, tree, end, leaf, out);
  } else if (t.value_number) { // of many trees come from far away, all at once
    for (int64_t i = 0; i < int64_t(end - tree) * n; i++) leaf[i] = t.value_number[leaf[i] - first_leaf];
    add_leaves(t, Own{0}, n, tree, end, leaf, out);
  } else {
    add_leaves(t, Own{first_leaf}, n, tree, end, leaf, out);
  }
}

} // namespace SKT_ISA
