// For the fuzzer: what the kernels of SHAP values have in common, those that walk trees and those that look values up.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "memory.h"

using Numbers = std::vector<double>;

// Whether an answer is small enough for a place of its own, and for the sums of 64 rows beside it.
template <class T>
bool is_small(const T &t, int64_t n_rows, int64_t width) {
  const double sums = double(t.n_players) * t.n_outputs * width * 8;
  return sums * 64 < 4e6 && sums * double(n_rows) < 8e6;
}

template <class T>
double *place_for(Random &random, Room &room, int64_t n) {
  return reinterpret_cast<T *>(room.place(random, n * sizeof(T), sizeof(T)));
}

inline bool same_numbers(const double *a, const Numbers &b) {
  for (size_t i = 0; i < b.size(); i++)
    if (std::memcmp(a + i, &b[i], sizeof(double)) && !(std::isnan(a[i]) && std::isnan(b[i]))) return false;
  return true;
}
