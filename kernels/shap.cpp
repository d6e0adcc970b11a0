// Path-dependent SHAP values: a row in each lane, a tree's nodes one after the other, down and back up (sktensor/explain/tables.py).
//
// Every operation on a row is the same for any number of rows, of threads and of lanes, and in one order: sums over a tree's points in
// turn, sums over nodes on the way back up. Points are taken up to eight at a time, each time down the tree and up again.
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "scratch.h"
#include "shap.h"
#include "shap_walk.h"
#include "simd/simd.h"

namespace SKT_ISA {
namespace {

constexpr int64_t kMostBlocks = 8; // of 64 rows that take a tree after each other, for which what is made of its nodes is made once

enum : int { kLeaf = 0, kBottom = 1, kInner = 2 };

// Of a node above two leaves, what its parent sees: its value at each point for rows that go left, the same for rows that go right, and what
// both add to its player. The same for all rows, it is made once for many.
template <int kPoints>
constexpr int kConstants = 2 * kPoints + 2;

inline bool is_bottom(const skt_shap_node &node) { return node.left < 0 && node.right < 0 && node.previous < 0; }

template <int kPoints>
void prepare(const Walk &w, int32_t *bottom, double *constants) {
  const int64_t step = w.tables->n_leaf_outputs;
  int32_t n_bottoms = 0;
  for (int64_t n = 1; n < w.n_nodes; n++) { // the root is nobody's child
    const skt_shap_node &own = w.nodes[n];
    if (!is_bottom(own)) continue;
    bottom[n] = n_bottoms++;
    for (int64_t output = 0; output < w.n_outputs; output++, constants += kConstants<kPoints>) {
      const double *const values = w.tables->values + w.first_output + output;
      const double on_right = values[~own.right * step], difference = values[~own.left * step] - on_right;
      for (int q = 0; q < kPoints; q++) {
        const double factor = w.complement[q] * own.share;
        constants[q] = on_right + (factor + w.t[q]) * difference;
        constants[kPoints + q] = on_right + factor * difference;
      }
      constants[2 * kPoints] = (1 - own.share) * difference;
      constants[2 * kPoints + 1] = -own.share * difference;
    }
  }
}

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
  const double *const constants;
  Doubles *const phi;
  const WaysOfAll all;
  Choice goes_left;
  Side(const Walk &w, int64_t child, int64_t, int, int64_t output)
      : constants(w.constants + (w.bottom[child] * w.n_outputs + output) * kConstants<kPoints>),
        phi(reinterpret_cast<Doubles *>(w.phi + w.nodes[child].player * w.player_step + output * kRows)), all(w, child) {}
  void turn(int group) { goes_left = all.of(group).goes_left; }
  Doubles at(int, int q) const { return pick(goes_left, spread(constants[q]), spread(constants[kPoints + q])); }
  void add(int group, Doubles products) const { // products: summed over the points
    phi[group] = fused(products, pick(goes_left, spread(constants[2 * kPoints]), spread(constants[2 * kPoints + 1])), phi[group]);
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
  switch (w.nodes[n].kind) { // its left child's, three times its right child's, and nine if it is repeated
    case 2:
    case 5: return enter<kPoints, true, false, false>(w, n);
    case 6:
    case 7: return enter<kPoints, false, true, false>(w, n);
    case 8: return enter<kPoints, true, true, false>(w, n);
    case 11:
    case 14: return enter<kPoints, true, false, true>(w, n);
    case 15:
    case 16: return enter<kPoints, false, true, true>(w, n);
    case 17: return enter<kPoints, true, true, true>(w, n);
  }
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
    if (n && is_bottom(node)) continue; // its parent sees to it
    while (n_open > node.depth) leave_any<kPoints>(w, w.open[--n_open]);
    enter_any<kPoints>(w, n);
    w.open[n_open++] = static_cast<int32_t>(n);
  }
  while (n_open) leave_any<kPoints>(w, w.open[--n_open]);
}

// Memory for several blocks of 64 rows.
struct Room {
  int64_t codes_step, phi_step, bits_step; // from block to block
  uint32_t *codes;                         // (blocks, slots, 64)
  double *phi;                             // (blocks, players in use, outputs, 64)
  Bits64 *bits;                            // (blocks, nodes)
  Doubles *frames;
  int32_t *open, *bottom;
  double *constants;

