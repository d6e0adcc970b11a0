// For the fuzzer: random tables of trees to walk, ways to damage them, and a slow evaluator that reads them as the header describes them.
#pragma once

#include "bitsliced.h"
#include "codes.h"
#include "rows.h"
#include "tables.h"

inline void spoil(Random &random, skt_block &block) {
  const int64_t i = random.below(SKT_BLOCK_EXITS), j = random.below(SKT_BLOCK_NODES);
  switch (random.below(6)) {
    case 0: spoil(random, block.care[i]); break;
    case 1: spoil(random, block.want[i]); break;
    case 2: spoil(random, block.first[random.below(2)]); break;
    case 3: spoil(random, block.n_blocks); break;
    case 4: spoil(random, block.code[j]); break;
    default: spoil(random, block.key[j]);
  }
}

// What lengths of arrays do not depend on.
inline void spoil(Random &random, skt_bitsliced &top) { random.once_in(2) ? spoil(random, top.n_columns) : spoil(random, top.sum.acc_dtype); }

class TraversalTables : public RandomCodes {
 public:
  static constexpr const char *name = "traversal";
  skt_traversal t{};

  explicit TraversalTables(Random &random) : RandomCodes(random) {
    make(random, t.codes);
    t.sum = random_sum(random, base);
    is_wide_ = t.codes.n_slots > 256 || random.once_in(10);
    t.n_leaf_outputs = t.sum.n_outputs > 1 && random.once_in(2) ? t.sum.n_outputs : 1;
    t.n_trees = static_cast<int32_t>(random.one_of({random.below(3), random.below(12), random.below(60)}));
    blocks.resize(t.n_trees);
    tree_block[0] = t.n_trees;
    for (int32_t tree = 0; tree < t.n_trees; tree++) {
      make_tree(random, tree);
      tree_output.push_back(t.n_leaf_outputs > 1 ? tree : static_cast<int32_t>(random.below(t.sum.n_outputs)));
    }
    if (t.n_leaf_outputs == 1) std::sort(tree_output.begin(), tree_output.end());
    t.n_blocks = static_cast<int64_t>(blocks.size());
    t.n_leaves = static_cast<int64_t>(leaf.size());
    for (skt_block &block : blocks) block.first[1] += static_cast<uint32_t>(t.n_blocks);
    make_linear(random);
    make_values(random);
    if (random.once_in(2)) make_tops(random);
  }

  template <class Visit>
  void arrays(Visit visit) {
    const auto last = [](const auto &array) { return array.empty() ? 0 : int64_t(array.back()); };
    const int64_t T = t.n_trees, L = t.n_leaves;
    visit_codes(t.codes, visit);
    visit(blocks, t.blocks, true, t.n_blocks, 64);
    visit(wide_code, t.wide_code, is_wide_, is_wide_ && t.n_blocks > 0 ? SKT_BLOCK_NODES * t.n_blocks : 0, 2);
    visit(tree_block, t.tree_block, true, T + 1, 8);
    visit(tree_leaf, t.tree_leaf, true, T + 1, 8);
    visit(tree_output, t.tree_output, true, T, 4);
    visit(leaf, t.leaf, true, L, 4);
    visit(value_number, t.value_number, has_numbers_, has_numbers_ ? L : 0, 2);
    visit(values, t.values, true, bytes_of(t.sum, t.n_values, t.n_leaf_outputs), item_of(t.sum));
    visit(linear_first, t.linear_first, is_linear_, is_linear_ ? L + 1 : 0, 4);
    visit(linear_column, t.linear_column, is_linear_, last(linear_first), 4);
    visit(linear_coef, t.linear_coef, is_linear_, last(linear_first), 8);
    visit(linear_const, t.linear_const, is_linear_, is_linear_ ? L : 0, 8);
    visit(base, t.sum.base, true, bytes_of(t.sum, t.sum.n_outputs, 1), item_of(t.sum));
    for (BitslicedTables &top : tops) top.arrays(visit);
    structures.clear(); // with their arrays where these lie now
    for (const BitslicedTables &top : tops) structures.push_back(top.t);
    visit(structures, t.tops, !tops.empty(), t.n_tops, 8);
  }

