// Memory that a thread works in.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

// Kept from call to call: fresh pages would cost a small prediction more than its arithmetic.
class Scratch {
 public:
  // So many bytes at least, aligned to a cache line and never uninitialised.
  char *of(size_t bytes);

 private:
  struct Free {
    void operator()(char *memory) const { ::operator delete(memory, std::align_val_t(64)); }
  };
  std::unique_ptr<char, Free> memory_;
  size_t size_ = 0;
};
