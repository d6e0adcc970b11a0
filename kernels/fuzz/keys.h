// For the fuzzer: random tables of keys, ways to damage them, and a slow evaluator that reads them as the header describes them.
#pragma once

#include "rows.h"
#include "tables.h"

inline void spoil(Random &random, skt_place &place) {
  random.once_in(3) ? spoil(random, place.key) : random.once_in(2) ? spoil(random, place.number) : spoil(random, place.is_taken);
}

class KeysTables {
 public:
  skt_keys t{};
  std::vector<std::vector<double>> thresholds; // of each column of X
  std::vector<std::vector<uint64_t>> hashes;   // of each column, as many as there are rows; empty for a column of numbers

  explicit KeysTables(Random &random) {
    thresholds.resize(random.from(1, 6));
    for (auto &column : thresholds) {
      is_hashed.push_back(random.once_in(2));
      column = random_thresholds(random, 4, SKT_FLOAT32);
    }
    t.n_columns = static_cast<int64_t>(thresholds.size());
    t.factor = random.bits() | 1;
    t.n_keys = static_cast<int32_t>(random.below(6));
    for (int32_t k = 0; k < t.n_keys; k++) add_key(random);
    for (int32_t d = 0; d < t.n_derived; d++) column.insert(column.begin() + random.from(0, d), d);
    t.n_parts = key_parts.back();
    t.n_places = static_cast<int64_t>(places.size());
    t.n_values = static_cast<int64_t>(values.size());
  }

  // Of as many rows as there are, out of few, so that keys come up again.
  void hash(Random &random, Room &room, int64_t n_rows) {
    pointers.clear();
    for (const bool hashed : is_hashed) {
      hashes.emplace_back();
      for (int64_t i = 0; hashed && i < n_rows; i++) hashes.back().push_back(category(random));
      pointers.push_back(hashed ? room.copy(random, hashes.back()) : nullptr);
    }
    placed = room.copy(random, pointers);
  }

  const uint64_t *const *hashes_of_columns() const { return placed; }

  template <class Visit>
  void arrays(Visit visit) {
    const int64_t K = t.n_keys, P = t.n_parts, D = t.n_derived;
    visit(key_parts, t.key_parts, true, K + 1, 4);
    visit(part_column, t.part_column, true, P, 4);
    visit(part_test, t.part_test, true, P, 4);
    visit(part_hash, t.part_hash, true, P, 8);
    visit(part_border, t.part_border, true, P, 4);
    visit(part_missing, t.part_missing, true, P, 1);
    visit(places, t.places, true, t.n_places, 8);
    visit(key_places, t.key_places, true, K, 8);
    visit(key_bits, t.key_bits, true, K, 4);
    visit(key_columns, t.key_columns, true, K + 1, 4);
    visit(column, t.column, true, D, 4);
    visit(column_values, t.column_values, true, D, 8);
    visit(values, t.values, true, t.n_values, 4);
  }

  template <class Visit>
  void counts(Visit visit) {
    visit(t.n_columns), visit(t.n_keys), visit(t.n_parts), visit(t.n_derived), visit(t.n_places), visit(t.n_values);
  }

  template <class Visit>
  void numbers(Visit visit) {
    visit(t.factor);
  }

  // What the kernel should write: (n_columns + n_derived, n).
  std::vector<float> evaluate(const Rows &x, int64_t first, int64_t n) const {
    std::vector<float> out;
    for (int64_t c = 0; c < x.rows.n_columns; c++)
      for (int64_t row = first; row < first + n; row++) out.push_back(is_hashed[c] ? 0.0f : feature_of<float>(x.rows, x.at(row, c)));
    out.resize((x.rows.n_columns + t.n_derived) * n);
    for (int64_t row = first; row < first + n; row++)
      for (int32_t k = 0; k < t.n_keys; k++) {
        uint64_t key = 0;
        for (int32_t p = key_parts[k]; p < key_parts[k + 1]; p++) key = t.factor * (key + t.factor * part(x, row, p));
        int64_t number = number_of_unknown[k];
        for (int64_t place = key_places[k]; place < key_places[k] + (int64_t(1) << key_bits[k]); place++)
          if (places[place].is_taken && places[place].key == key) number = places[place].number;
        for (int32_t d = key_columns[k]; d < key_columns[k + 1]; d++)
          out[(x.rows.n_columns + column[d]) * n + row - first] = values[column_values[d] + number];
      }
    return out;
  }

 private:
  std::vector<uint8_t> is_hashed;
  std::vector<const uint64_t *> pointers;
  const uint64_t *const *placed = nullptr;
  std::vector<int32_t> key_parts{0}, part_column, part_test, key_bits, key_columns{0}, column;
  std::vector<uint64_t> part_hash;
  std::vector<float> part_border, values;
  std::vector<uint8_t> part_missing;
  std::vector<skt_place> places;
  std::vector<int64_t> key_places, column_values, number_of_unknown;

