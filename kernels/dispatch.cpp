// The functions of the C ABI: the choice of an instruction set, and of threads.
#include "check.h"
#include "cityhash.h"
#include "float_mode.h"
#include "shap_direct.h"
#include "sktensor.h"
#include "threads.h"
#include "walk.h"

#define SKT_DECLARE(ISA)                                                                                                               \
  namespace ISA {                                                                                                                      \
  void bitsliced_sums(const skt_bitsliced &, const skt_rows &, int32_t features, int64_t first, int64_t last, void *out, Scratch &);    \
  void traversal_sums(const skt_traversal &, const skt_rows &, int32_t features, int64_t first, int64_t last, void *out, Scratch &);    \
  void traversal_leaves(const skt_traversal &, const skt_rows &, int32_t features, int64_t first, int64_t last, const int32_t *trees,   \
                        int32_t *out, Scratch &);                                                                                      \
  void shap_values(const skt_shap &, const skt_rows &, int32_t features, int64_t first, int64_t last, double *out, Scratch &);          \
  void shap_of_few(const skt_shap &, const skt_rows &, int32_t features, int64_t first, int64_t last, double *out, Scratch &);          \
  void shap_decisions(const skt_shap &, const skt_rows &, int32_t features, int64_t first, int64_t last, uint8_t *out, Scratch &);      \
  void lookup_values(const skt_lookup &, const skt_rows &, int32_t features, int64_t first, int64_t last, double *out, Scratch &);      \
  void shap_pairs(const skt_shap &, const skt_rows &, int32_t features, int64_t first, int64_t last, double *out, Scratch &);           \
  bool all_finite(const skt_rows &, int32_t features, int64_t first, int64_t last);                                                    \
  int32_t gather(const skt_csr &, const skt_dense &, int64_t first, int64_t n, bool clear);                                                  \
  int32_t gather_columns(const skt_csr &, const skt_dense &, const int64_t *column, int64_t *next, int64_t first, int64_t n);               \
  bool indices_ascend(const skt_csr &);                                                                                                \
  void derive(const skt_keys &, const skt_rows &, const uint64_t *const *hashes, int64_t first, int64_t n, int64_t begin, int64_t end, float *out); \
  void sigmoid32(const skt_expf &, const float *raw, int64_t first, int64_t last, float *out);                                         \
  void sigmoid64(const double *raw, int64_t first, int64_t last, double factor, double *out);                                          \
  void softmax32(const skt_expf &, const float *raw, int64_t first, int64_t last, int64_t n_classes, float *out, Scratch &);           \
  void softmax64(const double *raw, int64_t first, int64_t last, int64_t n_classes, double *out);                                       \
  }

SKT_DECLARE(baseline)
#if defined(SKT_X86)
SKT_DECLARE(avx2)
SKT_DECLARE(avx512)
#endif

