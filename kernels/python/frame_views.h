// The views of folded steps for few rows, value by value; the same numbers as sktensor/inputs/view_values.py makes.
#pragma once

#include "plain_call.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace sktensor {

constexpr int64_t kMostFrameRows = 128;
constexpr int64_t kMostNumbers = 512; // of the columns of numbers, in all rows
constexpr int64_t kMostViews = 1024;  // in all rows

// A column of numbers and what it may hold.
struct Checked {
  bool is_numeric = false, takes_missing = false;
  double low = 0, high = 0;
};

struct NumberView {
  int at, slot;
  double low, high, fill;
};

struct BinView {
  int at, slot;
  const double *breaks;
  int64_t n_breaks;
  const char *refused; // null, or one of n_breaks + 1 bins each
};

// Of texts: the number of each known one. -1 for what the steps refuse.
struct CategoryView {
  int at;
  PyObject *codes; // a dict of exact texts and numbers
  int nan, none, unknown;
  bool all_missing;
};

struct Views {
  int64_t n_views = 0;
  std::vector<Checked> slots; // one a column that is read
  std::vector<NumberView> numbers;
  std::vector<BinView> bins;
  std::vector<std::vector<CategoryView>> categories; // by slot
};

// Rows being made: values go in by slot and row, texts as the numbers that their views give them.
class Made {
public:
  Made(const Views &views) : views(views) {}

  // False if these are too many rows, or other ones than those of the columns before.
  bool takes(int64_t rows) {
    if (n_rows) return rows == n_rows;
    const int64_t n_slots = static_cast<int64_t>(views.slots.size());
    if (rows < 1 || rows > kMostFrameRows || rows * n_slots > kMostNumbers || rows * views.n_views > kMostViews) return false;
    n_rows = rows;
    return true;
  }

  void put_number(int slot, int64_t row, double value) { numbers[slot * n_rows + row] = value; }

  // A text or what stands for one; false if the steps have to be asked, or if it is of a class that may run code of its own.
  bool put_text(int slot, int64_t row, PyObject *value) {
    for (const CategoryView &view : views.categories[slot]) {
      int code;
      if (value == Py_None) {
        code = view.none;
      } else if (PyUnicode_CheckExact(value)) {
        PyObject *const known = PyDict_GetItemWithError(view.codes, value);
        if (!known && PyErr_Occurred()) return false;
        code = known ? static_cast<int>(PyLong_AsLong(known)) : view.unknown;
      } else {
        if (!PyFloat_CheckExact(value) || !std::isnan(PyFloat_AsDouble(value))) return false;
        code = view.nan;
      }
      if (!put_code(view, row, code)) return false;
    }
    return true;
  }

  // What is missing beside texts and is NaN to the steps.
  bool put_missing_text(int slot, int64_t row) {
    for (const CategoryView &view : views.categories[slot])
      if (!put_code(view, row, view.nan)) return false;
    return true;
  }

  // The views of the numbers, once all values are in; false if the steps have to be asked.
  bool finish() {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const int64_t n_slots = static_cast<int64_t>(views.slots.size());
    for (int64_t slot = 0; slot < n_slots; slot++) {
      const Checked &checked = views.slots[slot];
      if (!checked.is_numeric) continue;
      for (int64_t row = 0; row < n_rows; row++) {
        const double value = numbers[slot * n_rows + row];
        if (std::isnan(value) ? !checked.takes_missing : !(value >= checked.low && value <= checked.high)) return false;
      }
    }
    for (const NumberView &view : views.numbers)
      for (int64_t row = 0; row < n_rows; row++) {
        double value = numbers[view.slot * n_rows + row];
        if (std::isnan(value)) value = view.fill;
        made[row * views.n_views + view.at] = view.low <= value && value < view.high ? nan : value;
      }
    for (const BinView &view : views.bins)
      for (int64_t row = 0; row < n_rows; row++) {
        const double value = numbers[view.slot * n_rows + row];
        const int64_t bin = std::upper_bound(view.breaks, view.breaks + view.n_breaks, value) - view.breaks;
        if (!std::isnan(value) && view.refused && view.refused[bin]) return false;
        made[row * views.n_views + view.at] = std::isnan(value) ? nan : static_cast<double>(bin);
      }
    for (const std::vector<CategoryView> &of_slot : views.categories)
      for (const CategoryView &view : of_slot)
        if (!view.all_missing && is_all_missing(view)) return false;
    return true;
  }

  // The numbers of all rows, in place, as float32.
  void narrow() {
    float *const narrow = reinterpret_cast<float *>(made);
    for (int64_t i = 0; i < n_rows * views.n_views; i++) {
      const float value = static_cast<float>(made[i]);
      std::memcpy(narrow + i, &value, sizeof(float)); // behind which no number is left that has not been read
    }
  }

  int64_t n_rows = 0;
  const void *data() const { return made; }

private:
  bool put_code(const CategoryView &view, int64_t row, int code) {
    if (code < 0) return false;
    made[row * views.n_views + view.at] = code;
    return true;
  }

  bool is_all_missing(const CategoryView &view) const {
    for (int64_t row = 0; row < n_rows; row++) {
      const double code = made[row * views.n_views + view.at];
      if (code != view.nan && code != view.none) return false;
    }
    return true;
  }

  const Views &views;
  double numbers[kMostNumbers];
  double made[kMostViews];
};

} // namespace sktensor
