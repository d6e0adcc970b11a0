// What the kernels of SHAP values share: blocks of 64 rows.
#pragma once

#include <algorithm>
#include <cstdint>

#include "codes.h"
#include "rows.h"
#include "simd/simd.h"

namespace SKT_ISA {

constexpr int kRows = 64;                 // at hand, a bit each
constexpr int kGroups = kRows / kDoubles; // of rows that share a register

// Codes of n rows, 64 for each slot; those of other rows are left as they are.
template <class Feature>
void encode(const skt_codes &t, const skt_rows &rows, int64_t first, int n, uint32_t *codes) {
  const Treatment<Feature> treatment(rows);
  Feature x[kRows];
  for (int32_t c = 0; c < t.n_codes; c++) {
    load_column(column_of(rows, t.code_column[c]), first, n, treatment, x);
    encode_values(t, c, x, n, codes + int64_t(kRows) * t.code_slot[c]);
  }
  for (int32_t g = 0; g < t.n_category_codes; g++) {
    load_column(column_of(rows, t.category_column[g]), first, n, treatment, x);
    encode_categories(t, g, x, n, codes + int64_t(kRows) * t.category_slot[g]);
  }
}

// From a column a row to a row each, with 0 for players that no tree knows.
template <class Tables>
void put_rows(const Tables &t, const double *phi, int n, double *out) {
  const int64_t width = int64_t(t.n_players) * t.n_outputs;
  if (t.n_used < t.n_players) std::fill(out, out + n * width, 0.0);
  for (int32_t p = 0; p < t.n_used; p++)
    for (int64_t k = 0; k < t.n_outputs; k++) {
      const double *const from = phi + (int64_t(p) * t.n_outputs + k) * kRows;
      double *const to = out + int64_t(t.used[p]) * t.n_outputs + k;
      for (int i = 0; i < n; i++) to[i * width] = from[i];
    }
}

} // namespace SKT_ISA
