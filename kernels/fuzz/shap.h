// For the fuzzer: random tables of SHAP values, ways to damage them, and slow evaluators that do what the kernels do, row by row.
#pragma once

#include "codes.h"
#include "explanations.h"
#include "rows.h"
#include "tables.h"

inline void spoil(Random &random, skt_shap_node &node) {
  switch (random.below(11)) {
    case 0: spoil(random, node.share); break;
    case 1: spoil(random, node.constants); break;
    case 2: spoil(random, node.key); break;
    case 3: spoil(random, node.slot); break;
    case 4: spoil(random, node.player); break;
    case 5: spoil(random, node.left); break;
    case 6: spoil(random, node.right); break;
    case 7: spoil(random, node.previous); break;
    case 8: spoil(random, node.depth); break;
    case 9: spoil(random, node.kind); break;
    default: spoil(random, random.once_in(2) ? node.is_right : node.previous_right);
  }
}

inline void spoil(Random &random, skt_shap_run &run) {
  switch (random.below(4)) {
    case 0: spoil(random, run.first); break;
    case 1: spoil(random, run.end); break;
    case 2: spoil(random, run.constants); break;
    default: spoil(random, run.repeated);
  }
}

inline void spoil(Random &random, skt_shap_batch &batch) {
  int64_t *const numbers[] = {&batch.first, &batch.bottom, &batch.end, &batch.first_run, &batch.end_run, &batch.point};
  const int64_t which = random.below(7);
  if (which < 6)
    spoil(random, *numbers[which]);
  else
    spoil(random, batch.n_points);
}

class ShapTables : public RandomCodes {
 public:
  skt_shap t{};

  explicit ShapTables(Random &random) : RandomCodes(random) {
    make(random, t.codes);
    t.n_outputs = static_cast<int32_t>(random.one_of({1, 1, 2, 5}));
    t.n_leaf_outputs = random.once_in(3) ? t.n_outputs : 1;
    t.n_players = static_cast<int32_t>(random.from(1, 9));
    for (int32_t p = 0; p < t.n_players; p++)
      if (random.once_in(2) || (used.empty() && p + 1 == t.n_players)) used.push_back(p);
    t.n_used = static_cast<int32_t>(used.size());
    t.n_trees = static_cast<int32_t>(random.one_of({random.below(3), random.below(12), random.below(40)}));
    const int64_t most = random.one_of({3, 8, 8, 20});
    for (int32_t tree = 0; tree < t.n_trees; tree++) {
      const int32_t n_points = static_cast<int32_t>(random.from(1, most));
      tree_points.push_back(n_points);
      tree_point.push_back(static_cast<int64_t>(points.size()));
      Numbers complement, weight;
      for (int32_t q = 0; q < n_points; q++) {
        const double point = (random.below(1000) + 0.5) / 1000;
        points.push_back(point);
        complement.push_back(1 - point);
        weight.push_back(random.normal());
      }
      points.insert(points.end(), complement.begin(), complement.end());
      points.insert(points.end(), weight.begin(), weight.end());
      tree_output.push_back(static_cast<int32_t>(random.below(t.n_outputs)));
      depth_ = 0;
      begin_ = static_cast<int64_t>(nodes.size());
      std::vector<std::pair<int32_t, bool>> way;
      if (!questions_.empty() && !random.once_in(8)) grow(random, way, random.once_in(12) ? 40 : random.from(1, 6), n_points);
      tree_depth.push_back(depth_);
      tree_node.push_back(static_cast<int64_t>(nodes.size()));
    }
    for (int32_t tree = 0; tree < t.n_trees; tree++) set_kinds(tree);
    t.n_nodes = static_cast<int64_t>(nodes.size());
    t.n_points = static_cast<int64_t>(points.size());
    t.n_constants = static_cast<int64_t>(constants.size());
    t.n_leaves = static_cast<int64_t>(values.size()) / t.n_leaf_outputs;
    if (t.n_leaf_outputs == 1 && most <= 8 && random.once_in(2)) make_flat();
  }

