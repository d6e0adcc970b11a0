// For the fuzzer: random bit-sliced tables, ways to damage them, and a slow evaluator that reads them as the header describes them.
#pragma once

#include "rows.h"
#include "tables.h"

// A threshold as what float32 values are compared with, such that no comparison changes.
inline float narrowed(double threshold, bool right_if_equal) {
  const float t = static_cast<float>(threshold);
  if (right_if_equal) return t < threshold ? std::nextafter(t, HUGE_VALF) : t;
  return t > threshold ? std::nextafter(t, -HUGE_VALF) : t;
}

class BitslicedTables {
 public:
  static constexpr const char *name = "bitsliced";
  skt_bitsliced t{};
  const int32_t widest_rows = SKT_FLOAT64;
  int32_t features;
  std::vector<std::vector<double>> thresholds; // of each column of X

  explicit BitslicedTables(Random &random) : features(static_cast<int32_t>(random.below(2))) {
    thresholds.resize(random.one_of({1, 2, 5, 20, 40}));
    t.n_columns = static_cast<int64_t>(thresholds.size());
    t.sum = random_sum(random, base);
    t.right_if_equal = random.once_in(2);
    t.zero_limit = random.one_of({0.0, kTiny});
    make_searches(random);
    make_categories(random);
    make_pieces(random);
    has_bytes_ = !random.once_in(5);
  }

  // For rows that another kind of tables looks at: some of n trees, with pieces that answer with bytes of 0.
  BitslicedTables(Random &random, int32_t features, std::vector<std::vector<double>> &pool, int32_t n, int32_t first, int32_t end)
      : features(features), answers_with_bytes_(true) {
    thresholds.resize(pool.size());
    t.n_columns = static_cast<int64_t>(pool.size());
    t.sum.acc_dtype = SKT_FLOAT32;
    t.sum.n_outputs = n;
    base.resize(4 * n);
    t.right_if_equal = random.once_in(2);
    t.zero_limit = random.one_of({0.0, kTiny});
    make_searches(random);
    make_categories(random);
    t.n_leaf_outputs = 1;
    for (int32_t tree = first; tree < end; tree++)
      for (int64_t pieces = random.from(1, 3); pieces > 0; pieces--) {
        make_piece(random, tree);
        values.resize(values.size() + (size_t(1) << piece_bits.back()));
      }
    has_bytes_ = false;
    piece_bytes.resize(t.n_pieces);
    for (size_t column = 0; column < pool.size(); column++) pool[column].insert(pool[column].end(), thresholds[column].begin(), thresholds[column].end());
  }

  template <class Visit>
  void arrays(Visit visit) {
    const auto last = [](const auto &array) { return array.empty() ? 0 : int64_t(array.back()); };
    const int64_t S = t.n_searches, C = t.n_codes, G = t.n_category_columns, P = t.n_pieces;
    visit(search_column, t.search_column, true, S, 4);
    visit(search_levels, t.search_levels, true, S, 4);
    visit(search_first, t.search_first, true, S, 8);
    visit(thresholds32, t.thresholds32, true, t.n_thresholds, 4);
    visit(thresholds64, t.thresholds64, features == SKT_FLOAT64, t.n_thresholds, 8);
    visit(search_codes, t.search_codes, true, S + 1, 4);
    visit(code_nan, t.code_nan, true, C, 1);
    visit(code_zero, t.code_zero, true, C, 2);
    visit(code_planes, t.code_planes, true, C + 1, 4);
    visit(plane_rank, t.plane_rank, true, last(code_planes), 1);
    visit(category_column, t.category_column, true, G, 4);
    visit(category_count, t.category_count, true, G, 4);
    visit(category_bytes, t.category_bytes, true, G, 4);
    visit(category_first, t.category_first, true, G, 8);
    visit(answers, t.answers, true, t.n_answers, 1);
    visit(category_planes, t.category_planes, true, G + 1, 4);
    visit(piece_triples, t.piece_triples, true, P + 1, 4);
    visit(triples, t.triples, true, 8 * last(piece_triples), 2);
    visit(piece_muxes, t.piece_muxes, true, P + 1, 4);
    visit(muxes, t.muxes, true, 3 * last(piece_muxes), 2);
    visit(piece_demuxes, t.piece_demuxes, true, SKT_FLOORS * P + 1, 4);
    visit(demuxes, t.demuxes, true, SKT_DEMUX * last(piece_demuxes), 2);
    visit(piece_bits, t.piece_bits, true, P, 4);
    visit(piece_code, t.piece_code, true, 8 * P, 2);
    visit(piece_first, t.piece_first, true, P, 8);
    visit(piece_output, t.piece_output, true, P, 4);
    visit(values, t.values, true, answers_with_bytes_ ? std::max<int64_t>(0, t.n_values) : bytes_of(t.sum, t.n_values, t.n_leaf_outputs), item_of(t.sum));
    visit(value_bytes, t.value_bytes, has_bytes_, t.n_value_bytes, 64);
    visit(piece_bytes, t.piece_bytes, true, P, 8);
    visit(base, t.sum.base, true, bytes_of(t.sum, t.sum.n_outputs, 1), item_of(t.sum));
  }

