// Sums of the leaves that rows come to.
//
// Included by a kernel that is compiled once for each instruction set, hence the namespace, as of rows.h.
#pragma once

#include <cstdint>

#include "rows.h"
#include "sktensor.h"

namespace SKT_ISA {

constexpr int kFewSums = 24; // up to so many rows, each sum stays in a register while the trees pass

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

// The entry of `values` for a leaf: its own number, or one that it shares with others of the same value.
struct Own {
  uint32_t operator()(uint32_t leaf) const { return leaf; }
};
struct Shared {
  const uint16_t *number;
  uint32_t operator()(uint32_t leaf) const { return number[leaf]; }
};

template <int kOutputs, class Acc, class Entry>
void add_vectors(const Acc *__restrict values, Entry entry, const uint32_t *leaf, int n, int64_t n_outputs, Acc *__restrict out) {
  const int64_t width = kOutputs > 0 ? kOutputs : n_outputs;
  for (int i = 0; i < n; i++) {
    const Acc *const value = values + entry(leaf[i]) * width;
    for (int64_t k = 0; k < width; k++) out[i * width + k] += value[k];
  }
}

// Adds the leaves of some trees, in their order, to the sums of n rows, which begin at `out`.
template <class Acc, class Entry>
void add_values(const skt_traversal &t, Entry entry, int n, int32_t tree, int32_t end, const uint32_t *leaf, Acc *out) {
  const Acc *const values = static_cast<const Acc *>(t.values);
  const int64_t width = t.sum.n_outputs;
  if (t.n_leaf_outputs > 1) {
    for (; tree < end; tree++, leaf += n) switch (width) {
        case 2: add_vectors<2>(values, entry, leaf, n, width, out); break;
        case 3: add_vectors<3>(values, entry, leaf, n, width, out); break;
        case 4: add_vectors<4>(values, entry, leaf, n, width, out); break;
        default: add_vectors<0>(values, entry, leaf, n, width, out);
      }
  } else if (n > kFewSums) {
    for (; tree < end; tree++, leaf += n)
      for (int i = 0; i < n; i++) out[i * width + t.tree_output[tree]] += values[entry(leaf[i])];
  } else {
    for (int i = 0; i < n; i++) // with the sum in a register
      for (int32_t at = tree; at < end;) {
        const int32_t output = t.tree_output[at];
        Acc sum = out[i * width + output];
        for (; at < end && t.tree_output[at] == output; at++) sum += values[entry(leaf[int64_t(at - tree) * n + i])];
        out[i * width + output] = sum;
      }
  }
}

// The same for rows first .. first + n, by whatever kind of leaves these are.
template <class Feature, class Acc>
void add(const skt_traversal &t, const skt_rows &rows, int64_t first, int n, int32_t tree, int32_t end, uint32_t *leaf, Acc *out) {
  if (t.linear_first) {
    const Treatment<Feature> treatment(rows);
    for (; tree < end; tree++, leaf += n)
      for (int i = 0; i < n; i++) out[i * t.sum.n_outputs + t.tree_output[tree]] += linear_value(t, rows, treatment, leaf[i], first + i);
  } else if (t.value_number && end - tree == 1) {
    add_values(t, Shared{t.value_number}, n, tree, end, leaf, out);
  } else {
    if (t.value_number) // of several trees come from far away, all at once
      for (int64_t i = 0; i < int64_t(end - tree) * n; i++) leaf[i] = t.value_number[leaf[i]];
    add_values(t, Own(), n, tree, end, leaf, out);
  }
}

} // namespace SKT_ISA
