// Path-dependent SHAP values: a row in each lane, a tree's nodes one after the other, down and back up (sktensor/explain/tables.py).
//
// Every operation on a row is the same for any number of rows, of threads and of lanes, and in one order: sums over a tree's points in
// turn, sums over nodes on the way back up. Points are taken up to eight at a time, each time down the tree and up again.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "scratch.h"
#include "shap.h"
#include "shap_walk.h"
#include "simd/simd.h"

namespace SKT_ISA {
namespace {

enum : int { kLeaf = 0, kBottom = 1, kInner = 2 };

// A node above two leaves, as its parent sees it: its value at each point for rows that go left and right, and what it adds to its player.
template <int kPoints>
struct Bottom {
  double left[kPoints], right[kPoints];
  double adds_left, adds_right;
  double *phi;

  Bottom(const Walk &w, int64_t n, int64_t output) {
    const skt_shap_node &own = w.nodes[n];
    const double *const values = w.tables->values + w.first_output + output;
    const int64_t step = w.tables->n_leaf_outputs;
    const double on_right = values[~own.right * step], difference = values[~own.left * step] - on_right;
    for (int q = 0; q < kPoints; q++) {
      const double factor = w.complement[q] * own.share;
      right[q] = on_right + factor * difference;
      left[q] = on_right + (factor + w.t[q]) * difference;
    }
    adds_left = (1 - own.share) * difference;
    adds_right = -own.share * difference;
    phi = w.phi + own.player * w.player_step + output * kRows;
  }
};

template <int kKind, int kPoints>
struct Side;

template <int kPoints>
struct Side<kLeaf, kPoints> {
  Doubles value;
  Side(const Walk &w, int64_t child, int64_t, int, int64_t output)
      : value(spread(w.tables->values[~child * w.tables->n_leaf_outputs + w.first_output + output])) {}
  void turn(int) {}
  Doubles at(int, int) const { return value; }
  void add(int, Doubles) const {}
};

template <int kPoints>
struct Side<kBottom, kPoints> {
  Bottom<kPoints> bottom;
  const WaysOfAll all;
  Choice goes_left;
  Side(const Walk &w, int64_t child, int64_t, int, int64_t output) : bottom(w, child, output), all(w, child) {}
  void turn(int group) { goes_left = all.of(group).goes_left; }
  Doubles at(int, int q) const { return pick(goes_left, spread(bottom.left[q]), spread(bottom.right[q])); }
  void add(int group, Doubles products) const { // products: summed over the points
    Doubles *const phi = reinterpret_cast<Doubles *>(bottom.phi) + group;
    *phi = fused(products, pick(goes_left, spread(bottom.adds_left), spread(bottom.adds_right)), *phi);
  }
};

template <int kPoints>
struct Side<kInner, kPoints> {
  const Doubles *values;
  Side(const Walk &w, int64_t, int64_t depth, int is_right, int64_t output)
      : values(values_of<kPoints>(w, frame_of<kPoints>(w, depth, is_right), output)) {}
  void turn(int) {}
  Doubles at(int group, int q) const { return values[group * kPoints + q]; }
  void add(int, Doubles) const {}
};

// The way up: the node's value from those of its children, and what it adds to its player.
template <int kPoints, int kLeft, int kRight, bool kRepeated>
void leave(const Walk &w, int64_t n) {
  const skt_shap_node &node = w.nodes[n];
  const Factors<kPoints, kRepeated> factors(w, node);
  const WaysOfAll all(w, n);
  const int n_groups = w.n_groups;
  const double *const scale = kRepeated ? w.tables->constants + node.constants + 2 * w.n_points + w.first_point : nullptr;
  Doubles *const frame = frame_of<kPoints>(w, node.depth, node.is_right);
  const Doubles goes_left = spread(1 - node.share), goes_right = spread(-node.share), nothing = spread(0.0);
  for (int64_t output = 0; output < w.n_outputs; output++) {
    Side<kLeft, kPoints> left(w, node.left, node.depth + 1, 0, output);
    Side<kRight, kPoints> right(w, node.right, node.depth + 1, 1, output);
    const Doubles *product = frame;
    Doubles *value = values_of<kPoints>(w, frame, output);
    Doubles *const phi = reinterpret_cast<Doubles *>(w.phi + node.player * w.player_step + output * kRows);
    for (int group = 0; group < n_groups; group++, product += kPoints, value += kPoints) {
      const Ways ways = all.of(group);
      left.turn(group);
      right.turn(group);
      Doubles sum = nothing, products = nothing, products_left = nothing;
      for (int q = 0; q < kPoints; q++) {
        const Doubles own = product[q], factor = factors.of(q, ways.goes_left, ways.was_here);
        const Doubles on_right = right.at(group, q), difference = left.at(group, q) - on_right;
        value[q] = fused(factor, difference, on_right);
        sum = fused(own, kRepeated ? difference * spread(scale[q]) : difference, sum);
        if (kLeft == kBottom || kRight == kBottom) products_left = fused(own, factor, products_left);
        if (kRight == kBottom) products = products + own;
      }
      Doubles side = pick(ways.goes_left, goes_left, goes_right);
      if (kRepeated) side = pick(ways.was_here, side, nothing);
      phi[group] = fused(sum, side, phi[group]);
      left.add(group, products_left);
      right.add(group, products - products_left);
    }
  }
}

template <int kPoints>
inline void enter_any(const Walk &w, int64_t n) {
  const int kind = w.nodes[n].kind;
  const bool repeated = kind >= 9, to_left = kind % 3 == kInner, to_right = kind % 9 / 3 == kInner;
  if (to_left && to_right)
    repeated ? enter<kPoints, true, true, true>(w, n) : enter<kPoints, true, true, false>(w, n);
  else if (to_left)
    repeated ? enter<kPoints, true, false, true>(w, n) : enter<kPoints, true, false, false>(w, n);
  else if (to_right)
    repeated ? enter<kPoints, false, true, true>(w, n) : enter<kPoints, false, true, false>(w, n);
}

template <int kPoints>
inline void leave_any(const Walk &w, int64_t n) {
  switch (w.nodes[n].kind) {
    case 0: return leave<kPoints, 0, 0, false>(w, n);
    case 1: return leave<kPoints, 1, 0, false>(w, n);
    case 2: return leave<kPoints, 2, 0, false>(w, n);
    case 3: return leave<kPoints, 0, 1, false>(w, n);
    case 4: return leave<kPoints, 1, 1, false>(w, n);
    case 5: return leave<kPoints, 2, 1, false>(w, n);
    case 6: return leave<kPoints, 0, 2, false>(w, n);
    case 7: return leave<kPoints, 1, 2, false>(w, n);
    case 8: return leave<kPoints, 2, 2, false>(w, n);
    case 9: return leave<kPoints, 0, 0, true>(w, n);
    case 10: return leave<kPoints, 1, 0, true>(w, n);
    case 11: return leave<kPoints, 2, 0, true>(w, n);
    case 12: return leave<kPoints, 0, 1, true>(w, n);
    case 13: return leave<kPoints, 1, 1, true>(w, n);
    case 14: return leave<kPoints, 2, 1, true>(w, n);
    case 15: return leave<kPoints, 0, 2, true>(w, n);
    case 16: return leave<kPoints, 1, 2, true>(w, n);
    case 17: return leave<kPoints, 2, 2, true>(w, n);
  }
}

template <int kPoints>
void walk(const Walk &w) {
  Doubles *const frame = frame_of<kPoints>(w, 0, 0);
  for (int group = 0; group < w.n_groups; group++)
    for (int q = 0; q < kPoints; q++) frame[group * kPoints + q] = spread(w.weight[q]);
  int64_t n_open = 0;
  for (int64_t n = 0; n < w.n_nodes; n++) {
    const skt_shap_node &node = w.nodes[n];
    if (n && node.left < 0 && node.right < 0 && node.previous < 0) continue; // its parent sees to it
    while (n_open > node.depth) leave_any<kPoints>(w, w.open[--n_open]);
    enter_any<kPoints>(w, n);
    w.open[n_open++] = static_cast<int32_t>(n);
  }
  while (n_open) leave_any<kPoints>(w, w.open[--n_open]);
}

void walk_points(const Walk &w, int n_points) {
  switch (n_points) {
    case 1: return walk<1>(w);
    case 2: return walk<2>(w);
    case 3: return walk<3>(w);
    case 4: return walk<4>(w);
    case 5: return walk<5>(w);
    case 6: return walk<6>(w);
    case 7: return walk<7>(w);
    default: return walk<8>(w);
  }
}

// ----------------------------------------------------------------------------------------------------------------------- forests

// Memory for 64 rows.
struct Room {
  uint32_t *codes;
  double *phi; // (players in use, outputs, 64)
  Bits64 *bits;
  Doubles *frames;
  int32_t *open;