namespace {

// Rows that a thread takes on at once. Circuits read them block by block; walkers meet each tree's nodes in the cache.
constexpr int64_t kCircuitRows = 1024;
constexpr int64_t kWalkRows = 4096;
constexpr int64_t kWalkLeast = 2048; // rows that take a tree into the cache together, where there are so many
constexpr int64_t kKeyRows = 1024;
constexpr int64_t kFewRows = 2; // up to here, nodes in lanes are faster than rows
constexpr int64_t kDirectLeast = 4;
constexpr int64_t kShapRows = 4096, kShapLeast = 64; // a row of SHAP values takes as long as a hundred predictions

// The least number of float32 exponentials for each thread: they are over before another one is awake otherwise.
constexpr int64_t kLinksAtOnce = 1 << 14;
constexpr int64_t kFloat64 = 4; // exponentials of float32 take as long as one of float64

// A call of the instruction set's function: a macro, since namespaces cannot be passed on.
#if defined(SKT_X86)
#define SKT_WITH(ISA, FUNCTION, ...) \
  ((ISA) == SKT_AVX512 ? avx512::FUNCTION(__VA_ARGS__) : (ISA) == SKT_AVX2 ? avx2::FUNCTION(__VA_ARGS__) : baseline::FUNCTION(__VA_ARGS__))
#else
#define SKT_WITH(ISA, FUNCTION, ...) (static_cast<void>(ISA), baseline::FUNCTION(__VA_ARGS__))
#endif

int32_t check_isa(int32_t isa) { return isa < 0 || isa > skt_best_isa() ? kNoSuchIsa : kFine; }

// Whether rows can be read.
int32_t check_rows(const skt_rows *rows, int32_t features, int32_t isa) {
  if (!rows || rows->n_rows < 0 || rows->n_columns < 0 || (rows->n_rows && rows->n_columns && !rows->data && !rows->columns)) return kNoRows;
  if (!aligned(rows->columns)) return kMisaligned;
  if (features != SKT_FLOAT32 && features != SKT_FLOAT64) return kDtype;
  if (rows->columns) {
    for (int64_t c = 0; c < rows->n_columns; c++)
      if (rows->columns[c].dtype != SKT_FLOAT32 && rows->columns[c].dtype != SKT_FLOAT64) return kDtype;
  } else if (rows->dtype != SKT_FLOAT32 && rows->dtype != SKT_FLOAT64) {
    return kDtype;
  }
  return check_isa(isa);
}

// Whether tables for so many columns can be run on rows, with answers of `item` bytes each.
int32_t check_call(const skt_rows *rows, int64_t n_columns, const void *out, uintptr_t item, int32_t features, int32_t isa) {
  if (const int32_t error = check_rows(rows, features, isa)) return error;
  if (rows->n_columns != n_columns) return kWidth;
  if (rows->n_rows && !out) return kNoRows;
  return reinterpret_cast<uintptr_t>(out) % item ? kMisaligned : kFine;
}

uintptr_t item_of(const skt_sum &sum) { return sum.acc_dtype == SKT_FLOAT32 ? 4 : 8; }

// Whether so many raw scores can be turned into probabilities; `table` is what else is read.
template <class Value>
int32_t check_link(const Value *raw, const Value *out, int64_t n, int64_t n_classes, int32_t isa, const void *table) {
  if (n < 0 || (n && (!raw || !out || !table))) return kNoRows;
  if (n_classes < 1) return kOutputs;
  if (!aligned(raw, out) || !aligned(static_cast<const double *>(table))) return kMisaligned;
  return check_isa(isa);
}

// Whether entries of a matrix can be read, and a block be written to.
int32_t check_gathered(const skt_csr &x, const skt_dense &block) {
  if (!x.indptr || x.n_columns < 0 || x.n_entries < 0 || (x.n_entries && (!x.indices || !x.values))) return kNoRows;
  if (block.n_places < 0 || (block.n_places && !block.values) || block.row_step < 0 || block.place_step < 0) return kNoRows;
  if (x.dtype != SKT_FLOAT32 && x.dtype != SKT_FLOAT64) return kDtype;
  if (block.dtype != SKT_FLOAT32 && block.dtype != SKT_FLOAT64) return kDtype;
  if (x.index_bytes != 4 && x.index_bytes != 8) return kDtype;
  return aligned_as(block.dtype, block.values) ? kFine : kMisaligned;
}

// Whether circuits know what to compare such features with.
bool has_thresholds(const skt_bitsliced &tables, int32_t features) { return features != SKT_FLOAT64 || !tables.n_searches || tables.thresholds64; }

bool has_thresholds(const skt_traversal &tables, int32_t features) {
  return std::all_of(tables.tops, tables.tops + tables.n_tops, [&](const skt_bitsliced &top) { return has_thresholds(top, features); });
}

// Runs run(first, last, scratch) on all rows, or finds that they are not what they must be.
template <class Run>
int32_t for_rows(const skt_rows &rows, int32_t features, bool look, const Lengths &lengths, int32_t n_threads, int32_t isa, Run run) {
  return in_ranges(rows.n_rows, lengths, n_threads, kNoMemory, [&](int64_t first, int64_t last, Scratch &scratch) -> int32_t {
    if (look && rows.must_be_finite && !SKT_WITH(isa, all_finite, rows, features, first, last)) return kNotFinite;
    run(first, last, scratch);
    return kFine;
  });
}

// Of rows that pass tree by tree: each range brings all trees into the cache once more, so that there are few, and none is short.
Lengths walk_lengths(int64_t n, int32_t n_threads) {
  return {std::clamp(n / std::max(n_threads, 1) / kLeastRows * kLeastRows, kLeastRows, kWalkLeast), kWalkRows, 1};
}

// Runs run(first, last) on all rows, each few of them as soon as it is known that they are what they must be.
template <class Run>
int32_t for_walked(const skt_rows &rows, int32_t features, bool look, int32_t n_threads, int32_t isa, Run run) {
  const int64_t step = look && rows.must_be_finite ? walk_rows_at_once(rows) : kWalkRows;
  return in_ranges(rows.n_rows, {kLeastRows, kWalkRows}, n_threads, kNoMemory, [&](int64_t first, int64_t last, Scratch &) -> int32_t {
    for (int64_t end; first < last; first = end) {
      end = std::min(last, first + step);
      if (look && rows.must_be_finite && !SKT_WITH(isa, all_finite, rows, features, first, end)) return kNotFinite;
      run(first, end);
    }
    return kFine;
  });
}

// Runs run(first, last, scratch) on all rows of a link.
template <class Run>
int32_t for_links(int64_t n, int64_t n_exponentials, int32_t n_threads, Run run) {
  constexpr int64_t most = 4096;
  const int32_t useful = static_cast<int32_t>(std::min<int64_t>(n_threads, n * n_exponentials / kLinksAtOnce));
  return in_ranges(n, {kLeastRows, most}, useful, kNoMemory, [&](int64_t first, int64_t last, Scratch &scratch) -> int32_t {
    run(first, last, scratch);
    return kFine;
  });
}

} // namespace

