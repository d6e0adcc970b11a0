// The floating-point mode of a thread: IEEE 754's own while a kernel runs, whatever the caller's.
//
// Libraries switch threads to flush-to-zero (torch.set_flush_denormal, -ffast-math), or to another rounding. Helpers would not know, so that
// answers depended on the number of threads, as XGBoost's do there: it flushes the denormals among the sums of those rows that the calling
// thread computes. Kernels give what the libraries give in the usual mode. The caller's mode comes back afterwards.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(__i386__)
#include <xmmintrin.h>
#endif

class IeeeMode {
 public:
  IeeeMode() : before_(get()) {
    if ((before_ & kMode) != kDefault) set((before_ & ~kMode) | kDefault);
  }
  ~IeeeMode() {
    if ((before_ & kMode) != kDefault) set(before_);
  }
  IeeeMode(const IeeeMode &) = delete;
  IeeeMode &operator=(const IeeeMode &) = delete;

 private:
#if defined(__x86_64__) || defined(__i386__)
  using Register = uint32_t;
  static constexpr Register kMode = 0xFFC0, kDefault = 0x1F80; // all but the flags of what has happened; exceptions are masked
  static Register get() { return _mm_getcsr(); }
  static void set(Register mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
  using Register = uint64_t;
  static constexpr Register kMode = 0x07C89F07, kDefault = 0; // AHP, DN, FZ, RMode, FZ16, traps, NEP, AH, FIZ; the rest is reserved
  static Register get() {
    Register mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
  }
  static void set(Register mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory"); }
#else
  using Register = uint32_t;
  static constexpr Register kMode = 0, kDefault = 0;
  static Register get() { return 0; }
  static void set(Register) {}
#endif

  const Register before_;
};