  template <class Visit>
  void counts(Visit visit) {
    visit(t.n_columns), visit(t.n_searches), visit(t.n_codes), visit(t.n_planes), visit(t.n_pieces), visit(t.n_thresholds), visit(t.n_category_columns);
    visit(t.n_answers), visit(t.n_values), visit(t.n_value_bytes), visit(t.n_leaf_outputs), visit(t.sum.n_outputs);
  }

  template <class Visit>
  void numbers(Visit visit) {
    visit(t.right_if_equal), visit(t.zero_limit), visit(t.truncate_first), visit(t.category_limit), visit(t.sum.acc_dtype);
    visit(t.sum.continues);
  }

  // What the kernel should add to `out`, (n_rows, n_outputs).
  template <class Feature, class Acc>
  void evaluate(const Rows &x, Acc *out) const {
    const int64_t n_outputs = t.sum.n_outputs;
    std::vector<uint8_t> slots;
    for (int64_t row = 0; row < x.rows.n_rows; row++) {
      slots.assign({0, 1});
      answer_thresholds<Feature>(x, row, slots);
      answer_categories<Feature>(x, row, slots);
      Acc *const sum = out + row * n_outputs;
      begin_sum(t.sum, base, sum);
      for (int32_t p = 0; p < t.n_pieces; p++) {
        slots.resize(2 + t.n_planes);
        for (int32_t r = piece_triples[p]; r < piece_triples[p + 1]; r++) {
          const uint16_t *const below = &triples[8 * r + (slots[triples[8 * r]] ? 1 : 4)];
          slots.push_back(slots[below[0]] ? slots[below[1]] : slots[below[2]]);
        }
        for (int32_t o = piece_muxes[p]; o < piece_muxes[p + 1]; o++)
          slots.push_back(slots[muxes[3 * o]] ? slots[muxes[3 * o + 1]] : slots[muxes[3 * o + 2]]);
        demultiplex(p, slots);
        int64_t entry = piece_first[p];
        for (int bit = 0; bit < piece_bits[p]; bit++) entry += slots[piece_code[8 * p + bit]] << bit;
        if (t.n_leaf_outputs == 1)
          sum[piece_output[p]] += number_at<Acc>(values, entry);
        else
          for (int64_t k = 0; k < n_outputs; k++) sum[k] += number_at<Acc>(values, entry * n_outputs + k);
      }
    }
  }

 private:
  bool has_bytes_, answers_with_bytes_ = false; // of values; in the place of sums
  std::vector<int32_t> search_column, search_levels, search_codes{0};
  std::vector<int64_t> search_first;
  std::vector<float> thresholds32;
  std::vector<double> thresholds64;
  std::vector<uint8_t> code_nan, plane_rank;
  std::vector<int16_t> code_zero;
  std::vector<int32_t> code_planes{0};
  std::vector<int32_t> category_column, category_count, category_bytes, category_planes;
  std::vector<int64_t> category_first;
  std::vector<uint8_t> answers;
  std::vector<uint16_t> triples, muxes, demuxes, piece_code;
  std::vector<int32_t> piece_triples{0}, piece_muxes{0}, piece_demuxes{0}, piece_bits, piece_output;
  std::vector<int64_t> piece_first, piece_bytes;
  std::vector<uint8_t> values, value_bytes, base;

  void make_searches(Random &random) {
    int64_t column = 0;
    const int64_t few = random.one_of({1, 1, 3});
    while (random.once_in(40) == false) {
      if (!random.once_in(4)) column += random.one_of({int64_t(1), few});
      if (column >= static_cast<int64_t>(thresholds.size())) break;
      add_search(random, static_cast<int32_t>(column));
    }
    t.n_searches = static_cast<int32_t>(search_column.size());
    t.n_thresholds = static_cast<int64_t>(thresholds32.size());
    t.n_codes = static_cast<int32_t>(code_nan.size());
    t.n_planes = static_cast<int32_t>(plane_rank.size());
  }