int32_t skt_abi(void) { return SKT_ABI; }

int32_t skt_best_isa(void) {
#if defined(SKT_X86)
  __builtin_cpu_init();
  static const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vbmi") &&
                             __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("gfni");
  static const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("bmi");
  return avx512 && avx2 ? SKT_AVX512 : avx2 ? SKT_AVX2 : SKT_BASELINE;
#else
  return SKT_BASELINE;
#endif
}

const char *skt_message(int32_t error) {
  switch (error) {
    case kFine: return "no error";
    case kNoRows: return "there are no rows";
    case kNoMemory: return "out of memory";
    case kNoSuchIsa: return "this processor or this build lacks the instruction set";
    case kNoSuchTree: return "the numbers of trees are missing or out of range";
    case kNotFinite: return "a value is missing or infinite";
    case kWidth: return "the rows have more or fewer columns than the tables were made for";
    case kTooDeep: return "a tree is too deep";
    case kMisaligned: return "an array does not begin at a multiple of its items' size";
  }
  const char *known = error >= 500 ? shap_message(error) : error >= 400 ? walk_message(error) : error >= 200 ? traversal_message(error) : error >= 100 ? bitsliced_message(error) : keys_message(error);
  return known ? known : "unknown error";
}

int32_t skt_check_bitsliced(const skt_bitsliced *tables) {
  const IeeeMode mode;
  return check_bitsliced(*tables);
}

int32_t skt_check_traversal(const skt_traversal *tables) {
  const IeeeMode mode;
  return check_traversal(*tables);
}

int32_t skt_check_walk(const skt_walk *tables) {
  const IeeeMode mode;
  return check_walk(*tables);
}

