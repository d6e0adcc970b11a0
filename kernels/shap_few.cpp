// Path-dependent SHAP values of a few rows: nodes in lanes, those at one depth of many trees together.
//
// A row goes down all trees of a batch, depth by depth, and up again; then what nodes add to players is added in the order in which shap.cpp
// does, to the same bits: every operation is one of its, and so is the order of those whose order matters.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "codes.h"
#include "rows.h"
#include "scratch.h"
#include "simd/simd.h"

namespace SKT_ISA {
namespace {

inline Doubles load(const double *from) {
  Doubles found;
  std::memcpy(&found, from, sizeof found);
  return found;
}
inline void store(double *to, Doubles value) { std::memcpy(to, &value, sizeof value); }

// Bits of places, eight a byte; as many as there are lanes begin within one.
inline uint64_t bits_at(const uint8_t *bits, int64_t place) { return bits[place >> 3] >> (place & 7); }

// What becomes of a row.
struct Memory {
  uint32_t *codes;
  uint8_t *goes_left, *was_here;   // bits of all places
  double *own, *products, *sums;   // of a batch: (points, inner nodes), (points, 2, inner nodes), (2, inner nodes)
  double *values;                  // of a batch: (points, nodes)
  double *first, *second, *phi;    // what is added, first * second; (players in use, outputs)

  Memory(const skt_shap &t, Scratch &scratch) {
    const skt_shap_flat &f = t.flat;
    int64_t inner = 0, all = 0, sums_of = 0;
    for (int64_t b = 0; b < f.n_batches; b++) {
      const skt_shap_batch &batch = f.batches[b];
      inner = std::max(inner, (batch.bottom - batch.first) * batch.n_points);
      all = std::max(all, (batch.end - batch.first) * batch.n_points);
      sums_of = std::max(sums_of, batch.bottom - batch.first);
    }
    const auto whole = [](int64_t bytes) { return static_cast<size_t>((bytes + 63) / 64 * 64); };
    const size_t sizes[] = {whole(4 * int64_t(t.codes.n_slots)), whole(f.n_places / 8 + 8), whole(f.n_places / 8 + 8), whole(8 * inner), whole(16 * inner),
                            whole(16 * sums_of), whole(8 * all), whole(8 * f.n_places), whole(8 * f.n_places), whole(8 * int64_t(t.n_used) * t.n_outputs)};
    size_t total = 0;
    for (const size_t size : sizes) total += size;
    char *at = scratch.of(total);
    const auto next = [&](int i) {
      char *const here = at;
      at += sizes[i];
      return here;
    };
    codes = reinterpret_cast<uint32_t *>(next(0));
    goes_left = reinterpret_cast<uint8_t *>(next(1));
    was_here = reinterpret_cast<uint8_t *>(next(2));
    own = reinterpret_cast<double *>(next(3));
    products = reinterpret_cast<double *>(next(4));
    sums = reinterpret_cast<double *>(next(5));
    values = reinterpret_cast<double *>(next(6));
    first = reinterpret_cast<double *>(next(7));
    second = reinterpret_cast<double *>(next(8));
    phi = reinterpret_cast<double *>(next(9));
  }
};

template <class Feature>
void encode(const skt_codes &t, const skt_rows &rows, int64_t row, uint32_t *codes) {
  const Treatment<Feature> treatment(rows);
  for (int32_t c = 0; c < t.n_codes; c++) {
    const Feature x = value_at(column_of(rows, t.code_column[c]), row, treatment);
    encode_values(t, c, &x, 1, codes + t.code_slot[c]);
  }
  for (int32_t g = 0; g < t.n_category_codes; g++) {
    const Feature x = value_at(column_of(rows, t.category_column[g]), row, treatment);
    encode_categories(t, g, &x, 1, codes + t.category_slot[g]);
  }
}

// Where the row goes at each node, and whether it went the way of all previous splits of the same player.
void answer(const skt_shap_flat &f, const Memory &m) {
  for (int64_t i = 0; i < f.n_places; i += 16) {
    const uint32_t left = ~exceeding_at(m.codes, f.slot + i, f.key + i);
    m.goes_left[i / 8] = static_cast<uint8_t>(left);
    m.goes_left[i / 8 + 1] = static_cast<uint8_t>(left >> 8);
  }
  for (int64_t b = 0; b < f.n_batches; b++) {
    const skt_shap_batch &batch = f.batches[b];
    for (int64_t r = batch.first_run; r < batch.end_run; r++) {
      const skt_shap_run &run = f.runs[r];
      if (!run.repeated) {
        std::memset(m.was_here + run.first / 8, 0xFF, (run.end - run.first) / 8);
        continue;
      }
      for (int64_t i = run.first; i < run.end; i += 8) {
        uint32_t here = 0;
        for (int k = 0; k < 8; k++) {
          const int64_t before = batch.first + f.previous[i + k];
          here |= (bits_at(m.was_here, before) & (bits_at(m.goes_left, before) ^ f.previous_right[i + k]) & 1) << k;
        }
        m.was_here[i / 8] = static_cast<uint8_t>(here);
      }
    }
  }
}

// What the products of some nodes are multiplied with on the way to the left.
template <bool kRepeated>
struct Factors {
  Doubles share;
  Choice goes_left, was_here;
  const double *left, *right, *scale;
  int64_t step; // from point to point

