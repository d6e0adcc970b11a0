// The C interface with random tables and random rows, in every instruction set and with several threads.
//
// What valid tables give is held bit for bit against a slow evaluator of the same tables. Damaged tables are refused by skt_check_*, or are
// run and stay within their arrays, which lie between pages that may not be touched.
//
// Usage: sktensor_fuzz [--seconds N] [--cases N] [--seed S]. Case i has the seed S + i; what failed is repeated by --seed S --cases 1.
#include <sys/wait.h>

#include <chrono>
#include <map>

#include "bitsliced.h"
#include "gather.h"
#include "keys.h"
#include "links.h"
#include "lookup.h"
#include "shap.h"
#include "traversal.h"
#include "walk.h"

namespace {

constexpr int32_t kNumbers = 600; // of errors, and more
constexpr int32_t kMisaligned = 7;

// What the process that runs the cases tells the one that watches it.
struct Progress {
  uint64_t seed;
  int64_t valid, damaged, accepted, calls, links, keys, matrices, shap;
  int64_t refused[kNumbers]; // by number
};

Progress *progress;

[[noreturn]] void fail(const char *what) {
  std::fprintf(stderr, "%s\n", what);
  std::fflush(stderr);
  _exit(1);
}

int32_t check(const BitslicedTables &tables) { return skt_check_bitsliced(&tables.t); }
int32_t check(const TraversalTables &tables) { return skt_check_traversal(&tables.t); }
int32_t check(const WalkTables &tables) { return skt_check_walk(&tables.t); }

int32_t run(const BitslicedTables &tables, const Rows &x, int32_t features, void *out, int32_t n_threads, int32_t isa) {
  return skt_run_bitsliced(&tables.t, &x.rows, features, out, n_threads, isa);
}
int32_t run(const TraversalTables &tables, const Rows &x, int32_t features, void *out, int32_t n_threads, int32_t isa) {
  return skt_run_traversal(&tables.t, &x.rows, features, out, n_threads, isa);
}
int32_t run(const WalkTables &tables, const Rows &x, int32_t features, void *out, int32_t n_threads, int32_t isa) {
  return skt_run_walk(&tables.t, &x.rows, features, out, n_threads, isa);
}

// Bits, except that one NaN is as good as another.
template <class T>
bool same(const T *a, const T *b, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (std::memcmp(a + i, b + i, sizeof(T)) && !(a[i] != a[i] && b[i] != b[i])) return false;
  return true;
}

template <class Acc, class Tables>
void compare_sums(Random &random, Room &room, const Tables &tables, const Rows &x) {
  const int64_t n = x.rows.n_rows * tables.t.sum.n_outputs;
  std::vector<Acc> before, expected;
  for (int64_t i = 0; i < n; i++) before.push_back(static_cast<Acc>(random.normal()));
  expected = before;
  if (tables.features == SKT_FLOAT32)
    tables.template evaluate<float>(x, expected.data());
  else
    tables.template evaluate<double>(x, expected.data());
  for (int32_t isa = 0; isa <= skt_best_isa(); isa++) {
    Acc *const out = room.copy(random, before);
    const int32_t n_threads = static_cast<int32_t>(random.from(1, 3));
    if (const int32_t error = run(tables, x, tables.features, out, n_threads, isa)) fail(skt_message(error));
    progress->calls++;
    if (!same(out, expected.data(), n)) {
      int64_t i = 0;
      while (same(out + i, expected.data() + i, 1)) i++;
      std::fprintf(stderr, "%s, instruction set %d, %d threads, %lld rows: sum %lld of row %lld is %.17g, not %.17g\n", Tables::name, isa, n_threads,
                   static_cast<long long>(x.rows.n_rows), static_cast<long long>(i % tables.t.sum.n_outputs),
                   static_cast<long long>(i / tables.t.sum.n_outputs), static_cast<double>(out[i]), static_cast<double>(expected[i]));
      fail("a kernel and the evaluator differ");
    }
  }
}

void compare_leaves(Random &, Room &, const BitslicedTables &, const Rows &) {}

void compare_leaves(Random &random, Room &room, const TraversalTables &tables, const Rows &x) {
  const int64_t n = x.rows.n_rows * tables.t.n_trees;
  std::vector<int32_t> tree_number(tables.t.n_trees), expected(n);
  for (int32_t tree = 0; tree < tables.t.n_trees; tree++) tree_number[tree] = tree;
  for (int32_t tree = 1; tree < tables.t.n_trees; tree++) std::swap(tree_number[tree], tree_number[random.from(0, tree)]);
  tables.leaves(x, tree_number, expected);
  const int32_t *const placed = room.copy(random, tree_number);
  for (int32_t isa = 0; isa <= skt_best_isa(); isa++) {
    int32_t *const out = room.copy(random, std::vector<int32_t>(n, -7));
    if (const int32_t error = skt_leaves(&tables.t, &x.rows, tables.features, placed, out, static_cast<int32_t>(random.from(1, 3)), isa))
      fail(skt_message(error));
    progress->calls++;
    if (n && std::memcmp(out, expected.data(), n * sizeof *out)) fail("a kernel and the evaluator find other leaves");
  }
}

void compare_leaves(Random &random, Room &room, const WalkTables &tables, const Rows &x) {
  const int64_t n = x.rows.n_rows * tables.t.n_trees;
  const std::vector<int32_t> expected = tables.leaves(x);
  for (int32_t isa = 0; isa <= skt_best_isa(); isa++) {
    int32_t *const out = room.copy(random, std::vector<int32_t>(n, -7));
    if (const int32_t error = skt_walk_leaves(&tables.t, &x.rows, tables.features, out, static_cast<int32_t>(random.from(1, 3)), isa)) fail(skt_message(error));
    progress->calls++;
    if (n && std::memcmp(out, expected.data(), n * sizeof *out)) fail("walking and the evaluator find other leaves");
  }
}

void compare_finite(const Rows &x) {
  for (const int32_t features : {SKT_FLOAT32, SKT_FLOAT64})
    for (int32_t isa = 0; isa <= skt_best_isa(); isa++)
      if (skt_all_finite(&x.rows, features, isa) != finite(x, features)) fail("skt_all_finite is wrong");
}

// Rows that must be finite are summed if they are, and refused if not.
template <class Tables>
void compare_refusals(Random &random, Room &room, const Tables &tables, const Rows &x) {
  if (tables.t.sum.continues || !x.rows.n_rows) return; // looked at before, or not at all
  Rows strict = x;
  strict.rows.must_be_finite = 1;
  const int32_t expected = finite(x, tables.features) ? 0 : 5; // "a value is missing or infinite"
  for (int32_t isa = 0; isa <= skt_best_isa(); isa++) {
    char *const out = room.place(random, bytes_of(tables.t.sum, x.rows.n_rows, tables.t.sum.n_outputs), item_of(tables.t.sum));
    if (run(tables, strict, tables.features, out, static_cast<int32_t>(random.from(1, 3)), isa) != expected) fail("finite rows are refused, or others taken");
    progress->calls++;
  }
}

// Sums do not go where their items may not lie, and columns are not read there.
template <class Tables>
void compare_alignment(Random &random, Room &room, const Tables &tables, const Rows &x) {
  const int64_t item = item_of(tables.t.sum);
  char *const out = room.place(random, bytes_of(tables.t.sum, x.rows.n_rows, tables.t.sum.n_outputs) + item, item) + random.from(1, item - 1);
  if (run(tables, x, tables.features, out, 1, 0) != kMisaligned) fail("sums go where their items may not lie");
  if (!x.rows.columns) return;
  Rows shifted = x;
  const size_t bytes = x.columns.size() * sizeof(skt_column);
  char *const columns = room.place(random, bytes + 8, 8) + random.from(1, 7);
  std::memcpy(columns, x.columns.data(), bytes);
  shifted.rows.columns = reinterpret_cast<const skt_column *>(columns);
  if (run(tables, shifted, tables.features, room.place(random, 8, 8), 1, 0) != kMisaligned) fail("columns are read where they may not lie");
}

template <class Tables>
void valid_case(Random &random, Room &room) {
  Tables tables(random);
  const Rows x = random_rows(random, room, tables.thresholds, tables.widest_rows);
  place(random, room, tables);
  if (const int32_t error = check(tables)) {
    std::fprintf(stderr, "refused: %s\n", skt_message(error));
    fail("tables that hold together are refused");
  }
  if (tables.t.sum.acc_dtype == SKT_FLOAT32)
    compare_sums<float>(random, room, tables, x);
  else
    compare_sums<double>(random, room, tables, x);
  compare_leaves(random, room, tables, x);
  compare_finite(x);
  compare_refusals(random, room, tables, x);
  compare_alignment(random, room, tables, x);
  progress->valid++;
}

void leaves_of_damaged(Random &, Room &, const BitslicedTables &, const Rows &, int32_t) {}

void leaves_of_damaged(Random &random, Room &room, const TraversalTables &tables, const Rows &x, int32_t isa) {
  std::vector<int32_t> tree_number(tables.t.n_trees);
  for (int32_t tree = 0; tree < tables.t.n_trees; tree++) tree_number[tree] = tree;
  if (!tree_number.empty() && random.once_in(3)) spoil(random, random.one_of(tree_number) == 0 ? tree_number.front() : tree_number.back());
  const size_t bytes = sizeof(int32_t) * x.rows.n_rows * tables.t.n_trees;
  int32_t *const out = reinterpret_cast<int32_t *>(room.place(random, bytes, sizeof(int32_t)));
  skt_leaves(&tables.t, &x.rows, tables.features, room.copy(random, tree_number), out, 2, isa);
}

void leaves_of_damaged(Random &random, Room &room, const WalkTables &tables, const Rows &x, int32_t isa) {
  const size_t bytes = sizeof(int32_t) * x.rows.n_rows * tables.t.n_trees;
  int32_t *const out = reinterpret_cast<int32_t *>(room.place(random, bytes, sizeof(int32_t)));
  skt_walk_leaves(&tables.t, &x.rows, tables.features, out, 2, isa);
}

template <class Tables>
void damaged_case(Random &random, Room &room) {
  Tables tables(random);
  const Rows x = random_rows(random, room, tables.thresholds, tables.widest_rows);
  const bool misaligned = place_damaged(random, room, tables);
  progress->damaged++;
  if (const int32_t error = check(tables)) {
    if (error < 0 || error >= kNumbers || !std::strcmp(skt_message(error), "unknown error")) fail("a refusal without words");
    progress->refused[error]++;
    return;
  }
  if (misaligned) std::fprintf(stderr, "%s: ", Tables::name), fail("an array that lies where its items may not is taken");
  progress->accepted++;
  for (int32_t isa = 0; isa <= skt_best_isa(); isa++) {
    const size_t bytes = bytes_of(tables.t.sum, x.rows.n_rows, tables.t.sum.n_outputs);
    char *const out = room.place(random, bytes, item_of(tables.t.sum));
    std::memset(out, 0, bytes);
    const int32_t features = random.once_in(4) ? static_cast<int32_t>(random.below(2)) : tables.features;
    run(tables, x, features, out, static_cast<int32_t>(random.from(1, 3)), isa);
    leaves_of_damaged(random, room, tables, x, isa);
    progress->calls++;
  }
}

void one_case(uint64_t seed, Room &room) {
  Random random(seed);
  room.clear();
  switch (random.below(15)) {
    case 0: valid_case<BitslicedTables>(random, room); break;
    case 1: damaged_case<BitslicedTables>(random, room); break;
    case 2: valid_case<TraversalTables>(random, room); break;
    case 3: damaged_case<TraversalTables>(random, room); break;
    case 4: valid_case<WalkTables>(random, room); break;
    case 5: damaged_case<WalkTables>(random, room); break;
    case 6:
    case 7:
      if (const char *const wrong = keys_case(random, room, random.once_in(2))) fail(wrong);
      progress->keys++;
      break;
    case 8:
    case 9: {
      GatherCase matrix(random);
      if (random.once_in(2)) matrix.damage(random);
      if (const char *const wrong = matrix.run(random, room)) fail(wrong);
      progress->matrices++;
      break;
    }
    case 10:
    case 11:
      if (const char *const wrong = shap_case(random, room, random.once_in(2), progress->refused)) fail(wrong);
      progress->shap++;
      break;
    case 12:
      if (const char *const wrong = lookup_case(random, room, random.once_in(2), progress->refused)) fail(wrong);
      progress->shap++;
      break;
    default:
      if (const char *const wrong = links_case(random, room)) fail(wrong);
      progress->links++;
  }
}

void run_cases(uint64_t seed, int64_t n_cases, double seconds) {
  Room room;
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < n_cases; i++) {
    if (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() > seconds) break;
    progress->seed = seed + static_cast<uint64_t>(i);
    one_case(progress->seed, room);
  }
}

