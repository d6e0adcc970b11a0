// From raw scores to probabilities, in the libraries' own arithmetic; the same rules as in outputs.py and exponentials.py.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "scratch.h"
#include "sktensor.h"

namespace SKT_ISA {
namespace {

constexpr int kSteps = 32;
constexpr int kBatch = 64;

constexpr double kRound = 6755399441055744.0;       // 1.5 * 2**52: adding it rounds to a whole number, in the low bits
constexpr double kLeast = -110.0, kMost = 100.0;    // beyond, float32 knows only 0 and infinity

// The C library's expf: 2**(i / 32) from a table, and a cubic for the rest. Of up to kBatch numbers at a time, which it may overwrite.
class Exponential {
 public:
  explicit Exponential(const skt_expf &t) : t_(t) {}

#if defined(__AVX512F__)
  void operator()(const float *x, int n, float *out) const {
    for (int i = 0; i < n; i += 16) {
      const __mmask16 there = n - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (n - i)) - 1);
      const __m512 values = _mm512_maskz_loadu_ps(there, x + i);
      const __m256 low = of_eight(_mm512_castps512_ps256(values)), high = of_eight(_mm512_extractf32x8_ps(values, 1));
      _mm512_mask_storeu_ps(out + i, there, _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1));
    }
  }
#else
  // In loops that compilers vectorise.
  void operator()(const float *x, int n, float *out) const {
    double rest[kBatch], whole[kBatch], fraction[kBatch];
    int64_t steps[kBatch];
    for (int i = 0; i < n; i++) {
      double value = x[i];
      value = value < kLeast ? kLeast : value;
      value = value > kMost ? kMost : value;
      const double scaled = value * t_.scale, shifted = scaled + kRound;
      rest[i] = scaled - (shifted - kRound);
      std::memcpy(steps + i, &shifted, 8); // of a NaN anything, which does not matter
    }
    for (int i = 0; i < n; i++) {
      fraction[i] = t_.power[steps[i] & (kSteps - 1)];
      const uint64_t bits = ((static_cast<uint64_t>(steps[i]) >> 5) + 1023) << 52; // the upper ones fall off
      std::memcpy(whole + i, &bits, 8);
    }
    const double a = t_.cubic[0], b = t_.cubic[1], c = t_.cubic[2];
    for (int i = 0; i < n; i++)
      out[i] = static_cast<float>(((a * rest[i] + b) * (rest[i] * rest[i]) + (c * rest[i] + 1.0)) * (fraction[i] * whole[i]));
  }
#endif

 private:
#if defined(__AVX512F__)
  // The same operations in the same order; the table in four registers.
  __m256 of_eight(__m256 x) const {
    const __m512d value = _mm512_min_pd(_mm512_set1_pd(kMost), _mm512_max_pd(_mm512_set1_pd(kLeast), _mm512_cvtps_pd(x))); // NaN stays
    const __m512d scaled = _mm512_mul_pd(value, _mm512_set1_pd(t_.scale)), shifted = _mm512_add_pd(scaled, _mm512_set1_pd(kRound));
    const __m512d rest = _mm512_sub_pd(scaled, _mm512_sub_pd(shifted, _mm512_set1_pd(kRound)));
    const __m512i steps = _mm512_castpd_si512(shifted);
    const __m512d low = _mm512_permutex2var_pd(_mm512_loadu_pd(t_.power), steps, _mm512_loadu_pd(t_.power + 8));
    const __m512d high = _mm512_permutex2var_pd(_mm512_loadu_pd(t_.power + 16), steps, _mm512_loadu_pd(t_.power + 24));
    const __m512d fraction = _mm512_mask_blend_pd(_mm512_test_epi64_mask(steps, _mm512_set1_epi64(16)), low, high);
    const __m512i exponent = _mm512_slli_epi64(_mm512_add_epi64(_mm512_srli_epi64(steps, 5), _mm512_set1_epi64(1023)), 52);
    const __m512d cubic = _mm512_add_pd(_mm512_mul_pd(_mm512_set1_pd(t_.cubic[0]), rest), _mm512_set1_pd(t_.cubic[1]));
    const __m512d line = _mm512_add_pd(_mm512_mul_pd(_mm512_set1_pd(t_.cubic[2]), rest), _mm512_set1_pd(1.0));
    const __m512d sum = _mm512_add_pd(_mm512_mul_pd(cubic, _mm512_mul_pd(rest, rest)), line);
    return _mm512_cvtpd_ps(_mm512_mul_pd(sum, _mm512_mul_pd(fraction, _mm512_castsi512_pd(exponent))));
  }
#endif

  const skt_expf &t_;
};

} // namespace

// XGBoost's sigmoid; of each row the probability that it is not the class, and that it is.
void sigmoid32(const skt_expf &table, const float *raw, int64_t first, int64_t last, float *out) {
  const Exponential exp(table);
  float e[kBatch];
  for (; first < last; first += kBatch) {
    const int n = static_cast<int>(std::min<int64_t>(last - first, kBatch));
    for (int i = 0; i < n; i++) e[i] = -raw[first + i] > 88.7f ? 88.7f : -raw[first + i]; // expf overflows past this
    exp(e, n, e);
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
  const Exponential exp(table);
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
      exp(x, kBatch, x);
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
