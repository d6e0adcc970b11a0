// Circuits over bit planes, 512 rows at a time: every question of some trees is answered once, as a plane of one bit a row, and multiplexers or
// demultiplexers turn the planes into the bits of each tree's leaf.
//
// Included by kernels that are compiled once for each instruction set, hence the namespace, as of rows.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "demultiplexers.h"
#include "simd/simd.h"
#include "sktensor.h"

namespace SKT_ISA {

// Rows in the dtype in which their values are compared: float32 ones stay so even if features are float64, for thresholds32 is rounded such that
// the comparisons come out the same. Columns of a frame differ among themselves, so they are compared in the dtype of the features.
struct ComparedRows {
  skt_rows rows;
  bool narrow; // float32

  ComparedRows(const skt_rows &given, int32_t features) : rows(given), narrow(features == SKT_FLOAT32 || (!given.columns && given.dtype == SKT_FLOAT32)) {
    // A float64 that is no float32 equals none of them.
    if (narrow && features == SKT_FLOAT64 && static_cast<double>(static_cast<float>(rows.missing)) != rows.missing) rows.has_missing = 0;
  }
};

// What circuits work in: columns of X, then their slots, which begin with all zeros, all ones and the planes.
class Slots {
 public:
  static size_t bytes(const skt_bitsliced &t) {
    int32_t most = 0;
    for (int32_t p = 0; p < t.n_pieces; p++) {
      const int32_t *const floor = t.piece_demuxes + SKT_FLOORS * static_cast<int64_t>(p);
      const int32_t n_sides = SKT_SIDES * (floor[SKT_FLOORS - 1] - floor[0]);
      most = std::max(most, t.piece_triples[p + 1] - t.piece_triples[p] + t.piece_muxes[p + 1] - t.piece_muxes[p] + SKT_FLOOR_BITS + n_sides);
    }
    return kPanelBytes + sizeof(Bits) * (2 + static_cast<size_t>(t.n_planes) + most);
  }

  explicit Slots(char *memory) : panel_(memory), slots_(reinterpret_cast<Bits *>(memory + kPanelBytes)) {
    slots_[0] = all_clear();
    slots_[1] = all_set();
  }

  // Answers the questions of all pieces for n rows, at most 512.
  void answer(const skt_bitsliced &t, const ComparedRows &rows, int64_t first_row, int n);

  // The leaf numbers of these rows in one piece.
  void evaluate(const skt_bitsliced &t, int piece, uint8_t *numbers) const {
    Bits *const slots = slots_, *out = slots + 2 + t.n_planes;
    const uint16_t *triple = t.triples + 8 * static_cast<int64_t>(t.piece_triples[piece]);
    for (const uint16_t *end = t.triples + 8 * static_cast<int64_t>(t.piece_triples[piece + 1]); triple < end; triple += 8) {
      uint64_t first, last; // four of its slots each: circuits wait for loads, not for what takes the slots apart
      std::memcpy(&first, triple, 8);
      std::memcpy(&last, triple + 4, 8);
      *out++ = choose(slots[first & 0xFFFF], choose(slots[first >> 16 & 0xFFFF], slots[first >> 32 & 0xFFFF], slots[first >> 48]),
                      choose(slots[last & 0xFFFF], slots[last >> 16 & 0xFFFF], slots[last >> 32 & 0xFFFF]));
    }
    const uint16_t *mux = t.muxes + 3 * static_cast<int64_t>(t.piece_muxes[piece]);
    for (const uint16_t *end = t.muxes + 3 * static_cast<int64_t>(t.piece_muxes[piece + 1]); mux < end; mux += 3)
      *out++ = choose(slots[mux[0]], slots[mux[1]], slots[mux[2]]);
    const int32_t *const floor = t.piece_demuxes + SKT_FLOORS * static_cast<int64_t>(piece);
    if (floor[0] < floor[SKT_FLOORS]) {
      const auto demux = [&](int i) { return t.demuxes + SKT_DEMUX * static_cast<int64_t>(floor[i]); };
      Bits *const bits = out, *const sides = bits + SKT_FLOOR_BITS;
      demultiplex<true>(demux(0), demux(1), slots, sides, bits + 6); // three bits a floor, the highest ones first
      demultiplex<true>(demux(1), demux(2), slots, sides + SKT_SIDES * (floor[1] - floor[0]), bits + 3);
      demultiplex<false>(demux(2), demux(3), slots, nullptr, bits);
    }
    bytes_of_bits(slots, t.piece_code + 8 * static_cast<int64_t>(piece), t.piece_bits[piece], numbers);
  }

 private:
  static constexpr size_t kPanelBytes = 16 * kBlock * sizeof(double); // columns loaded together, a cache line of float32

  char *const panel_;
  Bits *const slots_;
};

} // namespace SKT_ISA
