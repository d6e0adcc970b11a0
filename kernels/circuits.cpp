// The answers to the questions of circuits: values are loaded column by column; each becomes a rank, and each question "rank > r" that a node asks
// one plane of bits.
#include "circuits.h"

#include <algorithm>
#include <type_traits>

#include "ranks.h"
#include "rows.h"

namespace SKT_ISA {
namespace {

constexpr int kPanel = 16; // columns loaded together, a cache line of float32

// Rows that begin so many bytes apart are fetched ahead of time: processors expect a reader to go on by less, and within a page.
constexpr int64_t kFarApart = 256;
constexpr int kRowsAhead = 32;

// Up to 16 columns of X, for n rows.
template <class Value>
struct Panel {
  alignas(64) Value values[kPanel][kBlock];

  // By a loader that gives tiles, values of a row and whole columns.
  template <class Loader>
  void load(const skt_rows &rows, const Loader &loader, int64_t first_row, int n, const int32_t *columns, int n_columns) {
    const bool side_by_side = !rows.columns && n_columns >= 4 && rows.column_stride == (rows.dtype == SKT_FLOAT32 ? 4 : 8);
    if (side_by_side && columns[n_columns - 1] - columns[0] < kPanel)
      load_rows(rows, loader, first_row, n, columns, n_columns);
    else
      for (int c = 0; c < n_columns; c++) loader.column(column_of(rows, columns[c]), first_row, n, values[c]);
  }

 private:
  // Values that stand side by side in a row are read together.
  template <class Loader>
  void load_rows(const skt_rows &rows, const Loader &loader, int64_t first_row, int n, const int32_t *columns, int n_columns) {
    const char *at = static_cast<const char *>(rows.data) + first_row * rows.row_stride + columns[0] * rows.column_stride;
    int i = 0;
    if constexpr (kTileRows<Value> > 0) {
      const int width = columns[n_columns - 1] - columns[0] + 1;
      const bool far_apart = rows.row_stride >= kFarApart || rows.row_stride <= -kFarApart;
      for (; i + kTileRows<Value> <= n; i += kTileRows<Value>) {
        if (far_apart)
          for (int row = 0; row < kTileRows<Value>; row++) __builtin_prefetch(at + (i + kRowsAhead + row) * rows.row_stride);
        Tile<Value> tile;
        loader.tile(at + i * rows.row_stride, rows, width, tile);
        for (int c = 0; c < n_columns; c++) store_tile(tile, columns[c] - columns[0], values[c] + i);
      }
    }
    for (; i < n; i++)
      for (int c = 0; c < n_columns; c++) values[c][i] = loader.value(at + i * rows.row_stride + (columns[c] - columns[0]) * rows.column_stride, rows.dtype);
    loader.treat(values, n, n_columns);
  }
};

// Values in the dtype of the features.
template <class Feature>
struct InTheirDtype {
  using Value = Feature;
  Treatment<Feature> treatment;

  explicit InTheirDtype(const skt_rows &rows) : treatment(rows) {}

  void tile(const char *at, const skt_rows &rows, int width, Tile<Feature> &tile) const { load_tile(at, rows, width, tile); }
  Feature value(const char *at, int32_t dtype) const {
    return dtype == SKT_FLOAT32 ? static_cast<Feature>(read<float>(at)) : static_cast<Feature>(read<double>(at));
  }
  void column(const Column &column, int64_t first_row, int n, Feature *out) const { load_column(column, first_row, n, treatment, out); }
  void treat(Feature (*values)[kBlock], int n, int n_columns) const {
    if (treatment.changes_nothing()) return;
    for (int c = 0; c < n_columns; c++)
      for (int i = 0; i < n; i++) values[c][i] = treatment(values[c][i]);
  }
  AsTheyAre<Feature> source(const Column &, int64_t, int, const Feature *x) const { return {x}; }
};

// Values of float64 that are rounded to float32 once, for all searches of their column; those in doubt are read again.
template <bool kRightIfEqual, class Rounding>
struct Rounded {
  using Value = float;
  static constexpr bool kDoubts = true;

  // Whether values are compared as they stand in X, and only compared.
  static bool is_for(const skt_bitsliced &t, const skt_rows &rows) {
    bool any_zero = false;
    for (int c = 0; t.n_searches && c < t.search_codes[t.n_searches]; c++) any_zero |= t.code_zero[c] >= 0;
    return !any_zero && Treatment<double>(rows).changes_nothing();
  }