  Room(const skt_shap &t, int64_t n_blocks, Scratch &scratch) {
    int64_t nodes = 0, depth = 0, frames_bytes = 0, constants_bytes = 0;
    for (int32_t tree = 0; tree < t.n_trees; tree++) {
      const int64_t own_depth = t.tree_depth[tree], own_nodes = t.tree_node[tree + 1] - t.tree_node[tree];
      const Shares shares(t.tree_points[tree], own_depth, t.n_leaf_outputs, kGroups);
      depth = std::max(depth, own_depth);
      nodes = std::max(nodes, own_nodes);
      frames_bytes = std::max(frames_bytes, shares.frame_bytes);
      constants_bytes = std::max(constants_bytes, (own_nodes + 1) / 2 * shares.n_outputs * kConstants<kMostPoints> * int64_t(sizeof(double)));
    }
    codes_step = int64_t(t.codes.n_slots) * kRows;
    phi_step = int64_t(t.n_used) * t.n_outputs * kRows;
    bits_step = nodes;
    const auto whole = [](int64_t bytes) { return static_cast<size_t>((bytes + 63) / 64 * 64); };
    const size_t sizes[] = {whole(n_blocks * codes_step * 4), whole(n_blocks * phi_step * 8), whole(n_blocks * nodes * int64_t(sizeof(Bits64))),
                            whole(frames_bytes),              whole((depth + 1) * 4),         whole(nodes * 4),
                            whole(constants_bytes)};
    size_t bytes = 0;
    for (const size_t size : sizes) bytes += size;
    char *at = scratch.of(bytes);
    codes = reinterpret_cast<uint32_t *>(at);
    phi = reinterpret_cast<double *>(at += sizes[0]);
    bits = reinterpret_cast<Bits64 *>(at += sizes[1]);
    frames = reinterpret_cast<Doubles *>(at += sizes[2]);
    open = reinterpret_cast<int32_t *>(at += sizes[3]);
    bottom = reinterpret_cast<int32_t *>(at += sizes[4]);
    constants = reinterpret_cast<double *>(at += sizes[5]);
  }
};

// Walks some blocks of rows down a tree and up again, at the points and outputs at hand; phi: of the first row, player 0 and output at hand.
template <int kPoints>
void walk_blocks(Walk w, const Room &room, int64_t n_rows, int most_groups, double *phi) {
  prepare<kPoints>(w, room.bottom, room.constants);
  for (int64_t block = 0, row = 0; row < n_rows; block++, row += kRows) {
    const int n_groups = static_cast<int>((std::min<int64_t>(kRows, n_rows - row) + kDoubles - 1) / kDoubles);
    w.bits = room.bits + block * room.bits_step;
    for (int group = 0; group < n_groups; group += most_groups) {
      w.n_groups = std::min(most_groups, n_groups - group);
      w.frame_step = w.n_outputs * w.n_groups * kPoints;
      w.shift = group * kDoubles;
      w.phi = phi + block * room.phi_step + group * kDoubles;
      walk<kPoints>(w);
    }
  }
}

// ----------------------------------------------------------------------------------------------------------------------- forests

// Adds what a tree comes to for n rows.
void add_tree(const skt_shap &t, int32_t tree, int64_t n, const Room &room) {
  const int64_t begin = t.tree_node[tree], n_nodes = t.tree_node[tree + 1] - begin, n_points = t.tree_points[tree];
  if (n_nodes == 0) return;
  for (int64_t block = 0; block * kRows < n; block++)
    answer(t.nodes + begin, n_nodes, room.codes + block * room.codes_step, room.bits + block * room.bits_step);
  const Shares shares(n_points, t.tree_depth[tree], t.n_leaf_outputs, static_cast<int>((std::min<int64_t>(n, kRows) + kDoubles - 1) / kDoubles));
  Walk w{};
  w.tables = &t;
  w.nodes = t.nodes + begin;
  w.n_nodes = n_nodes;
  w.n_points = n_points;
  w.frames = room.frames;
  w.open = room.open;
  w.bottom = room.bottom;
  w.constants = room.constants;
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
      double *const phi = room.phi + (t.n_leaf_outputs > 1 ? output : t.tree_output[tree]) * kRows;
      const auto run = [&](auto points) { walk_blocks<decltype(points)::value>(w, room, n, shares.n_groups, phi); };
      switch (last - first) {
        case 1: run(std::integral_constant<int, 1>()); break;
        case 2: run(std::integral_constant<int, 2>()); break;
        case 3: run(std::integral_constant<int, 3>()); break;
        case 4: run(std::integral_constant<int, 4>()); break;
        case 5: run(std::integral_constant<int, 5>()); break;
        case 6: run(std::integral_constant<int, 6>()); break;
        case 7: run(std::integral_constant<int, 7>()); break;
        default: run(std::integral_constant<int, 8>());
      }
    }
  }
}

template <class Feature>
void values(const skt_shap &t, const skt_rows &rows, int64_t first, int64_t last, double *out, Scratch &scratch) {
  const int64_t at_once = std::min(last - first, kMostBlocks * kRows);
  const Room room(t, (at_once + kRows - 1) / kRows, scratch);
  const int64_t width = int64_t(t.n_players) * t.n_outputs;
  for (int64_t row = first; row < last; row += at_once) {
    const int64_t n = std::min(at_once, last - row), n_blocks = (n + kRows - 1) / kRows;
    const auto in_block = [&](int64_t block) { return static_cast<int>(std::min<int64_t>(kRows, n - block * kRows)); };
    for (int64_t block = 0; block < n_blocks; block++)
      encode<Feature>(t.codes, rows, row + block * kRows, in_block(block), room.codes + block * room.codes_step);
    std::fill_n(room.phi, n_blocks * room.phi_step, 0.0);
    for (int32_t tree = 0; tree < t.n_trees; tree++) add_tree(t, tree, n, room);
    for (int64_t block = 0; block < n_blocks; block++)
      put_rows(t, room.phi + block * room.phi_step, in_block(block), out + (row + block * kRows) * width);
  }
}

template <class Feature>
void decisions(const skt_shap &t, const skt_rows &rows, int64_t first, int64_t last, uint8_t *out, Scratch &scratch) {
  const Room room(t, 1, scratch);
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
