// Whether tables of codes hold together, so that kernels need not ask.
#include "check.h"
#include "sktensor.h"

namespace {

constexpr int64_t kMostSlots = 65536;

int32_t check_numbers(const skt_codes &t) {
  if (t.n_base_slots < 16 || t.n_base_slots % 16 || t.n_slots < t.n_base_slots || t.n_slots % t.n_base_slots || t.n_slots > kMostSlots)
    return kSlots;
  if (t.n_codes < 0 || t.n_codes > t.n_slots) return kCodesMissing;
  if (t.n_codes && (!t.code_column || !t.code_slot || !t.code_nan || (t.code_has_zero && !t.code_zero))) return kCodesMissing;
  if (!(t.zero_limit >= 0)) return kCodesMissing;
  int32_t base = 0; // codes in base slots: the first ones, since slots ascend
  for (int32_t c = 0; c < t.n_codes; c++) {
    if (!is_column(t.code_column[c], t.n_columns)) return kCodeColumn;
    if (t.code_slot[c] < 0 || t.code_slot[c] >= t.n_slots || (c && t.code_slot[c] <= t.code_slot[c - 1])) return kCodeSlot;
    if (t.code_slot[c] < t.n_base_slots) base = c + 1;
  }
  for (int32_t c = base, b = 0; c < t.n_codes; c++) { // both ascend, except that a further run of variants begins anew
    const int32_t slot = t.code_slot[c] % t.n_base_slots;
    if (b >= base || t.code_slot[b] > slot) b = 0;
    while (b < base && t.code_slot[b] < slot) b++;
    if (b >= base || t.code_slot[b] != slot || t.code_column[b] != t.code_column[c]) return kVariant;
  }
  return kFine;
}

int32_t check_thresholds(const skt_codes &t) {
  if (!t.thresholds) return kFine;
  if (t.n_thresholds < 0 || t.n_thresholds > INT32_MAX || !ascends(t.code_first, t.n_codes, 0, t.n_thresholds)) return kThresholds;
  for (int32_t c = 0; c < t.n_codes; c++)
    for (int64_t i = t.code_first[c]; i < t.code_first[c + 1]; i++) {
      const bool first = i == t.code_first[c];
      if (!(first ? t.thresholds[i] == t.thresholds[i] : t.thresholds[i] > t.thresholds[i - 1])) return kThresholds;
    }
  return kFine;
}

int32_t check_categories(const skt_codes &t) {
  if (t.n_category_codes < 0) return kCategoryTables;
  if (t.n_category_codes == 0) return kFine;
  if (!t.category_column || !t.category_slot || !t.category_count || !t.category_first || !t.answers || t.n_answers < 0) return kCategoryTables;
  if (!category_limit_fits(t.category_limit)) return kCategoryTables;
  int32_t highest = -1; // base slot of a numeric code
  for (int32_t c = 0; c < t.n_codes && t.code_slot[c] < t.n_base_slots; c++) highest = t.code_slot[c];
  for (int32_t g = 0; g < t.n_category_codes; g++) {
    if (!is_column(t.category_column[g], t.n_columns)) return kCategoryColumn;
    if (t.category_slot[g] <= highest || t.category_slot[g] >= t.n_base_slots) return kCategorySlot;
    highest = t.category_slot[g];
    if (!answers_fit(t.category_first[g], t.category_count[g], 1, t.n_answers)) return kAnswers;
  }
  for (int64_t i = 0; i < t.n_answers; i++)
    if (t.answers[i] > 1) return kAnswers;
  return kFine;
}

bool all_aligned(const skt_codes &t) {
  return aligned(t.code_column, t.code_slot, t.code_nan, t.code_zero, t.thresholds, t.code_first) &&
         aligned(t.category_column, t.category_slot, t.category_count, t.category_first);
}

} // namespace

int32_t check_codes(const skt_codes &t) {
  int32_t error = all_aligned(t) ? kFine : kMisaligned;
  if (!error) error = check_numbers(t);
  if (!error) error = check_thresholds(t);
  if (!error) error = check_categories(t);
  return error;
}

const char *codes_message(int32_t error) {
  switch (error) {
    case kCodesMissing: return "codes are missing or too many";
    case kCodeColumn: return "the column of a code is out of range";
    case kSlots: return "the numbers of slots do not agree";
    case kCodeSlot: return "the slot of a code is out of range or out of order";
    case kVariant: return "a slot beyond the base slots is of another column than its base slot";
    case kThresholds: return "thresholds are missing, out of range or out of order";
    case kCategoryTables: return "tables of categories are missing";
    case kCategoryColumn: return "the column of a question about categories is out of range";
    case kCategorySlot: return "the slot of a question about categories is out of range or out of order";
    case kAnswers: return "answers about categories are out of range";
    default: return nullptr;
  }
}
