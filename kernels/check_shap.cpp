// Whether tables of SHAP values hold together, so that the kernel need not ask.
#include <algorithm>
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
  kShapFlat,
  kShapFlatPlace,
  kLookupMissing,
  kLookupTrees,
  kLookupSlot,
  kLookupGroup,
  kLookupCondition,
  kLookupTarget,
};

constexpr int64_t kMostPoints = 1 << 20; // of a tree

bool all_aligned(const skt_shap &t) {
  return aligned(t.used, t.nodes, t.tree_node, t.tree_points, t.tree_point, t.tree_depth, t.tree_output, t.points, t.constants, t.values);
}

template <class Tables>
int32_t check_players(const Tables &t) {
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
  if (t.n_trees < 0 || (t.n_trees && (!t.tree_points || !t.tree_point || !t.tree_depth || !t.tree_output))) return kShapTrees;
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
    int32_t depth = 0;
    for (int64_t i = 0; i < n; i++) {
      if (const int32_t error = check_node(t, nodes, n, i, n_points)) return error;
      depth = std::max(depth, nodes[i].depth);
    }
    if (t.tree_depth[tree] != depth) return kShapTrees;
    if (n && !in_order(nodes, n, expected)) return kShapOrder;
  }
  return kFine;
}

bool flat_aligned(const skt_shap_flat &f) {
  return aligned(f.batches, f.runs, f.slot, f.key, f.share, f.value_left, f.value_right, f.parent, f.left, f.right, f.previous, f.term, f.target, f.constants);
}

// Whether an inner node looks at places of its batch that are computed before it, both on the way down and on the way up.
bool inner_fits(const skt_shap_flat &f, const skt_shap_batch &batch, const skt_shap_run &run, int64_t i) {
  const int64_t n_inner = batch.bottom - batch.first, begin = run.first - batch.first, end = run.end - batch.first;
  const int32_t parent = f.parent[i];
  if (parent < -1 || parent >= 2 * n_inner || (parent >= 0 && parent % n_inner >= begin)) return false;
  for (const int32_t child : {f.left[i], f.right[i]})
    if (child < -1 || child >= batch.end - batch.first || (child >= 0 && child < end)) return false;
  return !run.repeated || (f.previous[i] >= 0 && f.previous[i] < begin && f.previous_right[i] <= 1);
}

bool batch_fits(const skt_shap &t, const skt_shap_batch &batch, int64_t begin, int64_t first_run) {
  const skt_shap_flat &f = t.flat;
  if (batch.first != begin || batch.bottom < batch.first || batch.end < batch.bottom || batch.end > f.n_places) return false;
  if (batch.end - batch.first > INT32_MAX / 2 || batch.bottom % 16 || batch.end % 16) return false;
  if (batch.n_points < 1 || batch.n_points > 8 || batch.point < 0 || batch.point > t.n_points - 3 * batch.n_points) return false;
  if (batch.first_run != first_run || batch.end_run < first_run || batch.end_run > f.n_runs) return false;
  int64_t at = begin;
  for (int64_t r = first_run; r < batch.end_run; r++) {
    const skt_shap_run &run = f.runs[r];
    if (run.first != at || run.end < at || run.end > batch.bottom || run.end % 16 || (run.repeated != 0 && run.repeated != 1)) return false;
    if (run.repeated && (run.constants < 0 || run.constants > f.n_constants - 3 * batch.n_points * (run.end - run.first))) return false;
    for (at = run.first; at < run.end; at++)
      if (!inner_fits(f, batch, run, at)) return false;
  }
  if (at != batch.bottom) return false;
  for (; at < batch.end; at++)
    if (f.parent[at] < -1 || f.parent[at] >= 2 * (batch.bottom - batch.first)) return false;
  return true;
}

int32_t check_flat(const skt_shap &t) {
  const skt_shap_flat &f = t.flat;
  if (f.n_batches < 0) return kShapFlat;
  if (f.n_batches == 0) return kFine;
  if (t.n_leaf_outputs != 1 || !f.batches || f.n_runs < 0 || (f.n_runs && !f.runs) || f.n_places < 0 || f.n_terms < 0) return kShapFlat;
  if (f.n_constants < 0 || (f.n_constants && !f.constants) || (f.n_terms && (!f.term || !f.target))) return kShapFlat;
  if (f.n_places && (!f.slot || !f.key || !f.share || !f.value_left || !f.value_right || !f.parent || !f.left || !f.right || !f.previous || !f.previous_right))
    return kShapFlat;
  int64_t begin = 0, run = 0;
  for (int64_t b = 0; b < f.n_batches; b++) {
    if (!batch_fits(t, f.batches[b], begin, run)) return kShapFlatPlace;
    begin = f.batches[b].end;
    run = f.batches[b].end_run;
  }
  if (begin != f.n_places || run != f.n_runs) return kShapFlat;
  for (int64_t i = 0; i < f.n_places; i++)
    if (f.slot[i] < 0 || f.slot[i] >= t.codes.n_slots) return kShapSlot;
  for (int64_t i = 0; i < f.n_terms; i++)
    if (f.term[i] < 0 || f.term[i] >= f.n_places || f.target[i] < 0 || f.target[i] >= int64_t(t.n_used) * t.n_outputs) return kShapFlatPlace;
  return kFine;
}

} // namespace

