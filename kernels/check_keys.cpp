// Whether tables of keys hold together, so that the kernel that looks keys up need not ask.
#include "check.h"
#include "sktensor.h"

namespace {

int32_t check_parts(const skt_keys &t) {
  if (t.n_keys < 0 || t.n_parts < 0 || !ascends(t.key_parts, t.n_keys, 0, t.n_parts)) return kParts;
  if (t.n_parts && (!t.part_column || !t.part_test || !t.part_hash || !t.part_border || !t.part_missing)) return kParts;
  for (int32_t p = 0; p < t.n_parts; p++) {
    if (!is_column(t.part_column[p], t.n_columns)) return kPartColumn;
    if (t.part_test[p] < SKT_HASH || t.part_test[p] > SKT_IS_HASH) return kParts;
  }
  return kFine;
}

// The greatest number in a key's table, or an error below 0: a search ends at an empty place, so there must be one.
int64_t greatest_number(const skt_keys &t, int32_t key) {
  const int64_t bits = t.key_bits[key], first = t.key_places[key];
  if (bits < 1 || bits > 32 || first < 0 || first > t.n_places - (int64_t(1) << bits)) return -1;
  int64_t greatest = 0;
  bool ends = false;
  for (int64_t place = first; place < first + (int64_t(1) << bits); place++) {
    greatest = t.places[place].number > greatest ? t.places[place].number : greatest;
    ends = ends || !t.places[place].is_taken;
  }
  return ends ? greatest : -1;
}

bool all_aligned(const skt_keys &t) {
  return aligned(t.key_parts, t.part_column, t.part_test, t.part_hash, t.part_border, t.places, t.key_places, t.key_bits) &&
         aligned(t.key_columns, t.column, t.column_values, t.values);
}

} // namespace

int32_t check_keys(const skt_keys &t) {
  if (!all_aligned(t)) return kMisaligned;
  if (const int32_t error = check_parts(t)) return error;
  if (t.n_places < 0 || (t.n_keys && (!t.places || !t.key_places || !t.key_bits))) return kPlaces;
  if (t.n_values < 0 || t.n_derived < 0 || !ascends(t.key_columns, t.n_keys, 0, t.n_derived)) return kDerived;
  if (t.n_derived && (!t.column || !t.column_values || !t.values)) return kDerived;
  for (int32_t k = 0; k < t.n_keys; k++) {
    const int64_t greatest = greatest_number(t, k);
    if (greatest < 0) return kPlaces;
    for (int32_t d = t.key_columns[k]; d < t.key_columns[k + 1]; d++) {
      if (t.column[d] < 0 || t.column[d] >= t.n_derived) return kDerived;
      if (t.column_values[d] < 0 || t.column_values[d] > t.n_values - 1 - greatest) return kDerived;
    }
  }
  return kFine;
}

const char *keys_message(int32_t error) {
  switch (error) {
    case kParts: return "the parts of the keys are missing or not in order";
    case kPartColumn: return "a part of a key looks at a column that is not there, or takes hashes for numbers or numbers for hashes";
    case kPlaces: return "the places of the keys are missing, out of range, or all taken";
    case kDerived: return "the derived columns or their values are missing or out of range";
  }
  return nullptr;
}
