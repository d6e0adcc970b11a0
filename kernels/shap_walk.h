// What the kernels share that walk down trees and up again with a row in each lane.
#pragma once

#include <algorithm>
#include <cstdint>

#include "shap.h"
#include "simd/simd.h"

namespace SKT_ISA {

constexpr int kMostPoints = 8; // at once
constexpr int64_t kFrameBytes = 64 << 10; // of the nodes on the way down, of which those at hand stay in a first-level cache
constexpr int64_t kMostFrameBytes = 8 << 20; // beyond which outputs take turns

// What 64 rows do at a node, one bit each.
struct Bits64 {
  uint64_t goes_left;
  uint64_t was_here; // whether the row went the way of all previous splits of the node's player
};

inline void answer(const skt_shap_node *nodes, int64_t n, const uint32_t *codes, Bits64 *bits) {
  for (int64_t i = 0; i < n; i++) {
    const skt_shap_node &node = nodes[i];
    bits[i].goes_left = ~exceeding(codes + int64_t(kRows) * node.slot, node.key);
    bits[i].was_here = ~uint64_t(0);
    if (node.previous < 0) continue;
    const Bits64 &before = bits[node.previous];
    bits[i].was_here = before.was_here & (node.previous_right ? ~before.goes_left : before.goes_left);
  }
}

// What a walk down one tree and up again needs to know.
struct Walk {
  const skt_shap *tables;
  const skt_shap_node *nodes; // of the tree
  int64_t n_nodes;
  const Bits64 *bits;
  int shift;                     // the first row's bit
  int n_groups;                  // of rows
  const double *t, *complement, *weight; // of the points at hand
  int64_t n_points, first_point; // of the tree; the first of those at hand
  int64_t first_output, n_outputs; // values of a leaf at hand
  Doubles *frames;
  int64_t frame_step; // from one to the next
  int32_t *open;  // nodes on the way down
  const int32_t *bottom;   // the numbers of nodes above two leaves
  const double *constants; // of these nodes, (bottom, output at hand, 2 points + 2)
  double *phi;    // of the first row, player 0, and the first output at hand
  int64_t player_step;
};

// The numbers of a node's two sides at the points at hand, for each group of rows: first the products on the way down, (group, point), then
// the values on the way up, (output, group, point), of which the last output takes the place of the products.
template <int kPoints>
inline Doubles *frame_of(const Walk &w, int64_t depth, int is_right) {
  return w.frames + (2 * depth + is_right) * w.frame_step;
}
template <int kPoints>
inline Doubles *values_of(const Walk &w, Doubles *frame, int64_t output) {
  return frame + (output + 1 == w.n_outputs ? 0 : output + 1) * w.n_groups * kPoints;
}

// What a row's product is multiplied with on the way to the left.
template <int kPoints, bool kRepeated>
struct Factors {
  double left[kPoints], right[kPoints]; // of rows that go left, and right
  double share;

  Factors(const Walk &w, const skt_shap_node &node) : share(node.share) {
    for (int q = 0; q < kPoints; q++) {
      if (kRepeated) {
        const double *const own = w.tables->constants + node.constants + w.first_point + q;
        left[q] = own[0];
        right[q] = own[w.n_points];
      } else {
        right[q] = w.complement[q] * node.share;
        left[q] = right[q] + w.t[q];
      }
    }
  }

  Doubles of(int q, Choice goes_left, Choice was_here) const {
    const Doubles factor = pick(goes_left, spread(left[q]), spread(right[q]));
    return kRepeated ? pick(was_here, factor, spread(share)) : factor;
  }
};

// Where a group's rows go at a node.
struct Ways {
  Choice goes_left, was_here;
};

// Where the rows at hand go. Held by value, since stores of numbers may be to anything as far as compilers know.
struct WaysOfAll {
  uint64_t goes_left, was_here;

  WaysOfAll(const Walk &w, int64_t node) : goes_left(w.bits[node].goes_left >> w.shift), was_here(w.bits[node].was_here >> w.shift) {}

  Ways of(int group) const { return {choice_of(goes_left >> (group * kDoubles)), choice_of(was_here >> (group * kDoubles))}; }
};

// The way down: products of the children that are nodes.
template <int kPoints, bool kToLeft, bool kToRight, bool kRepeated>
inline void enter(const Walk &w, int64_t n) {
  const skt_shap_node &node = w.nodes[n];
  const Factors<kPoints, kRepeated> factors(w, node);
  const WaysOfAll all(w, n);
  const int n_groups = w.n_groups;
  const Doubles *product = frame_of<kPoints>(w, node.depth, node.is_right);
  Doubles *left = frame_of<kPoints>(w, node.depth + 1, 0), *right = frame_of<kPoints>(w, node.depth + 1, 1);
  for (int group = 0; group < n_groups; group++, product += kPoints, left += kPoints, right += kPoints) {
    const Ways ways = all.of(group);
    for (int q = 0; q < kPoints; q++) {
      const Doubles factor = factors.of(q, ways.goes_left, ways.was_here);
      if (kToLeft) left[q] = product[q] * factor;
      if (kToRight) right[q] = fused(-product[q], factor, product[q]);
    }
  }
}

// How much of a tree is walked at once.
struct Shares {
  int64_t n_turns, n_outputs; // of points; outputs in a turn
  int n_groups;               // of rows in a turn

  Shares(int64_t n_points, int64_t depth, int64_t outputs, int groups) : n_turns((n_points + kMostPoints - 1) / kMostPoints) {
    const int64_t most_points = (n_points + n_turns - 1) / n_turns;
    const int64_t bytes = 2 * (depth + 1) * most_points * int64_t(sizeof(Doubles)); // of a group and output
    n_outputs = std::clamp<int64_t>(kMostFrameBytes / bytes, 1, outputs);
    n_groups = static_cast<int>(std::clamp<int64_t>(kFrameBytes / (bytes * n_outputs), std::min(groups, 4), groups));
    if (bytes * n_outputs * n_groups > kMostFrameBytes) n_groups = 1;
    frame_bytes = bytes * n_outputs * n_groups;
  }

  int64_t frame_bytes;
};

} // namespace SKT_ISA
