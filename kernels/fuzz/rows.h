// For the fuzzer: rows of X that hurt, lying in memory in any way that the C interface can describe.
#pragma once

#include "tables.h"

struct Rows {
  skt_rows rows{};
  std::vector<skt_column> columns;
  std::vector<double> values; // (n_rows, n_columns), in the dtype of their column

  double at(int64_t row, int64_t column) const { return values[row * rows.n_columns + column]; }
};

// What a value is compared as, read literally from the header.
template <class Feature>
Feature feature_of(const skt_rows &rows, double value) {
  Feature x = static_cast<Feature>(value);
  if (rows.has_missing && x == static_cast<Feature>(rows.missing)) x = NAN;
  if (std::fabs(x) <= static_cast<Feature>(rows.flush)) x = 0;
  return x;
}

// Whether a column has a value that is missing or counts as zero is what kernels look at, so some columns have none of these.
inline double random_value(Random &random, const std::vector<double> &thresholds, bool plain) {
  if (!thresholds.empty() && !random.once_in(4)) {
    const double t = random.one_of(thresholds);
    const double up = std::nextafter(t, HUGE_VAL), down = std::nextafter(t, -HUGE_VAL);
    const float t32 = static_cast<float>(t);
    const double up32 = std::nextafter(t32, HUGE_VALF), down32 = std::nextafter(t32, -HUGE_VALF);
    return random.one_of({t, t, up, down, double(t32), up32, down32});
  }
  if (plain) return random.normal() + 3;
  if (random.once_in(3)) return random.one_of({double(NAN), double(NAN), 0.0, -0.0, -999.0, 0.1, kTiny, -kTiny});
  if (random.once_in(3)) return random.one_of({HUGE_VAL, -HUGE_VAL, 1e300, -1e300, 5e-324, 1e-45, 3.4028234663852886e38, 3.5e38});
  if (random.once_in(2)) return random.one_of({-0.5, -0.999, -1.0, 1.0, 31.99, 32.0, 69.0, 70.0, 16777215.0, 16777216.0, 2147483647.0, 2147483648.0, 9.3e18});
  return random.once_in(2) ? static_cast<double>(random.below(80)) : random.normal();
}

namespace fuzz_rows {

inline double in_dtype(double value, int32_t dtype) { return dtype == SKT_FLOAT32 ? static_cast<float>(value) : value; }

inline void put(char *at, double value, int32_t dtype) {
  const float narrow = static_cast<float>(value);
  std::memcpy(at, dtype == SKT_FLOAT32 ? static_cast<const void *>(&narrow) : &value, dtype == SKT_FLOAT32 ? 4 : 8);
}

// Columns of a frame, each where it likes to be.
inline void place_columns(Random &random, Room &room, Rows &x) {
  const int64_t n = x.rows.n_rows;
  for (int64_t c = 0; c < x.rows.n_columns; c++) {
    skt_column &column = x.columns[c];
    const int64_t size = column.dtype == SKT_FLOAT32 ? 4 : 8;
    const int64_t step = size + random.one_of({0, 0, 0, 1, 8});
    const int64_t bytes = n > 0 ? (n - 1) * step + size : 0;
    char *const begin = room.place(random, bytes, 1);
    column.stride = random.once_in(4) ? -step : step;
    column.data = column.stride < 0 && n > 0 ? begin + (n - 1) * step : begin;
    for (int64_t i = 0; i < n; i++) put(const_cast<char *>(static_cast<const char *>(column.data)) + i * column.stride, x.at(i, c), column.dtype);
  }
  x.rows.columns = room.copy(random, x.columns);
  x.rows.dtype = static_cast<int32_t>(random.from(-1, 2)); // unused
}

// An array: by rows or by columns, with gaps or without, forwards or backwards, aligned or not.
inline void place_array(Random &random, Room &room, Rows &x) {
  skt_rows &rows = x.rows;
  const int64_t size = rows.dtype == SKT_FLOAT32 ? 4 : 8, n = rows.n_rows, width = rows.n_columns;
  const int64_t gap = random.one_of({0, 0, 0, 1, 4, 24});
  if (random.once_in(3)) {
    rows.row_stride = size + gap;
    rows.column_stride = n * rows.row_stride + random.one_of({0, 0, 3});
  } else {
    rows.column_stride = size + random.one_of({0, 0, 0, 0, 1, 8});
    rows.row_stride = width * rows.column_stride + gap;
  }
  const int64_t bytes = n > 0 && width > 0 ? (n - 1) * rows.row_stride + (width - 1) * rows.column_stride + size : 0;
  char *at = room.place(random, bytes, 1);
  if (random.once_in(4) && bytes) {
    at += (n - 1) * rows.row_stride;
    rows.row_stride = -rows.row_stride;
  }
  if (random.once_in(4) && bytes) {
    at += (width - 1) * rows.column_stride;
    rows.column_stride = -rows.column_stride;
  }
  rows.data = at;
  for (int64_t i = 0; i < n; i++)
    for (int64_t c = 0; c < width; c++) put(at + i * rows.row_stride + c * rows.column_stride, x.at(i, c), rows.dtype);
}

} // namespace fuzz_rows

// Rows whose columns take values from `thresholds`, one pool a column, in dtypes up to `widest`.
inline Rows random_rows(Random &random, Room &room, const std::vector<std::vector<double>> &thresholds, int32_t widest) {
  const auto dtype = [&] { return static_cast<int32_t>(random.from(SKT_FLOAT32, widest)); };
  Rows x;
  x.rows.n_rows = random.one_of({random.below(3), random.below(70), random.below(70), random.from(500, 530), random.below(1101)});
  x.rows.n_columns = static_cast<int64_t>(thresholds.size());
  x.rows.has_missing = random.once_in(3);
  x.rows.missing = random.one_of({-999.0, 0.0, 0.1});
  x.rows.flush = random.one_of({-1.0, -1.0, 0.0, kTiny});
  const bool frame = random.once_in(4);
  x.rows.dtype = dtype();
  if (frame)
    for (int64_t c = 0; c < x.rows.n_columns; c++) x.columns.push_back({nullptr, 0, dtype(), 0});
  std::vector<uint8_t> plain;
  const bool tame = random.once_in(8); // nothing but numbers of a usual size
  for (size_t c = 0; c < thresholds.size(); c++) plain.push_back(tame || random.once_in(2));
  const std::vector<double> none;
  for (int64_t i = 0; i < x.rows.n_rows; i++)
    for (int64_t c = 0; c < x.rows.n_columns; c++) {
      const double value = random_value(random, tame ? none : thresholds[c], plain[c]);
      x.values.push_back(fuzz_rows::in_dtype(value, frame ? x.columns[c].dtype : x.rows.dtype));
    }
  if (frame)
    fuzz_rows::place_columns(random, room, x);
  else
    fuzz_rows::place_array(random, room, x);
  return x;
}

// Whether no value is missing or infinite in the dtype of the features.
inline bool finite(const Rows &x, int32_t features) {
  for (const double value : x.values)
    if (!std::isfinite(features == SKT_FLOAT32 ? static_cast<float>(value) : value)) return false;
  return true;
}
