// Threads that wait for something to do: to start one costs a tenth of a millisecond, to wake one a tenth of that.
#include "threads.h"

#include <unistd.h>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

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

  void give(const Task &task) { change(kGiven, &task); }

  void dismiss() { change(kDismissed, nullptr); }

  // Waits until the task is done, unless it has not begun.
  void take_back() {
    linger([&] { return state_ != kBusy; });
    std::unique_lock<std::mutex> lock(mutex_);
    if (state_ == kGiven) state_ = kIdle;
    changed_.wait(lock, [&] { return state_ == kIdle; });
  }

 private:
  enum State { kIdle, kGiven, kBusy, kDismissed };

  // Looks a while whether something has happened, some twenty microseconds: less than it takes to fall asleep and wake up again.
  template <class Happened>
  static void linger(Happened happened) {
    for (int i = 0; i < 1000 && !happened(); i++) {
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
    }
  }

  void change(State state, const Task *task) {
    const std::lock_guard<std::mutex> lock(mutex_);
    task_ = task;
    state_ = state;
    if (state == kGiven) send_elsewhere(thread_);
    changed_.notify_one(); // while it is locked: a dismissed helper is gone afterwards
  }

  void live() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return state_ == kGiven || state_ == kDismissed; });
      if (state_ == kDismissed) break;
      state_ = kBusy;
      const Task task = *task_; // which stays where it is until this thread is idle again
      lock.unlock();
      task.run(task.what, scratch_);
      lock.lock();
      state_ = kIdle;
      changed_.notify_one();
      lock.unlock();
      linger([&] { return state_ != kIdle; }); // the same call may have more to do
      lock.lock();
    }
    lock.unlock();
    delete this;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<State> state_{kIdle};
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