  void tile(const char *at, const skt_rows &rows, int width, Tile<float> &tile) const { Rounding::template load<kRightIfEqual>(at, rows, width, tile); }
  float value(const char *at, int32_t dtype) const { return dtype == SKT_FLOAT32 ? read<float>(at) : rounded_one(read<double>(at)); }
  void column(const Column &column, int64_t first_row, int n, float *out) const {
    alignas(64) double x[kBlock];
    for (int i = 0; i < n; i++) {
      const char *at = column.data + (first_row + i) * column.stride;
      x[i] = column.dtype == SKT_FLOAT32 ? static_cast<double>(read<float>(at)) : read<double>(at);
    }
    std::fill(x + n, x + (n + 15) / 16 * 16, 0.0);
    Rounding::template round<kRightIfEqual>(x, (n + 15) / 16 * 16, out);
  }
  void treat(float (*)[kBlock], int, int) const {}

  struct InX {
    static constexpr bool kDoubts = true;
    Column column;
    int64_t first_row;
    int n;
    double exact(int i) const {
      if (i >= n) return 0; // a search goes through 16 values at a time, beyond the last row
      const char *at = column.data + (first_row + i) * column.stride;
      return column.dtype == SKT_FLOAT32 ? static_cast<double>(read<float>(at)) : read<double>(at);
    }
  };
  InX source(const Column &column, int64_t first_row, int n, const float *) const { return {column, first_row, n}; }

