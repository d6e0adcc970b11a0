// SHAP interaction values: a row in each lane, down each tree and up again, as in shap.cpp.
//
// On the way up a node meets the last split of every other player on the way to it. With W and F of that split's side (explain/tables.py), o
// whether the row went there, and r = (o - W) / F, which does not depend on the row but for o, the pair gets
//
//   (b - w) C D W' / F'^2 r   summed over the points, W' and F' being the node's own
//
// Half of the sum over nodes is the pair's value; what is left of a player's own value is its own entry.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "scratch.h"
#include "shap.h"
#include "shap_walk.h"
#include "simd/simd.h"

namespace SKT_ISA {
namespace {

constexpr int64_t kPairBytes = 1 << 20; // of sums at hand

// The side of a split that is on the way.
struct Split {
  double reached[kMostPoints]; // r of rows that went there, at each point
  double weight;               // W
  uint64_t bits;               // of rows that went there
  int32_t player;
  int32_t is_hidden; // by a later split of the same player
};

inline int64_t pair_of(int64_t a, int64_t b) { return a < b ? b * (b + 1) / 2 + a : a * (a + 1) / 2 + b; }

// Where the sums of a pair stand, (group, lane).
inline Doubles *sums_of(const Walk &w, int64_t a, int64_t b) { return reinterpret_cast<Doubles *>(w.phi + pair_of(a, b) * w.player_step); }

inline void take_side(const Walk &w, Split *splits, int64_t parent, bool to_right, int n_points) {
  const skt_shap_node &node = w.nodes[parent];
  Split &own = splits[node.depth];
  double before = 1;
  if (node.previous >= 0) {
    Split &hidden = splits[w.nodes[node.previous].depth];
    hidden.is_hidden = 1;
    before = hidden.weight;
  }
  own.weight = before * (to_right ? 1 - node.share : node.share);
  own.bits = w.bits[parent].was_here & (to_right ? ~w.bits[parent].goes_left : w.bits[parent].goes_left);
  own.player = node.player;
  own.is_hidden = 0;
  for (int q = 0; q < n_points; q++) own.reached[q] = (1 - own.weight) / (w.t[q] + w.complement[q] * own.weight);
}

template <int kPoints, bool kRepeated>
void leave(const Walk &w, const Split *splits, int64_t n) {
  const skt_shap_node &node = w.nodes[n];
  const Factors<kPoints, kRepeated> factors(w, node);
  const WaysOfAll all(w, n);
  const int n_groups = w.n_groups;
  const double *const scale = kRepeated ? w.tables->constants + node.constants + 2 * w.n_points + w.first_point : nullptr;
  Doubles *frame = frame_of<kPoints>(w, node.depth, node.is_right);
  const Doubles *left = frame_of<kPoints>(w, node.depth + 1, 0), *right = frame_of<kPoints>(w, node.depth + 1, 1);
  const double *const values = w.tables->values + w.first_output;
  const int64_t step = w.tables->n_leaf_outputs;
  const Doubles leaf_left = spread(node.left < 0 ? values[~node.left * step] : 0), leaf_right = spread(node.right < 0 ? values[~node.right * step] : 0);
  const Doubles goes_left = spread(1 - node.share), goes_right = spread(-node.share), nothing = spread(0.0);
  double missed[kPoints]; // r of rows that did not go there
  for (int q = 0; q < kPoints; q++) missed[q] = -1 / w.complement[q];
  for (int group = 0; group < n_groups; group++, frame += kPoints, left += kPoints, right += kPoints) {
    const Ways ways = all.of(group);
    Doubles part[kPoints], sum = nothing, off = nothing;
    for (int q = 0; q < kPoints; q++) {
      const Doubles on_right = node.right < 0 ? leaf_right : right[q], difference = (node.left < 0 ? leaf_left : left[q]) - on_right, own = frame[q];
      frame[q] = fused(factors.of(q, ways.goes_left, ways.was_here), difference, on_right);
      part[q] = own * (kRepeated ? difference * spread(scale[q]) : difference);
      sum = sum + part[q];
      off = fused(part[q], spread(missed[q]), off);
    }
    Doubles side = pick(ways.goes_left, goes_left, goes_right);
    if (kRepeated) side = pick(ways.was_here, side, nothing);
    Doubles *const own = sums_of(w, node.player, node.player) + group;
    *own = fused(sum, side, *own);
    for (int32_t depth = 0; depth < node.depth; depth++) {
      const Split &other = splits[depth];
      if (other.is_hidden || other.player == node.player) continue;
      Doubles on = part[0] * spread(other.reached[0]);
      for (int q = 1; q < kPoints; q++) on = fused(part[q], spread(other.reached[q]), on);
      const Choice reached = choice_of(other.bits >> (w.shift + group * kDoubles));
      Doubles *const pair = sums_of(w, node.player, other.player) + group;
      *pair = fused(pick(reached, on, off), side, *pair);
    }
  }
}

template <int kPoints>
void close(const Walk &w, Split *splits, int64_t n) {
  const skt_shap_node &node = w.nodes[n];
  if (node.previous < 0) return leave<kPoints, false>(w, splits, n);
  splits[w.nodes[node.previous].depth].is_hidden = 0;
  leave<kPoints, true>(w, splits, n);
}

template <int kPoints>
void walk(const Walk &w, Split *splits) {
  Doubles *const frame = frame_of<kPoints>(w, 0, 0);
  for (int group = 0; group < w.n_groups; group++)
    for (int q = 0; q < kPoints; q++) frame[group * kPoints + q] = spread(w.weight[q]);
  int64_t n_open = 0;
  for (int64_t n = 0; n < w.n_nodes; n++) {
    const skt_shap_node &node = w.nodes[n];
    while (n_open > node.depth) close<kPoints>(w, splits, w.open[--n_open]);
    if (n_open) take_side(w, splits, w.open[n_open - 1], node.is_right, kPoints);
    if (node.left >= 0 || node.right >= 0) node.previous < 0 ? enter<kPoints, true, true, false>(w, n) : enter<kPoints, true, true, true>(w, n);
    w.open[n_open++] = static_cast<int32_t>(n);
  }
  while (n_open) close<kPoints>(w, splits, w.open[--n_open]);
}

void walk_points(const Walk &w, Split *splits, int n_points) {
  switch (n_points) {
    case 1: return walk<1>(w, splits);
    case 2: return walk<2>(w, splits);
    case 3: return walk<3>(w, splits);
    case 4: return walk<4>(w, splits);
    case 5: return walk<5>(w, splits);
    case 6: return walk<6>(w, splits);
    case 7: return walk<7>(w, splits);
    default: return walk<8>(w, splits);
  }
}

// Memory for some rows, up to 64.
struct Room {
  int64_t n_groups; // of rows at hand
  uint32_t *codes;
  double *phi; // (pairs, outputs, n_groups, kDoubles)
  Bits64 *bits;
  Doubles *frames;
  int32_t *open;
  Split *splits;