int32_t skt_run_bitsliced(const skt_bitsliced *tables, const skt_rows *rows, int32_t features, void *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_call(rows, tables->n_columns, out, item_of(tables->sum), features, isa)) return error;
  if (!has_thresholds(*tables, features)) return kSearches;
  if (!tables->value_bytes && isa > SKT_AVX2) isa = SKT_AVX2; // AVX-512 looks values up in registers
  return for_rows(*rows, features, !tables->sum.continues, {kLeastRows, kCircuitRows}, n_threads, isa, [&](int64_t first, int64_t last, Scratch &scratch) {
    SKT_WITH(isa, bitsliced_sums, *tables, *rows, features, first, last, out, scratch);
  });
}

int32_t skt_run_traversal(const skt_traversal *tables, const skt_rows *rows, int32_t features, void *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_call(rows, tables->codes.n_columns, out, item_of(tables->sum), features, isa)) return error;
  if (!has_thresholds(*tables, features)) return kSearches;
  const Lengths lengths = walk_lengths(rows->n_rows, n_threads);
  return for_rows(*rows, features, !tables->sum.continues, lengths, n_threads, isa, [&](int64_t first, int64_t last, Scratch &scratch) {
    SKT_WITH(isa, traversal_sums, *tables, *rows, features, first, last, out, scratch);
  });
}

int32_t skt_leaves(const skt_traversal *tables, const skt_rows *rows, int32_t features, const int32_t *tree_number, int32_t *out, int32_t n_threads,
                   int32_t isa) {
  if (const int32_t error = check_call(rows, tables->codes.n_columns, out, sizeof *out, features, isa)) return error;
  if (!has_thresholds(*tables, features)) return kSearches;
  if (tables->n_trees && !tree_number) return kNoSuchTree;
  if (!aligned(tree_number)) return kMisaligned;
  for (int32_t tree = 0; tree < tables->n_trees; tree++)
    if (tree_number[tree] < 0 || tree_number[tree] >= tables->n_trees) return kNoSuchTree;
  return for_rows(*rows, features, true, walk_lengths(rows->n_rows, n_threads), n_threads, isa, [&](int64_t first, int64_t last, Scratch &scratch) {
    SKT_WITH(isa, traversal_leaves, *tables, *rows, features, first, last, tree_number, out, scratch);
  });
}

int32_t skt_run_walk(const skt_walk *tables, const skt_rows *rows, int32_t features, void *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_call(rows, tables->n_columns, out, item_of(tables->sum), features, isa)) return error;
  return for_walked(*rows, features, !tables->sum.continues, n_threads, isa,
                    [&](int64_t first, int64_t last) { walk_sums(*tables, *rows, features, first, last, out); });
}

int32_t skt_walk_leaves(const skt_walk *tables, const skt_rows *rows, int32_t features, int32_t *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_call(rows, tables->n_columns, out, sizeof *out, features, isa)) return error;
  return for_walked(*rows, features, true, n_threads, isa,
                    [&](int64_t first, int64_t last) { walk_leaves(*tables, *rows, features, first, last, out); });
}

int32_t skt_check_shap(const skt_shap *tables) {
  const IeeeMode mode;
  return check_shap(*tables);
}

int32_t skt_shap_values(const skt_shap *tables, const skt_rows *rows, int32_t features, double *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_call(rows, tables->codes.n_columns, out, sizeof *out, features, isa)) return error;
  return for_rows(*rows, features, true, {kShapLeast, kShapRows}, n_threads, isa, [&](int64_t first, int64_t last, Scratch &scratch) {
    if (rows->n_rows <= kFewRows && tables->flat.n_batches)
      SKT_WITH(isa, shap_of_few, *tables, *rows, features, first, last, out, scratch);
    else
      SKT_WITH(isa, shap_values, *tables, *rows, features, first, last, out, scratch);
  });
}

