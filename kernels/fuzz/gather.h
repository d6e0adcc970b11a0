// For the fuzzer: CSR and CSC matrices, whole and damaged, gathered into dense blocks, and a slow evaluator that reads them as the header describes them.
#pragma once

#include <algorithm>

#include "rows.h"

class GatherCase {
 public:
  explicit GatherCase(Random &random) : by_columns(random.once_in(2)) {
    x.n_rows = random.one_of({random.below(3), random.below(40), random.below(300)});
    x.n_columns = random.one_of({0, 1, 2, 5, 40, 300});
    x.index_bytes = random.one_of({4, 8});
    x.dtype = static_cast<int32_t>(random.below(2));
    // Matrices cut from others begin where they like.
    indptr.push_back(random.once_in(4) ? random.below(20) : 0);
    const int64_t most = random.one_of({1, 3, 20});
    for (int64_t row = 0; row < x.n_rows; row++) indptr.push_back(indptr.back() + (x.n_columns && !random.once_in(3) ? random.below(most + 1) : 0));
    x.n_entries = indptr.back() + (random.once_in(4) ? random.below(9) : 0);
    const std::vector<double> thresholds = random_thresholds(random, 5, SKT_FLOAT64);
    for (int64_t entry = 0; entry < x.n_entries; entry++) {
      indices.push_back(x.n_columns ? random.below(random.once_in(3) ? std::min<int64_t>(x.n_columns, 3) : x.n_columns) : 0);
      values.push_back(fuzz_rows::in_dtype(random_value(random, thresholds, false), x.dtype));
    }

    block.n_places = random.one_of({int64_t(0), int64_t(1), x.n_columns, random.below(x.n_columns + 1), x.n_columns + 3});
    block.dtype = static_cast<int32_t>(random.below(2));
    block.absent = random.one_of({0.0, double(NAN), -999.0, 0.1, 1e300});
    has_place = !random.once_in(4);
    // No two columns in one place; those that are left out have any number from n_places on.
    for (int64_t c = 0; c < x.n_columns; c++) place.push_back(static_cast<int32_t>(c < block.n_places ? c : block.n_places + random.below(9) * 1000));
    for (int64_t c = 1; c < x.n_columns; c++) std::swap(place[c], place[random.below(c + 1)]);
    if (by_columns) lie_by_columns(random);
    const int64_t most_rows_of_x = by_columns ? x.n_columns : x.n_rows;
    first = random.from(0, most_rows_of_x);
    n = random.from(0, most_rows_of_x - first);
    for (const int64_t c : column) {
      int64_t entry = indptr[c];
      while (entry < indptr[c + 1] && indices[entry] < first) entry++;
      next.push_back(entry);
    }
    if (!has_place) column.clear(); // each place is for the column of its number
    block.n_rows = n + random.one_of({0, 0, 1, 20});
    block.reserved = static_cast<int32_t>(random.bits()); // unused
    lay_out(random);
  }

  // One thing made wrong that can be told from the rest: not a dtype or a number of items that arrays were not made for.
  void damage(Random &random) {
    switch (random.below(by_columns ? 11 : 9)) {
      case 0:
      case 1:
      case 2:
        for (int64_t i = random.from(1, 3); i > 0; i--) spoil_index(random, indptr);
        break;
      case 3:
      case 4:
      case 5:
        for (int64_t i = random.from(1, 3); i > 0; i--) spoil_index(random, indices);
        break;
      case 6: spoil_number(random); break;
      case 7:
        if (random.once_in(2))
          spoil(random, first);
        else
          spoil(random, n);
        break;
      case 8: gone = static_cast<int>(random.below(by_columns ? 7 : 6)); break;
      default: spoil_number_of(random, random.once_in(2) ? next : column);
    }
  }

