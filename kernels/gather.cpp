// Rows of a sparse matrix, which lies by rows or by columns, as a dense block of the columns that trees look at.
//
// Entries are written one after the other, so that the last of repeated ones counts. Where they went is written over afterwards, so that a
// block is filled with the value of absent entries once and not for each few rows.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "check.h"
#include "rows.h"
#include "simd/simd.h"

namespace SKT_ISA {
namespace {

constexpr int kEntries = 512; // looked at before any of them is used: their numbers fit into the first-level cache

// Calls use(row, place, entry) for the entries of n rows from `first` on in columns that have a place.
//
// Which of them have one cannot be foreseen, so that a branch for each would cost more than all else: those that do are listed first.
template <class Index, class Use>
int32_t each_entry(const skt_csr &x, const skt_dense &block, int64_t first, int64_t n, Use use) {
  const char *const ends = static_cast<const char *>(x.indptr), *const indices = static_cast<const char *>(x.indices);
  constexpr int64_t size = sizeof(Index);
  using Unsigned = std::make_unsigned_t<Index>;
  int32_t entries[kEntries];
  const uint64_t n_columns = static_cast<uint64_t>(x.n_columns), n_places = static_cast<uint64_t>(block.n_places);
  const uint32_t most_places = static_cast<uint32_t>(std::min<uint64_t>(n_places, std::numeric_limits<uint32_t>::max()));
  // As an unsigned number, a negative one is beyond all columns.
  const Unsigned most = static_cast<Unsigned>(std::min<int64_t>(x.n_columns, std::numeric_limits<Index>::max()));
  for (int64_t row = 0; row < n; row++) {
    const int64_t begin = read<Index>(ends + (first + row) * size), end = read<Index>(ends + (first + row + 1) * size);
    if (begin < 0 || begin > end || end > x.n_entries) return kNoRows;
    if (!block.place) {
      for (int64_t entry = begin; entry < end; entry++) {
        const int64_t column = read<Index>(indices + entry * size);
        if (static_cast<uint64_t>(column) >= n_columns) return kWidth;
        if (static_cast<uint64_t>(column) < n_places) use(row, column, entry);
      }
      continue;
    }
    for (int64_t start = begin; start < end; start += kEntries) {
      const int32_t n_here = static_cast<int32_t>(std::min<int64_t>(kEntries, end - start));
      const char *const here = indices + start * size;
      int outside = 0; // a loop of its own, which vectors do
      for (int32_t i = 0; i < n_here; i++) outside |= static_cast<Unsigned>(read<Index>(here + i * size)) >= most;
      if (outside) return kWidth;
      const int32_t n_kept = entries_with_place<Index>(here, n_here, block.place, most_places, entries);
      for (int32_t i = 0; i < n_kept; i++) use(row, block.place[read<Index>(here + entries[i] * size)], start + entries[i]);
    }
  }
  return kFine;
}

template <class Index, class Value, class Feature>
int32_t write(const skt_csr &x, const skt_dense &block, int64_t first, int64_t n, bool clear) {
  Feature *const out = static_cast<Feature *>(block.values);
  const char *const values = static_cast<const char *>(x.values);
  const int64_t row_step = block.row_step, place_step = block.place_step;
  if (clear) {
    const Feature absent = static_cast<Feature>(block.absent);
    return each_entry<Index>(x, block, first, n, [=](int64_t row, int64_t place, int64_t) { out[row * row_step + place * place_step] = absent; });
  }
  // The cast of a float64 beyond float32's range gives an infinity, as in the libraries.
  return each_entry<Index>(x, block, first, n, [=](int64_t row, int64_t place, int64_t entry) {
    out[row * row_step + place * place_step] = static_cast<Feature>(read<Value>(values + entry * int64_t(sizeof(Value))));
  });
}

template <class Index, class Value>
int32_t write(const skt_csr &x, const skt_dense &block, int64_t first, int64_t n, bool clear) {
  return block.dtype == SKT_FLOAT32 ? write<Index, Value, float>(x, block, first, n, clear) : write<Index, Value, double>(x, block, first, n, clear);
}

// The block is filled column by column, which nearest caches hold, so that nothing has to be cleared.
template <class Index, class Value, class Feature>
int32_t write_columns(const skt_csr &x, const skt_dense &block, const int64_t *column, int64_t *next, int64_t first, int64_t n) {
  const char *const ends = static_cast<const char *>(x.indptr), *const indices = static_cast<const char *>(x.indices);
  const char *const values = static_cast<const char *>(x.values);
  constexpr int64_t size = sizeof(Index);
  const int64_t beyond = first + n, row_step = block.row_step;
  const Feature absent = static_cast<Feature>(block.absent);
  for (int64_t place = 0; place < block.n_places; place++) {
    const int64_t c = column ? column[place] : place;
    if (static_cast<uint64_t>(c) >= static_cast<uint64_t>(x.n_rows)) return kWidth;
    const int64_t begin = read<Index>(ends + c * size), end = read<Index>(ends + (c + 1) * size);
    int64_t entry = next[place];
    if (begin < 0 || end > x.n_entries || entry < begin || entry > end) return kNoRows;
    Feature *const out = static_cast<Feature *>(block.values) + place * block.place_step;
    if (row_step == 1)
      std::fill_n(out, n, absent);
    else
      for (int64_t row = 0; row < n; row++) out[row * row_step] = absent;
    for (; entry < end; entry++) {
      const int64_t row = read<Index>(indices + entry * size);
      if (row >= beyond) break;
      if (row < first) return kNoRows;
      out[(row - first) * row_step] = static_cast<Feature>(read<Value>(values + entry * int64_t(sizeof(Value))));
    }
    next[place] = entry;
  }
  return kFine;
}

template <class Index, class Value>
int32_t write_columns(const skt_csr &x, const skt_dense &block, const int64_t *column, int64_t *next, int64_t first, int64_t n) {
  return block.dtype == SKT_FLOAT32 ? write_columns<Index, Value, float>(x, block, column, next, first, n)
                                    : write_columns<Index, Value, double>(x, block, column, next, first, n);
}

} // namespace

int32_t gather(const skt_csr &rows, const skt_dense &block, int64_t first, int64_t n, bool clear) {
  const bool wide = rows.dtype == SKT_FLOAT64;
  if (rows.index_bytes == 4)
    return wide ? write<int32_t, double>(rows, block, first, n, clear) : write<int32_t, float>(rows, block, first, n, clear);
  return wide ? write<int64_t, double>(rows, block, first, n, clear) : write<int64_t, float>(rows, block, first, n, clear);
}

int32_t gather_columns(const skt_csr &x, const skt_dense &block, const int64_t *column, int64_t *next, int64_t first, int64_t n) {
  const bool wide = x.dtype == SKT_FLOAT64;
  if (x.index_bytes == 4)
    return wide ? write_columns<int32_t, double>(x, block, column, next, first, n) : write_columns<int32_t, float>(x, block, column, next, first, n);
  return wide ? write_columns<int64_t, double>(x, block, column, next, first, n) : write_columns<int64_t, float>(x, block, column, next, first, n);
}

} // namespace SKT_ISA
