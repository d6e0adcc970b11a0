// From raw scores to probabilities, in the libraries' own arithmetic; the same rules as in outputs.py and exponentials.py.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "sktensor.h"

namespace SKT_ISA {
namespace {

constexpr int kSteps = 32;
constexpr int kBatch = 64;

// 2**(i / 32), and the polynomial, of the C library's expf.
struct Exponential {
  double power[kSteps];
  double a, b, c, scale;
  explicit Exponential(const skt_expf &t) : a(t.cubic[0]), b(t.cubic[1]), c(t.cubic[2]), scale(t.scale) {
    std::memcpy(power, t.power, sizeof power);
  }

  // Of up to kBatch numbers at a time, in loops that compilers vectorise.
  void operator()(const float *x, int n, float *out) const {
    constexpr double kRound = 6755399441055744.0; // 1.5 * 2**52: adding it rounds to a whole number, in the low bits
    double rest[kBatch], whole[kBatch], fraction[kBatch];
    int64_t steps[kBatch];
    for (int i = 0; i < n; i++) {
      double value = x[i];
      value = value < -110.0 ? -110.0 : value; // beyond, float32 knows only 0 and infinity
      value = value > 100.0 ? 100.0 : value;
      const double scaled = value * scale, shifted = scaled + kRound;
      rest[i] = scaled - (shifted - kRound);
      std::memcpy(steps + i, &shifted, 8); // of a NaN anything, which does not matter
    }
    for (int i = 0; i < n; i++) {
      fraction[i] = power[steps[i] & (kSteps - 1)];
      const uint64_t bits = ((static_cast<uint64_t>(steps[i]) >> 5) + 1023) << 52; // the upper ones fall off
      std::memcpy(whole + i, &bits, 8);
    }
    for (int i = 0; i < n; i++)
      out[i] = static_cast<float>(((a * rest[i] + b) * (rest[i] * rest[i]) + (c * rest[i] + 1.0)) * (fraction[i] * whole[i]));
  }
};

} // namespace

// XGBoost's sigmoid; of each row the probability that it is not the class, and that it is.
void sigmoid32(const skt_expf &table, const float *raw, int64_t n, float *out) {
  const Exponential exp(table);
  float x[kBatch], e[kBatch];
  for (; n > 0; n -= kBatch, raw += kBatch, out += 2 * kBatch) {
    const int now = static_cast<int>(std::min<int64_t>(n, kBatch));
    for (int i = 0; i < now; i++) x[i] = -raw[i] > 88.7f ? 88.7f : -raw[i]; // expf overflows past this
    exp(x, now, e);
    for (int i = 0; i < now; i++) {
      const float p = 1.0f / (e[i] + 1.0f + 1e-16f);
      out[2 * i] = 1.0f - p;
      out[2 * i + 1] = p;
    }
  }
}

void sigmoid64(const double *raw, int64_t n, double factor, double *out) {
  for (int64_t i = 0; i < n; i++) {
    const double p = 1.0 / (1.0 + std::exp(-(raw[i] * factor)));
    out[2 * i] = 1.0 - p;
    out[2 * i + 1] = p;
  }
}

// XGBoost's softmax: exponentials of float32, their sum in float64, class after class.
void softmax32(const skt_expf &table, const float *raw, int64_t n, int64_t n_classes, float *out) {
  const Exponential exp(table);
  for (int64_t i = 0; i < n; i++) {
    const float *row = raw + i * n_classes;
    float most = row[0];
    for (int64_t k = 1; k < n_classes; k++) most = row[k] > most || row[k] != row[k] ? row[k] : most;
    for (int64_t k = 0; k < n_classes; k++) out[i * n_classes + k] = row[k] - most;
  }
  for (int64_t i = 0; i < n * n_classes; i += kBatch) exp(out + i, static_cast<int>(std::min<int64_t>(n * n_classes - i, kBatch)), out + i);
  for (int64_t i = 0; i < n; i++) {
    float *row = out + i * n_classes;
    double total = 0.0;
    for (int64_t k = 0; k < n_classes; k++) total += static_cast<double>(row[k]);
    const float divisor = static_cast<float>(total);
    for (int64_t k = 0; k < n_classes; k++) row[k] /= divisor;
  }
}

} // namespace SKT_ISA