  // What is wrong, or NULL.
  const char *run(Random &random, Room &room) {
    put(random, room);
    std::vector<double> expected(cells.size());
    for (double &cell : cells) cell = fuzz_rows::in_dtype(random.value(), was_dtype);
    const int32_t isa = static_cast<int32_t>(random.below(skt_best_isa() + 1));
    if (by_columns) return run_columns(isa);
    for (int32_t clear = 0; clear < 2; clear++) {
      for (size_t i = 0; i < cells.size(); i++) fuzz_rows::put(out + i * item, cells[i], was_dtype);
      expected = cells;
      const int32_t error = skt_gather(is_gone(0) ? nullptr : &x, is_gone(1) ? nullptr : &block, first, n, clear, isa);
      if (error && (error < 0 || !std::strcmp(skt_message(error), "unknown error"))) return "skt_gather refuses without words";
      if (!evaluate(clear, expected)) {
        if (!error) return "skt_gather takes a matrix or a block that is damaged";
        if (!in_bounds()) return "skt_gather wrote beside the block's places";
        continue;
      }
      if (error) return skt_message(error);
      if (!equal(expected)) return "skt_gather and the evaluator differ";
    }
    return nullptr;
  }

 private:
  skt_csr x{};
  skt_dense block{};
  int64_t first, n;
  std::vector<int64_t> indptr, indices;
  std::vector<double> values, cells; // of the whole block, with its gaps
  std::vector<int32_t> place;
  bool has_place;
  const bool by_columns;           // whether `x` is the transpose of a CSC matrix
  std::vector<int64_t> column, next;
  int64_t *placed_column, *placed_next;
  int gone = -1; // the pointer that is not there
  int misaligned = 0;
  int64_t item, most_rows;
  int32_t was_dtype;
  char *out;

  bool is_gone(int which) const { return which == gone; }

  // Columns in any order and as often as they like; entries mostly ascend.
  void lie_by_columns(Random &random) {
    block.n_places = x.n_rows ? random.one_of({int64_t(0), int64_t(1), x.n_rows, random.below(x.n_rows + 1), has_place ? x.n_rows + 3 : x.n_rows}) : 0;
    for (int64_t p = 0; p < block.n_places; p++) column.push_back(has_place ? random.below(x.n_rows) : p);
    if (random.once_in(4)) return;
    for (int64_t c = 0; c < x.n_rows; c++) std::sort(indices.begin() + indptr[c], indices.begin() + indptr[c + 1]);
  }

  const char *run_columns(int32_t isa) {
    for (size_t i = 0; i < cells.size(); i++) fuzz_rows::put(out + i * item, cells[i], was_dtype);
    std::vector<double> expected = cells;
    std::vector<int64_t> expected_next = next;
    const int32_t error = skt_gather_columns(is_gone(0) ? nullptr : &x, is_gone(1) ? nullptr : &block, placed_column, placed_next, first, n, isa);
    if (error && (error < 0 || !std::strcmp(skt_message(error), "unknown error"))) return "skt_gather_columns refuses without words";
    if (!evaluate_columns(expected, expected_next)) {
      if (!error) return "skt_gather_columns takes a matrix or a block that is damaged";
      return in_bounds() ? nullptr : "skt_gather_columns wrote beside the block's places";
    }
    if (error) return skt_message(error);
    if (!next.empty() && placed_next && misaligned != 3 && std::memcmp(placed_next, expected_next.data(), next.size() * 8)) return "skt_gather_columns ends elsewhere";
    return equal(expected) ? nullptr : "skt_gather_columns and the evaluator differ";
  }

  // By rows or by columns, with gaps or without.
  void lay_out(Random &random) {
    const int64_t gap = random.one_of({0, 0, 1, 7});
    if (random.once_in(2)) {
      block.place_step = random.one_of({1, 1, 2});
      block.row_step = block.n_places * block.place_step + gap;
    } else {
      block.row_step = random.one_of({1, 1, 2});
      block.place_step = block.n_rows * block.row_step + gap;
    }
    const int64_t reach = block.n_rows && block.n_places ? (block.n_rows - 1) * block.row_step + (block.n_places - 1) * block.place_step + 1 : 0;
    cells.resize(static_cast<size_t>(reach));
    was_dtype = block.dtype, item = block.dtype == SKT_FLOAT32 ? 4 : 8, most_rows = block.n_rows;
  }

