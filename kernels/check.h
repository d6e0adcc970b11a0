// Checks of tables, and what is wrong with them.
#pragma once

#include <cstdint>

#include "sktensor.h"

enum : int32_t {
  kFine = 0,
  kNoRows = 1,
  kNoMemory = 2,
  kNoSuchIsa = 3,
  kNoSuchTree = 4,
  kNotFinite = 5,
  kWidth = 6,
  kMisaligned = 7,
  kTooDeep = 8,
  // tables of keys
  kParts = 50,
  kPartColumn,
  kPlaces,
  kDerived,
  // bit-sliced tables
  kOutputs = 100,
  kDtype,
  kSearches,
  kColumn,
  kCodes,
  kPlanes,
  kCategories,
  kPieces,
  kMultiplexers,
  kValues,
  kDemultiplexers,
  // 200 and up: traversal tables, numbered in check_traversal.cpp, and among them codes
  kCodesMissing = 202,
  kCodeColumn,
  kSlots,
  kCodeSlot,
  kVariant,
  kThresholds,
  kCategoryTables,
  kCategoryColumn,
  kCategorySlot,
  kAnswers,
  // 400 and up: walked trees, numbered in walk.cpp
  // 500 and up: tables of SHAP values, numbered in check_shap.cpp
};

// Whether arrays begin where their items may lie.
template <class... T>
bool aligned(const T *...arrays) {
  return (... && (reinterpret_cast<uintptr_t>(arrays) % alignof(T) == 0));
}

// ... of a dtype of the ABI.
inline bool aligned_as(int32_t dtype, const void *array) { return reinterpret_cast<uintptr_t>(array) % (dtype == SKT_FLOAT32 ? 4 : 8) == 0; }

// Whether begins[0] is `first`, none is below the one before (with `rises`, each is above it), and the last is `end`.
template <class T>
bool ascends(const T *begins, int64_t n, int64_t first, int64_t end, bool rises = false) {
  if (!begins || begins[0] != first || begins[n] != end) return false;
  for (int64_t i = 0; i < n; i++)
    if (begins[i + 1] < begins[i] || (rises && begins[i + 1] == begins[i])) return false;
  return true;
}

inline bool is_column(int64_t column, int64_t n_columns) { return column >= 0 && column < n_columns; }

// The error of a sum, by the numbers that its kind of tables has for it.
inline int32_t check_sum(const skt_sum &sum, int32_t wrong_outputs, int32_t wrong_dtype) {
  if (!sum.base || sum.n_outputs < 1 || sum.n_outputs > 1 << 20) return wrong_outputs;
  return sum.acc_dtype == SKT_FLOAT32 || sum.acc_dtype == SKT_FLOAT64 ? kFine : wrong_dtype;
}

// Whether leaves have one value, or one for each output.
inline bool leaf_outputs_fit(int32_t n_leaf_outputs, const skt_sum &sum) { return n_leaf_outputs == 1 || n_leaf_outputs == sum.n_outputs; }

// Whether numbers below the limit are categories that an int32 holds.
inline bool category_limit_fits(double limit) { return limit > 0 && limit <= 2147483648.0; }

// Whether the answers of so many categories, of any other and of a missing value, `width` bytes each, begin and end among all.
inline bool answers_fit(int64_t first, int64_t count, int64_t width, int64_t n_answers) {
  return first >= 0 && count >= 0 && first <= n_answers - (count + 2) * width;
}

int32_t check_bitsliced(const skt_bitsliced &tables);
const char *bitsliced_message(int32_t error);

int32_t check_keys(const skt_keys &tables);
const char *keys_message(int32_t error);

int32_t check_codes(const skt_codes &tables);
const char *codes_message(int32_t error);

int32_t check_traversal(const skt_traversal &tables);
const char *traversal_message(int32_t error);

int32_t check_shap(const skt_shap &tables);
int32_t check_lookup(const skt_lookup &tables);
const char *shap_message(int32_t error);