  template <class Visit>
  void arrays(Visit visit) {
    visit_codes(t.codes, visit);
    const int64_t T = t.n_trees, F = t.flat.n_places;
    visit(used, t.used, true, t.n_used, 4);
    visit(nodes, t.nodes, true, t.n_nodes, 8);
    visit(tree_node, t.tree_node, true, T + 1, 8);
    visit(tree_points, t.tree_points, true, T, 4);
    visit(tree_point, t.tree_point, true, T, 8);
    visit(tree_depth, t.tree_depth, true, T, 4);
    visit(tree_output, t.tree_output, true, T, 4);
    visit(points, t.points, true, t.n_points, 8);
    visit(constants, t.constants, true, t.n_constants, 8);
    visit(values, t.values, true, t.n_leaves < 0 || t.n_leaf_outputs < 0 ? 0 : t.n_leaves * t.n_leaf_outputs, 8);
    visit(batches, t.flat.batches, true, t.flat.n_batches, 8);
    visit(runs, t.flat.runs, true, t.flat.n_runs, 8);
    visit(slot, t.flat.slot, true, F, 4);
    visit(key, t.flat.key, true, F, 4);
    visit(share, t.flat.share, true, F, 8);
    visit(value_left, t.flat.value_left, true, F, 8);
    visit(value_right, t.flat.value_right, true, F, 8);
    visit(parent, t.flat.parent, true, F, 4);
    visit(left, t.flat.left, true, F, 4);
    visit(right, t.flat.right, true, F, 4);
    visit(previous, t.flat.previous, true, F, 4);
    visit(previous_right, t.flat.previous_right, true, F, 1);
    visit(term, t.flat.term, true, t.flat.n_terms, 4);
    visit(target, t.flat.target, true, t.flat.n_terms, 4);
    visit(flat_constants, t.flat.constants, true, t.flat.n_constants, 8);
  }

  template <class Visit>
  void counts(Visit visit) {
    count_codes(t.codes, visit);
    visit(t.n_trees), visit(t.n_outputs), visit(t.n_leaf_outputs), visit(t.n_players), visit(t.n_used), visit(t.n_nodes), visit(t.n_points);
    visit(t.n_constants), visit(t.n_leaves), visit(t.flat.n_batches), visit(t.flat.n_runs), visit(t.flat.n_places), visit(t.flat.n_terms);
    visit(t.flat.n_constants);
  }

  template <class Visit>
  void numbers(Visit visit) {
    number_codes(t.codes, visit);
  }

  Numbers evaluate(const Rows &x, bool pairs) const {
    const int64_t P = t.n_players, K = t.n_outputs;
    Numbers out;
    for (int64_t row = 0; row < x.rows.n_rows; row++) {
      const std::vector<uint32_t> codes = features == SKT_FLOAT32 ? codes_of<float>(t.codes, x, row) : codes_of<double>(t.codes, x, row);
      Numbers sums(t.n_used * t.n_used * K, 0.0); // on the diagonal the players' own
      for (int32_t tree = 0; tree < t.n_trees; tree++) add_tree(codes, tree, pairs, sums);
      Numbers own((pairs ? P * P : P) * K, 0.0);
      for (int64_t k = 0; k < K; k++)
        for (int64_t a = 0; a < t.n_used; a++) {
          double left = sums[(a * t.n_used + a) * K + k];
          for (int64_t b = 0; b < t.n_used && pairs; b++) {
            if (a == b) continue;
            const double half = 0.5 * sums[(std::min(a, b) * t.n_used + std::max(a, b)) * K + k];
            left -= half;
            own[(used[a] * P + used[b]) * K + k] = half;
          }
          own[(pairs ? used[a] * P + used[a] : used[a]) * K + k] = left;
        }
      out.insert(out.end(), own.begin(), own.end());
    }
    return out;
  }

  std::vector<uint8_t> decisions(const Rows &x) const {
    std::vector<uint8_t> out;
    for (int64_t row = 0; row < x.rows.n_rows; row++) {
      const std::vector<uint32_t> codes = features == SKT_FLOAT32 ? codes_of<float>(t.codes, x, row) : codes_of<double>(t.codes, x, row);
      for (const skt_shap_node &node : nodes) out.push_back(codes[node.slot] <= node.key);
    }
    return out;
  }

 private:
  std::vector<int32_t> used, tree_points, tree_depth, tree_output;
  std::vector<int64_t> tree_node{0}, tree_point;
  std::vector<skt_shap_node> nodes;
  Numbers points, constants, values;
  std::vector<skt_shap_batch> batches;
  std::vector<skt_shap_run> runs;
  std::vector<int32_t> slot, parent, left, right, previous, term, target;
  std::vector<uint32_t> key;
  Numbers share, value_left, value_right, flat_constants;
  std::vector<uint8_t> previous_right;
  int32_t depth_ = 0;
  int64_t begin_ = 0; // of the tree that is made

