// From raw scores to probabilities, in the libraries' own arithmetic; the same rules as in sktensor/outputs/links.py and exponentials.py.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "scratch.h"
#include "simd/simd.h"
#include "sktensor.h"

namespace SKT_ISA {
namespace {

constexpr int kBatch = 64; // as many exponentials as there are at once

} // namespace

// XGBoost's sigmoid; of each row the probability that it is not the class, and that it is.
void sigmoid32(const skt_expf &table, const float *raw, int64_t first, int64_t last, float *out) {
  float e[kBatch];
  for (; first < last; first += kBatch) {
    const int n = static_cast<int>(std::min<int64_t>(last - first, kBatch));
    for (int i = 0; i < n; i++) e[i] = -raw[first + i] > 88.7f ? 88.7f : -raw[first + i]; // expf overflows past this
    exponentials(table, e, n, e);
    for (int i = 0; i < n; i++) {
      const float p = 1.0f / (e[i] + 1.0f); // XGBoost adds 1e-16, which is lost beside 1
      out[2 * (first + i)] = 1.0f - p;
      out[2 * (first + i) + 1] = p;
    }
  }
}

void sigmoid64(const double *raw, int64_t first, int64_t last, double factor, double *out) {
  for (int64_t i = first; i < last; i++) {
    const double p = 1.0 / (1.0 + std::exp(-(raw[i] * factor)));
    out[2 * i] = 1.0 - p;
    out[2 * i + 1] = p;
  }
}

// XGBoost's softmax: exponentials of float32, their sum in float64, class after class. Rows stand side by side meanwhile.
void softmax32(const skt_expf &table, const float *raw, int64_t first, int64_t last, int64_t n_classes, float *out, Scratch &scratch) {
  float *const turned = reinterpret_cast<float *>(scratch.of(sizeof(float) * kBatch * static_cast<size_t>(n_classes)));
  for (; first < last; first += kBatch) {
    const int n = static_cast<int>(std::min<int64_t>(last - first, kBatch));
    const float *const from = raw + first * n_classes;
    float *const to = out + first * n_classes;
    float most[kBatch], divisor[kBatch];
    double total[kBatch];
    for (int i = 0; i < n; i++)
      for (int64_t k = 0; k < n_classes; k++) turned[k * kBatch + i] = from[i * n_classes + k];
    std::memcpy(most, turned, sizeof most);
    for (int64_t k = 1; k < n_classes; k++) {
      const float *const x = turned + k * kBatch;
      for (int i = 0; i < kBatch; i++) most[i] = x[i] > most[i] || x[i] != x[i] ? x[i] : most[i];
    }
    std::fill_n(total, kBatch, 0.0);
    for (int64_t k = 0; k < n_classes; k++) {
      float *const x = turned + k * kBatch;
      for (int i = 0; i < kBatch; i++) x[i] -= most[i];
      exponentials(table, x, kBatch, x);
      for (int i = 0; i < kBatch; i++) total[i] += static_cast<double>(x[i]);
    }
    for (int i = 0; i < kBatch; i++) divisor[i] = static_cast<float>(total[i]);
    for (int64_t k = 0; k < n_classes; k++)
      for (int i = 0; i < kBatch; i++) turned[k * kBatch + i] /= divisor[i];
    for (int i = 0; i < n; i++)
      for (int64_t k = 0; k < n_classes; k++) to[i * n_classes + k] = turned[k * kBatch + i];
  }
}

// LightGBM's softmax: the C library's exponentials, and their sum class after class.
void softmax64(const double *raw, int64_t first, int64_t last, int64_t n_classes, double *out) {
  for (int64_t i = first; i < last; i++) {
    const double *const from = raw + i * n_classes;
    double *const to = out + i * n_classes;
    double most = from[0], total = 0;
    for (int64_t k = 1; k < n_classes; k++) most = std::max(from[k], most);
    for (int64_t k = 0; k < n_classes; k++) total += to[k] = std::exp(from[k] - most);
    for (int64_t k = 0; k < n_classes; k++) to[k] /= total;
  }
}

} // namespace SKT_ISA