  template <class Visit>
  void counts(Visit visit) {
    count_codes(t.codes, visit);
    visit(t.n_trees), visit(t.n_blocks), visit(t.n_leaf_outputs), visit(t.n_values), visit(t.n_leaves), visit(t.sum.n_outputs);
    visit(t.n_tops);
    for (BitslicedTables &top : tops) top.counts(visit);
  }

  template <class Visit>
  void numbers(Visit visit) {
    number_codes(t.codes, visit);
    visit(t.sum.acc_dtype), visit(t.sum.continues);
    for (BitslicedTables &top : tops) top.numbers(visit);
  }

  // What the kernel should add to `out`, (n_rows, n_outputs).
  template <class Feature, class Acc>
  void evaluate(const Rows &x, Acc *out) const {
    const int64_t n_outputs = t.sum.n_outputs;
    for (int64_t row = 0; row < x.rows.n_rows; row++) {
      const std::vector<uint32_t> codes = codes_of<Feature>(t.codes, x, row);
      Acc *const sum = out + row * n_outputs;
      begin_sum(t.sum, base, sum);
      for (int32_t tree = 0; tree < t.n_trees; tree++) {
        const int64_t at = reached(codes, tree), entry = has_numbers_ ? value_number[at] : at;
        if (t.n_leaf_outputs > 1)
          for (int64_t k = 0; k < n_outputs; k++) sum[k] += number_at<Acc>(values, entry * n_outputs + k);
        else if (is_linear_)
          sum[tree_output[tree]] += static_cast<Acc>(linear_value<Feature>(x, row, at));
        else
          sum[tree_output[tree]] += number_at<Acc>(values, entry);
      }
    }
  }

  // The numbers of the leaves, (n_rows, n_trees).
  void leaves(const Rows &x, const std::vector<int32_t> &tree_number, std::vector<int32_t> &out) const {
    for (int64_t row = 0; row < x.rows.n_rows; row++) {
      const std::vector<uint32_t> codes = features == SKT_FLOAT32 ? codes_of<float>(t.codes, x, row) : codes_of<double>(t.codes, x, row);
      for (int32_t tree = 0; tree < t.n_trees; tree++) out[row * t.n_trees + tree_number[tree]] = leaf[reached(codes, tree)];
    }
  }

 private:
  bool is_wide_, has_numbers_, is_linear_ = false;
  std::vector<skt_block> blocks;
  std::vector<uint16_t> wide_code;
  std::vector<int64_t> tree_block{0}, tree_leaf{0};
  std::vector<int32_t> tree_output, leaf;
  std::vector<uint16_t> value_number;
  std::vector<uint8_t> values, base;
  std::vector<int32_t> linear_first, linear_column;
  std::vector<double> linear_coef, linear_const;
  std::vector<BitslicedTables> tops;
  std::vector<skt_bitsliced> structures;

  // Circuits that let every row begin at the root, however they come to it.
  void make_tops(Random &random) {
    for (int32_t tree = 0, end; tree < t.n_trees; tree = end) {
      end = tops.size() < 2 ? static_cast<int32_t>(random.from(tree + 1, t.n_trees)) : t.n_trees;
      tops.emplace_back(random, features, thresholds, t.n_trees, tree, end);
    }
    t.n_tops = static_cast<int32_t>(tops.size());
  }

  // Blocks of one tree, each with its children side by side behind it and its leaves in the order of the blocks.
  void make_tree(Random &random, int32_t tree) {
    const size_t begin = blocks.size(), most = static_cast<size_t>(random.once_in(40) ? 400 : random.one_of({0, 3, 30}));
    for (size_t b = tree, next = begin; b == size_t(tree) || b < blocks.size(); b = next++) {
      const int n_nodes = questions_.empty() ? 0 : static_cast<int>(random.one_of({random.from(1, 3), random.from(0, SKT_BLOCK_NODES), int64_t(SKT_BLOCK_NODES)}));
      const int64_t room = static_cast<int64_t>(most - std::min(most, blocks.size() - begin));
      const uint32_t n_blocks = static_cast<uint32_t>(random.from(0, std::min<int64_t>(n_nodes + 1, room)));
      skt_block block = random_block(random, n_nodes, b);
      block.n_blocks = n_blocks;
      block.first[0] = static_cast<uint32_t>(blocks.size());
      block.first[1] = static_cast<uint32_t>(leaf.size()) - n_blocks;
      blocks[b] = block;
      blocks.resize(blocks.size() + n_blocks);
      for (uint32_t i = n_blocks; i < static_cast<uint32_t>(n_nodes) + 1; i++) leaf.push_back(static_cast<int32_t>(random.below(1000)));
    }
    if (static_cast<int64_t>(leaf.size()) == tree_leaf.back()) std::abort();
    tree_block.push_back(static_cast<int64_t>(blocks.size()));
    tree_leaf.push_back(static_cast<int64_t>(leaf.size()));
  }