  // Grows a node; its number within the tree, or ~leaf. `way` holds the nodes above and the sides that were taken.
  int32_t grow(Random &random, std::vector<std::pair<int32_t, bool>> &way, int64_t most, int32_t n_points) {
    const bool chain = most > 10;
    if (!way.empty() && (static_cast<int64_t>(way.size()) >= most || (!chain && random.once_in(4)) || (chain && way.back().second))) {
      for (int32_t k = 0; k < t.n_leaf_outputs; k++) values.push_back(random.normal());
      return ~static_cast<int32_t>(values.size() / t.n_leaf_outputs - 1);
    }
    const int32_t n = static_cast<int32_t>(static_cast<int64_t>(nodes.size()) - begin_);
    const Question &question = random.one_of(questions_);
    skt_shap_node node{};
    node.share = random.once_in(8) ? random.one_of({0.0, 1.0, 0.5}) : random.below(1000) / 999.0;
    node.slot = question.slot;
    node.key = random.one_of(question.keys);
    node.player = static_cast<int32_t>(random.below(t.n_used));
    node.depth = static_cast<int32_t>(way.size());
    node.is_right = !way.empty() && way.back().second;
    node.previous = -1;
    for (const auto &above : way)
      if (nodes[begin_ + above.first].player == node.player) node.previous = above.first, node.previous_right = above.second;
    if (node.previous >= 0) {
      node.constants = static_cast<int64_t>(constants.size());
      for (int32_t i = 0; i < 3 * n_points; i++) constants.push_back(random.below(1000) / 500.0);
    }
    depth_ = std::max(depth_, node.depth);
    nodes.push_back(node);
    way.emplace_back(n, false);
    const int32_t to_left = grow(random, way, most, n_points);
    way.back().second = true;
    const int32_t to_right = grow(random, way, most, n_points);
    way.pop_back();
    nodes[begin_ + n].left = to_left;
    nodes[begin_ + n].right = to_right;
    return n;
  }

  bool is_bottom(const skt_shap_node &node) const { return node.left < 0 && node.right < 0 && node.previous < 0; }

  void set_kinds(int32_t tree) {
    const int64_t begin = tree_node[tree];
    const auto kind = [&](int32_t child) { return child < 0 ? 0 : is_bottom(nodes[begin + child]) ? 1 : 2; };
    for (int64_t i = begin; i < tree_node[tree + 1]; i++)
      nodes[i].kind = static_cast<uint8_t>(kind(nodes[i].left) + 3 * kind(nodes[i].right) + 9 * (nodes[i].previous >= 0));
  }

