// Columns derived from keys: what a table says of a row's categories, and of combinations of them with answers about numbers.
#include <algorithm>
#include <cstdint>

#include "rows.h"
#include "sktensor.h"

namespace SKT_ISA {
namespace {

constexpr int kRows = 512; // whose keys are at hand together

// Joins a part to the keys of n rows.
template <class Part>
inline void join(uint64_t factor, int n, uint64_t *keys, Part part) {
  for (int i = 0; i < n; i++) keys[i] = factor * (keys[i] + factor * part(i));
}

// Numbers of keys in a table of 2**bits places, of which at least one is empty. A key stands at the place that its upper bits name or behind
// it, without an empty one in between, and behind the last place comes the first.
inline void find(const skt_place *table, int32_t bits, int n, const uint64_t *keys, uint32_t *numbers) {
  const uint64_t last = (uint64_t(1) << bits) - 1;
  for (int i = 0; i < n; i++) {
    uint64_t at = keys[i] >> (64 - bits);
    while (table[at].key != keys[i] && table[at].is_taken) at = (at + 1) & last;
    numbers[i] = table[at].number;
  }
}

} // namespace

// Rows first + begin .. first + end, which are begin .. end of the n in every column of `out`.
void derive(const skt_keys &t, const skt_rows &rows, const uint64_t *const *hashes, int64_t first, int64_t n, int64_t begin, int64_t end, float *out) {
  const Treatment<float> treatment(rows);
  for (; begin < end; begin += kRows) {
    const int count = static_cast<int>(std::min<int64_t>(end - begin, kRows));
    float *const to = out + begin;
    for (int64_t c = 0; c < rows.n_columns; c++)
      if (hashes[c])
        std::fill_n(to + c * n, count, 0.0f);
      else
        load_column(column_of(rows, c), first + begin, count, treatment, to + c * n);
    for (int32_t k = 0; k < t.n_keys; k++) {
      uint64_t keys[kRows] = {};
      uint32_t numbers[kRows];
      for (int32_t p = t.key_parts[k]; p < t.key_parts[k + 1]; p++) {
        const int64_t column = t.part_column[p];
        const uint64_t *const hash = hashes[column] ? hashes[column] + first + begin : nullptr;
        if (t.part_test[p] == SKT_HASH) {
          join(t.factor, count, keys, [=](int i) { return hash[i]; });
        } else if (t.part_test[p] == SKT_IS_HASH) {
          const uint64_t wanted = t.part_hash[p];
          join(t.factor, count, keys, [=](int i) { return uint64_t(hash[i] == wanted); });
        } else {
          const float *const x = to + column * n;
          const float border = t.part_border[p];
          const uint64_t missing = t.part_missing[p];
          join(t.factor, count, keys, [=](int i) { return x[i] == x[i] ? uint64_t(x[i] > border) : missing; });
        }
      }
      find(t.places + t.key_places[k], t.key_bits[k], count, keys, numbers);
      for (int32_t d = t.key_columns[k]; d < t.key_columns[k + 1]; d++) {
        const float *const values = t.values + t.column_values[d];
        float *const column = to + (rows.n_columns + t.column[d]) * n;
        for (int i = 0; i < count; i++) column[i] = values[numbers[i]];
      }
    }
  }
}

} // namespace SKT_ISA