  // Numbers that do not fit into narrow indices would not be there.
  void spoil_index(Random &random, std::vector<int64_t> &these) {
    if (these.empty()) return;
    int64_t &wide = these[random.below(static_cast<int64_t>(these.size()))];
    int32_t narrow = static_cast<int32_t>(wide);
    x.index_bytes == 4 ? spoil(random, narrow) : spoil(random, wide);
    if (x.index_bytes == 4) wide = narrow;
  }

  static void spoil_number_of(Random &random, std::vector<int64_t> &these) {
    if (!these.empty()) spoil(random, these[random.below(static_cast<int64_t>(these.size()))]);
  }

  template <class T>
  static void lessen(Random &random, T &count) { // or make it none at all
    count = count > 0 && random.once_in(2) ? static_cast<T>(random.below(count)) : random.one_of({T(-1), std::numeric_limits<T>::min(), T(0)});
  }

  void spoil_number(Random &random) {
    const int32_t no_dtype = random.one_of({-1, 2, 3, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()});
    switch (random.below(11)) {
      case 0: lessen(random, x.n_rows); break;
      case 1: lessen(random, x.n_columns); break;
      case 2: lessen(random, x.n_entries); break;
      case 3: lessen(random, block.n_rows); break;
      case 4: lessen(random, block.n_places); break;
      case 5: block.row_step = random.one_of({int64_t(-1), std::numeric_limits<int64_t>::min()}); break;
      case 6: block.place_step = random.one_of({int64_t(-1), std::numeric_limits<int64_t>::min()}); break;
      case 7: x.index_bytes = random.one_of({0, 1, 2, -4, 16, std::numeric_limits<int32_t>::min()}); break;
      case 8: x.dtype = no_dtype; break;
      case 9: block.dtype = no_dtype; break;
      default: misaligned = static_cast<int>(random.from(1, by_columns ? 3 : 2));
    }
  }

  void put(Random &random, Room &room) {
    // By the bytes that the arrays were made for: a damaged number of bytes is none at all.
    const bool narrow = x.index_bytes == 4;
    const auto integers = [&](const std::vector<int64_t> &these) {
      const size_t size = narrow ? 4 : 8;
      char *const at = room.place(random, these.size() * size, 1);
      for (size_t i = 0; i < these.size(); i++) {
        const int32_t small = static_cast<int32_t>(these[i]);
        std::memcpy(at + i * size, narrow ? static_cast<const void *>(&small) : &these[i], size);
      }
      return at;
    };
    x.indptr = is_gone(2) ? nullptr : integers(indptr);
    x.indices = is_gone(3) ? nullptr : integers(indices);
    const int64_t size = x.dtype == SKT_FLOAT32 ? 4 : 8;
    char *const at = room.place(random, values.size() * size, 1);
    for (size_t i = 0; i < values.size(); i++) fuzz_rows::put(at + i * size, values[i], static_cast<int32_t>(size == 8));
    x.values = is_gone(4) ? nullptr : at;
    char *const places = room.place(random, place.size() * 4 + 4, 4) + (misaligned == 1 ? random.from(1, 3) : 0);
    if (!place.empty()) std::memcpy(places, place.data(), place.size() * 4);
    block.place = has_place || misaligned == 1 ? reinterpret_cast<const int32_t *>(places) : nullptr;
    const auto longs = [&](const std::vector<int64_t> &these, int off_when) {
      const bool off = by_columns && misaligned == off_when;
      char *const begin = room.place(random, these.size() * 8 + (off ? 8 : 0), 8) + (off ? random.from(1, 7) : 0);
      if (!these.empty() && !off) std::memcpy(begin, these.data(), these.size() * 8);
      return reinterpret_cast<int64_t *>(begin);
    };
    placed_column = column.empty() && misaligned != 1 ? nullptr : longs(column, 1);
    placed_next = is_gone(6) ? nullptr : longs(next, 3);
    out = room.place(random, cells.size() * item + (misaligned == 2 ? item : 0), item) + (misaligned == 2 ? random.from(1, item - 1) : 0);
    block.values = is_gone(5) ? nullptr : out;
  }