  // Each tree a batch of its own.
  void make_flat() {
    for (int32_t tree = 0; tree < t.n_trees; tree++) {
      const int64_t begin = tree_node[tree], n = tree_node[tree + 1] - begin, first = static_cast<int64_t>(slot.size());
      if (n == 0) continue;
      const auto apart = [&](int64_t i) { return i > 0 && is_bottom(nodes[begin + i]); };
      const int32_t Q = tree_points[tree];
      skt_shap_batch batch{first, 0, 0, static_cast<int64_t>(runs.size()), 0, tree_point[tree], Q, 0};
      std::vector<int32_t> place(n);
      const auto add = [&](const std::vector<int64_t> &these) {
        const size_t at = slot.size(), room = (these.size() + 15) / 16 * 16;
        for (size_t i = 0; i < these.size(); i++) place[these[i]] = static_cast<int32_t>(at + i - first);
        slot.resize(at + room), key.resize(at + room, 0xFFFFFFFFu), share.resize(at + room), value_left.resize(at + room), value_right.resize(at + room);
        parent.resize(at + room, -1), left.resize(at + room, -1), right.resize(at + room, -1), previous.resize(at + room), previous_right.resize(at + room);
        return at;
      };
      for (int32_t depth = 0; depth <= tree_depth[tree]; depth++)
        for (int repeated = 0; repeated < 2; repeated++) {
          std::vector<int64_t> these;
          for (int64_t i = 0; i < n; i++)
            if (nodes[begin + i].depth == depth && (nodes[begin + i].previous >= 0) == repeated && !apart(i)) these.push_back(i);
          if (these.empty()) continue;
          const int64_t at = static_cast<int64_t>(add(these)), end = static_cast<int64_t>(slot.size());
          runs.push_back({at, end, static_cast<int64_t>(flat_constants.size()), repeated, 0});
          if (!repeated) continue;
          Numbers own(3 * Q * (end - at), 0.0);
          for (size_t i = 0; i < these.size(); i++)
            for (int32_t q = 0; q < 3 * Q; q++) own[q * (end - at) + i] = constants[nodes[begin + these[i]].constants + q];
          flat_constants.insert(flat_constants.end(), own.begin(), own.end());
        }
      batch.bottom = static_cast<int64_t>(slot.size());
      std::vector<int64_t> bottoms;
      for (int64_t i = 0; i < n; i++)
        if (apart(i)) bottoms.push_back(i);
      add(bottoms);
      batch.end = static_cast<int64_t>(slot.size());
      batch.end_run = static_cast<int64_t>(runs.size());
      batches.push_back(batch);
      for (int64_t i = 0; i < n; i++) {
        const skt_shap_node &node = nodes[begin + i];
        const int64_t at = first + place[i];
        slot[at] = node.slot, key[at] = node.key, share[at] = node.share;
        if (node.previous >= 0) previous[at] = place[node.previous], previous_right[at] = node.previous_right;
        for (int side = 0; side < 2; side++) {
          const int32_t child = side ? node.right : node.left;
          if (child < 0)
            (side ? value_right : value_left)[at] = values[~child];
          else
            (side ? right : left)[at] = place[child], parent[first + place[child]] = place[i] + static_cast<int32_t>(side * (batch.bottom - first));
        }
      }
      order(tree, 0, [&](int64_t i) {
        term.push_back(static_cast<int32_t>(first + place[i]));
        target.push_back(nodes[begin + i].player * t.n_outputs + tree_output[tree]);
      });
    }
    t.flat.n_batches = static_cast<int64_t>(batches.size());
    t.flat.n_runs = static_cast<int64_t>(runs.size());
    t.flat.n_places = static_cast<int64_t>(slot.size());
    t.flat.n_terms = static_cast<int64_t>(term.size());
    t.flat.n_constants = static_cast<int64_t>(flat_constants.size());
  }

  // Nodes in the order in which they add to their players.
  template <class Use>
  void order(int32_t tree, int64_t n, Use use) const {
    const skt_shap_node &node = nodes[tree_node[tree] + n];
    for (const int32_t child : {node.left, node.right})
      if (child >= 0 && !is_bottom(nodes[tree_node[tree] + child])) order(tree, child, use);
    use(n);
    for (const int32_t child : {node.left, node.right})
      if (child >= 0 && is_bottom(nodes[tree_node[tree] + child])) use(child);
  }

  struct Split {
    int32_t player;
    double weight;
    bool reached;
    Numbers r;
  };

  // What a walk needs: the tree, the points first .. last, the output, and where things are added.
  struct Visit {
    const std::vector<uint32_t> &codes;
    int32_t tree;
    int64_t first, last, output;
    bool pairs;
    Numbers &sums;
    std::vector<Split> splits;
  };

  double number(const Visit &v, int which, int64_t q) const { return points[tree_point[v.tree] + which * tree_points[v.tree] + v.first + q]; }
  bool goes_left(const Visit &v, const skt_shap_node &node) const { return v.codes[node.slot] <= node.key; }
  bool was_here(const Visit &v, const skt_shap_node &node) const {
    if (node.previous < 0) return true;
    const skt_shap_node &before = nodes[tree_node[v.tree] + node.previous];
    return was_here(v, before) && goes_left(v, before) != (node.previous_right != 0);
  }
  double factor(const Visit &v, const skt_shap_node &node, int64_t q) const {
    if (node.previous >= 0) {
      if (!was_here(v, node)) return node.share;
      return constants[node.constants + (goes_left(v, node) ? 0 : tree_points[v.tree]) + v.first + q];
    }
    const double off = number(v, 1, q) * node.share;
    return goes_left(v, node) ? off + number(v, 0, q) : off;
  }
  double &sum_of(const Visit &v, int32_t a, int32_t b, int64_t output) const {
    return v.sums[(std::min(a, b) * int64_t(t.n_used) + std::max(a, b)) * t.n_outputs + output];
  }

