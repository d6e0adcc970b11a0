// Demultiplexers: how rows spread over a tree, three levels at a time.
//
// A row goes on to one of a node's two sides, and each bit of its leaf's number is the answer of the one node on its way that has that bit. So
// the rows that come to a node, as a plane, and its question give both sides and what the node adds to its bit: three operations and one plane from
// memory for each node, where multiplexers load most planes more than once.
//
// Included by kernels that are compiled once for each instruction set, hence the namespace, as of rows.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "simd/simd.h"
#include "sktensor.h"

namespace SKT_ISA {

// Takes rows through demultiplexers of a floor. `bits` are planes of the floor's three bits, lowest first; with kGoesOn, `sides` becomes the rows
// on each side of each one.
template <bool kGoesOn>
inline void demultiplex(const uint16_t *demux, const uint16_t *end, const Bits *slots, Bits *sides, Bits *bits) {
  for (int begin = 0; begin < kRegisters; begin += kRegistersAtOnce) {
    Register first[kRegistersAtOnce] = {}, second[kRegistersAtOnce] = {}, third[kRegistersAtOnce] = {};
    Bits *to = sides;
    for (const uint16_t *at = demux; at < end; at += SKT_DEMUX) {
      uint64_t upper, lower; // four of its slots each
      std::memcpy(&upper, at, 8);
      std::memcpy(&lower, at + 4, 8);
      const Bits &rows = slots[upper & 0xFFFF], &root = slots[upper >> 16 & 0xFFFF], &clear = slots[upper >> 32 & 0xFFFF], &set = slots[upper >> 48];
      const Bits *const last[4] = {slots + (lower & 0xFFFF), slots + (lower >> 16 & 0xFFFF), slots + (lower >> 32 & 0xFFFF), slots + (lower >> 48)};
#pragma GCC unroll 4
      for (int i = 0; i < kRegistersAtOnce; i++) {
        const int r = begin + i;
        const Register all = register_of(rows, r), is_set = all & register_of(root, r), is_clear = all ^ is_set;
        first[i] |= is_set;
        const Register second_set[2] = {is_clear & register_of(clear, r), is_set & register_of(set, r)};
        const Register comes[4] = {is_clear ^ second_set[0], second_set[0], is_set ^ second_set[1], second_set[1]};
        second[i] |= second_set[0];
        second[i] |= second_set[1];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
          if constexpr (kGoesOn) {
            const Register goes = comes[k] & register_of(*last[k], r);
            third[i] |= goes;
            register_of(to[2 * k], r) = comes[k] ^ goes;
            register_of(to[2 * k + 1], r) = goes;
          } else {
            third[i] = or_and(third[i], comes[k], register_of(*last[k], r));
          }
      }
      if (kGoesOn) to += SKT_SIDES;
    }
    for (int i = 0; i < kRegistersAtOnce; i++) {
      register_of(bits[0], begin + i) = third[i];
      register_of(bits[1], begin + i) = second[i];
      register_of(bits[2], begin + i) = first[i];
    }
  }
}

} // namespace SKT_ISA
