// Interventional SHAP values of a row against one row of the background after the other, for trees whose tables would be too large.
//
// Where both rows go the same way there is nothing to decide. Where they part for the first time over a player, either may have it: on the way
// back, what the leaves below say of sets that have the player, less what they say of sets that lack it, is the player's [as in
// shap/cext/tree_shap.h, tree_shap_indep]. What takes time is waiting for memory, so it is compiled once.
#define SKT_ISA direct // names the namespace of rows.h and codes.h
#include "shap_direct.h"

#include <algorithm>

#include "codes.h"

namespace {

constexpr int kOutputs = 4; // at once

struct Sums {
  double with[kOutputs], without[kOutputs];
};

struct Pair {
  const skt_shap &t;
  const skt_shap_node *nodes; // of the tree
  const uint32_t *own, *other;
  int64_t first_output, n_outputs;
  uint8_t *owner; // of each player: 0 for none, 1 the row, 2 the row of the background
  double *phi;    // (players in use, outputs), the first output at hand
  int64_t player_step;

  // `n_own` and `n_other` players are decided; `with` and `without` weigh the sets that have and lack one of them.
  void walk(int32_t n, int64_t n_own, int64_t n_other, double with, double without, Sums &found) const {
    for (;;) {
      if (n < 0) {
        const double *const values = t.values + ~int64_t(n) * t.n_leaf_outputs + first_output;
        for (int64_t k = 0; k < n_outputs; k++) found.with[k] = values[k] * with, found.without[k] = values[k] * without;
        return;
      }
      const skt_shap_node &node = nodes[n];
      const int32_t own_way = own[node.slot] <= node.key ? node.left : node.right;
      const int32_t other_way = other[node.slot] <= node.key ? node.left : node.right;
      const uint8_t whose = owner[node.player];
      if (own_way == other_way || whose) {
        n = whose == 2 ? other_way : own_way;
        continue;
      }
      const double all = static_cast<double>(n_own + n_other + 1);
      Sums ours, theirs;
      owner[node.player] = 1;
      walk(own_way, n_own + 1, n_other, n_own ? with * (static_cast<double>(n_own) / all) : 1 / all, without * (static_cast<double>(n_own + 1) / all), ours);
      owner[node.player] = 2;
      walk(other_way, n_own, n_other + 1, with * (static_cast<double>(n_other + 1) / all), n_other ? without * (static_cast<double>(n_other) / all) : 1 / all,
           theirs);
      owner[node.player] = 0;
      double *const sum = phi + node.player * player_step;
      for (int64_t k = 0; k < n_outputs; k++) {
        sum[k] += ours.with[k] - theirs.without[k];
        found.with[k] = ours.with[k] + theirs.with[k];
        found.without[k] = ours.without[k] + theirs.without[k];
      }
      return;
    }
  }
};

template <class Feature>
void encode(const skt_codes &t, const skt_rows &rows, int64_t row, uint32_t *codes) {
  const direct::Treatment<Feature> treatment(rows);
  for (int32_t c = 0; c < t.n_codes; c++) {
    const Feature x = direct::value_at(direct::column_of(rows, t.code_column[c]), row, treatment);
    direct::encode_values(t, c, &x, 1, codes + t.code_slot[c]);
  }
  for (int32_t g = 0; g < t.n_category_codes; g++) {
    const Feature x = direct::value_at(direct::column_of(rows, t.category_column[g]), row, treatment);
    direct::encode_categories(t, g, &x, 1, codes + t.category_slot[g]);
  }
}

void encode(const skt_shap &t, const skt_rows &rows, int32_t features, int64_t row, uint32_t *codes) {
  features == SKT_FLOAT64 ? encode<double>(t.codes, rows, row, codes) : encode<float>(t.codes, rows, row, codes);
}

} // namespace

void shap_codes(const skt_shap &t, const skt_rows &rows, int32_t features, int64_t first, int64_t last, uint32_t *out) {
  for (int64_t row = first; row < last; row++) {
    uint32_t *const codes = out + row * t.codes.n_slots;
    std::fill(codes, codes + t.codes.n_slots, 0u);
    encode(t, rows, features, row, codes);
  }
}

bool shap_direct_fits(const skt_shap &t) {
  for (int32_t tree = 0; tree < t.n_trees; tree++)
    if (std::min(t.tree_depth[tree] + 1, t.n_used) > kMostParted) return false;
  return true;
}

void shap_direct(const skt_shap &t, const skt_rows &rows, int32_t features, const uint32_t *others, int64_t n_others, int64_t first, int64_t last,
                 double *out, Scratch &scratch) {
  const size_t code_bytes = (size_t(t.codes.n_slots) * 4 + 63) / 64 * 64, sums = size_t(t.n_used) * t.n_outputs;
  char *const room = scratch.of(code_bytes + sums * 8 + t.n_used);
  uint32_t *const codes = reinterpret_cast<uint32_t *>(room);
  double *const phi = reinterpret_cast<double *>(room + code_bytes);
  uint8_t *const owner = reinterpret_cast<uint8_t *>(phi + sums);
  std::fill(owner, owner + t.n_used, uint8_t(0));
  const int64_t width = int64_t(t.n_players) * t.n_outputs;
  for (int64_t row = first; row < last; row++) {
    encode(t, rows, features, row, codes);
    std::fill(phi, phi + sums, 0.0);
    for (int32_t tree = 0; tree < t.n_trees; tree++) {
      if (t.tree_node[tree] == t.tree_node[tree + 1]) continue;
      for (int64_t output = 0; output < t.n_leaf_outputs; output += kOutputs)
        for (int64_t i = 0; i < n_others; i++) {
          const Pair pair{t,       t.nodes + t.tree_node[tree], codes,
                          others + i * t.codes.n_slots, output, std::min<int64_t>(kOutputs, t.n_leaf_outputs - output),
                          owner,   phi + (t.n_leaf_outputs > 1 ? output : t.tree_output[tree]), t.n_outputs};
          Sums found;
          pair.walk(0, 0, 0, 0, 0, found);
        }
    }
    double *const to = out + row * width;
    std::fill(to, to + width, 0.0);
    for (int32_t p = 0; p < t.n_used; p++)
      for (int64_t k = 0; k < t.n_outputs; k++) to[int64_t(t.used[p]) * t.n_outputs + k] = phi[int64_t(p) * t.n_outputs + k] / static_cast<double>(n_others);
  }
}