  // The values of a node at each point.
  Numbers visit(Visit &v, int32_t n, const Numbers &own) const {
    const int64_t Q = v.last - v.first, k = t.n_leaf_outputs > 1 ? v.output : 0, to = t.n_leaf_outputs > 1 ? v.output : tree_output[v.tree];
    if (n < 0) return Numbers(Q, values[~n * int64_t(t.n_leaf_outputs) + k]);
    const skt_shap_node &node = nodes[tree_node[v.tree] + n];
    const bool left_way = goes_left(v, node), here = was_here(v, node);
    Numbers to_left(Q), to_right(Q), products(2, 0.0);
    for (int64_t q = 0; q < Q; q++) {
      const double f = factor(v, node, q);
      to_left[q] = own[q] * f;
      to_right[q] = std::fma(-own[q], f, own[q]);
      products[0] = std::fma(own[q], f, products[0]);
      products[1] += own[q];
    }
    Numbers side[2];
    for (int right_side = 0; right_side < 2; right_side++) {
      const int32_t child = right_side ? node.right : node.left;
      if (child >= 0 && !v.pairs && is_bottom(nodes[tree_node[v.tree] + child])) {
        side[right_side] = bottom(v, nodes[tree_node[v.tree] + child], k);
        continue;
      }
      const std::vector<Split> before = v.splits;
      if (v.pairs) take(v, node, right_side, here && left_way != (right_side != 0), Q);
      side[right_side] = visit(v, child, right_side ? to_right : to_left);
      v.splits = before;
    }
    Numbers found(Q), part(Q);
    double sum = 0, off = 0;
    for (int64_t q = 0; q < Q; q++) {
      const double difference = side[0][q] - side[1][q];
      found[q] = std::fma(factor(v, node, q), difference, side[1][q]);
      const double scaled = node.previous >= 0 ? difference * constants[node.constants + 2 * tree_points[v.tree] + v.first + q] : difference;
      part[q] = own[q] * scaled;
      sum = v.pairs ? sum + part[q] : std::fma(own[q], scaled, sum);
      off = std::fma(part[q], -1 / number(v, 1, q), off);
    }
    const double adds = !here ? 0 : left_way ? 1 - node.share : -node.share;
    double &own_sum = sum_of(v, node.player, node.player, to);
    own_sum = std::fma(sum, adds, own_sum);
    for (size_t s = 0; s < v.splits.size() && v.pairs; s++) {
      const Split &other = v.splits[s];
      if (other.player == node.player) continue;
      double on = part[0] * other.r[0];
      for (int64_t q = 1; q < Q; q++) on = std::fma(part[q], other.r[q], on);
      double &pair = sum_of(v, node.player, other.player, to);
      pair = std::fma(other.reached ? on : off, adds, pair);
    }
    for (int right_side = 0; right_side < 2 && !v.pairs; right_side++) {
      const int32_t child = right_side ? node.right : node.left;
      if (child < 0 || !is_bottom(nodes[tree_node[v.tree] + child])) continue;
      const skt_shap_node &below = nodes[tree_node[v.tree] + child];
      const double difference = values[~below.left * int64_t(t.n_leaf_outputs) + k] - values[~below.right * int64_t(t.n_leaf_outputs) + k];
      double &its = sum_of(v, below.player, below.player, to);
      const double weight = goes_left(v, below) ? (1 - below.share) * difference : -below.share * difference;
      its = std::fma(right_side ? products[1] - products[0] : products[0], weight, its);
    }
    return found;
  }

  Numbers bottom(const Visit &v, const skt_shap_node &node, int64_t k) const {
    const double on_right = values[~node.right * int64_t(t.n_leaf_outputs) + k], difference = values[~node.left * int64_t(t.n_leaf_outputs) + k] - on_right;
    Numbers found(v.last - v.first);
    for (int64_t q = 0; q < v.last - v.first; q++) {
      const double product = factor(v, node, q) * difference;
      found[q] = on_right + product;
    }
    return found;
  }

  void take(Visit &v, const skt_shap_node &node, int right_side, bool reached, int64_t Q) const {
    double before = 1;
    for (size_t s = 0; s < v.splits.size(); s++)
      if (v.splits[s].player == node.player) {
        before = v.splits[s].weight;
        v.splits.erase(v.splits.begin() + static_cast<std::ptrdiff_t>(s));
        break;
      }
    Split split{node.player, before * (right_side ? 1 - node.share : node.share), reached, Numbers(Q)};
    for (int64_t q = 0; q < Q; q++) split.r[q] = (1 - split.weight) / (number(v, 0, q) + number(v, 1, q) * split.weight);
    v.splits.push_back(split);
  }

