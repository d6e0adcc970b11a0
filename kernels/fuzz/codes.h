// For the fuzzer: random tables of codes, and what they make of rows.
#pragma once

#include "rows.h"
#include "tables.h"

// A float32 as the code that nodes compare.
inline uint32_t code_of_bits(float x) {
  if (x == 0) return 0x80000000u;
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return x < 0 ? ~bits : bits + 0x80000000u;
}

class RandomCodes {
 public:
  int32_t features, widest_rows;
  std::vector<std::vector<double>> thresholds; // of each column of X

  explicit RandomCodes(Random &random) : features(static_cast<int32_t>(random.below(2))), has_ranks_(random.once_in(2)) {
    widest_rows = features == SKT_FLOAT64 && !has_ranks_ ? SKT_FLOAT32 : SKT_FLOAT64; // codes made of bits know float32 only
  }

 protected:
  struct Question {
    int32_t slot;
    std::vector<uint32_t> keys; // that make sense
  };
  std::vector<Question> questions_;

  bool has_ranks_, has_zero_;
  std::vector<int32_t> code_column, code_slot;
  std::vector<uint32_t> code_nan, code_zero;
  std::vector<uint8_t> code_has_zero;
  std::vector<double> ranked; // thresholds of all codes
  std::vector<int64_t> code_first;
  std::vector<int32_t> category_column, category_slot, category_count;
  std::vector<int64_t> category_first;
  std::vector<uint8_t> answers;

  void make_codes(Random &random, skt_codes &t) {
    t.n_base_slots = static_cast<int32_t>(random.one_of({16, 16, 16, 32, 64, 48, 80, 160}));
    t.n_slots = t.n_base_slots * static_cast<int32_t>(random.one_of({1, 1, 2, 3}));
    const int64_t spread = random.from(1, 4);
    for (int32_t slot = 0; slot < t.n_base_slots - 4; slot++) {
      if (!random.once_in(spread)) continue;
      const int32_t column = static_cast<int32_t>(random.below(static_cast<int64_t>(thresholds.size())));
      add_code(random, slot, column, random_thresholds(random, random.one_of({1, 5, 40, 300}), features));
    }
    const size_t n_base = code_slot.size();
    for (int32_t further = t.n_base_slots; further < t.n_slots; further += t.n_base_slots)
      for (size_t c = 0; c < n_base; c++)
        if (random.once_in(3)) add_code(random, code_slot[c] + further, code_column[c], own_thresholds_[c]);
    t.n_codes = static_cast<int32_t>(code_slot.size());
    t.n_thresholds = static_cast<int64_t>(ranked.size());
  }

  std::vector<std::vector<double>> own_thresholds_; // of each code

  void add_code(Random &random, int32_t slot, int32_t column, const std::vector<double> &own) {
    const int64_t count = static_cast<int64_t>(own.size());
    code_slot.push_back(slot);
    code_column.push_back(column);
    std::vector<double> &pool = thresholds[column];
    pool.insert(pool.end(), own.begin(), own.end());
    Question question{slot, {}};
    for (int64_t i = 0; i < count; i++)
      question.keys.push_back(has_ranks_ ? static_cast<uint32_t>(i) : code_of_bits(static_cast<float>(own[i])) - static_cast<uint32_t>(random.below(2)));
    question.keys.push_back(0);
    for (std::vector<uint32_t> *const special : {&code_nan, &code_zero})
      special->push_back(has_ranks_ ? static_cast<uint32_t>(random.from(0, count)) : random.one_of(question.keys) + static_cast<uint32_t>(random.below(2)));
    code_has_zero.push_back(random.once_in(2));
    if (has_ranks_) {
      ranked.insert(ranked.end(), own.begin(), own.end());
      code_first.push_back(static_cast<int64_t>(ranked.size()));
    }
    own_thresholds_.push_back(own);
    questions_.push_back(question);
  }