void report() {
  std::printf("%lld valid tables as the evaluator says; %lld damaged ones, of which %lld accepted and run within bounds\n",
              static_cast<long long>(progress->valid), static_cast<long long>(progress->damaged), static_cast<long long>(progress->accepted));
  std::printf("%lld links; %lld tables of keys; %lld sparse matrices; %lld tables of SHAP values; %lld calls of kernels for trees\n",
              static_cast<long long>(progress->links), static_cast<long long>(progress->keys), static_cast<long long>(progress->matrices),
              static_cast<long long>(progress->shap), static_cast<long long>(progress->calls));
  for (int32_t error = 0; error < kNumbers; error++)
    if (progress->refused[error]) std::printf("refused %6lld: %3d, %s\n", static_cast<long long>(progress->refused[error]), error, skt_message(error));
  std::fflush(stdout);
}

} // namespace

int main(int argc, char **argv) {
  uint64_t seed = 1;
  int64_t n_cases = INT64_MAX;
  double seconds = 1e9;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!std::strcmp(argv[i], "--seconds")) seconds = std::strtod(argv[i + 1], nullptr);
    if (!std::strcmp(argv[i], "--cases")) n_cases = std::strtoll(argv[i + 1], nullptr, 10);
    if (!std::strcmp(argv[i], "--seed")) seed = std::strtoull(argv[i + 1], nullptr, 10);
  }
  // The cases run in a process of their own, so that whatever ends it leaves word of its seed.
  void *const shared = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 2;
  progress = static_cast<Progress *>(shared);
  const pid_t child = fork();
  if (child < 0) return 2;
  if (child == 0) {
    run_cases(seed, n_cases, seconds);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  report();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  if (WIFSIGNALED(status)) std::fprintf(stderr, "ended by signal %d, %s\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
  std::fprintf(stderr, "FAILED: repeat it with --seed %llu --cases 1\n", static_cast<unsigned long long>(progress->seed));
  return 1;
}
