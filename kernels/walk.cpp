// Trees whose nodes compare values of X themselves, for few trees over many columns: a row is read where a tree looks at it, and nowhere
// else, where the other kernels make codes of every column first.
//
// What takes time is waiting for memory. So rows stand in a list; a pass takes each of them one node further and asks for the value that
// its next node looks at, which arrives while the others have their turn. There is nothing here for vectors to do, so it is compiled once.
#define SKT_ISA walking // names the namespace of rows.h
#include "walk.h"

#include <algorithm>
#include <cstdlib>

#include "check.h"
#include "rows.h"

namespace {

using walking::Column;
using walking::column_of;
using walking::Treatment;
using walking::value_at;

constexpr int kRows = 128;               // on their way at once
constexpr int64_t kCacheBytes = 1 << 19; // half of a usual second-level cache

enum : int32_t { kWalkSum = 400, kWalkAccumulator, kWalkTrees, kWalkNodes, kWalkChildren, kWalkColumn, kWalkLeaves };

// Values of X as nodes compare them.
template <class Feature>
struct AnyRows {
  const skt_rows &rows;
  const Treatment<Feature> treatment;

  explicit AnyRows(const skt_rows &given) : rows(given), treatment(given) {}
  const char *where(int64_t row, int32_t column) const {
    const Column own = column_of(rows, column);
    return own.data + row * own.stride;
  }
  Feature at(int64_t row, int32_t column) const { return value_at(column_of(rows, column), row, treatment); }
};

// The same where they lie side by side in this dtype, and are compared as they are in that of the features.
template <class Feature, class Stored>
struct PlainRows {
  const char *const data;
  const int64_t step;

  explicit PlainRows(const skt_rows &rows) : data(static_cast<const char *>(rows.data)), step(rows.row_stride) {}
  static bool are(const skt_rows &rows) {
    return !rows.columns && rows.dtype == (sizeof(Stored) == 4 ? SKT_FLOAT32 : SKT_FLOAT64) && rows.column_stride == int64_t(sizeof(Stored)) &&
           Treatment<Feature>(rows).changes_nothing();
  }
  const char *where(int64_t row, int32_t column) const { return data + row * step + column * int64_t(sizeof(Stored)); }
  Feature at(int64_t row, int32_t column) const { return static_cast<Feature>(walking::read<Stored>(where(row, column))); }
};

// Leaves of rows first .. first + n in one tree.
template <bool kRightIfEqual, class Values>
void walk(const skt_walk &t, const Values &X, int32_t tree, int64_t first, int n, int32_t *leaf) {
  if (t.root[tree] < 0) {
    std::fill(leaf, leaf + n, ~t.root[tree]);
    return;
  }
  int32_t at[kRows];
  uint8_t row[kRows];
  for (int i = 0; i < n; i++) at[i] = t.root[tree], row[i] = static_cast<uint8_t>(i);
  for (int kept = n; kept > 0;) {
    int next_kept = 0;
    for (int i = 0; i < kept; i++) {
      const skt_node &node = t.nodes[at[i]];
      const uint8_t r = row[i];
      const auto x = X.at(first + r, node.column);
      const bool beyond = kRightIfEqual ? x >= node.threshold : x > node.threshold;
      const int32_t next = node.child[x != x ? node.missing_right : beyond];
      leaf[r] = ~next;
      at[next_kept] = next;
      row[next_kept] = r;
      next_kept += next >= 0;
      __builtin_prefetch(X.where(first + r, t.nodes[std::max(next, 0)].column));
    }
    kept = next_kept;
  }
}

// Calls use(row, n, tree, leaf) with the leaves of n rows from `row` on.
template <class Values, class Use>
void each_of(const skt_walk &t, const Values &X, int64_t first, int64_t last, Use use) {
  int32_t leaf[kRows];
  for (int64_t row = first; row < last; row += kRows) {
    const int n = static_cast<int>(std::min<int64_t>(kRows, last - row));
    for (int32_t tree = 0; tree < t.n_trees; tree++) {
      t.right_if_equal ? walk<true>(t, X, tree, row, n, leaf) : walk<false>(t, X, tree, row, n, leaf);
      use(row, n, tree, leaf);
    }
  }
}

template <class Feature, class Use>
void each(const skt_walk &t, const skt_rows &rows, int64_t first, int64_t last, Use use) {
  if (PlainRows<Feature, float>::are(rows))
    each_of(t, PlainRows<Feature, float>(rows), first, last, use);
  else if (PlainRows<Feature, double>::are(rows))
    each_of(t, PlainRows<Feature, double>(rows), first, last, use);
  else
    each_of(t, AnyRows<Feature>(rows), first, last, use);
}

template <class Feature, class Acc>
void sums(const skt_walk &t, const skt_rows &rows, int64_t first, int64_t last, Acc *out) {
  const Acc *const base = static_cast<const Acc *>(t.sum.base), *const values = static_cast<const Acc *>(t.values);
  const int64_t width = t.sum.n_outputs;
  for (int64_t row = first; row < last && !t.sum.continues; row++)
    for (int64_t k = 0; k < width; k++) out[row * width + k] = base[k];
  each<Feature>(t, rows, first, last, [&](int64_t row, int n, int32_t tree, const int32_t *leaf) {
    Acc *at = out + row * width;
    if (t.n_leaf_outputs == 1) {
      for (int i = 0; i < n; i++) at[i * width + t.tree_output[tree]] += values[leaf[i]];
    } else {
      for (int i = 0; i < n; i++)
        for (int64_t k = 0; k < width; k++) at[i * width + k] += values[leaf[i] * width + k];
    }
  });
}

template <class Feature>
void leaves(const skt_walk &t, const skt_rows &rows, int64_t first, int64_t last, int32_t *out) {
  each<Feature>(t, rows, first, last, [&](int64_t row, int n, int32_t tree, const int32_t *leaf) {
    for (int i = 0; i < n; i++) out[(row + i) * t.n_trees + tree] = leaf[i];
  });
}

} // namespace