  skt_block random_block(Random &random, int n_nodes, size_t b) {
    skt_block block{};
    if (is_wide_) wide_code.resize(std::max(wide_code.size(), SKT_BLOCK_NODES * (b + 1)));
    std::fill_n(block.want, SKT_BLOCK_EXITS, uint16_t(0xFFFF));
    std::fill_n(block.key, SKT_BLOCK_NODES, 0xFFFFFFFFu);
    block.want[0] = 0;
    for (int i = 0; i < SKT_BLOCK_NODES; i++) {
      int32_t slot = 0;
      if (i < n_nodes) { // takes the place of an exit, which gives two
        const int64_t exit = random.below(i + 1);
        const uint16_t bit = static_cast<uint16_t>(1 << i);
        block.care[exit] |= bit;
        block.care[i + 1] = block.care[exit];
        block.want[i + 1] = block.want[exit];
        block.want[exit] |= bit;
        const Question &question = random.one_of(questions_);
        slot = question.slot;
        block.key[i] = random.one_of(question.keys);
      }
      block.code[i] = is_wide_ ? 0 : static_cast<uint8_t>(slot);
      if (is_wide_) wide_code[SKT_BLOCK_NODES * b + i] = static_cast<uint16_t>(slot);
    }
    for (int64_t i = n_nodes; i > 0; i--) {
      const int64_t other = random.from(0, i);
      std::swap(block.care[i], block.care[other]);
      std::swap(block.want[i], block.want[other]);
    }
    return block;
  }

  void make_values(Random &random) {
    has_numbers_ = !is_linear_ && random.once_in(3);
    t.n_values = has_numbers_ ? random.from(1, 40) : t.n_leaves;
    for (int64_t i = 0; i < t.n_values * t.n_leaf_outputs; i++) append(values, random.value(), t.sum.acc_dtype);
    for (int64_t i = 0; has_numbers_ && i < t.n_leaves; i++) value_number.push_back(static_cast<uint16_t>(random.below(t.n_values)));
  }

  void make_linear(Random &random) {
    is_linear_ = t.sum.acc_dtype == SKT_FLOAT64 && t.n_leaf_outputs == 1 && random.once_in(3);
    if (!is_linear_) return;
    linear_first.push_back(0);
    for (int64_t i = 0; i < t.n_leaves; i++) {
      for (int64_t terms = random.one_of({0, 1, 1, 2, 3}); terms > 0; terms--) {
        linear_column.push_back(static_cast<int32_t>(random.below(static_cast<int64_t>(thresholds.size()))));
        linear_coef.push_back(random.value());
      }
      linear_first.push_back(static_cast<int32_t>(linear_column.size()));
      linear_const.push_back(random.value());
    }
  }

  int64_t reached(const std::vector<uint32_t> &codes, int32_t tree) const {
    for (int64_t b = tree;;) {
      const skt_block &block = blocks[b];
      uint32_t bits = 0;
      for (int i = 0; i < SKT_BLOCK_NODES; i++)
        bits |= static_cast<uint32_t>(codes[is_wide_ ? wide_code[SKT_BLOCK_NODES * b + i] : block.code[i]] <= block.key[i]) << i;
      uint32_t exit = 0;
      while ((bits & block.care[exit]) != block.want[exit]) exit++;
      if (exit >= block.n_blocks) return static_cast<uint32_t>(block.first[1] + exit) - t.n_blocks;
      b = block.first[0] + exit;
    }
  }

  template <class Feature>
  double linear_value(const Rows &x, int64_t row, int64_t at) const {
    double total = linear_const[at];
    for (int32_t j = linear_first[at]; j < linear_first[at + 1]; j++) {
      const Feature value = feature_of<Feature>(x.rows, x.at(row, linear_column[j]));
      if (std::isnan(value)) return number_at<double>(values, at);
      total += linear_coef[j] * value;
    }
    return linear_first[at] == linear_first[at + 1] ? number_at<double>(values, at) : total;
  }
};
