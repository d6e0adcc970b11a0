// 512 rows at a time: one bit a row in 64 bytes, with the operators & | ^ ~.
//
// Row 64 s + 8 q + k is bit k of byte q of word s, or with AVX-512 bit 7 - k, which spares a step there; avx2.h has an order of its own. Only
// bits_of_bytes and bytes_of_bits of the instruction set know.
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
constexpr int kGroup = 16; // pieces of trees whose values are added together

#if (defined(__SSE2__) && !defined(__AVX512F__)) || defined(__ARM_NEON)

// GCC sends vectors that are longer than a register through memory, so here they are put together of registers.
#ifdef __AVX2__
typedef uint64_t Register __attribute__((vector_size(32)));
#else
typedef uint64_t Register __attribute__((vector_size(16)));
#endif
constexpr int kRegisters = 64 / sizeof(Register);
#ifdef __ARM_NEON
constexpr int kRegistersAtOnce = 4; // of three planes, beside what else is at hand
#else
constexpr int kRegistersAtOnce = 2;
#endif

struct alignas(64) Bits {
  Register part[kRegisters];
};

inline const Register &register_of(const Bits &bits, int i) { return bits.part[i]; }
inline Register &register_of(Bits &bits, int i) { return bits.part[i]; }

template <class Operation>
inline Bits part_by_part(Operation operation) {
  Bits out;
#pragma GCC unroll 4
  for (int i = 0; i < kRegisters; i++) out.part[i] = operation(i);
  return out;
}

inline Bits operator&(const Bits &a, const Bits &b) {
  return part_by_part([&](int i) { return a.part[i] & b.part[i]; });
}
inline Bits operator|(const Bits &a, const Bits &b) {
  return part_by_part([&](int i) { return a.part[i] | b.part[i]; });
}
inline Bits operator^(const Bits &a, const Bits &b) {
  return part_by_part([&](int i) { return a.part[i] ^ b.part[i]; });
}
inline Bits operator~(const Bits &a) {
  return part_by_part([&](int i) { return ~a.part[i]; });
}

#else

typedef uint64_t Bits __attribute__((vector_size(64)));
typedef Bits Register;
constexpr int kRegisters = 1, kRegistersAtOnce = 1;

inline const Bits &register_of(const Bits &bits, int) { return bits; }
inline Bits &register_of(Bits &bits, int) { return bits; }

#endif

inline Bits all_clear() { return Bits{}; }
inline Bits all_set() { return ~Bits{}; }

} // namespace SKT_ISA