  Room(const skt_shap &t, Scratch &scratch) {
    int64_t nodes = 0, depth = 0, points = 1;
    for (int32_t tree = 0; tree < t.n_trees; tree++) {
      depth = std::max<int64_t>(depth, t.tree_depth[tree]);
      nodes = std::max(nodes, t.tree_node[tree + 1] - t.tree_node[tree]);
      points = std::max<int64_t>(points, std::min(t.tree_points[tree], kMostPoints));
    }
    const int64_t sums = n_sums(t);
    const int64_t frame_bytes = 2 * (depth + 2) * points * int64_t(sizeof(Doubles)); // of a group
    n_groups = std::clamp<int64_t>(std::min(kPairBytes / (sums * int64_t(sizeof(Doubles)) + 1), kMostFrameBytes / frame_bytes), 1, kGroups);
    const auto whole = [](int64_t bytes) { return static_cast<size_t>((bytes + 63) / 64 * 64); };
    const size_t sizes[] = {whole(int64_t(t.codes.n_slots) * kRows * 4), whole(sums * n_groups * int64_t(sizeof(Doubles))), whole(nodes * int64_t(sizeof(Bits64))),
                            whole(frame_bytes * n_groups), whole((depth + 1) * int64_t(sizeof(Split))), whole((depth + 1) * 4)};
    size_t total = 0;
    for (const size_t size : sizes) total += size;
    char *at = scratch.of(total);
    codes = reinterpret_cast<uint32_t *>(at);
    phi = reinterpret_cast<double *>(at += sizes[0]);
    bits = reinterpret_cast<Bits64 *>(at += sizes[1]);
    frames = reinterpret_cast<Doubles *>(at += sizes[2]);
    splits = reinterpret_cast<Split *>(at += sizes[3]);
    open = reinterpret_cast<int32_t *>(at += sizes[4]);
  }