  static uint64_t category(Random &random) { return random.once_in(9) ? random.bits() : static_cast<uint64_t>(random.from(-2, 3)); }

  uint64_t part(const Rows &x, int64_t row, int32_t p) const {
    if (part_test[p] == SKT_HASH) return hashes[part_column[p]][row];
    if (part_test[p] == SKT_IS_HASH) return hashes[part_column[p]][row] == part_hash[p];
    const float value = feature_of<float>(x.rows, x.at(row, part_column[p]));
    return std::isnan(value) ? part_missing[p] : value > part_border[p];
  }

  void add_key(Random &random) {
    const int64_t first_part = static_cast<int64_t>(part_column.size());
    for (int64_t i = random.below(4); i > 0; i--) {
      const int32_t c = static_cast<int32_t>(random.below(static_cast<int64_t>(is_hashed.size())));
      part_column.push_back(c);
      part_test.push_back(!is_hashed[c] ? SKT_EXCEEDS : random.once_in(2) ? SKT_HASH : SKT_IS_HASH);
      part_hash.push_back(category(random));
      part_border.push_back(static_cast<float>(thresholds[c].empty() ? random.normal() : random.one_of(thresholds[c])));
      part_missing.push_back(random.once_in(2));
    }
    key_parts.push_back(static_cast<int32_t>(part_column.size()));
    std::vector<uint64_t> known;
    for (int64_t i = random.below(20); i > 0; i--) {
      uint64_t key = 0;
      for (int64_t p = first_part; p < key_parts.back(); p++) key = t.factor * (key + t.factor * (part_test[p] == SKT_HASH ? category(random) : random.below(2)));
      if (std::find(known.begin(), known.end(), key) == known.end()) known.push_back(key);
    }
    int32_t bits = 1;
    while ((uint64_t(1) << bits) <= known.size() + random.below(4)) bits++;
    const uint64_t size = uint64_t(1) << bits;
    const size_t begin = places.size();
    places.resize(begin + size, {random.bits(), static_cast<uint32_t>(known.size()), 0});
    for (size_t i = 0; i < known.size(); i++) {
      uint64_t at = known[i] >> (64 - bits);
      while (places[begin + at].is_taken) at = (at + 1) % size;
      places[begin + at] = {known[i], static_cast<uint32_t>(i), 1};
    }
    key_places.push_back(static_cast<int64_t>(begin));
    key_bits.push_back(bits);
    number_of_unknown.push_back(static_cast<int64_t>(known.size()));
    for (int64_t i = random.below(3); i > 0; i--) {
      column_values.push_back(static_cast<int64_t>(values.size()));
      for (size_t v = 0; v <= known.size(); v++) values.push_back(static_cast<float>(random.value()));
      t.n_derived++;
    }
    key_columns.push_back(static_cast<int32_t>(t.n_derived));
  }
};

// What is wrong, or NULL. Damaged tables are refused, or run within their arrays.
inline const char *keys_case(Random &random, Room &room, bool damaged) {
  KeysTables tables(random);
  const Rows x = random_rows(random, room, tables.thresholds, SKT_FLOAT64);
  const bool misaligned = damaged && place_damaged(random, room, tables);
  if (!damaged) place(random, room, tables);
  tables.hash(random, room, x.rows.n_rows);
  if (const int32_t error = skt_check_keys(&tables.t)) {
    if (!damaged) return "tables of keys that hold together are refused";
    return (error < 50 || error > 53) && error != 7 ? "tables of keys are refused without words" : nullptr;
  }
  if (misaligned) return "an array of keys that lies where its items may not is taken";
  const int64_t first = random.from(0, x.rows.n_rows), n = random.from(0, x.rows.n_rows - first);
  std::vector<float> expected;
  if (!damaged) expected = tables.evaluate(x, first, n);
  for (int32_t isa = 0; isa <= skt_best_isa(); isa++) {
    const size_t size = (x.rows.n_columns + tables.t.n_derived) * n;
    float *const out = reinterpret_cast<float *>(room.place(random, size * sizeof(float), sizeof(float)));
    const int32_t n_threads = static_cast<int32_t>(random.from(1, 3));
    const int32_t error = skt_derive(&tables.t, &x.rows, tables.hashes_of_columns(), first, n, out, n_threads, isa);
    if (damaged) continue;
    if (error) return skt_message(error);
    for (size_t i = 0; i < size; i++)
      if (std::memcmp(out + i, &expected[i], sizeof(float)) && !(std::isnan(out[i]) && std::isnan(expected[i]))) return "skt_derive and its formula differ";
  }
  return nullptr;
}
