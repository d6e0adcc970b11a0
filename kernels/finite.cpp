// Whether all values of some rows are finite once they have the dtype of the features.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "rows.h"
#include "sktensor.h"

namespace SKT_ISA {
namespace {

// The least float64 that rounds to a float32 infinity: half a unit in the last place beyond the largest float32.
constexpr double kBeyondFloat32 = 3.4028235677973366e38;

template <class Value>
bool finite_run(const char *at, int64_t n, int64_t stride, Value beyond) {
  int bad = 0;
  if (stride == static_cast<int64_t>(sizeof(Value)))
    for (int64_t i = 0; i < n; i++) bad |= !(std::fabs(read<Value>(at + i * static_cast<int64_t>(sizeof(Value)))) < beyond); // so is a NaN
  else
    for (int64_t i = 0; i < n; i++) bad |= !(std::fabs(read<Value>(at + i * stride)) < beyond);
  return !bad;
}

// Whether values are below `beyond`, a number that float32 holds if they do, or infinite.
bool finite_run(const Column &column, int64_t first, int64_t n, double beyond) {
  const char *at = column.data + first * column.stride;
  if (column.dtype == SKT_FLOAT32) {
    const bool any = beyond > std::numeric_limits<float>::max();
    return finite_run<float>(at, n, column.stride, any ? std::numeric_limits<float>::infinity() : static_cast<float>(beyond));
  }
  return finite_run<double>(at, n, column.stride, beyond);
}

// The least number that is none of those that rows may hold.
double beyond_of(const skt_rows &rows, int32_t features) {
  const double beyond = features == SKT_FLOAT32 ? kBeyondFloat32 : std::numeric_limits<double>::infinity();
  return rows.below_exponent ? std::min(beyond, std::ldexp(1.0, rows.below_exponent)) : beyond;
}

} // namespace

bool all_finite(const skt_rows &rows, int32_t features, int64_t first, int64_t last) {
  constexpr int64_t kPart = 4096; // values after which to look whether there is still a reason to go on
  const double beyond = beyond_of(rows, features);
  const int64_t item = rows.dtype == SKT_FLOAT32 ? 4 : 8;
  if (!rows.columns && rows.column_stride == item) {
    const bool one_run = rows.row_stride == item * rows.n_columns;
    const int64_t n_runs = one_run ? 1 : last - first, length = one_run ? (last - first) * rows.n_columns : rows.n_columns;
    for (int64_t r = 0; r < n_runs; r++) {
      const Column row{static_cast<const char *>(rows.data) + (first + r) * rows.row_stride, item, rows.dtype};
      for (int64_t i = 0; i < length; i += kPart)
        if (!finite_run(row, i, i + kPart < length ? kPart : length - i, beyond)) return false;
    }
    return true;
  }
  for (int64_t c = 0; c < rows.n_columns; c++)
    for (int64_t i = first; i < last; i += kPart)
      if (!finite_run(column_of(rows, c), i, i + kPart < last ? kPart : last - i, beyond)) return false;
  return true;
}

} // namespace SKT_ISA