  Factors(const skt_shap &t, const Memory &m, const skt_shap_batch &batch, const skt_shap_run &run, int64_t i)
      : share(load(t.flat.share + i)), goes_left(choice_of(bits_at(m.goes_left, i))), was_here(choice_of(bits_at(m.was_here, i))), left(nullptr),
        right(nullptr), scale(nullptr), step(run.end - run.first) {
    if (!kRepeated) return;
    left = t.flat.constants + run.constants + (i - run.first);
    right = left + batch.n_points * step;
    scale = right + batch.n_points * step;
  }

  Doubles at(int q, Doubles point, Doubles complement) const {
    if (kRepeated) return pick(was_here, pick(goes_left, load(left + q * step), load(right + q * step)), share);
    const Doubles off = complement * share;
    return pick(goes_left, off + point, off);
  }
};

template <int kPoints>
struct Batch {
  const skt_shap &t;
  const skt_shap_flat &f;
  const skt_shap_batch &batch;
  const Memory &m;
  const double *point, *complement, *weight;
  int64_t n_inner, n_all;

  Batch(const skt_shap &tables, const skt_shap_batch &own, const Memory &memory)
      : t(tables), f(tables.flat), batch(own), m(memory), point(t.points + own.point), complement(point + kPoints), weight(complement + kPoints),
        n_inner(own.bottom - own.first), n_all(own.end - own.first) {}

  // The quadrature's, one in all lanes.
  struct Numbers {
    Doubles t[kPoints], complement[kPoints], weight[kPoints];

    explicit Numbers(const Batch &b) {
      for (int q = 0; q < kPoints; q++) t[q] = spread(b.point[q]), complement[q] = spread(b.complement[q]), weight[q] = spread(b.weight[q]);
    }
  };

  // Pointers are copied first, since stores of numbers may be to anything as far as compilers know.
  template <bool kRepeated>
  void down(const skt_shap_run &run) const {
    const Numbers points(*this);
    const int64_t end = run.end, inner = n_inner, first = batch.first;
    const int32_t *const parent = f.parent;
    double *const own_of = m.own, *const products = m.products, *const sums = m.sums;
    for (int64_t i = run.first; i < end; i += kDoubles) {
      const Factors<kRepeated> factors(t, m, batch, run, i);
      const int64_t at = i - first;
      Doubles both = spread(0.0), left = both;
      for (int q = 0; q < kPoints; q++) {
        const Doubles own = gathered(products + 2 * inner * q, parent + i, points.weight[q]), factor = factors.at(q, points.t[q], points.complement[q]);
        store(own_of + inner * q + at, own);
        store(products + 2 * inner * q + at, own * factor);
        store(products + 2 * inner * q + inner + at, fused(-own, factor, own));
        left = fused(own, factor, left);
        both = both + own;
      }
      store(sums + at, left);
      store(sums + inner + at, both - left);
    }
  }

  void bottoms() const {
    const Numbers points(*this);
    const Doubles one = spread(1.0);
    const int64_t end = batch.end, all = n_all, first = batch.first;
    const int32_t *const parent = f.parent;
    const double *const shares = f.share, *const lefts = f.value_left, *const rights = f.value_right, *const sums = m.sums;
    const uint8_t *const bits = m.goes_left;
    double *const values = m.values, *const adds = m.first, *const times = m.second;
    for (int64_t i = batch.bottom; i < end; i += kDoubles) {
      const Choice goes_left = choice_of(bits_at(bits, i));
      const Doubles share = load(shares + i), on_right = load(rights + i), difference = load(lefts + i) - on_right;
      for (int q = 0; q < kPoints; q++) {
        const Doubles off = points.complement[q] * share, factor = pick(goes_left, off + points.t[q], off);
        store(values + all * q + (i - first), on_right + factor * difference);
      }
      store(adds + i, gathered(sums, parent + i, one));
      store(times + i, pick(goes_left, one - share, -share) * difference);
    }
  }

