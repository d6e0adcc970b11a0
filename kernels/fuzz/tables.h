// For the fuzzer: what tables of all kinds have in common, when they are made, placed and damaged.
#pragma once

#include <algorithm>
#include <cmath>

#include "memory.h"
#include "../sktensor.h"

constexpr double kTiny = 1.0000000180025095e-35; // LightGBM's zero threshold, a float32

// At most `most` ascending numbers.
inline std::vector<double> random_thresholds(Random &random, int64_t most, int32_t features) {
  std::vector<double> found;
  for (int64_t i = random.from(0, most); i > 0; i--) {
    double t = random.once_in(3) ? random.value() : random.normal();
    if (random.once_in(30)) t = random.one_of({HUGE_VAL, -HUGE_VAL, 1e300, -1e300, 1 + 1e-12, 16777217.0, kTiny, -0.5});
    found.push_back(features == SKT_FLOAT32 ? static_cast<float>(t) : t);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

inline void append(std::vector<uint8_t> &bytes, double value, int32_t dtype) {
  const float narrow = static_cast<float>(value);
  const char *const from = dtype == SKT_FLOAT32 ? reinterpret_cast<const char *>(&narrow) : reinterpret_cast<const char *>(&value);
  bytes.insert(bytes.end(), from, from + (dtype == SKT_FLOAT32 ? 4 : 8));
}

template <class Acc>
Acc number_at(const std::vector<uint8_t> &bytes, int64_t place) {
  Acc number;
  std::memcpy(&number, bytes.data() + place * sizeof number, sizeof number);
  return number;
}

inline int64_t item_of(const skt_sum &sum) { return sum.acc_dtype == SKT_FLOAT32 ? 4 : 8; }

// The bytes of so many times so many numbers of the sums' dtype.
inline int64_t bytes_of(const skt_sum &sum, int64_t n, int64_t width) { return n < 0 || width < 0 ? 0 : n * width * item_of(sum); }

inline skt_sum random_sum(Random &random, std::vector<uint8_t> &base) {
  skt_sum sum{};
  sum.acc_dtype = static_cast<int32_t>(random.below(2));
  sum.n_outputs = static_cast<int32_t>(random.one_of({1, 1, 2, 3, 4, 17}));
  sum.continues = random.once_in(4);
  for (int32_t k = 0; k < sum.n_outputs; k++) append(base, random.value(), sum.acc_dtype);
  return sum;
}

template <class Acc>
void begin_sum(const skt_sum &rule, const std::vector<uint8_t> &base, Acc *sum) {
  for (int32_t k = 0; k < rule.n_outputs; k++)
    if (!rule.continues) sum[k] = number_at<Acc>(base, k);
}

// The category that a value stands for, `count` if it is none of these and `count + 1` if it is missing.
inline int64_t category_of(double value, bool truncate_first, double limit, int64_t count) {
  if (std::isnan(value)) return count + 1;
  const bool known = (truncate_first ? value > -1 : value >= 0) && value < limit;
  return known && std::trunc(value) < count ? static_cast<int64_t>(value) : count;
}

// Kinds of tables have three functions for this:
// arrays(visit)   calls visit(array, pointer, whether there is one, length that the numbers and the arrays before it imply, alignment),
// counts(visit)   calls visit(number) for numbers of things, on which lengths depend,
// numbers(visit)  calls visit(number) for all other numbers.
template <class Tables>
void place(Random &random, Room &room, Tables &tables) {
  tables.arrays([&](auto &array, auto &pointer, bool there, int64_t length, int64_t alignment) {
    if (length != static_cast<int64_t>(array.size())) std::abort();
    pointer = there ? room.copy(random, array, alignment) : nullptr;
  });
}

// As many elements as the numbers say, since nothing else tells the kernels.
template <class T>
void bring_to_length(Random &random, std::vector<T> &array, int64_t length) {
  const int64_t most = std::max<int64_t>((1 << 22) / sizeof(T), static_cast<int64_t>(array.size())); // beyond what a check has to believe
  const size_t wanted = static_cast<size_t>(std::clamp<int64_t>(length, 0, most)), before = array.size();
  array.resize(wanted);
  for (size_t i = before; i < wanted; i++) spoil(random, array[i]);
}

// A copy that lies where its items may not.
template <class T>
T *shift(Random &random, Room &room, const std::vector<T> &array, int64_t alignment) {
  const size_t bytes = array.size() * sizeof(T);
  char *const at = room.place(random, bytes + alignment, alignment) + random.from(1, alignment - 1);
  if (bytes) std::memcpy(at, array.data(), bytes);
  return reinterpret_cast<T *>(at);
}

// Whether there are items that lie where they may not, and so are to be refused.
template <class Tables>
bool place_damaged(Random &random, Room &room, Tables &tables) {
  int64_t n_arrays = 0, n_counts = 0, n_numbers = 0, at = 0, gone = -1, shifted = -1;
  tables.arrays([&](auto &, auto &, bool, int64_t, int64_t) { n_arrays++; });
  tables.counts([&](auto &) { n_counts++; });
  tables.numbers([&](auto &) { n_numbers++; });
  const int64_t how = random.below(11);
  if (how < 5) {
    const int64_t which = random.below(n_arrays);
    tables.arrays([&](auto &array, auto &, bool, int64_t, int64_t) {
      if (at++ == which && !array.empty())
        for (int64_t i = random.from(1, 3); i > 0; i--) spoil(random, array[random.below(static_cast<int64_t>(array.size()))]);
    });
  } else if (how < 7) {
    const int64_t which = random.below(n_counts);
    tables.counts([&](auto &count) {
      if (at++ == which) spoil_count(random, count);
    });
  } else if (how < 9) {
    const int64_t which = random.below(n_numbers);
    tables.numbers([&](auto &number) {
      if (at++ == which) spoil(random, number);
    });
  } else if (how < 10) {
    gone = random.below(n_arrays);
  } else {
    shifted = random.below(n_arrays);
  }
  at = 0;
  bool misaligned = false;
  tables.arrays([&](auto &array, auto &pointer, bool there, int64_t length, int64_t alignment) {
    bring_to_length(random, array, length);
    const int64_t which = at++;
    if (which == shifted && there && alignment > 1) {
      misaligned = !array.empty();
      pointer = shift(random, room, array, alignment);
    } else {
      pointer = which != gone && there ? room.copy(random, array, alignment) : nullptr;
    }
  });
  return misaligned;
}
