// Threads that wait for something to do: to start one costs a tenth of a millisecond, to wake one a tenth of that.
#include "threads.h"

#include <unistd.h>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

namespace {

// Sends a sleeping thread to any processor but this one. Linux would wake it where it slept, or where its waker runs, even if that one is
// busy and another is not: a helper would then begin when there is nothing left to help with.
template <class Thread>
void send_elsewhere(Thread thread) {
#if defined(__linux__)
  cpu_set_t allowed;
  const int here = sched_getcpu();
  if (here < 0 || here >= CPU_SETSIZE || pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed)) return;
  if (CPU_COUNT(&allowed) > 1) CPU_CLR(here, &allowed);
  pthread_setaffinity_np(thread, sizeof allowed, &allowed);
#else
  (void)thread;
#endif
}

// Hands its task over through `state_` alone while both threads are awake; the mutex is for those that sleep.
class Helper {
 public:
  // Throws if there are no more threads to be had.
  static Helper *start() {
    std::unique_ptr<Helper> helper(new Helper);
    std::thread thread(&Helper::live, helper.get());
    helper->thread_ = thread.native_handle();
    thread.detach();
    return helper.release(); // it lives as long as its thread
  }

  void give(const Task &task) {
    task_ = &task;
    state_ = kGiven;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!sleeps_) return; // it looks at the state before it does
    send_elsewhere(thread_);
    given_.notify_one();
  }

  void dismiss() {
    const std::lock_guard<std::mutex> lock(mutex_); // which the helper waits for before it goes
    state_ = kDismissed;
    given_.notify_one();
  }

  // Waits until the task is done, unless it has not begun.
  void take_back() {
    State given = kGiven;
    if (state_.compare_exchange_strong(given, kIdle)) return;
    if (linger([&] { return state_ == kIdle; })) return;
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return state_ == kIdle; });
  }

 private:
  enum State { kIdle, kGiven, kBusy, kDismissed };

  // Whether something happens within the time that it takes to fall asleep and wake up again; a prediction's link follows its sums sooner.
  template <class Happened>
  static bool linger(Happened happened) {
    using Clock = std::chrono::steady_clock;
    for (const auto end = Clock::now() + std::chrono::microseconds(100); Clock::now() < end;) {
      if (happened()) return true;
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
    }
    return false;
  }

  void live() {
    for (;;) {
      const auto is_given = [&] { return state_ == kGiven || state_ == kDismissed; };
      if (!linger(is_given)) {
        std::unique_lock<std::mutex> lock(mutex_);
        sleeps_ = true;
        given_.wait(lock, is_given);
        sleeps_ = false;
      }
      if (state_ == kDismissed) break;
      State given = kGiven;
      if (!state_.compare_exchange_strong(given, kBusy)) continue; // taken back
      const Task task = *task_; // which stays where it is until this thread is idle again
      task.run(task.what, scratch_);
      const std::lock_guard<std::mutex> lock(mutex_);
      state_ = kIdle;
      done_.notify_one();
    }
    mutex_.lock(); // when whoever dismisses this helper is done with it
    mutex_.unlock();
    delete this;
  }

  std::mutex mutex_;
  std::condition_variable given_, done_;
  std::atomic<State> state_{kIdle};
  bool sleeps_ = false;
  const Task *task_ = nullptr;
  Scratch scratch_;
  std::thread::native_handle_type thread_{};
};

// The helpers of a process that nobody has need of.
class Pool {
 public:
  explicit Pool(pid_t process) : process(process) { idle_.reserve(std::max(1u, std::thread::hardware_concurrency())); }

  // Up to n helpers, as many as there are threads to be had.
  std::vector<Helper *> some(int64_t n) {
    std::vector<Helper *> found;
    found.reserve(static_cast<size_t>(n));
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (; n > 0 && !idle_.empty(); n--) {
        found.push_back(idle_.back());
        idle_.pop_back();
      }
    }
    try {
      for (; n > 0; n--) found.push_back(Helper::start());
    } catch (const std::exception &) { // those there are do it
    }
    return found;
  }

  // Keeps as many as processors can run.
  void put_back(const std::vector<Helper *> &helpers) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Helper *helper : helpers) {
      if (idle_.size() < idle_.capacity())
        idle_.push_back(helper);
      else
        helper->dismiss();
    }
  }

  const pid_t process;

 private:
  std::mutex mutex_;
  std::vector<Helper *> idle_;
};

// The pool of this process. A fork leaves behind its parent's, whose threads it does not have and whose lock somebody may have held.
Pool &pool() {
  static std::atomic<Pool *> current{nullptr};
  const pid_t process = getpid();
  Pool *found = current;
  while (!found || found->process != process) {
    Pool *const fresh = new Pool(process);
    if (current.compare_exchange_strong(found, fresh)) return *fresh;
    delete fresh;
  }
  return *found;
}

} // namespace

void run_with_helpers(const Task &task, int64_t n_helpers) {
  static thread_local Scratch scratch;
  std::vector<Helper *> helpers;
  try {
    if (n_helpers > 0) helpers = pool().some(n_helpers);
  } catch (const std::bad_alloc &) { // then this thread does it
  }
  for (Helper *helper : helpers) helper->give(task);
  task.run(task.what, scratch);
  for (Helper *helper : helpers) helper->take_back();
  if (!helpers.empty()) pool().put_back(helpers);
}