  void make_categories(Random &random, skt_codes &t) {
    t.truncate_first = random.once_in(2);
    t.category_limit = random.one_of({16777216.0, 2147483648.0, 1.0, 40.0});
    for (int64_t g = 0, n = random.one_of({0, 0, 1, 4}); g < n; g++) {
      const int32_t count = static_cast<int32_t>(random.from(0, 70));
      category_column.push_back(static_cast<int32_t>(random.below(static_cast<int64_t>(thresholds.size()))));
      category_slot.push_back(static_cast<int32_t>(t.n_base_slots - n + g));
      category_count.push_back(count);
      category_first.push_back(static_cast<int64_t>(answers.size()));
      for (int32_t i = 0; i < count + 2; i++) answers.push_back(static_cast<uint8_t>(random.below(2)));
      questions_.push_back({category_slot.back(), {0}});
    }
    t.n_category_codes = static_cast<int32_t>(category_column.size());
    t.n_answers = static_cast<int64_t>(answers.size());
  }

  void make(Random &random, skt_codes &t) {
    thresholds.resize(random.one_of({1, 2, 5, 20, 40}));
    t.n_columns = static_cast<int64_t>(thresholds.size());
    t.right_if_equal = random.once_in(2);
    t.zero_limit = random.one_of({0.0, kTiny});
    has_zero_ = random.once_in(2);
    if (has_ranks_) code_first.push_back(0);
    make_codes(random, t);
    make_categories(random, t);
  }

  template <class Visit>
  void visit_codes(skt_codes &t, Visit visit) {
    const int64_t C = t.n_codes, G = t.n_category_codes;
    visit(code_column, t.code_column, true, C, 4);
    visit(code_slot, t.code_slot, true, C, 4);
    visit(code_nan, t.code_nan, true, C, 4);
    visit(code_zero, t.code_zero, true, C, 4);
    visit(code_has_zero, t.code_has_zero, has_zero_, C, 1);
    visit(ranked, t.thresholds, has_ranks_, t.n_thresholds, 8);
    visit(code_first, t.code_first, has_ranks_, has_ranks_ ? C + 1 : 0, 8);
    visit(category_column, t.category_column, true, G, 4);
    visit(category_slot, t.category_slot, true, G, 4);
    visit(category_count, t.category_count, true, G, 4);
    visit(category_first, t.category_first, true, G, 8);
    visit(answers, t.answers, true, t.n_answers, 1);
  }

  template <class Visit>
  void count_codes(skt_codes &t, Visit visit) {
    visit(t.n_columns), visit(t.n_codes), visit(t.n_thresholds), visit(t.n_category_codes), visit(t.n_answers), visit(t.n_slots), visit(t.n_base_slots);
  }

  template <class Visit>
  void number_codes(skt_codes &t, Visit visit) {
    visit(t.right_if_equal), visit(t.zero_limit), visit(t.truncate_first), visit(t.category_limit);
  }

  template <class Feature>
  std::vector<uint32_t> codes_of(const skt_codes &t, const Rows &x, int64_t row) const {
    std::vector<uint32_t> codes(t.n_slots, 0);
    for (int32_t c = 0; c < t.n_codes; c++) {
      const Feature value = feature_of<Feature>(x.rows, x.at(row, code_column[c]));
      uint32_t code = 0;
      if (std::isnan(value)) {
        code = code_nan[c];
      } else if (has_zero_ && code_has_zero[c] && std::fabs(value) <= t.zero_limit) {
        code = code_zero[c];
      } else if (has_ranks_) {
        for (int64_t i = code_first[c]; i < code_first[c + 1]; i++) code += t.right_if_equal ? value >= ranked[i] : value > ranked[i];
      } else {
        code = code_of_bits(static_cast<float>(value));
      }
      codes[code_slot[c]] = code;
    }
    for (int32_t g = 0; g < t.n_category_codes; g++) {
      const Feature value = feature_of<Feature>(x.rows, x.at(row, category_column[g]));
      codes[category_slot[g]] = answers[category_first[g] + category_of(value, t.truncate_first, t.category_limit, category_count[g])];
    }
    return codes;
  }
};