  static bool is_dtype(int32_t dtype) { return dtype == SKT_FLOAT32 || dtype == SKT_FLOAT64; }

  // Whether the call is what the header describes, as far as it reads anything.
  bool holds_together() const {
    const int64_t n_there = by_columns ? x.n_columns : x.n_rows;
    if (is_gone(0) || is_gone(1) || first < 0 || n < 0 || n_there < n || first > n_there - n || n > block.n_rows) return false;
    if (!n) return true;
    if (by_columns && (x.n_rows < 0 || (block.n_places && !placed_next))) return false;
    if (!x.indptr || x.n_columns < 0 || x.n_entries < 0 || (x.n_entries && (!x.indices || !x.values))) return false;
    if (block.n_places < 0 || (block.n_places && !block.values) || block.row_step < 0 || block.place_step < 0) return false;
    return is_dtype(x.dtype) && is_dtype(block.dtype) && (x.index_bytes == 4 || x.index_bytes == 8) && !misaligned;
  }

  // Writes what the block should hold, or finds that the call is to be refused.
  bool evaluate(bool clear, std::vector<double> &expected) const {
    if (!holds_together()) return false;
    for (int64_t row = 0; row < n; row++) {
      const int64_t begin = indptr[first + row], end = indptr[first + row + 1];
      if (begin < 0 || begin > end || end > x.n_entries) return false;
      for (int64_t entry = begin; entry < end; entry++) {
        if (indices[entry] < 0 || indices[entry] >= x.n_columns) return false;
        const int64_t to = block.place ? place[indices[entry]] : indices[entry];
        if (to >= 0 && to < block.n_places)
          expected[row * block.row_step + to * block.place_step] = fuzz_rows::in_dtype(clear ? block.absent : values[entry], block.dtype);
      }
    }
    return true;
  }

  bool evaluate_columns(std::vector<double> &expected, std::vector<int64_t> &ends) const {
    if (!holds_together()) return false;
    if (!n) return true;
    for (int64_t p = 0; p < block.n_places; p++) {
      const int64_t c = placed_column ? column[p] : p;
      if (c < 0 || c >= x.n_rows) return false;
      const int64_t begin = indptr[c], end = indptr[c + 1];
      if (begin < 0 || end > x.n_entries || ends[p] < begin || ends[p] > end) return false;
      for (int64_t row = 0; row < n; row++) expected[row * block.row_step + p * block.place_step] = fuzz_rows::in_dtype(block.absent, block.dtype);
      for (; ends[p] < end && indices[ends[p]] < first + n; ends[p]++) {
        if (indices[ends[p]] < first) return false;
        expected[(indices[ends[p]] - first) * block.row_step + p * block.place_step] = fuzz_rows::in_dtype(values[ends[p]], block.dtype);
      }
    }
    return true;
  }

  bool is(size_t cell, double number) const {
    char bytes[8];
    fuzz_rows::put(bytes, number, was_dtype);
    if (!std::memcmp(out + cell * item, bytes, item)) return true;
    if (!std::isnan(number)) return false; // one NaN is as good as another
    float narrow;
    double wide;
    std::memcpy(&narrow, out + cell * item, 4);
    if (item == 4) return std::isnan(narrow);
    std::memcpy(&wide, out + cell * item, 8);
    return std::isnan(wide);
  }

  bool equal(const std::vector<double> &expected) const {
    for (size_t i = 0; i < expected.size(); i++)
      if (!is(i, expected[i])) return false;
    return true;
  }

  // Whether cells that belong to no row and place are what they were.
  bool in_bounds() const {
    std::vector<char> is_place(cells.size());
    const int64_t places = block.row_step < 0 || block.place_step < 0 ? 0 : block.n_places;
    for (int64_t row = 0; row < most_rows; row++)
      for (int64_t to = 0; to < places; to++) is_place[row * block.row_step + to * block.place_step] = 1;
    for (size_t i = 0; i < cells.size(); i++)
      if (!is_place[i] && !is(i, cells[i])) return false;
    return true;
  }
};
