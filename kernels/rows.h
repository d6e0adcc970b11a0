// Values of X as the trees see them: in the dtype of the features, missing ones as NaN, tiny ones as 0.0.
//
// Included by every kernel that is compiled once for each instruction set, hence the namespace: an inline function that two of them
// shared could be linked in the version that the processor at hand does not have.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "sktensor.h"

#ifndef SKT_ISA
#error "SKT_ISA names the namespace of the instruction set: baseline, avx2 or avx512"
#endif

namespace SKT_ISA {

// Where a column lies: its first value, the bytes from row to row, and its dtype.
struct Column {
  const char *data;
  int64_t stride;
  int32_t dtype;
};

inline Column column_of(const skt_rows &rows, int64_t column) {
  if (rows.columns) {
    const skt_column &c = rows.columns[column];
    return {static_cast<const char *>(c.data), c.stride, c.dtype};
  }
  return {static_cast<const char *>(rows.data) + column * rows.column_stride, rows.row_stride, rows.dtype};
}

template <class T>
inline T read(const char *at) { // memcpy, because values need no alignment
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// What becomes of a value once it has the dtype of the features.
template <class Feature>
struct Treatment {
  bool has_missing;
  Feature missing;
  Feature flush;

  explicit Treatment(const skt_rows &rows)
      : has_missing(rows.has_missing != 0), missing(static_cast<Feature>(rows.missing)), flush(static_cast<Feature>(rows.flush)) {}

  bool changes_nothing() const { return !has_missing && flush < 0; }

  Feature operator()(Feature x) const {
    if (has_missing && x == missing) x = std::numeric_limits<Feature>::quiet_NaN();
    if (std::fabs(x) <= flush) x = 0;
    return x;
  }
};

// One value, of a row counted from the column's first.
template <class Feature>
inline Feature value_at(const Column &column, int64_t row, const Treatment<Feature> &treatment) {
  const char *at = column.data + row * column.stride;
  // The cast of a float64 beyond float32's range gives an infinity, as in the libraries.
  return treatment(column.dtype == SKT_FLOAT32 ? static_cast<Feature>(read<float>(at)) : static_cast<Feature>(read<double>(at)));
}

// Rows first .. first + n of a column, one after the other.
template <class Feature>
inline void load_column(const Column &column, int64_t first, int n, const Treatment<Feature> &treatment, Feature *out) {
  const char *at = column.data + first * column.stride;
  const int64_t stride = column.stride;
  if (column.dtype == SKT_FLOAT32)
    for (int i = 0; i < n; i++) out[i] = static_cast<Feature>(read<float>(at + i * stride));
  else
    for (int i = 0; i < n; i++) out[i] = static_cast<Feature>(read<double>(at + i * stride));
  if (!treatment.changes_nothing())
    for (int i = 0; i < n; i++) out[i] = treatment(out[i]);
}

// The number of a value's category: `count` for one beyond those that are known, `count` + 1 for a missing value.
template <class Feature>
inline int64_t category_of(Feature x, int64_t count, bool truncate_first, double limit) {
  const double number = truncate_first ? std::trunc(static_cast<double>(x)) : static_cast<double>(x);
  const bool known = number >= 0 && number < limit;
  const int64_t category = known ? static_cast<int64_t>(number) : count;
  return x != x ? count + 1 : category < count ? category : count;
}

} // namespace SKT_ISA