  static int64_t n_sums(const skt_shap &t) { return int64_t(t.n_used) * (t.n_used + 1) / 2 * t.n_outputs; }
};

// Adds what a tree comes to for some groups of rows.
void add_tree(const skt_shap &t, int32_t tree, int group, int n_groups, const Room &room) {
  const int64_t begin = t.tree_node[tree], n_nodes = t.tree_node[tree + 1] - begin, n_points = t.tree_points[tree];
  if (n_nodes == 0) return;
  answer(t.nodes + begin, n_nodes, room.codes, room.bits);
  Walk w{};
  w.tables = &t;
  w.nodes = t.nodes + begin;
  w.n_nodes = n_nodes;
  w.bits = room.bits;
  w.shift = group * kDoubles;
  w.n_groups = n_groups;
  w.n_points = n_points;
  w.n_outputs = 1;
  w.frames = room.frames;
  w.open = room.open;
  w.player_step = t.n_outputs * room.n_groups * kDoubles;
  const int64_t n_turns = (n_points + kMostPoints - 1) / kMostPoints;
  for (int64_t turn = 0; turn < n_turns; turn++) {
    const int64_t first = turn * n_points / n_turns, last = (turn + 1) * n_points / n_turns;
    w.first_point = first;
    w.t = t.points + t.tree_point[tree] + first;
    w.complement = w.t + n_points;
    w.weight = w.complement + n_points;
    for (int64_t output = 0; output < t.n_leaf_outputs; output++) {
      w.first_output = output;
      w.phi = room.phi + (t.n_leaf_outputs > 1 ? output : t.tree_output[tree]) * room.n_groups * kDoubles;
      w.frame_step = n_groups * (last - first);
      walk_points(w, room.splits, static_cast<int>(last - first));
    }
  }
}

// The matrix of a row from the sums of its pairs.
void put(const skt_shap &t, const double *phi, int64_t step, double *out) {
  const int64_t n = t.n_used, width = t.n_players, n_outputs = t.n_outputs;
  std::fill(out, out + width * width * n_outputs, 0.0);
  for (int64_t k = 0; k < n_outputs; k++)
    for (int64_t a = 0; a < n; a++) {
      double own = phi[(pair_of(a, a) * n_outputs + k) * step];
      for (int64_t b = 0; b < n; b++) {
        if (a == b) continue;
        const double half = 0.5 * phi[(pair_of(a, b) * n_outputs + k) * step];
        own -= half;
        out[(t.used[a] * width + t.used[b]) * n_outputs + k] = half;
      }
      out[(t.used[a] * width + t.used[a]) * n_outputs + k] = own;
    }
}

template <class Feature>
void pairs(const skt_shap &t, const skt_rows &rows, int64_t first, int64_t last, double *out, Scratch &scratch) {
  const Room room(t, scratch);
  const int64_t width = int64_t(t.n_players) * t.n_players * t.n_outputs, step = room.n_groups * kDoubles;
  for (int64_t row = first; row < last; row += kRows) {
    const int n = static_cast<int>(std::min<int64_t>(kRows, last - row));
    encode<Feature>(t.codes, rows, row, n, room.codes);
    for (int64_t at = 0; at < n; at += step) {
      const int64_t here = std::min<int64_t>(step, n - at);
      std::fill(room.phi, room.phi + Room::n_sums(t) * step, 0.0);
      for (int32_t tree = 0; tree < t.n_trees; tree++)
        add_tree(t, tree, static_cast<int>(at / kDoubles), static_cast<int>((here + kDoubles - 1) / kDoubles), room);
      for (int64_t i = 0; i < here; i++) put(t, room.phi + i, step, out + (row + at + i) * width);
    }
  }
}

} // namespace

void shap_pairs(const skt_shap &t, const skt_rows &rows, int32_t features, int64_t first, int64_t last, double *out, Scratch &scratch) {
  features == SKT_FLOAT64 ? pairs<double>(t, rows, first, last, out, scratch) : pairs<float>(t, rows, first, last, out, scratch);
}

} // namespace SKT_ISA
