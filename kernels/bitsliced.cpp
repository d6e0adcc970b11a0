// Trees as circuits over bit planes, 512 rows at a time.
//
// Once a block's questions are answered and its leaf numbers found, leaf values are looked up and added, one tree after the other, in the order
// and dtype of the model.
#include <algorithm>

#include "circuits.h"
#include "scratch.h"
#include "simd/simd.h"
#include "sktensor.h"

namespace SKT_ISA {
namespace {

// Inlined, or GCC calls it with the addresses of numbers, which it loads again for each of them.
template <class Sums, class Acc, class... Pieces>
__attribute__((always_inline)) inline void add_with(const uint8_t *numbers, int n_slices, Acc *acc, const Pieces &...pieces) {
  for (int row = 0; row < n_slices * kSlice; row += Sums::kRows) {
    Sums sums(acc + place_of<Acc>(row));
    sums.add(pieces..., numbers + row);
    sums.store(acc + place_of<Acc>(row));
  }
}

// Adds the values of pieces first .. last, whose leaf numbers of 512 rows each stand one after the other, to one output of all rows.
template <class Acc>
void add_pieces(const skt_bitsliced &t, int first, int last, int output, const uint8_t *numbers, int n_slices, Acc *acc) {
  if constexpr (kShuffledBits<Acc> > 0) {
    using Shuffled = ShuffledSums<Acc>;
    if (Shuffled::Tables::there(t) && *std::max_element(t.piece_bits + first, t.piece_bits + last) <= kShuffledBits<Acc>)
      return add_with<Shuffled>(numbers, n_slices, acc, typename Shuffled::Tables(t, first, last, output));
  }
  add_with<Sums<Acc>>(numbers, n_slices, acc, t, first, last, output);
}

template <class Acc>
void run(const skt_bitsliced &t, const ComparedRows &rows, int64_t first_row, int64_t last_row, Acc *out, Scratch &scratch) {
  const int n_outputs = t.sum.n_outputs;
  const size_t slot_bytes = Slots::bytes(t), acc_bytes = sizeof(Acc) * kBlock * n_outputs;
  char *const memory = scratch.of(slot_bytes + acc_bytes + kGroup * kBlock);
  Slots slots(memory);
  Acc *const acc = reinterpret_cast<Acc *>(memory + slot_bytes);
  uint8_t *const numbers = reinterpret_cast<uint8_t *>(memory + slot_bytes + acc_bytes);
  const Acc *const base = static_cast<const Acc *>(t.sum.base);

  for (int64_t row = first_row; row < last_row; row += kBlock) {
    const int n = static_cast<int>(std::min<int64_t>(kBlock, last_row - row)), n_slices = (n + kSlice - 1) / kSlice;
    for (int k = 0; k < n_outputs; k++) {
      std::fill_n(acc + k * kBlock, kBlock, base[k]);
      if (t.sum.continues)
        for (int i = 0; i < n; i++) acc[k * kBlock + place_of<Acc>(i)] = out[(row + i) * n_outputs + k];
    }
    slots.answer(t, rows, row, n);
    for (int first = 0; first < t.n_pieces;) {
      const bool shared = t.n_leaf_outputs > 1;
      int last = first;
      for (; last < t.n_pieces && last < first + kGroup && (shared || t.piece_output[last] == t.piece_output[first]); last++)
        slots.evaluate(t, last, numbers + (last - first) * kBlock);
      if (shared)
        for (int k = 0; k < n_outputs; k++) add_pieces(t, first, last, k, numbers, n_slices, acc + k * kBlock);
      else
        add_pieces(t, first, last, 0, numbers, n_slices, acc + t.piece_output[first] * kBlock);
      first = last;
    }
    for (int k = 0; k < n_outputs; k++)
      for (int i = 0; i < n; i++) out[(row + i) * n_outputs + k] = acc[k * kBlock + place_of<Acc>(i)];
  }
}

} // namespace

void bitsliced_sums(const skt_bitsliced &t, const skt_rows &rows, int32_t features, int64_t first_row, int64_t last_row, void *out, Scratch &scratch) {
  const ComparedRows compared(rows, features);
  if (t.sum.acc_dtype == SKT_FLOAT32)
    run(t, compared, first_row, last_row, static_cast<float *>(out), scratch);
  else
    run(t, compared, first_row, last_row, static_cast<double *>(out), scratch);
}

} // namespace SKT_ISA
