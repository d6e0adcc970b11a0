// Whether tables of SHAP values hold together, so that the kernel need not ask.
#include <cmath>
#include <vector>

#include "check.h"
#include "sktensor.h"

namespace {

enum : int32_t {
  kShapOutputs = 500,
  kShapPlayers,
  kShapTrees,
  kShapTreeOutput,
  kShapPoints,
  kShapNodes,
  kShapOrder,
  kShapKind,
  kShapPrevious,
  kShapConstants,
  kShapSlot,
  kShapLeaves,
};

constexpr int64_t kMostPoints = 1 << 20; // of a tree

bool all_aligned(const skt_shap &t) {
  return aligned(t.used, t.nodes, t.tree_node, t.tree_points, t.tree_point, t.tree_output, t.points, t.constants, t.values);
}

int32_t check_players(const skt_shap &t) {
  if (t.n_players < 0 || t.n_used < 0 || t.n_used > t.n_players || (t.n_used && !t.used)) return kShapPlayers;
  for (int32_t p = 0; p < t.n_used; p++)
    if (t.used[p] < 0 || t.used[p] >= t.n_players || (p && t.used[p] <= t.used[p - 1])) return kShapPlayers;
  return kFine;
}

// Whether a child is a leaf, a node that its parent sees to, or another one.
int kind_of(const skt_shap_node *nodes, int32_t child) {
  if (child < 0) return 0;
  return nodes[child].left < 0 && nodes[child].right < 0 && nodes[child].previous < 0 ? 1 : 2;
}

int32_t check_node(const skt_shap &t, const skt_shap_node *nodes, int64_t n, int64_t i, int64_t n_points) {
  const skt_shap_node &node = nodes[i];
  for (const int32_t child : {node.left, node.right})
    if (child >= 0 ? child <= i || child >= n : ~int64_t(child) >= t.n_leaves) return child >= 0 ? kShapOrder : kShapLeaves;
  if (node.slot < 0 || node.slot >= t.codes.n_slots) return kShapSlot;
  if (node.player < 0 || node.player >= t.n_used) return kShapPlayers;
  if (node.previous < -1 || node.previous >= i || node.previous_right > 1) return kShapPrevious;
  if (!(node.share >= 0 && node.share <= 1)) return kShapNodes;
  if (node.kind != kind_of(nodes, node.left) + 3 * kind_of(nodes, node.right) + (node.previous >= 0 ? 9 : 0)) return kShapKind;
  if (node.previous >= 0 && (node.constants < 0 || node.constants > t.n_constants - 3 * n_points)) return kShapConstants;
  return kFine;
}

// Whether nodes stand as they are walked, each at its depth and on its side.
bool in_order(const skt_shap_node *nodes, int64_t n, std::vector<int64_t> &expected) {
  expected.assign(1, -1); // right children to come, by the node above; -1 is the root
  int64_t next_left = -1; // the node whose left child comes next
  for (int64_t i = 0; i < n; i++) {
    int64_t parent;
    bool is_right = false;
    if (next_left >= 0) {
      parent = next_left;
      if (nodes[parent].left != i) return false;
    } else {
      if (expected.empty()) return false;
      parent = expected.back();
      expected.pop_back();
      is_right = parent >= 0;
      if (is_right && nodes[parent].right != i) return false;
    }
    if (nodes[i].is_right != is_right || nodes[i].depth != (parent < 0 ? 0 : nodes[parent].depth + 1)) return false;
    if (nodes[i].right >= 0) expected.push_back(i);
    next_left = nodes[i].left >= 0 ? i : -1;
  }
  return next_left < 0 && expected.empty();
}

int32_t check_trees(const skt_shap &t) {
  if (t.n_trees < 0 || (t.n_trees && (!t.tree_points || !t.tree_point || !t.tree_output))) return kShapTrees;
  if (t.n_nodes < 0 || t.n_nodes > INT32_MAX || (t.n_nodes && !t.nodes) || t.n_leaves < 0 || t.n_leaves > INT32_MAX) return kShapNodes;
  if (t.n_points < 0 || (t.n_points && !t.points)) return kShapPoints;
  if (t.n_constants < 0 || (t.n_constants && !t.constants)) return kShapConstants;
  if (t.n_leaves && !t.values) return kShapLeaves;
  if (!ascends(t.tree_node, t.n_trees, 0, t.n_nodes)) return kShapTrees;
  std::vector<int64_t> expected;
  for (int32_t tree = 0; tree < t.n_trees; tree++) {
    if (t.n_leaf_outputs == 1 && (t.tree_output[tree] < 0 || t.tree_output[tree] >= t.n_outputs)) return kShapTreeOutput;
    const int64_t n_points = t.tree_points[tree];
    if (n_points < 1 || n_points > kMostPoints || t.tree_point[tree] < 0 || t.tree_point[tree] > t.n_points - 3 * n_points) return kShapPoints;
    const skt_shap_node *const nodes = t.nodes + t.tree_node[tree];
    const int64_t n = t.tree_node[tree + 1] - t.tree_node[tree];
    for (int64_t i = 0; i < n; i++)
      if (const int32_t error = check_node(t, nodes, n, i, n_points)) return error;
    if (n && !in_order(nodes, n, expected)) return kShapOrder;
  }
  return kFine;
}

} // namespace

int32_t check_shap(const skt_shap &t) {
  if (t.n_outputs < 1 || t.n_outputs > 1 << 20 || (t.n_leaf_outputs != 1 && t.n_leaf_outputs != t.n_outputs)) return kShapOutputs;
  int32_t error = all_aligned(t) ? kFine : kMisaligned;
  if (!error) error = check_codes(t.codes);
  if (!error) error = check_players(t);
  if (!error) error = check_trees(t);
  return error;
}

const char *shap_message(int32_t error) {
  switch (error) {
    case kShapOutputs: return "leaves have neither one value nor one for each output";
    case kShapPlayers: return "players are missing, out of range or out of order";
    case kShapTrees: return "where the nodes of trees begin is missing, out of range or out of order";
    case kShapTreeOutput: return "the output of a tree is out of range";
    case kShapPoints: return "the points of a quadrature are missing or out of range";
    case kShapNodes: return "nodes are missing or too many, or a share is none";
    case kShapOrder: return "nodes do not stand in the order in which they are walked";
    case kShapKind: return "the kind of a node is another one than its children's";
    case kShapPrevious: return "a previous split does not stand before its node";
    case kShapConstants: return "the constants of a repeated split are missing or out of range";
    case kShapSlot: return "a node looks at a slot out of range";
    case kShapLeaves: return "leaves are missing or out of range";
    default: return nullptr;
  }
}
