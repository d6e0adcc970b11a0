// Ranges of rows, shared out among threads that live as long as the call.
//
// A thread costs some 20 microseconds to start, which is little beside what it is started for, and nothing is left behind: no idle
// threads, no state that a fork would break.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

// Calls work(first, last) for ranges of at most `step` rows until all of n are done; true unless a call threw.
template <class Work>
bool in_ranges(int64_t n, int64_t step, int32_t n_threads, Work work) {
  std::atomic<int64_t> next{0};
  std::atomic<bool> failed{false};
  auto take = [&]() noexcept {
    try {
      for (int64_t first; !failed && (first = next.fetch_add(step)) < n;) work(first, std::min(n, first + step));
    } catch (...) {
      failed = true;
    }
  };
  std::vector<std::thread> helpers;
  try {
    const int64_t useful = std::min<int64_t>(n_threads, (n + step - 1) / step);
    for (int64_t i = 1; i < useful; i++) helpers.emplace_back(take);
  } catch (...) { // no more threads to be had: those there are do it
  }
  take();
  for (std::thread &helper : helpers) helper.join();
  return !failed;
}