 private:
  static float rounded_one(double x) {
    float found = static_cast<float>(x); // to the nearest: its neighbour where that is on the wrong side
    if (kRightIfEqual ? static_cast<double>(found) < x : static_cast<double>(found) > x) {
      int32_t bits;
      std::memcpy(&bits, &found, sizeof bits);
      const int32_t away = bits < 0 ? -1 : 1; // of negative numbers the bits count down
      bits += kRightIfEqual ? away : -away;
      std::memcpy(&found, &bits, sizeof bits);
    }
    return found;
  }
};

// Whether any of n values is missing: two at a time, for hardly a column has one.
template <class Feature>
bool any_is_missing(const Feature *x, int n) {
  const int half = n / 2;
  std::conditional_t<sizeof(Feature) == 4, int32_t, int64_t> any = n % 2 && x[n - 1] != x[n - 1]; // as wide as a value, for vectors
  for (int i = 0; i < half; i++) any |= __builtin_isunordered(x[i], x[half + i]);
  return any != 0;
}

// Which of the n rows have a missing value, and which a zero.
template <class Feature>
bool find(const Feature *x, int n, bool zeros, Feature limit, uint8_t *is) {
  uint8_t any = 0;
  if (zeros)
    for (int i = 0; i < n; i++) any |= is[i] = std::fabs(x[i]) <= limit;
  else
    for (int i = 0; i < n; i++) any |= is[i] = x[i] != x[i];
  return any != 0;
}

// A code for the rows that `is` marks with 1.
inline void put_where(const uint8_t *is, int n, uint8_t value, uint8_t *code) {
  for (int i = 0; i < n; i++) code[i] = static_cast<uint8_t>((code[i] & (is[i] - 1)) | (value & -is[i])); // vectors of bytes, not branches
}

// All numeric planes of a block, from its values.
template <bool kRightIfEqual, class Loader>
void numeric_planes(const skt_bitsliced &t, const skt_rows &rows, const Loader &loader, int64_t first_row, int n, Panel<typename Loader::Value> &panel,
                    Bits *planes) {
  using Value = typename Loader::Value;
  const int padded = (n + 15) / 16 * 16;
  alignas(64) uint8_t rank[kBlock], code[kBlock], missing[kBlock], zero[kBlock];
  std::memset(rank, 0, sizeof rank);
  for (int first = 0; first < t.n_searches;) {
    int32_t columns[kPanel];
    int n_columns = 0, last = first;
    for (; last < t.n_searches; last++) { // searches come by column, several for a column with many thresholds
      const int32_t column = t.search_column[last];
      if (n_columns && columns[n_columns - 1] == column) continue;
      if (n_columns == kPanel || (n_columns && column - columns[0] >= kPanel && n_columns >= 4)) break;
      columns[n_columns++] = column;
    }
    panel.load(rows, loader, first_row, n, columns, n_columns);
    for (int place = 0; first < last; first++) {
      while (columns[place] != t.search_column[first]) place++;
      const Value *x = panel.values[place];
      const auto source = loader.source(column_of(rows, columns[place]), first_row, n, x);
      const int levels = t.search_levels[first];
      const int64_t where = t.search_first[first];
      ranks<kRightIfEqual>(x, padded, levels, t.thresholds32 + where, t.thresholds64 ? t.thresholds64 + where : nullptr, source, rank);
      const bool any_missing = any_is_missing(x, n) && find(x, n, false, Value(0), missing);
      Bits bits[8];
      bits_of_bytes(rank, levels, bits);
      for (int c = t.search_codes[first]; c < t.search_codes[first + 1]; c++) {
        const int from = t.code_planes[c], count = t.code_planes[c + 1] - from;
        const bool any_zero = t.code_zero[c] >= 0 && find(x, n, true, static_cast<Value>(t.zero_limit), zero);
        if (!any_missing && !any_zero) {
          planes_of(bits, levels, t.plane_rank + from, count, planes + from);
          continue;
        }
        std::memcpy(code, rank, sizeof code);
        if (any_zero) put_where(zero, n, static_cast<uint8_t>(t.code_zero[c]), code);
        if (any_missing) put_where(missing, n, t.code_nan[c], code);
        std::memset(code + n, 0, kBlock - n);
        Bits changed[8];
        bits_of_bytes(code, levels, changed);
        planes_of(changed, levels, t.plane_rank + from, count, planes + from);
      }
    }
  }
}

// All planes of questions about categories: the answers of 8 rows to 8 questions at a time, turned over.
template <class Feature>
void category_planes(const skt_bitsliced &t, const skt_rows &rows, int64_t first_row, int n, Panel<Feature> &panel, Bits *planes) {
  const Treatment<Feature> treatment(rows);
  for (int g = 0; g < t.n_category_columns; g++) {
    Feature *x = panel.values[0];
    load_column(column_of(rows, t.category_column[g]), first_row, n, treatment, x);
    const int count = t.category_count[g], width = t.category_bytes[g];
    const uint8_t *answers = t.answers + t.category_first[g];
    const uint8_t *row_answers[kBlock];
    const bool truncate = t.truncate_first != 0;
    for (int i = 0; i < n; i++) row_answers[i] = answers + category_of(x[i], count, truncate, t.category_limit) * width;
    std::fill(row_answers + n, row_answers + kBlock, answers);
    const int first = t.category_planes[g], n_planes = t.category_planes[g + 1] - first;
    for (int byte = 0; byte < width; byte++) {
      alignas(64) uint8_t answer[kBlock];
      for (int i = 0; i < kBlock; i++) answer[i] = row_answers[i][byte];
      bits_of_bytes(answer, std::min(8, n_planes - 8 * byte), planes + first + 8 * byte);
    }
  }
}

template <bool kRightIfEqual>
void answer_as(const skt_bitsliced &t, const ComparedRows &compared, int64_t first_row, int n, char *memory, Bits *planes) {
  const skt_rows &rows = compared.rows;
  if (compared.narrow) {
    Panel<float> &panel = *reinterpret_cast<Panel<float> *>(memory);
    numeric_planes<kRightIfEqual>(t, rows, InTheirDtype<float>(rows), first_row, n, panel, planes);
    category_planes(t, rows, first_row, n, panel, planes);
    return;
  }
  Panel<double> &panel = *reinterpret_cast<Panel<double> *>(memory);
  bool rounds = false;
  if constexpr (Rounding::kThere && kRounds<double>) {
    using Loader = Rounded<kRightIfEqual, Rounding>;
    rounds = Loader::is_for(t, rows);
    if (rounds) numeric_planes<kRightIfEqual>(t, rows, Loader(), first_row, n, *reinterpret_cast<Panel<float> *>(memory), planes);
  }
  if (!rounds) numeric_planes<kRightIfEqual>(t, rows, InTheirDtype<double>(rows), first_row, n, panel, planes);
  category_planes(t, rows, first_row, n, panel, planes);
}

} // namespace

void Slots::answer(const skt_bitsliced &t, const ComparedRows &rows, int64_t first_row, int n) {
  static_assert(sizeof(Panel<double>) == kPanelBytes, "the room for columns is as large as they are");
  t.right_if_equal ? answer_as<true>(t, rows, first_row, n, panel_, slots_ + 2) : answer_as<false>(t, rows, first_row, n, panel_, slots_ + 2);
}

} // namespace SKT_ISA
