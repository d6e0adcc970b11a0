// Checks of tables, and what is wrong with them.
#pragma once

#include "sktensor.h"

enum : int32_t {
  kFine = 0,
  kNoRows = 1,
  kNoMemory = 2,
  kNoSuchIsa = 3,
  kNoSuchTree = 4,
  kNotFinite = 5,
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

int32_t check_bitsliced(const skt_bitsliced &tables, int64_t n_columns);
const char *bitsliced_message(int32_t error);

int32_t check_keys(const skt_keys &tables, int64_t n_columns);
const char *keys_message(int32_t error);

int32_t check_traversal(const skt_traversal &tables, int64_t n_columns);
const char *traversal_message(int32_t error);