  void add_search(Random &random, int32_t column) {
    const int32_t levels = static_cast<int32_t>(random.one_of({random.below(9), random.below(4)}));
    const int32_t most = (1 << levels) - 1; // the highest rank
    std::vector<double> sorted = random_thresholds(random, most, features);
    std::vector<double> &pool = thresholds[column];
    pool.insert(pool.end(), sorted.begin(), sorted.end());
    sorted.resize(most, HUGE_VAL);
    std::vector<double> tree(most + 1, 0.0);
    auto middle = sorted.begin();
    lay_out(tree, 1, middle);
    search_column.push_back(column);
    search_levels.push_back(levels);
    search_first.push_back(static_cast<int64_t>(thresholds32.size()));
    for (const double threshold : tree) {
      thresholds32.push_back(narrowed(threshold, t.right_if_equal));
      thresholds64.push_back(threshold);
    }
    for (int64_t codes = random.from(0, 3); codes > 0; codes--) {
      code_nan.push_back(static_cast<uint8_t>(random.from(0, most)));
      code_zero.push_back(static_cast<int16_t>(random.once_in(2) ? -1 : random.from(0, most)));
      const int64_t spread = random.from(1, 8);
      for (int32_t rank = 0; rank < most; rank++)
        if (random.once_in(spread)) plane_rank.push_back(static_cast<uint8_t>(rank));
      code_planes.push_back(static_cast<int32_t>(plane_rank.size()));
    }
    search_codes.push_back(static_cast<int32_t>(code_nan.size()));
  }

  // Sorted numbers into a tree whose element i has the children 2 i and 2 i + 1.
  static void lay_out(std::vector<double> &tree, size_t element, std::vector<double>::iterator &next) {
    if (element >= tree.size()) return;
    lay_out(tree, 2 * element, next);
    tree[element] = *next++;
    lay_out(tree, 2 * element + 1, next);
  }

  void make_categories(Random &random) {
    t.truncate_first = random.once_in(2);
    t.category_limit = random.one_of({16777216.0, 2147483648.0, 1.0, 40.0});
    category_planes.push_back(t.n_planes);
    for (int64_t g = random.one_of({0, 0, 1, 3}); g > 0; g--) {
      const int32_t n_planes = static_cast<int32_t>(random.from(0, 20)), count = static_cast<int32_t>(random.from(0, 70));
      const int32_t bytes = (n_planes + 7) / 8;
      category_column.push_back(static_cast<int32_t>(random.below(static_cast<int64_t>(thresholds.size()))));
      category_count.push_back(count);
      category_bytes.push_back(bytes);
      category_first.push_back(static_cast<int64_t>(answers.size()));
      for (int32_t i = 0; i < (count + 2) * bytes; i++) {
        const int32_t used = std::min(8, n_planes - 8 * (i % bytes));
        answers.push_back(static_cast<uint8_t>(random.bits() & ((1 << used) - 1)));
      }
      t.n_planes += n_planes;
      category_planes.push_back(t.n_planes);
    }
    t.n_category_columns = static_cast<int32_t>(category_column.size());
    t.n_answers = static_cast<int64_t>(answers.size());
  }

  void make_pieces(Random &random) {
    t.n_leaf_outputs = t.sum.n_outputs > 1 && random.once_in(2) ? t.sum.n_outputs : 1;
    for (int64_t pieces = random.one_of({random.below(4), random.below(40)}); pieces > 0; pieces--) {
      make_piece(random, t.n_leaf_outputs > 1 ? t.n_pieces : static_cast<int32_t>(random.below(t.sum.n_outputs)));
      for (int64_t i = 0; i < int64_t(t.n_leaf_outputs) << piece_bits.back(); i++) append(values, random.value(), t.sum.acc_dtype);
    }
    if (t.n_leaf_outputs == 1) std::sort(piece_output.begin(), piece_output.end());
    for (int32_t p = 0; p < t.n_pieces; p++) add_bytes(p);
    t.n_value_bytes = static_cast<int64_t>(value_bytes.size());
  }

  // A piece without its values.
  void make_piece(Random &random, int32_t output) {
    const int64_t own = 2 + int64_t(t.n_planes);
    const int32_t n_triples = static_cast<int32_t>(random.one_of({random.below(4), random.below(60)}));
    for (int32_t i = 0; i < n_triples; i++)
      for (int k = 0; k < 8; k++) triples.push_back(k < 7 ? slot(random, own + i) : static_cast<uint16_t>(random.bits()));
    piece_triples.push_back(piece_triples.back() + n_triples);
    const int32_t n_muxes = static_cast<int32_t>(random.one_of({random.below(8), random.below(120)})), count = n_triples + n_muxes;
    for (int32_t i = n_triples; i < count; i++)
      for (int k = 0; k < 3; k++) muxes.push_back(slot(random, own + i));
    piece_muxes.push_back(piece_muxes.back() + n_muxes);
    const int64_t coded = own + count + (make_demuxes(random, own + count) ? SKT_FLOOR_BITS : 0);
    const int32_t bits = static_cast<int32_t>(random.from(0, 8));
    piece_bits.push_back(bits);
    for (int bit = 0; bit < 8; bit++) piece_code.push_back(bit < bits ? slot(random, coded) : 0);
    piece_output.push_back(output);
    piece_first.push_back(t.n_values);
    t.n_values += int64_t(1) << bits;
    t.n_pieces++;
  }