  template <bool kRepeated>
  void up(const skt_shap_run &run) const {
    const Numbers points(*this);
    const Doubles nothing = spread(0.0), one = spread(1.0);
    const int64_t end = run.end, inner = n_inner, all = n_all, first = batch.first;
    const int32_t *const left = f.left, *const right = f.right;
    const double *const lefts = f.value_left, *const rights = f.value_right, *const own_of = m.own;
    double *const values = m.values, *const adds = m.first, *const times = m.second;
    for (int64_t i = run.first; i < end; i += kDoubles) {
      const Factors<kRepeated> factors(t, m, batch, run, i);
      const int64_t at = i - first;
      const Doubles leaf_left = load(lefts + i), leaf_right = load(rights + i);
      Doubles sum = nothing;
      for (int q = 0; q < kPoints; q++) {
        const Doubles on_right = gathered(values + all * q, right + i, leaf_right), difference = gathered(values + all * q, left + i, leaf_left) - on_right;
        store(values + all * q + at, fused(factors.at(q, points.t[q], points.complement[q]), difference, on_right));
        sum = fused(load(own_of + inner * q + at), kRepeated ? difference * load(factors.scale + q * factors.step) : difference, sum);
      }
      Doubles side = pick(factors.goes_left, one - factors.share, -factors.share);
      if (kRepeated) side = pick(factors.was_here, side, nothing);
      store(adds + i, sum);
      store(times + i, side);
    }
  }

  void run() const {
    for (int64_t r = batch.first_run; r < batch.end_run; r++) f.runs[r].repeated ? down<true>(f.runs[r]) : down<false>(f.runs[r]);
    bottoms();
    for (int64_t r = batch.end_run; r-- > batch.first_run;) f.runs[r].repeated ? up<true>(f.runs[r]) : up<false>(f.runs[r]);
  }
};

void run_batch(const skt_shap &t, const skt_shap_batch &batch, const Memory &m) {
  switch (batch.n_points) {
    case 1: return Batch<1>(t, batch, m).run();
    case 2: return Batch<2>(t, batch, m).run();
    case 3: return Batch<3>(t, batch, m).run();
    case 4: return Batch<4>(t, batch, m).run();
    case 5: return Batch<5>(t, batch, m).run();
    case 6: return Batch<6>(t, batch, m).run();
    case 7: return Batch<7>(t, batch, m).run();
    default: return Batch<8>(t, batch, m).run();
  }
}

template <class Feature>
void values(const skt_shap &t, const skt_rows &rows, int64_t first, int64_t last, double *out, Scratch &scratch) {
  const Memory m(t, scratch);
  const skt_shap_flat &f = t.flat;
  const int64_t n_outputs = t.n_outputs, n_sums = t.n_used * n_outputs;
  for (int64_t row = first; row < last; row++) {
    encode<Feature>(t.codes, rows, row, m.codes);
    answer(f, m);
    for (int64_t b = 0; b < f.n_batches; b++) run_batch(t, f.batches[b], m);
    std::fill(m.phi, m.phi + n_sums, 0.0);
    for (int64_t i = 0; i < f.n_terms; i++) m.phi[f.target[i]] = __builtin_fma(m.first[f.term[i]], m.second[f.term[i]], m.phi[f.target[i]]);
    double *const to = out + row * t.n_players * n_outputs;
    if (t.n_used < t.n_players) std::fill(to, to + t.n_players * n_outputs, 0.0);
    for (int32_t p = 0; p < t.n_used; p++) std::copy_n(m.phi + p * n_outputs, n_outputs, to + t.used[p] * n_outputs);
  }
}

} // namespace

void shap_of_few(const skt_shap &t, const skt_rows &rows, int32_t features, int64_t first, int64_t last, double *out, Scratch &scratch) {
  features == SKT_FLOAT64 ? values<double>(t, rows, first, last, out, scratch) : values<float>(t, rows, first, last, out, scratch);
}

} // namespace SKT_ISA
