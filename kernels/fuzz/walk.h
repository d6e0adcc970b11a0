// For the fuzzer: random trees that compare values of X, ways to damage them, and a slow evaluator that reads them as the header describes them.
#pragma once

#include "rows.h"
#include "tables.h"

inline void spoil(Random &random, skt_node &node) {
  switch (random.below(4)) {
    case 0: spoil(random, node.threshold); break;
    case 1: spoil(random, node.column); break;
    case 2: spoil(random, node.child[random.below(2)]); break;
    default: spoil(random, node.missing_right);
  }
}

class WalkTables {
 public:
  static constexpr const char *name = "walk";
  static constexpr int32_t widest_rows = SKT_FLOAT64;
  skt_walk t{};
  int32_t features;
  std::vector<std::vector<double>> thresholds; // of each column of X

  explicit WalkTables(Random &random) : features(static_cast<int32_t>(random.below(2))) {
    thresholds.resize(random.one_of({1, 2, 5, 20, 40}));
    for (auto &column : thresholds) column = random_thresholds(random, 5, features);
    t.n_columns = static_cast<int64_t>(thresholds.size());
    t.sum = random_sum(random, base);
    t.right_if_equal = random.once_in(2);
    t.n_leaf_outputs = t.sum.n_outputs > 1 && random.once_in(2) ? t.sum.n_outputs : 1;
    t.n_trees = static_cast<int32_t>(random.one_of({random.below(3), random.below(12), random.below(40)}));
    for (int32_t tree = 0; tree < t.n_trees; tree++) {
      root.push_back(make_tree(random));
      tree_output.push_back(static_cast<int32_t>(random.below(t.sum.n_outputs)));
    }
    t.n_nodes = static_cast<int64_t>(nodes.size());
    for (int64_t i = 0; i < t.n_leaves * t.n_leaf_outputs; i++) append(values, random.value(), t.sum.acc_dtype);
  }

  template <class Visit>
  void arrays(Visit visit) {
    visit(nodes, t.nodes, true, t.n_nodes, 8);
    visit(root, t.root, true, t.n_trees, 4);
    visit(tree_output, t.tree_output, true, t.n_trees, 4);
    visit(values, t.values, true, bytes_of(t.sum, t.n_leaves, t.n_leaf_outputs), item_of(t.sum));
    visit(base, t.sum.base, true, bytes_of(t.sum, t.sum.n_outputs, 1), item_of(t.sum));
  }

  template <class Visit>
  void counts(Visit visit) {
    visit(t.n_columns), visit(t.n_trees), visit(t.n_nodes), visit(t.n_leaf_outputs), visit(t.n_leaves), visit(t.sum.n_outputs);
  }

  template <class Visit>
  void numbers(Visit visit) {
    visit(t.right_if_equal), visit(t.sum.acc_dtype), visit(t.sum.continues);
  }

  // What the kernel should add to `out`, (n_rows, n_outputs).
  template <class Feature, class Acc>
  void evaluate(const Rows &x, Acc *out) const {
    const int64_t n_outputs = t.sum.n_outputs;
    for (int64_t row = 0; row < x.rows.n_rows; row++) {
      Acc *const sum = out + row * n_outputs;
      begin_sum(t.sum, base, sum);
      for (int32_t tree = 0; tree < t.n_trees; tree++) {
        const int64_t leaf = reached<Feature>(x, row, tree);
        if (t.n_leaf_outputs == 1) sum[tree_output[tree]] += number_at<Acc>(values, leaf);
        for (int64_t k = 0; t.n_leaf_outputs > 1 && k < n_outputs; k++) sum[k] += number_at<Acc>(values, leaf * n_outputs + k);
      }
    }
  }

  // The numbers of the leaves, (n_rows, n_trees).
  std::vector<int32_t> leaves(const Rows &x) const {
    std::vector<int32_t> found;
    for (int64_t row = 0; row < x.rows.n_rows; row++)
      for (int32_t tree = 0; tree < t.n_trees; tree++)
        found.push_back(features == SKT_FLOAT32 ? reached<float>(x, row, tree) : reached<double>(x, row, tree));
    return found;
  }

 private:
  std::vector<skt_node> nodes;
  std::vector<int32_t> root, tree_output;
  std::vector<uint8_t> values, base;

  // Its root. Children stand behind their parents, and every leaf is reached from one place.
  int32_t make_tree(Random &random) {
    const int64_t n_nodes = random.one_of({random.below(2), random.below(8), random.below(60)}), begin = static_cast<int64_t>(nodes.size());
    std::vector<int32_t *> open; // places for a child
    int32_t top = 0;
    nodes.reserve(nodes.size() + n_nodes); // lest these places move
    open.push_back(&top);
    for (int64_t i = 0; i < n_nodes; i++) {
      std::swap(open.back(), open[random.below(static_cast<int64_t>(open.size()))]);
      *open.back() = static_cast<int32_t>(begin + i);
      open.pop_back();
      const int32_t column = static_cast<int32_t>(random.below(t.n_columns));
      const double threshold = thresholds[column].empty() ? random.normal() : random.one_of(thresholds[column]);
      nodes.push_back({features == SKT_FLOAT32 ? static_cast<float>(threshold) : threshold, column, {0, 0}, static_cast<int32_t>(random.below(2))});
      for (int32_t &child : nodes.back().child) open.push_back(&child);
    }
    for (int32_t *const place : open) *place = ~static_cast<int32_t>(t.n_leaves++);
    return top;
  }

  template <class Feature>
  int32_t reached(const Rows &x, int64_t row, int32_t tree) const {
    int32_t at = root[tree];
    while (at >= 0) {
      const skt_node &node = nodes[at];
      const Feature value = feature_of<Feature>(x.rows, x.at(row, node.column));
      const bool right = std::isnan(value) ? node.missing_right == 1 : t.right_if_equal ? value >= node.threshold : value > node.threshold;
      at = node.child[right];
    }
    return ~at;
  }
};
