// Whether tables hold together, so that the kernel that runs them need not ask.
#include "check.h"
#include "sktensor.h"

namespace {

constexpr int kMostSlots = 65536;

int32_t check_searches(const skt_bitsliced &t) {
  if (t.n_searches < 0 || t.n_codes < 0 || t.n_thresholds < 0) return kSearches;
  if (!ascends(t.search_codes, t.n_searches, 0, t.n_codes)) return kSearches;
  if (!t.search_codes || (t.n_searches && (!t.search_column || !t.search_levels || !t.search_first || !t.thresholds32))) return kSearches;
  for (int32_t s = 0; s < t.n_searches; s++) {
    if (!is_column(t.search_column[s], t.n_columns)) return kColumn;
    if (s && t.search_column[s] < t.search_column[s - 1]) return kColumn;
    if (t.search_levels[s] < 0 || t.search_levels[s] > 8) return kSearches;
    if (t.search_first[s] < 0 || t.search_first[s] > t.n_thresholds - (int64_t(1) << t.search_levels[s])) return kSearches;
    for (int32_t c = t.search_codes[s]; c < t.search_codes[s + 1]; c++) {
      const int32_t most = (1 << t.search_levels[s]) - 1; // the highest rank
      if (t.code_nan[c] > most || t.code_zero[c] < -1 || t.code_zero[c] > most) return kCodes;
      for (int32_t p = t.code_planes[c]; p < t.code_planes[c + 1]; p++)
        if (t.plane_rank[p] >= most) return kPlanes;
    }
  }
  return kFine;
}

int32_t check_codes(const skt_bitsliced &t) {
  if (t.n_codes < 0 || (t.n_codes && (!t.code_nan || !t.code_zero))) return kCodes;
  if (!t.code_planes || t.n_planes < 0 || t.n_planes > kMostSlots - 2) return kPlanes;
  const int32_t numeric = t.code_planes[t.n_codes];
  if (numeric < 0 || numeric > t.n_planes || (numeric && !t.plane_rank)) return kPlanes;
  return ascends(t.code_planes, t.n_codes, 0, numeric) ? kFine : kPlanes;
}

int32_t check_categories(const skt_bitsliced &t) {
  const int32_t g_end = t.n_category_columns, numeric = t.code_planes[t.n_codes];
  if (g_end < 0) return kCategories;
  if (g_end == 0) return numeric == t.n_planes ? kFine : kPlanes;
  if (!t.category_column || !t.category_count || !t.category_bytes || !t.category_first || !t.answers || t.n_answers < 0) return kCategories;
  if (!ascends(t.category_planes, g_end, numeric, t.n_planes)) return kPlanes;
  if (!category_limit_fits(t.category_limit)) return kCategories;
  for (int32_t g = 0; g < g_end; g++) {
    if (!is_column(t.category_column[g], t.n_columns)) return kColumn;
    const int64_t planes = t.category_planes[g + 1] - t.category_planes[g];
    if (t.category_bytes[g] != (planes + 7) / 8) return kCategories;
    if (!answers_fit(t.category_first[g], t.category_count[g], t.category_bytes[g], t.n_answers)) return kCategories;
  }
  return kFine;
}

// Whether rows first .. first + n of `slots`, `width` apart, name in `used` columns what has a slot before the row's own, the first of which is `own`.
bool refer_back(const uint16_t *slots, int64_t first, int64_t n, int64_t width, int64_t used, int64_t own) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < used; k++)
      if (slots[width * (first + i) + k] >= own + i) return false;
  return true;
}

// Whether the demultiplexers of a piece take rows from sides of higher floors or from slots before `own`, and its questions from these alone.
bool routes(const skt_bitsliced &t, int32_t piece, int64_t own) {
  const int32_t *const floor = t.piece_demuxes + SKT_FLOORS * int64_t(piece);
  const int64_t sides = own + SKT_FLOOR_BITS;
  for (int i = 0; i < SKT_FLOORS; i++)
    for (int64_t d = floor[i]; d < floor[i + 1]; d++) {
      const uint16_t *const demux = t.demuxes + SKT_DEMUX * d;
      const int64_t rows = demux[0];
      if (rows >= own && (rows < sides || rows >= sides + SKT_SIDES * (int64_t(floor[i]) - floor[0]))) return false;
      for (int k = 1; k < SKT_DEMUX; k++)
        if (demux[k] >= own) return false;
    }
  return true;
}

