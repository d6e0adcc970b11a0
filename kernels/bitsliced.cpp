// Trees as circuits over bit planes, 512 rows at a time.
//
// Each block of rows goes through four steps: values are loaded column by column; each becomes a rank, and each question "rank > r" that a
// node asks one plane of bits; multiplexers turn the planes into the bits of each tree's leaf; leaf values are looked up and added, one
// tree after the other, in the order and dtype of the model.
#include <algorithm>

#include "ranks.h"
#include "rows.h"
#include "scratch.h"
#include "simd/simd.h"
#include "sktensor.h"

namespace SKT_ISA {
namespace {

constexpr int kPanel = 16; // columns loaded together, a cache line of float32
constexpr int kGroup = 16; // pieces whose values are added together

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
      const bool any_missing = find(x, n, false, Value(0), missing);
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

template <class Sums, class Acc>
void add_with(const skt_bitsliced &t, int first, int last, int output, const uint8_t *numbers, int n_slices, Acc *acc) {
  for (int row = 0; row < n_slices * kSlice; row += Sums::kRows) {
    Sums sums(acc + row);
    sums.add(t, first, last, output, numbers + row);
    sums.store(acc + row);
  }
}

// Adds the values of pieces first .. last, whose leaf numbers of 512 rows each stand one after the other, to one output of all rows.
template <class Acc>
void add_pieces(const skt_bitsliced &t, int first, int last, int output, const uint8_t *numbers, int n_slices, Acc *acc) {
  if constexpr (kShuffledBits<Acc> > 0) {
    if (t.value_bytes && *std::max_element(t.piece_bits + first, t.piece_bits + last) <= kShuffledBits<Acc>)
      return add_with<ShuffledSums<Acc>>(t, first, last, output, numbers, n_slices, acc);
  }
  add_with<Sums<Acc>>(t, first, last, output, numbers, n_slices, acc);
}

// Leaf numbers of a piece, from the planes.
inline void evaluate(const skt_bitsliced &t, int piece, Bits *slots, uint8_t *numbers) {
  Bits *out = slots + 2 + t.n_planes;
  const uint16_t *mux = t.muxes + 3 * static_cast<int64_t>(t.piece_muxes[piece]);
  for (const uint16_t *end = t.muxes + 3 * static_cast<int64_t>(t.piece_muxes[piece + 1]); mux < end; mux += 3)
    *out++ = choose(slots[mux[0]], slots[mux[1]], slots[mux[2]]);
  bytes_of_bits(slots, t.piece_code + 8 * static_cast<int64_t>(piece), t.piece_bits[piece], numbers);
}

template <bool kRightIfEqual, class Feature, class Acc>
void run(const skt_bitsliced &t, const skt_rows &rows, int64_t first_row, int64_t last_row, Acc *out, Scratch &scratch) {
  const int n_outputs = t.sum.n_outputs;
  int most = 0;
  for (int p = 0; p < t.n_pieces; p++) most = std::max(most, t.piece_muxes[p + 1] - t.piece_muxes[p]);
  const size_t slot_bytes = sizeof(Bits) * (2 + static_cast<size_t>(t.n_planes) + most), acc_bytes = sizeof(Acc) * kBlock * n_outputs;
  char *memory = scratch.of(slot_bytes + acc_bytes + sizeof(Panel<Feature>) + kGroup * kBlock);
  Bits *slots = reinterpret_cast<Bits *>(memory);
  Acc *acc = reinterpret_cast<Acc *>(memory + slot_bytes);
  Panel<Feature> &panel = *reinterpret_cast<Panel<Feature> *>(memory + slot_bytes + acc_bytes);
  uint8_t *numbers = reinterpret_cast<uint8_t *>(&panel + 1);
  const Acc *base = static_cast<const Acc *>(t.sum.base);
  slots[0] = all_clear();
  slots[1] = all_set();
  bool rounds = false;
  if constexpr (Rounding::kThere && kRounds<Feature>) rounds = Rounded<kRightIfEqual, Rounding>::is_for(t, rows);
  const InTheirDtype<Feature> in_their_dtype(rows);

  for (int64_t row = first_row; row < last_row; row += kBlock) {
    const int n = static_cast<int>(std::min<int64_t>(kBlock, last_row - row)), n_slices = (n + kSlice - 1) / kSlice;
    for (int k = 0; k < n_outputs; k++) {
      std::fill_n(acc + k * kBlock, kBlock, base[k]);
      if (t.sum.continues)
        for (int i = 0; i < n; i++) acc[k * kBlock + place_of<Acc>(i)] = out[(row + i) * n_outputs + k];
    }
    if constexpr (Rounding::kThere && kRounds<Feature>) {
      if (rounds)
        numeric_planes<kRightIfEqual>(t, rows, Rounded<kRightIfEqual, Rounding>(), row, n, reinterpret_cast<Panel<float> &>(panel), slots + 2);
    }
    if (!rounds) numeric_planes<kRightIfEqual>(t, rows, in_their_dtype, row, n, panel, slots + 2);
    category_planes(t, rows, row, n, panel, slots + 2);
    for (int first = 0; first < t.n_pieces;) {
      const bool shared = t.n_leaf_outputs > 1;
      int last = first;
      for (; last < t.n_pieces && last < first + kGroup && (shared || t.piece_output[last] == t.piece_output[first]); last++)
        evaluate(t, last, slots, numbers + (last - first) * kBlock);
      if (shared)
        for (int k = 0; k < n_outputs; k++) add_pieces(t, first, last, k, numbers, n_slices, acc + k * kBlock);
      else
        add_pieces(t, first, last, 0, numbers, n_slices, acc + t.piece_output[first] * kBlock);
      first = last;
    }
    for (int k = 0; k < n_outputs; k++)
      for (int i = 0; i < n; i++) out[(row + i) * n_outputs + k] = acc[k * kBlock + place_of<Acc>(i)];
  }
}

template <class Feature, class Acc>
void run_as(const skt_bitsliced &t, const skt_rows &rows, int64_t first_row, int64_t last_row, void *out, Scratch &scratch) {
  if (t.right_if_equal)
    run<true, Feature, Acc>(t, rows, first_row, last_row, static_cast<Acc *>(out), scratch);
  else
    run<false, Feature, Acc>(t, rows, first_row, last_row, static_cast<Acc *>(out), scratch);
}

// The dtype in which values are compared: float32 rows stay so even if features are float64, for thresholds32 is rounded such that the
// comparisons come out the same. Columns of a frame differ among themselves, so they are compared in the dtype of the features.
bool compares_float32(const skt_rows &rows, int32_t features) {
  return features == SKT_FLOAT32 || (!rows.columns && rows.dtype == SKT_FLOAT32);
}

} // namespace

void bitsliced_sums(const skt_bitsliced &t, const skt_rows &rows, int32_t features, int64_t first_row, int64_t last_row, void *out, Scratch &scratch) {
  const bool narrow = t.sum.acc_dtype == SKT_FLOAT32;
  if (compares_float32(rows, features)) {
    skt_rows as_float = rows;
    // A float64 that is no float32 equals none of them.
    if (features == SKT_FLOAT64 && static_cast<double>(static_cast<float>(rows.missing)) != rows.missing) as_float.has_missing = 0;
    if (narrow)
      run_as<float, float>(t, as_float, first_row, last_row, out, scratch);
    else
      run_as<float, double>(t, as_float, first_row, last_row, out, scratch);
  } else if (narrow) {
    run_as<double, float>(t, rows, first_row, last_row, out, scratch);
  } else {
    run_as<double, double>(t, rows, first_row, last_row, out, scratch);
  }
}

} // namespace SKT_ISA