int32_t check_shap(const skt_shap &t) {
  if (t.n_outputs < 1 || t.n_outputs > 1 << 20 || (t.n_leaf_outputs != 1 && t.n_leaf_outputs != t.n_outputs)) return kShapOutputs;
  int32_t error = all_aligned(t) && flat_aligned(t.flat) ? kFine : kMisaligned;
  if (!error) error = check_codes(t.codes);
  if (!error) error = check_players(t);
  if (!error) error = check_trees(t);
  if (!error) error = check_flat(t);
  return error;
}

int32_t check_lookup(const skt_lookup &t) {
  if (t.n_outputs < 1 || t.n_outputs > 1 << 20) return kShapOutputs;
  if (!aligned(t.used, t.slot, t.key, t.tree_question, t.tree_group, t.groups, t.bit_condition, t.condition, t.target, t.table)) return kMisaligned;
  if (const int32_t error = check_codes(t.codes)) return error;
  if (const int32_t error = check_players(t)) return error;
  if (t.n_trees < 0 || t.n_questions < 0 || t.n_groups < 0 || t.n_bits < 0 || t.n_conditions < 0 || t.n_values < 0 || t.n_table < 0) return kLookupMissing;
  if ((t.n_questions && (!t.slot || !t.key)) || (t.n_groups && !t.groups) || (t.n_conditions && !t.condition) || (t.n_values && !t.target) || (t.n_table && !t.table))
    return kLookupMissing;
  if (!ascends(t.tree_question, t.n_trees, 0, t.n_questions) || !ascends(t.tree_group, t.n_trees, 0, t.n_groups)) return kLookupTrees;
  if (!ascends(t.bit_condition, t.n_bits, 0, t.n_conditions)) return kLookupCondition;
  for (int64_t q = 0; q < t.n_questions; q++)
    if (t.slot[q] < 0 || t.slot[q] >= t.codes.n_slots) return kLookupSlot;
  for (int64_t v = 0; v < t.n_values; v++)
    if (t.target[v] < 0 || t.target[v] >= int64_t(t.n_used) * t.n_outputs) return kLookupTarget;
  for (int32_t tree = 0; tree < t.n_trees; tree++) {
    const int64_t n_questions = t.tree_question[tree + 1] - t.tree_question[tree];
    for (int64_t g = t.tree_group[tree]; g < t.tree_group[tree + 1]; g++) {
      const skt_lookup_group &group = t.groups[g];
      if (group.n_bits < 0 || group.n_bits > 16 || group.n_values < 0) return kLookupGroup;
      if (group.first_bit < 0 || group.first_bit > t.n_bits - group.n_bits || group.first_value < 0 || group.first_value > t.n_values - group.n_values)
        return kLookupGroup;
      if (group.table < 0 || group.table > t.n_table - (int64_t(group.n_values) << group.n_bits)) return kLookupGroup;
      for (int64_t c = t.bit_condition[group.first_bit]; c < t.bit_condition[group.first_bit + group.n_bits]; c++)
        if ((t.condition[c] < 0 ? ~int64_t(t.condition[c]) : t.condition[c]) >= n_questions) return kLookupCondition;
    }
  }
  return kFine;
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
    case kShapFlat: return "the tables for a few rows are missing, or for leaves of several values";
    case kShapFlatPlace: return "a place in the tables for a few rows is out of range or out of order";
    case kLookupMissing: return "tables to look values up are missing";
    case kLookupTrees: return "where the questions or groups of trees begin is missing, out of range or out of order";
    case kLookupSlot: return "a question looks at a slot out of range";
    case kLookupGroup: return "the bits, values or table of a group are out of range";
    case kLookupCondition: return "the conditions of a bit are missing or out of range";
    case kLookupTarget: return "a value is added to a player or output out of range";
    default: return nullptr;
  }
}