int32_t skt_shap_pairs(const skt_shap *tables, const skt_rows *rows, int32_t features, double *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_call(rows, tables->codes.n_columns, out, sizeof *out, features, isa)) return error;
  return for_rows(*rows, features, true, {kShapLeast, kShapRows}, n_threads, isa, [&](int64_t first, int64_t last, Scratch &scratch) {
    SKT_WITH(isa, shap_pairs, *tables, *rows, features, first, last, out, scratch);
  });
}

int32_t skt_shap_decisions(const skt_shap *tables, const skt_rows *rows, int32_t features, uint8_t *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_call(rows, tables->codes.n_columns, out, sizeof *out, features, isa)) return error;
  return for_rows(*rows, features, true, {kLeastRows, kShapRows}, n_threads, isa, [&](int64_t first, int64_t last, Scratch &scratch) {
    SKT_WITH(isa, shap_decisions, *tables, *rows, features, first, last, out, scratch);
  });
}

int32_t skt_shap_codes(const skt_shap *tables, const skt_rows *rows, int32_t features, uint32_t *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_call(rows, tables->codes.n_columns, out, sizeof *out, features, isa)) return error;
  return for_rows(*rows, features, true, {kLeastRows, kShapRows}, n_threads, isa,
                  [&](int64_t first, int64_t last, Scratch &) { shap_codes(*tables, *rows, features, first, last, out); });
}

int32_t skt_shap_direct(const skt_shap *tables, const skt_rows *rows, int32_t features, const uint32_t *others, int64_t n_others, double *out,
                        int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_call(rows, tables->codes.n_columns, out, sizeof *out, features, isa)) return error;
  if (n_others < 1 || !others) return kNoRows;
  if (!aligned(others)) return kMisaligned;
  if (!shap_direct_fits(*tables)) return kTooDeep;
  return for_rows(*rows, features, true, {kDirectLeast, kShapLeast}, n_threads, isa, [&](int64_t first, int64_t last, Scratch &scratch) {
    shap_direct(*tables, *rows, features, others, n_others, first, last, out, scratch);
  });
}

int32_t skt_check_lookup(const skt_lookup *tables) {
  const IeeeMode mode;
  return check_lookup(*tables);
}

int32_t skt_lookup_values(const skt_lookup *tables, const skt_rows *rows, int32_t features, double *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_call(rows, tables->codes.n_columns, out, sizeof *out, features, isa)) return error;
  return for_rows(*rows, features, true, {kShapLeast, kShapRows}, n_threads, isa, [&](int64_t first, int64_t last, Scratch &scratch) {
    SKT_WITH(isa, lookup_values, *tables, *rows, features, first, last, out, scratch);
  });
}

int32_t skt_check_keys(const skt_keys *tables) {
  const IeeeMode mode;
  return check_keys(*tables);
}

int32_t skt_derive(const skt_keys *tables, const skt_rows *rows, const uint64_t *const *hashes, int64_t first, int64_t n, float *out, int32_t n_threads,
                   int32_t isa) {
  if (const int32_t error = check_call(rows, tables->n_columns, out, sizeof *out, SKT_FLOAT32, isa)) return error;
  if (first < 0 || n < 0 || first > rows->n_rows - n || (rows->n_columns && !hashes)) return kNoRows;
  if (!aligned(hashes)) return kMisaligned;
  for (int64_t c = 0; c < rows->n_columns; c++)
    if (!aligned(hashes[c])) return kMisaligned;
  for (int32_t p = 0; p < tables->n_parts; p++)
    if ((tables->part_test[p] == SKT_EXCEEDS) == (hashes[tables->part_column[p]] != nullptr)) return kPartColumn;
  return in_ranges(n, {kLeastRows, kKeyRows}, n_threads, kNoMemory, [&](int64_t begin, int64_t end, Scratch &) -> int32_t {
    SKT_WITH(isa, derive, *tables, *rows, hashes, first, n, begin, end, out);
    return kFine;
  });
}