  // Demultiplexers of a piece, whose questions stand in slots before `own`; whether there are any.
  bool make_demuxes(Random &random, int64_t own) {
    const int64_t before = piece_demuxes.back(), most = random.one_of({0, 1, 4, 20});
    int64_t sides = 0;
    for (int floor = 0; floor < SKT_FLOORS; floor++) {
      const int64_t n = random.from(0, most);
      for (int64_t i = 0; i < n; i++) {
        const bool goes_on = sides && !random.once_in(4);
        demuxes.push_back(goes_on ? static_cast<uint16_t>(own + SKT_FLOOR_BITS + random.below(sides)) : slot(random, own));
        for (int k = 1; k < SKT_DEMUX; k++) demuxes.push_back(slot(random, own));
      }
      sides += SKT_SIDES * n;
      piece_demuxes.push_back(static_cast<int32_t>(piece_demuxes.back() + n));
    }
    return piece_demuxes.back() > before;
  }

  // One of the slots below `end`, most often one of the last.
  static uint16_t slot(Random &random, int64_t end) {
    return static_cast<uint16_t>(random.once_in(2) ? random.below(end) : std::max<int64_t>(0, end - 1 - random.below(10)));
  }

  void add_bytes(int32_t piece) {
    const int64_t entries = int64_t(1) << piece_bits[piece], step = std::max<int64_t>(64, entries);
    const int64_t width = int64_t(t.n_leaf_outputs) * item_of(t.sum);
    piece_bytes.push_back(static_cast<int64_t>(value_bytes.size()));
    for (int64_t byte = 0; byte < width; byte++)
      for (int64_t entry = 0; entry < step; entry++)
        value_bytes.push_back(entry < entries ? values[(piece_first[piece] + entry) * width + byte] : 0);
  }

  // What the demultiplexers of a piece add to the slots of a row: a side is where the row has come to and answered so.
  void demultiplex(int32_t piece, std::vector<uint8_t> &slots) const {
    const size_t bits = slots.size();
    slots.resize(bits + SKT_FLOOR_BITS);
    for (int floor = 0; floor < SKT_FLOORS; floor++)
      for (int32_t d = piece_demuxes[SKT_FLOORS * piece + floor]; d < piece_demuxes[SKT_FLOORS * piece + floor + 1]; d++) {
        const uint16_t *const demux = &demuxes[SKT_DEMUX * d];
        const bool comes = slots[demux[0]];
        int side = 0;
        for (int level = 0, node = 1; level < 3; level++) {
          const bool answer = slots[demux[node]];
          if (comes && answer) slots[bits + 8 - 3 * floor - level] = 1;
          side = 2 * side + answer;
          node = 2 * node + answer;
        }
        for (int k = 0; k < SKT_SIDES; k++) slots.push_back(comes && k == side);
      }
  }

  template <class Feature>
  void answer_thresholds(const Rows &x, int64_t row, std::vector<uint8_t> &slots) const {
    for (int32_t s = 0; s < t.n_searches; s++) {
      const Feature value = feature_of<Feature>(x.rows, x.at(row, search_column[s]));
      int rank = 0;
      for (int64_t i = search_first[s] + 1; i < search_first[s] + (int64_t(1) << search_levels[s]); i++) {
        const Feature threshold = sizeof(Feature) == 4 ? static_cast<Feature>(thresholds32[i]) : static_cast<Feature>(thresholds64[i]);
        rank += t.right_if_equal ? value >= threshold : value > threshold;
      }
      for (int32_t c = search_codes[s]; c < search_codes[s + 1]; c++) {
        const bool zero = code_zero[c] >= 0 && std::fabs(value) <= static_cast<Feature>(t.zero_limit);
        const int code = std::isnan(value) ? code_nan[c] : zero ? code_zero[c] : rank;
        for (int32_t p = code_planes[c]; p < code_planes[c + 1]; p++) slots.push_back(code > plane_rank[p]);
      }
    }
  }

  template <class Feature>
  void answer_categories(const Rows &x, int64_t row, std::vector<uint8_t> &slots) const {
    for (int32_t g = 0; g < t.n_category_columns; g++) {
      const Feature value = feature_of<Feature>(x.rows, x.at(row, category_column[g]));
      const int64_t category = category_of(value, t.truncate_first, t.category_limit, category_count[g]);
      const uint8_t *const own = answers.data() + category_first[g] + category * category_bytes[g];
      for (int32_t q = 0; q < category_planes[g + 1] - category_planes[g]; q++) slots.push_back(own[q / 8] >> (q % 8) & 1);
    }
  }
};
