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
  // 200 and up: traversal tables, numbered in check_traversal.cpp
};

// Whether arrays begin where their items may lie.
template <class... T>
bool aligned(const T *...arrays) {
  return (... && (reinterpret_cast<uintptr_t>(arrays) % alignof(T) == 0));
}

// ... of a dtype of the ABI.
inline bool aligned_as(int32_t dtype, const void *array) { return reinterpret_cast<uintptr_t>(array) % (dtype == SKT_FLOAT32 ? 4 : 8) == 0; }

int32_t check_bitsliced(const skt_bitsliced &tables);
const char *bitsliced_message(int32_t error);

int32_t check_keys(const skt_keys &tables);
const char *keys_message(int32_t error);

int32_t check_traversal(const skt_traversal &tables);
const char *traversal_message(int32_t error);