  void add_tree(const std::vector<uint32_t> &codes, int32_t tree, bool pairs, Numbers &sums) const {
    if (tree_node[tree] == tree_node[tree + 1]) return;
    const int64_t Q = tree_points[tree], n_turns = (Q + 7) / 8;
    for (int64_t turn = 0; turn < n_turns; turn++)
      for (int32_t output = 0; output < t.n_leaf_outputs; output++) {
        Visit v{codes, tree, turn * Q / n_turns, (turn + 1) * Q / n_turns, output, pairs, sums, {}};
        Numbers own;
        for (int64_t q = 0; q < v.last - v.first; q++) own.push_back(number(v, 2, q));
        visit(v, 0, own);
      }
  }
};

// The error of values against the first rows themselves.
inline int32_t direct(Random &random, Room &room, const skt_shap &t, const Rows &x, int32_t features, double *out) {
  if (x.rows.n_rows == 0 || x.rows.n_rows * int64_t(t.codes.n_slots) > 1 << 21) return 0;
  uint32_t *const codes = reinterpret_cast<uint32_t *>(room.place(random, x.rows.n_rows * t.codes.n_slots * sizeof(uint32_t), sizeof(uint32_t)));
  const int32_t n_threads = static_cast<int32_t>(random.from(1, 3));
  if (const int32_t error = skt_shap_codes(&t, &x.rows, features, codes, n_threads, 0)) return error;
  return skt_shap_direct(&t, &x.rows, features, codes, std::min<int64_t>(x.rows.n_rows, 3), out, n_threads, 0);
}

// What is wrong, or NULL. Damaged tables are refused, or run within their arrays.
inline const char *shap_case(Random &random, Room &room, bool damaged, int64_t *refused) {
  ShapTables tables(random);
  Rows x = random_rows(random, room, tables.thresholds, tables.widest_rows);
  x.rows.n_rows = std::min<int64_t>(x.rows.n_rows, random.one_of({1, 2, 3, 70, 140}));
  const bool misaligned = damaged && place_damaged(random, room, tables);
  if (!damaged) place(random, room, tables);
  skt_shap &t = tables.t;
  if (const int32_t error = skt_check_shap(&t)) {
    if (damaged) refused[error]++;
    if (damaged && !std::strcmp(skt_message(error), "unknown error")) return "SHAP tables are refused without words";
    return damaged ? nullptr : skt_message(error);
  }
  if (misaligned) return "an array of SHAP tables that lies where its items may not is taken";
  if (!is_small(t, x.rows.n_rows, t.n_players)) return nullptr;
  const int64_t n = x.rows.n_rows * t.n_players * t.n_outputs;
  Numbers expected, expected_pairs;
  std::vector<uint8_t> decisions;
  if (!damaged) expected = tables.evaluate(x, false), expected_pairs = tables.evaluate(x, true), decisions = tables.decisions(x);
  for (int32_t isa = 0; isa <= skt_best_isa(); isa++) {
    const int32_t n_threads = static_cast<int32_t>(random.from(1, 3));
    double *const out = place_for<double>(random, room, 2 * n), *const pairs = place_for<double>(random, room, n * t.n_players);
    uint8_t *const decided = reinterpret_cast<uint8_t *>(room.place(random, x.rows.n_rows * t.n_nodes, 1));
    const int32_t errors[] = {skt_shap_values(&t, &x.rows, tables.features, out, n_threads, isa), skt_shap_pairs(&t, &x.rows, tables.features, pairs, n_threads, isa),
                              skt_shap_decisions(&t, &x.rows, tables.features, decided, n_threads, isa), direct(random, room, t, x, tables.features, out + n)};
    if (damaged) continue;
    for (const int32_t error : errors)
      if (error) return skt_message(error);
    if (!same_numbers(out, expected)) return "a kernel and the evaluator find other SHAP values";
    if (!same_numbers(pairs, expected_pairs)) return "a kernel and the evaluator find other interactions";
    if (!decisions.empty() && std::memcmp(decided, decisions.data(), decisions.size())) return "a kernel and the evaluator find other decisions";
  }
  return nullptr;
}
