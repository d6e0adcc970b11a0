// 512 rows at a time: one bit a row in a vector of 64 bytes, which compilers split where registers are shorter.
//
// Row 64 s + 8 q + k is bit k of byte q of word s, or with AVX-512 bit 7 - k, which spares a step there. Only bits_of_bytes and
// bytes_of_bits of the instruction set know.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef SKT_ISA
#error "SKT_ISA names the namespace of the instruction set"
#endif

namespace SKT_ISA {

constexpr int kBlock = 512; // rows
constexpr int kSlice = 64;  // rows whose bits share a word
constexpr int kSlices = kBlock / kSlice;

typedef uint64_t Bits __attribute__((vector_size(64)));

inline Bits all_clear() { return Bits{}; }
inline Bits all_set() { return ~Bits{}; }

} // namespace SKT_ISA