  Room(const skt_shap &t, Scratch &scratch) {
    int64_t nodes = 0, depth = 0, frames_bytes = 0;
    for (int32_t tree = 0; tree < t.n_trees; tree++) {
      const int64_t own = t.tree_depth[tree];
      depth = std::max(depth, own);
      nodes = std::max(nodes, t.tree_node[tree + 1] - t.tree_node[tree]);
      frames_bytes = std::max(frames_bytes, Shares(t.tree_points[tree], own, t.n_leaf_outputs, kGroups).frame_bytes);
    }
    const auto whole = [](int64_t bytes) { return static_cast<size_t>((bytes + 63) / 64 * 64); };
    const size_t sizes[] = {whole(int64_t(t.codes.n_slots) * kRows * 4), whole(int64_t(t.n_used) * t.n_outputs * kRows * 8),
                            whole(nodes * int64_t(sizeof(Bits64))), whole(frames_bytes), whole((depth + 1) * 4)};
    char *at = scratch.of(sizes[0] + sizes[1] + sizes[2] + sizes[3] + sizes[4]);
    codes = reinterpret_cast<uint32_t *>(at);
    phi = reinterpret_cast<double *>(at += sizes[0]);
    bits = reinterpret_cast<Bits64 *>(at += sizes[1]);
    frames = reinterpret_cast<Doubles *>(at += sizes[2]);
    open = reinterpret_cast<int32_t *>(at += sizes[3]);
  }
};

// Adds what a tree comes to for n rows.
void add_tree(const skt_shap &t, int32_t tree, int n, const Room &room) {
  const int64_t begin = t.tree_node[tree], n_nodes = t.tree_node[tree + 1] - begin, n_points = t.tree_points[tree];
  if (n_nodes == 0) return;
  answer(t.nodes + begin, n_nodes, room.codes, room.bits);
  const int n_groups = (n + kDoubles - 1) / kDoubles;
  const Shares shares(n_points, t.tree_depth[tree], t.n_leaf_outputs, n_groups);
  Walk w{};
  w.tables = &t;
  w.nodes = t.nodes + begin;
  w.n_nodes = n_nodes;
  w.bits = room.bits;
  w.n_points = n_points;
  w.frames = room.frames;
  w.open = room.open;
  w.player_step = int64_t(t.n_outputs) * kRows;
  for (int64_t turn = 0; turn < shares.n_turns; turn++) {
    const int64_t first = turn * n_points / shares.n_turns, last = (turn + 1) * n_points / shares.n_turns;
    w.first_point = first;
    w.t = t.points + t.tree_point[tree] + first;
    w.complement = w.t + n_points;
    w.weight = w.complement + n_points;
    for (int64_t output = 0; output < t.n_leaf_outputs; output += shares.n_outputs) {
      w.first_output = output;
      w.n_outputs = std::min(shares.n_outputs, t.n_leaf_outputs - output);
      for (int group = 0; group < n_groups; group += shares.n_groups) {
        w.n_groups = std::min(shares.n_groups, n_groups - group);
        w.shift = group * kDoubles;
        w.phi = room.phi + (t.n_leaf_outputs > 1 ? output : t.tree_output[tree]) * kRows + group * kDoubles;
        walk_points(w, static_cast<int>(last - first));
      }
    }
  }
}

template <class Feature>
void values(const skt_shap &t, const skt_rows &rows, int64_t first, int64_t last, double *out, Scratch &scratch) {
  const Room room(t, scratch);
  const int64_t width = int64_t(t.n_players) * t.n_outputs;
  for (int64_t row = first; row < last; row += kRows) {
    const int n = static_cast<int>(std::min<int64_t>(kRows, last - row));
    encode<Feature>(t.codes, rows, row, n, room.codes);
    std::fill(room.phi, room.phi + int64_t(t.n_used) * t.n_outputs * kRows, 0.0);
    for (int32_t tree = 0; tree < t.n_trees; tree++) add_tree(t, tree, n, room);
    put_rows(t, room.phi, n, out + row * width);
  }
}

template <class Feature>
void decisions(const skt_shap &t, const skt_rows &rows, int64_t first, int64_t last, uint8_t *out, Scratch &scratch) {
  const Room room(t, scratch);
  for (int64_t row = first; row < last; row += kRows) {
    const int n = static_cast<int>(std::min<int64_t>(kRows, last - row));
    encode<Feature>(t.codes, rows, row, n, room.codes);
    for (int64_t node = 0; node < t.n_nodes; node++) {
      const uint64_t left = ~exceeding(room.codes + int64_t(kRows) * t.nodes[node].slot, t.nodes[node].key);
      for (int i = 0; i < n; i++) out[(row + i) * t.n_nodes + node] = left >> i & 1;
    }
  }
}

} // namespace

void shap_decisions(const skt_shap &t, const skt_rows &rows, int32_t features, int64_t first, int64_t last, uint8_t *out, Scratch &scratch) {
  features == SKT_FLOAT64 ? decisions<double>(t, rows, first, last, out, scratch) : decisions<float>(t, rows, first, last, out, scratch);
}

void shap_values(const skt_shap &t, const skt_rows &rows, int32_t features, int64_t first, int64_t last, double *out, Scratch &scratch) {
  features == SKT_FLOAT64 ? values<double>(t, rows, first, last, out, scratch) : values<float>(t, rows, first, last, out, scratch);
}

} // namespace SKT_ISA
