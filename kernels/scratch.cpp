#include "scratch.h"

#include <cstring>

char *Scratch::of(size_t bytes) {
  if (bytes > size_) {
    memory_.reset(); // before the new one is there, lest both are
    size_ = 0;       // in case it never will be
    memory_.reset(static_cast<char *>(::operator new(bytes, std::align_val_t(64))));
    size_ = bytes;
    std::memset(memory_.get(), 0, bytes); // lanes beyond the last row are computed, too, and must hold numbers
  }
  return memory_.get();
}
