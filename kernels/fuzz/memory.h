// For the fuzzer: random choices that a seed repeats, and memory in which every access out of bounds ends the process.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed * 0x9E3779B97F4A7C15ull + 1) {}

  uint64_t bits() { return engine_(); }
  int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
  int64_t from(int64_t low, int64_t high) { return low + below(high - low + 1); } // both included
  bool once_in(int64_t n) { return below(n) == 0; }
  double normal() { return normal_(engine_); }

  template <class T>
  T one_of(std::initializer_list<T> these) {
    return these.begin()[below(static_cast<int64_t>(these.size()))];
  }
  template <class T>
  T one_of(const std::vector<T> &these) {
    return these[below(static_cast<int64_t>(these.size()))];
  }

  // What sums trip over: signed zeros, denormals, infinities, and numbers that round.
  double value() {
    if (once_in(4)) return one_of({0.0, -0.0, 1.0, -1.0, 5e-324, 1e-45, 1e30, -1e30, 1.0 / 3});
    return once_in(400) ? one_of({HUGE_VAL, -HUGE_VAL}) : normal();
  }

 private:
  std::mt19937_64 engine_;
  std::normal_distribution<double> normal_;
};

// Places for arrays between pages that may not be touched. An array lies at the end of its place or at the beginning, by chance, so that
// reading or writing one byte too far faults, whatever the build.
class Room {
 public:
  Room() : page_(sysconf(_SC_PAGESIZE)) {
    void *const room = mmap(nullptr, kPlaces * (kBytes + page_) + page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) std::abort();
    room_ = static_cast<char *>(room);
    for (size_t i = 0; i < kPlaces; i++)
      if (mprotect(begin_of(i), kBytes, PROT_READ | PROT_WRITE)) std::abort();
  }

  // Gives up all arrays.
  void clear() { used_ = 0; }

  char *place(Random &random, size_t bytes, size_t alignment) {
    if (used_ == kPlaces || bytes > kBytes) {
      std::fprintf(stderr, "no place for an array of %zu bytes\n", bytes);
      std::abort();
    }
    char *const begin = begin_of(used_++);
    return random.once_in(3) ? begin : begin + (kBytes - bytes) / alignment * alignment;
  }

  template <class T>
  T *copy(Random &random, const std::vector<T> &array, size_t alignment = alignof(T)) {
    char *const at = place(random, array.size() * sizeof(T), alignment);
    if (!array.empty()) std::memcpy(at, array.data(), array.size() * sizeof(T));
    return reinterpret_cast<T *>(at);
  }

 private:
  static constexpr size_t kPlaces = 256, kBytes = size_t(16) << 20;

  char *begin_of(size_t place) { return room_ + page_ + place * (kBytes + page_); }

  size_t page_, used_ = 0;
  char *room_;
};

// A number that was fine, replaced by one that probably is not.
template <class T>
void spoil(Random &random, T &number) {
  if constexpr (std::is_floating_point_v<T>) {
    number = static_cast<T>(random.one_of({0.0, -1.0, 1.0, HUGE_VAL, -HUGE_VAL, double(NAN), 1e300, 5e-324, random.normal()}));
  } else {
    using Limits = std::numeric_limits<T>;
    const auto moved = [&](int64_t by) { return static_cast<T>(static_cast<uint64_t>(number) + static_cast<uint64_t>(by)); };
    const T before = number;
    for (int tries = 0; number == before && tries < 8; tries++)
      number = random.one_of({T(0), T(1), T(-1), T(64), Limits::max(), Limits::min(), T(Limits::max() - 7), moved(1), moved(-1), moved(random.from(-9, 9)),
                              static_cast<T>(number ^ (T(1) << random.below(8 * sizeof(T)))), static_cast<T>(random.bits())});
  }
}

// A number of things, replaced by another one for which there can still be arrays.
template <class T>
void spoil_count(Random &random, T &count) {
  const T less = count > 0 ? static_cast<T>(random.below(count)) : T(-1);
  count = random.one_of({T(0), T(-1), std::numeric_limits<T>::min(), less, static_cast<T>(count - 1), static_cast<T>(count + 1), static_cast<T>(count + random.from(1, 64))});
}