int32_t skt_cityhash64(const char *text, const int64_t *begins, int64_t n, uint64_t *out) {
  if (n < 0 || (n && (!text || !begins || !out))) return kNoRows;
  if (!aligned(begins, out)) return kMisaligned;
  for (int64_t i = 0; i < n; i++) {
    if (begins[i] < 0 || begins[i] > begins[i + 1]) return kNoRows;
    out[i] = cityhash64(text + begins[i], begins[i + 1] - begins[i]);
  }
  return kFine;
}

int32_t skt_all_finite(const skt_rows *rows, int32_t features, int32_t isa) {
  const IeeeMode mode;
  return !check_rows(rows, features, isa) && SKT_WITH(isa, all_finite, *rows, features, 0, rows->n_rows);
}

int32_t skt_gather(const skt_csr *rows, const skt_dense *block, int64_t first, int64_t n, int32_t clear, int32_t isa) {
  if (!rows || !block || first < 0 || n < 0 || rows->n_rows < n || first > rows->n_rows - n || n > block->n_rows) return kNoRows;
  if (!n) return kFine;
  if (!aligned(block->place)) return kMisaligned;
  if (const int32_t error = check_gathered(*rows, *block)) return error;
  if (const int32_t error = check_isa(isa)) return error;
  const IeeeMode mode;
  return SKT_WITH(isa, gather, *rows, *block, first, n, clear != 0);
}

int32_t skt_gather_columns(const skt_csr *x, const skt_dense *block, const int64_t *column, int64_t *next, int64_t first, int64_t n, int32_t isa) {
  if (!x || !block || first < 0 || n < 0 || x->n_columns < n || first > x->n_columns - n || n > block->n_rows) return kNoRows;
  if (!n) return kFine;
  if (x->n_rows < 0 || (block->n_places && !next)) return kNoRows;
  if (!aligned(column, next)) return kMisaligned;
  if (const int32_t error = check_gathered(*x, *block)) return error;
  if (const int32_t error = check_isa(isa)) return error;
  const IeeeMode mode;
  return SKT_WITH(isa, gather_columns, *x, *block, column, next, first, n);
}

int32_t skt_indices_ascend(const skt_csr *rows, int32_t isa) {
  if (!rows || !rows->indptr || rows->n_rows < 0 || rows->n_columns < 0 || rows->n_entries < 0 || (rows->n_entries && !rows->indices)) return 0;
  return (rows->index_bytes == 4 || rows->index_bytes == 8) && !check_isa(isa) && SKT_WITH(isa, indices_ascend, *rows);
}

int32_t skt_sigmoid32(const skt_expf *table, const float *raw, int64_t n, float *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_link(raw, out, n, 1, isa, table)) return error;
  return for_links(n, 1, n_threads, [&](int64_t first, int64_t last, Scratch &) { SKT_WITH(isa, sigmoid32, *table, raw, first, last, out); });
}

int32_t skt_sigmoid64(const double *raw, int64_t n, double factor, double *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_link(raw, out, n, 1, isa, raw)) return error;
  return for_links(n, kFloat64, n_threads, [&](int64_t first, int64_t last, Scratch &) { SKT_WITH(isa, sigmoid64, raw, first, last, factor, out); });
}

int32_t skt_softmax32(const skt_expf *table, const float *raw, int64_t n, int64_t n_classes, float *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_link(raw, out, n, n_classes, isa, table)) return error;
  return for_links(n, n_classes, n_threads, [&](int64_t first, int64_t last, Scratch &scratch) {
    SKT_WITH(isa, softmax32, *table, raw, first, last, n_classes, out, scratch);
  });
}

int32_t skt_softmax64(const double *raw, int64_t n, int64_t n_classes, double *out, int32_t n_threads, int32_t isa) {
  if (const int32_t error = check_link(raw, out, n, n_classes, isa, raw)) return error;
  return for_links(n, kFloat64 * n_classes, n_threads, [&](int64_t first, int64_t last, Scratch &) {
    SKT_WITH(isa, softmax64, raw, first, last, n_classes, out);
  });
}