int32_t check_walk(const skt_walk &t) {
  if (const int32_t error = check_sum(t.sum, kWalkSum, kWalkAccumulator)) return error;
  if (!leaf_outputs_fit(t.n_leaf_outputs, t.sum)) return kWalkSum;
  if (!aligned(t.nodes, t.root, t.tree_output) || !aligned_as(t.sum.acc_dtype, t.values) || !aligned_as(t.sum.acc_dtype, t.sum.base))
    return kMisaligned;
  if (t.n_trees < 0 || (t.n_trees && (!t.root || !t.tree_output))) return kWalkTrees;
  if (t.n_nodes < 0 || t.n_nodes > INT32_MAX || (t.n_nodes && !t.nodes)) return kWalkNodes;
  if (t.n_leaves < 0 || t.n_leaves > INT32_MAX || (t.n_leaves && !t.values)) return kWalkLeaves;
  for (int32_t tree = 0; tree < t.n_trees; tree++) {
    if (t.root[tree] >= t.n_nodes || ~int64_t(t.root[tree]) >= t.n_leaves) return kWalkTrees;
    if (t.n_leaf_outputs == 1 && (t.tree_output[tree] < 0 || t.tree_output[tree] >= t.sum.n_outputs)) return kWalkTrees;
  }
  for (int64_t i = 0; i < t.n_nodes; i++) {
    const skt_node &node = t.nodes[i];
    if (!is_column(node.column, t.n_columns)) return kWalkColumn;
    if (node.missing_right != 0 && node.missing_right != 1) return kWalkNodes;
    for (const int32_t child : node.child)
      if (child >= 0 ? child <= i || child >= t.n_nodes : ~int64_t(child) >= t.n_leaves) return kWalkChildren;
  }
  return kFine;
}

const char *walk_message(int32_t error) {
  switch (error) {
    case kWalkSum: return "the sum of walked trees has no base, or another number of outputs than its leaves";
    case kWalkAccumulator: return "the dtype of the sums of walked trees is unknown";
    case kWalkTrees: return "the roots or outputs of walked trees are missing or out of range";
    case kWalkNodes: return "the nodes of walked trees are missing, or a side is neither 0 nor 1";
    case kWalkChildren: return "a child does not stand behind its node, or is out of range";
    case kWalkColumn: return "a node looks at a column that X does not have";
    case kWalkLeaves: return "the leaves of walked trees are missing";
  }
  return nullptr;
}

int64_t walk_rows_at_once(const skt_rows &rows) {
  // Of rows that lie by columns, a line of the cache holds one column of several rows, and comes again for each few of them.
  if (!rows.columns && std::abs(rows.row_stride) < std::abs(rows.column_stride)) return 32 * kRows;
  const int64_t row_bytes = std::max<int64_t>(rows.n_columns * 8, 1);
  return std::clamp<int64_t>(kCacheBytes / row_bytes / 16 * 16, 16, 8 * kRows);
}

void walk_sums(const skt_walk &t, const skt_rows &rows, int32_t features, int64_t first, int64_t last, void *out) {
  const bool wide = features == SKT_FLOAT64;
  if (t.sum.acc_dtype == SKT_FLOAT32) {
    float *const sum = static_cast<float *>(out);
    wide ? sums<double>(t, rows, first, last, sum) : sums<float>(t, rows, first, last, sum);
  } else {
    double *const sum = static_cast<double *>(out);
    wide ? sums<double>(t, rows, first, last, sum) : sums<float>(t, rows, first, last, sum);
  }
}

void walk_leaves(const skt_walk &t, const skt_rows &rows, int32_t features, int64_t first, int64_t last, int32_t *out) {
  features == SKT_FLOAT64 ? leaves<double>(t, rows, first, last, out) : leaves<float>(t, rows, first, last, out);
}
