// Numbers that follow one another: where an array of them need not be.
#pragma once

#include <cstdint>

namespace SKT_ISA {

struct Progression {
  uint32_t first, by;

  uint32_t operator[](int64_t i) const { return first + static_cast<uint32_t>(i) * by; }
};

} // namespace SKT_ISA
