// Ranges of rows, shared out among threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "float_mode.h"
#include "scratch.h"

// What several threads do at once, each with memory of its own.
struct Task {
  void (*run)(void *what, Scratch &scratch);
  void *what;
};

// Runs a task in this thread and in up to n_helpers others, and returns when the last of them is done. One that has not begun when this
// thread is done, because its processor has something else to do, is not waited for: there is nothing left.
void run_with_helpers(const Task &task, int64_t n_helpers);

// What a thread takes on at least, where a row takes no more than a prediction.
constexpr int64_t kLeastRows = 512;

// How many rows a range has: `most` at first, then one part of what is left for each thread, lest one waits for another, and `least` in the end.
struct Lengths {
  int64_t least, most;
  int64_t parts = 4; // of a thread's share
};

// The error of work(first, last, scratch), called for ranges of rows until all of n are done or one call gives another number than 0; or
// `no_memory` if one throws.
template <class Work>
int32_t in_ranges(int64_t n, const Lengths &lengths, int32_t n_threads, int32_t no_memory, Work work) {
  std::atomic<int64_t> next{0};
  std::atomic<int32_t> error{0};
  auto take = [&, n_threads = std::max(n_threads, 1)](Scratch &scratch) noexcept {
    const IeeeMode mode; // of this thread
    try {
      int64_t first = next;
      while (!error && first < n) {
        const int64_t share = (n - first) / (lengths.parts * n_threads) / lengths.least * lengths.least;
        const int64_t last = std::min(n, first + (n_threads == 1 ? lengths.most : std::clamp(share, lengths.least, lengths.most)));
        if (!next.compare_exchange_weak(first, last)) continue;
        if (const int32_t found = work(first, last, scratch)) error = found;
        first = next;
      }
    } catch (...) {
      error = no_memory;
    }
  };
  const Task task{[](void *what, Scratch &scratch) { (*static_cast<decltype(take) *>(what))(scratch); }, &take};
  run_with_helpers(task, std::min<int64_t>(n_threads, (n + lengths.least - 1) / lengths.least) - 1);
  return error;
}
