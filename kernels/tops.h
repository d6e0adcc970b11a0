// Circuits for the tops of trees: where many rows enter trees that they walk.
//
// Included by a kernel that is compiled once for each instruction set, hence the namespace, as of rows.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "circuits.h"
#include "simd/simd.h"

namespace SKT_ISA {

constexpr int kTopRows = 320;  // of 512, from which on circuits are faster than the blocks whose questions they answer
constexpr int kNearRows = 128; // of those at hand, whose codes stay in the first-level cache while they walk

// What circuits found for the first n rows at hand in one tree; the others begin at its root.
class Top {
 public:
  int n = 0;

  Top() = default;
  Top(const skt_traversal &t, const skt_bitsliced &circuits, int32_t piece, int32_t end, const uint8_t *numbers, int64_t step, int n)
      : n(n), circuits_(&circuits), piece_(piece), end_(end), numbers_(numbers), step_(step), root_(circuits.piece_output[piece]),
        other_(static_cast<uint32_t>(t.tree_block[root_])) {}

  // The blocks at which rows begin .. end, near ones, enter the tree. A row whose leaf is at the top enters at the block that leads to it.
  void starts(int begin, int end, uint32_t *block) const {
    uint8_t start[kNearRows] = {}; // 0 is the root, which all pieces but one say
    for (int32_t piece = piece_; piece < end_; piece++) {
      const uint8_t *const number = numbers_ + (piece - piece_) * step_ + begin;
      const uint8_t *const table = static_cast<const uint8_t *>(circuits_->values) + circuits_->piece_first[piece];
      look_up_highest(table, circuits_->piece_bits[piece], number, end - begin, start);
    }
    for (int i = 0; i < end - begin; i++) block[begin + i] = start[i] ? other_ + start[i] - 1 : root_;
  }

 private:
  const skt_bitsliced *circuits_ = nullptr;
  int32_t piece_ = 0, end_ = 0;
  const uint8_t *numbers_ = nullptr;
  int64_t step_ = 0;
  uint32_t root_ = 0, other_ = 0; // the tree's root, and where its other blocks begin
};

// The circuits that take rows through the tops of trees, for as many rows as are at hand.
class Tops {
 public:
  static size_t bytes(const skt_traversal &t, int64_t at_once) {
    size_t pieces = 0;
    for (int32_t i = 0; i < t.n_tops; i++) pieces = std::max(pieces, size_t(t.tops[i].n_pieces));
    return slot_bytes(t) + pieces * step_for(at_once);
  }

  Tops(const skt_traversal &t, const skt_rows &rows, int32_t features, int64_t at_once, char *memory)
      : t_(t), rows_(rows, features), step_(step_for(at_once)), memory_(memory), numbers_(reinterpret_cast<uint8_t *>(memory) + slot_bytes(t)) {}

  // Takes n rows from `row` on through the tops of some trees; calls through(top) for each of these.
  template <class Through>
  void answer(const skt_bitsliced &circuits, int64_t row, int n, Through through) {
    Slots slots(memory_);
    const int all = n % kBlock < kTopRows ? n / kBlock * kBlock : n;
    for (int begin = 0; begin < all; begin += kBlock) {
      slots.answer(circuits, rows_, row + begin, std::min(kBlock, all - begin));
      for (int32_t piece = 0; piece < circuits.n_pieces; piece++) slots.evaluate(circuits, piece, numbers_ + piece * step_ + begin);
    }
    for (int32_t piece = 0, end; piece < circuits.n_pieces; piece = end) {
      for (end = piece + 1; end < circuits.n_pieces && circuits.piece_output[end] == circuits.piece_output[piece];) end++;
      through(Top(t_, circuits, piece, end, numbers_ + piece * step_, step_, all));
    }
  }

 private:
  const skt_traversal &t_;
  ComparedRows rows_;
  int64_t step_; // from a tree's numbers to the next one's
  char *memory_;
  uint8_t *numbers_;

  static size_t slot_bytes(const skt_traversal &t) {
    size_t found = 0;
    for (int32_t i = 0; i < t.n_tops; i++) found = std::max(found, Slots::bytes(t.tops[i]));
    return found;
  }

  static int64_t step_for(int64_t at_once) { return (at_once + kBlock - 1) / kBlock * kBlock; }
};

} // namespace SKT_ISA