int32_t check_pieces(const skt_bitsliced &t) {
  const int64_t own = 2 + int64_t(t.n_planes); // the first slot of what a piece computes
  if (t.n_pieces < 0 || t.n_values < 0 || !t.piece_triples || !t.piece_muxes || !t.piece_demuxes) return kPieces;
  if (t.n_pieces && (!t.piece_bits || !t.piece_code || !t.piece_first || !t.piece_output || !t.values)) return kPieces;
  if (!ascends(t.piece_muxes, t.n_pieces, 0, t.piece_muxes[t.n_pieces])) return kPieces;
  if (!ascends(t.piece_triples, t.n_pieces, 0, t.piece_triples[t.n_pieces])) return kPieces;
  const int64_t n_floors = SKT_FLOORS * int64_t(t.n_pieces);
  if (!ascends(t.piece_demuxes, n_floors, 0, t.piece_demuxes[n_floors])) return kPieces;
  if ((t.piece_muxes[t.n_pieces] && !t.muxes) || (t.piece_triples[t.n_pieces] && !t.triples) || (t.piece_demuxes[n_floors] && !t.demuxes)) return kPieces;
  if (!leaf_outputs_fit(t.n_leaf_outputs, t.sum)) return kOutputs;
  if (t.value_bytes && (reinterpret_cast<uintptr_t>(t.value_bytes) % 64 || !t.piece_bytes || t.n_value_bytes < 0)) return kValues;
  for (int32_t p = 0; p < t.n_pieces; p++) {
    const int64_t n_triples = int64_t(t.piece_triples[p + 1]) - t.piece_triples[p], n_muxes = int64_t(t.piece_muxes[p + 1]) - t.piece_muxes[p];
    const int32_t *const floor = t.piece_demuxes + SKT_FLOORS * int64_t(p);
    const int64_t own_demuxes = int64_t(floor[SKT_FLOORS]) - floor[0], upper = int64_t(floor[SKT_FLOORS - 1]) - floor[0];
    int64_t count = n_triples + n_muxes;
    if (own + count + (own_demuxes ? SKT_FLOOR_BITS + SKT_SIDES * upper : 0) > kMostSlots || own_demuxes > kMostSlots) return kPieces;
    if (!refer_back(t.triples, t.piece_triples[p], n_triples, 8, 7, own)) return kMultiplexers;
    if (!refer_back(t.muxes, t.piece_muxes[p], n_muxes, 3, 3, own + n_triples)) return kMultiplexers;
    if (!routes(t, p, own + count)) return kDemultiplexers;
    if (own_demuxes) count += SKT_FLOOR_BITS;
    if (t.piece_bits[p] < 0 || t.piece_bits[p] > 8) return kPieces;
    for (int bit = 0; bit < 8; bit++) {
      const int64_t slot = t.piece_code[8 * int64_t(p) + bit];
      if (bit < t.piece_bits[p] ? slot >= own + count : slot != 0) return kPieces;
    }
    const int64_t entries = int64_t(1) << t.piece_bits[p];
    if (t.piece_first[p] < 0 || t.piece_first[p] > t.n_values - entries) return kValues;
    if (t.n_leaf_outputs == 1) {
      if (t.piece_output[p] < 0 || t.piece_output[p] >= t.sum.n_outputs) return kOutputs;
      if (p && t.piece_output[p] < t.piece_output[p - 1]) return kOutputs;
    }
    if (t.value_bytes) {
      const int64_t size = (entries < 64 ? 64 : entries) * (t.sum.acc_dtype == SKT_FLOAT32 ? 4 : 8) * t.n_leaf_outputs;
      if (t.piece_bytes[p] < 0 || t.piece_bytes[p] % 64 || t.piece_bytes[p] > t.n_value_bytes - size) return kValues;
    }
  }
  return kFine;
}

bool all_aligned(const skt_bitsliced &t) {
  return aligned(t.search_column, t.search_levels, t.search_first, t.thresholds32, t.thresholds64, t.search_codes, t.code_zero, t.code_planes) &&
         aligned(t.category_column, t.category_count, t.category_bytes, t.category_first, t.category_planes) &&
         aligned(t.triples, t.piece_triples, t.muxes, t.piece_muxes, t.demuxes, t.piece_demuxes, t.piece_bits, t.piece_code, t.piece_first, t.piece_output, t.piece_bytes) &&
         aligned_as(t.sum.acc_dtype, t.values) && aligned_as(t.sum.acc_dtype, t.sum.base);
}

} // namespace

int32_t check_bitsliced(const skt_bitsliced &t) {
  int32_t error = check_sum(t.sum, kOutputs, kDtype);
  if (!error && !all_aligned(t)) error = kMisaligned;
  if (!error) error = check_codes(t);
  if (!error) error = check_searches(t);
  if (!error) error = check_categories(t);
  if (!error) error = check_pieces(t);
  return error;
}

const char *bitsliced_message(int32_t error) {
  switch (error) {
    case kOutputs: return "outputs are out of range or out of order";
    case kDtype: return "a dtype is unknown";
    case kSearches: return "thresholds of a search are missing or out of range";
    case kColumn: return "a column is out of range or out of order";
    case kCodes: return "the code of a missing value or of zero is out of range";
    case kPlanes: return "planes are out of range or out of order";
    case kCategories: return "answers about categories are missing or out of range";
    case kPieces: return "pieces of trees are missing, too large or out of range";
    case kMultiplexers: return "a multiplexer refers to what is not there yet";
    case kDemultiplexers: return "a demultiplexer refers to what is not there yet";
    case kValues: return "values of leaves are missing or out of range";
    default: return nullptr;
  }
}
