// SHAP values that are looked up: a few bits of a row, put together, say what a tree or a leaf adds to its players.
#include <algorithm>
#include <cstdint>

#include "scratch.h"
#include "shap.h"
#include "simd/simd.h"

namespace SKT_ISA {
namespace {

constexpr int64_t kMostBlocks = 16, kBlockBytes = 384 << 10; // that pass through one tree after the other, while its tables are near

// Memory for some blocks of 64 rows.
struct Room {
  int64_t n_blocks, code_step, phi_step; // how many there are, and how far those of the next one are
  uint32_t *codes;
  double *phi;       // (players in use, outputs, 64)
  uint64_t *answers; // of a tree's questions

  Room(const skt_lookup &t, int64_t n_rows, Scratch &scratch) : code_step(int64_t(t.codes.n_slots) * kRows), phi_step(int64_t(t.n_used) * t.n_outputs * kRows) {
    int64_t questions = 0;
    n_blocks = std::clamp<int64_t>(kBlockBytes / (4 * code_step + 8 * phi_step), 1, std::min((n_rows + kRows - 1) / kRows, kMostBlocks));
    for (int32_t tree = 0; tree < t.n_trees; tree++) questions = std::max(questions, t.tree_question[tree + 1] - t.tree_question[tree]);
    const auto whole = [](int64_t bytes) { return static_cast<size_t>((bytes + 63) / 64 * 64); };
    const size_t sizes[] = {whole(4 * code_step * n_blocks), whole(8 * phi_step * n_blocks), whole(questions * 8)};
    char *const at = scratch.of(sizes[0] + sizes[1] + sizes[2]);
    codes = reinterpret_cast<uint32_t *>(at);
    phi = reinterpret_cast<double *>(at + sizes[0]);
    answers = reinterpret_cast<uint64_t *>(at + sizes[0] + sizes[1]);
  }
};

// Adds to each row's value what a table says of its number.
template <int kBits>
inline void look_up(const double *table, const int32_t *number, int n_groups, Doubles *phi) {
  if constexpr (kBits <= kTableBits) {
    const TableOfDoubles<kBits> values(table);
    for (int i = 0; i < n_groups; i++) phi[i] = phi[i] + values.at(number + i * kDoubles);
  } else {
    for (int i = 0; i < n_groups; i++) phi[i] = phi[i] + gathered(table, number + i * kDoubles, phi[i]);
  }
}

inline void look_up_any(int32_t n_bits, const double *table, const int32_t *number, int n_groups, Doubles *phi) {
  constexpr int kMore = kTableBits + 1;
  switch (std::min(n_bits, kMore)) {
    case 0: return look_up<0>(table, number, n_groups, phi);
    case 1: return look_up<1>(table, number, n_groups, phi);
    case 2: return look_up<2>(table, number, n_groups, phi);
    case 3: return look_up<3>(table, number, n_groups, phi);
    case 4: return look_up<4>(table, number, n_groups, phi);
    case 5: return look_up<5>(table, number, n_groups, phi);
    case 6: return look_up<6>(table, number, n_groups, phi);
    default: return look_up<7>(table, number, n_groups, phi);
  }
}

void add_tree(const skt_lookup &t, int32_t tree, int n, const uint32_t *codes, uint64_t *answers, double *to) {
  const int64_t first = t.tree_question[tree];
  for (int64_t q = first; q < t.tree_question[tree + 1]; q++)
    answers[q - first] = exceeding(codes + int64_t(kRows) * t.slot[q], t.key[q]);
  const int n_groups = (n + kDoubles - 1) / kDoubles;
  alignas(64) int32_t number[kRows];
  for (int64_t g = t.tree_group[tree]; g < t.tree_group[tree + 1]; g++) {
    const skt_lookup_group &group = t.groups[g];
    Numbers numbers;
    for (int32_t bit = 0; bit < group.n_bits; bit++) {
      const int64_t *const begin = t.bit_condition + group.first_bit + bit;
      uint64_t holds = ~uint64_t(0);
      for (int64_t c = begin[0]; c < begin[1]; c++) {
        const int32_t condition = t.condition[c];
        holds &= condition < 0 ? ~answers[~condition] : answers[condition];
      }
      numbers.add(holds, bit);
    }
    numbers.store(number);
    for (int32_t v = 0; v < group.n_values; v++) {
      const double *const table = t.table + group.table + (int64_t(v) << group.n_bits);
      Doubles *const phi = reinterpret_cast<Doubles *>(to + int64_t(t.target[group.first_value + v]) * kRows);
      look_up_any(group.n_bits, table, number, n_groups, phi);
    }
  }
}

template <class Feature>
void values(const skt_lookup &t, const skt_rows &rows, int64_t first, int64_t last, double *out, Scratch &scratch) {
  if (first >= last) return;
  const Room room(t, last - first, scratch);
  const int64_t width = int64_t(t.n_players) * t.n_outputs, step = room.n_blocks * kRows;
  for (int64_t row = first; row < last; row += step) {
    const int64_t end = std::min(last, row + step);
    const auto each = [&](auto use) {
      for (int64_t at = row, block = 0; at < end; at += kRows, block++)
        use(at, static_cast<int>(std::min<int64_t>(kRows, end - at)), room.codes + block * room.code_step, room.phi + block * room.phi_step);
    };
    each([&](int64_t at, int n, uint32_t *codes, double *phi) {
      encode<Feature>(t.codes, rows, at, n, codes);
      std::fill(phi, phi + room.phi_step, 0.0);
    });
    for (int32_t tree = 0; tree < t.n_trees; tree++)
      each([&](int64_t, int n, const uint32_t *codes, double *phi) { add_tree(t, tree, n, codes, room.answers, phi); });
    each([&](int64_t at, int n, const uint32_t *, const double *phi) { put_rows(t, phi, n, out + at * width); });
  }
}

} // namespace

void lookup_values(const skt_lookup &t, const skt_rows &rows, int32_t features, int64_t first, int64_t last, double *out, Scratch &scratch) {
  features == SKT_FLOAT64 ? values<double>(t, rows, first, last, out, scratch) : values<float>(t, rows, first, last, out, scratch);
}

} // namespace SKT_ISA
