// For the fuzzer: probabilities from raw scores, held against the same formulas one number at a time.
#pragma once

#include "memory.h"
#include "../sktensor.h"

namespace fuzz_links {

// The header's expf with the table at hand, whose numbers need not be those of the C library.
inline float exponential(const skt_expf &t, float x) {
  if (std::isnan(x)) return x;
  const double scaled = std::fmin(std::fmax(x, -110.0), 100.0) * t.scale, whole = std::nearbyint(scaled), rest = scaled - whole;
  const int64_t steps = static_cast<int64_t>(whole), index = ((steps % 32) + 32) % 32;
  const double power = t.power[index] * std::ldexp(1.0, static_cast<int>((steps - index) / 32));
  return static_cast<float>(((t.cubic[0] * rest + t.cubic[1]) * (rest * rest) + (t.cubic[2] * rest + 1.0)) * power);
}

template <class T>
std::vector<T> scores(Random &random, int64_t n) {
  std::vector<T> found;
  for (int64_t i = 0; i < n; i++) {
    double x = random.once_in(3) ? random.value() : 40 * random.normal();
    if (random.once_in(20)) x = random.one_of({double(NAN), HUGE_VAL, -HUGE_VAL, 88.7, -88.7, 710.0, -710.0, 104.0, -104.0});
    found.push_back(static_cast<T>(x));
  }
  return found;
}

template <class T>
bool equal(const T *a, const std::vector<T> &b) {
  for (size_t i = 0; i < b.size(); i++)
    if (std::memcmp(a + i, &b[i], sizeof(T)) && !(std::isnan(a[i]) && std::isnan(b[i]))) return false;
  return true;
}

} // namespace fuzz_links

// What is wrong, or NULL.
inline const char *links_case(Random &random, Room &room) {
  using namespace fuzz_links;
  skt_expf table;
  for (int i = 0; i < 32; i++) table.power[i] = std::exp2(i / 32.0);
  for (int i = 0; i < 3; i++) table.cubic[i] = random.normal() / (1 << 5 * (3 - i));
  table.scale = 32 / std::log(2.0);
  const int64_t n = random.below(300), classes = random.from(1, 150);
  const double factor = random.one_of({1.0, 0.3, -2.0});

  const std::vector<float> raw32 = scores<float>(random, n), rows = scores<float>(random, n * classes);
  const std::vector<double> raw64 = scores<double>(random, n), wide_rows = scores<double>(random, n * classes);
  std::vector<float> two32, several = rows;
  std::vector<double> two64, several64 = wide_rows;
  for (const float x : raw32) {
    const float p = 1.0f / (exponential(table, -x > 88.7f ? 88.7f : -x) + 1.0f);
    two32.insert(two32.end(), {1.0f - p, p});
  }
  for (const double x : raw64) {
    const double p = 1.0 / (1.0 + std::exp(-(x * factor)));
    two64.insert(two64.end(), {1.0 - p, p});
  }
  for (int64_t i = 0; i < n; i++) {
    float *const row = several.data() + i * classes;
    float most = row[0];
    double total = 0;
    for (int64_t k = 1; k < classes; k++) most = row[k] > most || std::isnan(row[k]) ? row[k] : most;
    for (int64_t k = 0; k < classes; k++) total += row[k] = exponential(table, row[k] - most);
    for (int64_t k = 0; k < classes; k++) row[k] /= static_cast<float>(total);
  }

  for (int64_t i = 0; i < n; i++) {
    double *const row = several64.data() + i * classes;
    double most = row[0], total = 0;
    for (int64_t k = 1; k < classes; k++) most = most < row[k] || std::isnan(row[k]) ? row[k] : most;
    for (int64_t k = 0; k < classes; k++) total += row[k] = std::exp(row[k] - most);
    for (int64_t k = 0; k < classes; k++) row[k] /= total;
  }

  for (int32_t isa = 0; isa <= skt_best_isa(); isa++) {
    const int32_t n_threads = static_cast<int32_t>(random.from(1, 3));
    float *const out32 = room.copy(random, std::vector<float>(2 * n)), *const out = room.copy(random, std::vector<float>(n * classes));
    double *const out64 = room.copy(random, std::vector<double>(2 * n)), *const wide = room.copy(random, std::vector<double>(n * classes));
    if (skt_sigmoid32(&table, room.copy(random, raw32), n, out32, n_threads, isa) || !equal(out32, two32)) return "skt_sigmoid32 and its formula differ";
    if (skt_sigmoid64(room.copy(random, raw64), n, factor, out64, n_threads, isa) || !equal(out64, two64)) return "skt_sigmoid64 and its formula differ";
    if (skt_softmax32(&table, room.copy(random, rows), n, classes, out, n_threads, isa) || !equal(out, several)) return "skt_softmax32 and its formula differ";
    if (skt_softmax64(room.copy(random, wide_rows), n, classes, wide, n_threads, isa) || !equal(wide, several64)) return "skt_softmax64 and its formula differ";
  }
  return nullptr;
}
