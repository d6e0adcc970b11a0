// Predicts rows with tables from a file, as benchmarks/instructions.py writes them, for qemu-user to count the instructions.
//
// Usage: sktensor_predict TABLES ROWS N_ROWS ROWS_A_CALL OUT. ROWS has float32 values, a row after the other; OUT gets the sums over trees.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../sktensor.h"

namespace {

// What stands at the head of the file. Then come the structures' kinds and places, the places of all pointers, and the image: structures and
// arrays as they lie in memory, but that pointers count from the image's begin.
struct Head {
  int64_t n_tables, n_pointers, n_bytes; // of the image
  int64_t n_columns;
  int64_t row_bytes; // of an answer
  int64_t features;
  int64_t has_missing;
  double missing;
  double flush;
};

struct Place {
  int64_t kind; // 0 bitsliced, 1 traversal, 2 walk
  int64_t at;
};

constexpr size_t kAligned = 64;

[[noreturn]] void fail(const std::string &what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

template <class T>
void read(std::FILE *file, T *to, size_t n) {
  if (std::fread(to, sizeof(T), n, file) != n) fail("The file ends too early.");
}

std::FILE *opened(const char *path, const char *mode) {
  if (std::FILE *file = std::fopen(path, mode)) return file;
  fail(std::string("Cannot open ") + path);
}

char *room(size_t bytes) { return static_cast<char *>(std::aligned_alloc(kAligned, (bytes / kAligned + 1) * kAligned)); }

} // namespace

int main(int argc, char **argv) {
  if (argc != 6) fail("Usage: sktensor_predict TABLES ROWS N_ROWS ROWS_A_CALL OUT");
  const int64_t n = std::atoll(argv[3]), at_once = std::atoll(argv[4]);

  std::FILE *file = opened(argv[1], "rb");
  Head head;
  read(file, &head, 1);
  std::vector<Place> structures(head.n_tables);
  read(file, structures.data(), structures.size());
  std::vector<int64_t> pointers(head.n_pointers);
  read(file, pointers.data(), pointers.size());
  char *const image = room(head.n_bytes);
  read(file, image, head.n_bytes);
  std::fclose(file);
  for (const int64_t place : pointers) {
    char *at;
    std::memcpy(&at, image + place, sizeof at);
    at = image + reinterpret_cast<intptr_t>(at);
    std::memcpy(image + place, &at, sizeof at);
  }

  char *const x = room(n * head.n_columns * sizeof(float)), *const out = room(n * head.row_bytes);
  file = opened(argv[2], "rb");
  read(file, x, n * head.n_columns * sizeof(float));
  std::fclose(file);

  skt_rows rows{};
  rows.n_columns = head.n_columns;
  rows.row_stride = head.n_columns * sizeof(float);
  rows.column_stride = sizeof(float);
  rows.dtype = SKT_FLOAT32;
  rows.has_missing = static_cast<int32_t>(head.has_missing);
  rows.missing = head.missing;
  rows.flush = head.flush;
  const int32_t features = static_cast<int32_t>(head.features), isa = std::min<int32_t>(skt_best_isa(), SKT_AVX2);
  for (int64_t first = 0; first < n; first += at_once) {
    rows.data = x + first * rows.row_stride;
    rows.n_rows = std::min(at_once, n - first);
    char *const answers = out + first * head.row_bytes;
    for (const Place &structure : structures) {
      const char *const tables = image + structure.at;
      int32_t error;
      switch (structure.kind) {
        case 0: error = skt_run_bitsliced(reinterpret_cast<const skt_bitsliced *>(tables), &rows, features, answers, 1, isa); break;
        case 1: error = skt_run_traversal(reinterpret_cast<const skt_traversal *>(tables), &rows, features, answers, 1, isa); break;
        default: error = skt_run_walk(reinterpret_cast<const skt_walk *>(tables), &rows, features, answers, 1, isa);
      }
      if (error) fail(skt_message(error));
    }
  }

  file = opened(argv[5], "wb");
  if (std::fwrite(out, head.row_bytes, n, file) != static_cast<size_t>(n) || std::fclose(file)) fail(std::string("Cannot write ") + argv[5]);
  std::printf("%s\n", isa == SKT_AVX2 ? "avx2" : "baseline");
}
