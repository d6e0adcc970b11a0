// For the fuzzer: random tables of SHAP values that are looked up, ways to damage them, and a slow evaluator that does what the kernel does.
#pragma once

#include "codes.h"
#include "explanations.h"
#include "rows.h"
#include "tables.h"

inline void spoil(Random &random, skt_lookup_group &group) {
  int64_t *const numbers[] = {&group.first_bit, &group.first_value, &group.table};
  const int64_t which = random.below(5);
  if (which < 3)
    spoil(random, *numbers[which]);
  else
    spoil(random, which == 3 ? group.n_bits : group.n_values);
}

class LookupTables : public RandomCodes {
 public:
  skt_lookup t{};

  explicit LookupTables(Random &random) : RandomCodes(random) {
    make(random, t.codes);
    t.n_outputs = static_cast<int32_t>(random.one_of({1, 1, 3}));
    t.n_players = static_cast<int32_t>(random.from(1, 9));
    for (int32_t p = 0; p < t.n_players; p++)
      if (random.once_in(2) || (used.empty() && p + 1 == t.n_players)) used.push_back(p);
    t.n_used = static_cast<int32_t>(used.size());
    t.n_trees = static_cast<int32_t>(random.below(12));
    for (int32_t tree = 0; tree < t.n_trees; tree++) {
      const int64_t n_questions = questions_.empty() ? 0 : random.below(9);
      for (int64_t q = 0; q < n_questions; q++) {
        const Question &question = random.one_of(questions_);
        slot.push_back(question.slot);
        key.push_back(random.one_of(question.keys));
      }
      tree_question.push_back(static_cast<int64_t>(slot.size()));
      for (int64_t g = random.below(5); g > 0; g--) {
        skt_lookup_group group{};
        group.first_bit = static_cast<int64_t>(bit_condition.size()) - 1;
        group.n_bits = static_cast<int32_t>(n_questions ? random.from(0, 7) : 0);
        for (int32_t bit = 0; bit < group.n_bits; bit++) {
          for (int64_t c = random.below(4); c > 0; c--) {
            const int32_t question = static_cast<int32_t>(random.below(n_questions));
            condition.push_back(random.once_in(2) ? question : ~question);
          }
          bit_condition.push_back(static_cast<int64_t>(condition.size()));
        }
        group.first_value = static_cast<int64_t>(target.size());
        group.n_values = static_cast<int32_t>(random.below(5));
        group.table = static_cast<int64_t>(table.size());
        for (int32_t v = 0; v < group.n_values; v++) {
          target.push_back(static_cast<int32_t>(random.below(int64_t(t.n_used) * t.n_outputs)));
          for (int64_t i = 0; i < int64_t(1) << group.n_bits; i++) table.push_back(random.value());
        }
        groups.push_back(group);
      }
      tree_group.push_back(static_cast<int64_t>(groups.size()));
    }
    t.n_questions = static_cast<int64_t>(slot.size());
    t.n_groups = static_cast<int64_t>(groups.size());
    t.n_bits = static_cast<int64_t>(bit_condition.size()) - 1;
    t.n_conditions = static_cast<int64_t>(condition.size());
    t.n_values = static_cast<int64_t>(target.size());
    t.n_table = static_cast<int64_t>(table.size());
  }

  template <class Visit>
  void arrays(Visit visit) {
    visit_codes(t.codes, visit);
    visit(used, t.used, true, t.n_used, 4);
    visit(slot, t.slot, true, t.n_questions, 4);
    visit(key, t.key, true, t.n_questions, 4);
    visit(tree_question, t.tree_question, true, int64_t(t.n_trees) + 1, 8);
    visit(tree_group, t.tree_group, true, int64_t(t.n_trees) + 1, 8);
    visit(groups, t.groups, true, t.n_groups, 8);
    visit(bit_condition, t.bit_condition, true, t.n_bits + 1, 8);
    visit(condition, t.condition, true, t.n_conditions, 4);
    visit(target, t.target, true, t.n_values, 4);
    visit(table, t.table, true, t.n_table, 8);
  }

  template <class Visit>
  void counts(Visit visit) {
    count_codes(t.codes, visit);
    visit(t.n_trees), visit(t.n_outputs), visit(t.n_players), visit(t.n_used), visit(t.n_questions), visit(t.n_groups), visit(t.n_bits);
    visit(t.n_conditions), visit(t.n_values), visit(t.n_table);
  }

  template <class Visit>
  void numbers(Visit visit) {
    number_codes(t.codes, visit);
  }

  Numbers evaluate(const Rows &x) const {
    Numbers out;
    for (int64_t row = 0; row < x.rows.n_rows; row++) {
      const std::vector<uint32_t> codes = features == SKT_FLOAT32 ? codes_of<float>(t.codes, x, row) : codes_of<double>(t.codes, x, row);
      Numbers own(t.n_players * t.n_outputs, 0.0);
      for (int32_t tree = 0; tree < t.n_trees; tree++)
        for (int64_t g = tree_group[tree]; g < tree_group[tree + 1]; g++) {
          const skt_lookup_group &group = groups[g];
          int64_t number = 0;
          for (int32_t bit = 0; bit < group.n_bits; bit++) {
            bool holds = true;
            for (int64_t c = bit_condition[group.first_bit + bit]; c < bit_condition[group.first_bit + bit + 1]; c++) {
              const int64_t question = tree_question[tree] + (condition[c] < 0 ? ~condition[c] : condition[c]);
              holds = holds && (codes[slot[question]] > key[question]) == (condition[c] >= 0);
            }
            number |= int64_t(holds) << bit;
          }
          for (int32_t v = 0; v < group.n_values; v++) {
            const int64_t to = target[group.first_value + v];
            own[used[to / t.n_outputs] * t.n_outputs + to % t.n_outputs] += table[group.table + (int64_t(v) << group.n_bits) + number];
          }
        }
      out.insert(out.end(), own.begin(), own.end());
    }
    return out;
  }

 private:
  std::vector<int32_t> used, slot, condition, target;
  std::vector<uint32_t> key;
  std::vector<int64_t> tree_question{0}, tree_group{0}, bit_condition{0};
  std::vector<skt_lookup_group> groups;
  Numbers table;
};

inline const char *lookup_case(Random &random, Room &room, bool damaged, int64_t *refused) {
  LookupTables tables(random);
  const Rows x = random_rows(random, room, tables.thresholds, tables.widest_rows);
  const bool misaligned = damaged && place_damaged(random, room, tables);
  if (!damaged) place(random, room, tables);
  skt_lookup &t = tables.t;
  if (const int32_t error = skt_check_lookup(&t)) {
    if (damaged) refused[error]++;
    if (damaged && !std::strcmp(skt_message(error), "unknown error")) return "tables to look up are refused without words";
    return damaged ? nullptr : skt_message(error);
  }
  if (misaligned) return "an array of tables to look up that lies where its items may not is taken";
  if (!is_small(t, x.rows.n_rows, 1)) return nullptr;
  Numbers expected;
  if (!damaged) expected = tables.evaluate(x);
  for (int32_t isa = 0; isa <= skt_best_isa(); isa++) {
    double *const out = place_for<double>(random, room, x.rows.n_rows * t.n_players * t.n_outputs);
    const int32_t error = skt_lookup_values(&t, &x.rows, tables.features, out, static_cast<int32_t>(random.from(1, 3)), isa);
    if (damaged) continue;
    if (error) return skt_message(error);
    if (!same_numbers(out, expected)) return "what is looked up differs";
  }
  return nullptr;
}
