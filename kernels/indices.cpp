// Whether the indices of a CSR matrix are what they should be: in range, and ascending within each row.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "rows.h"
#include "sktensor.h"

namespace SKT_ISA {
namespace {

template <class Index>
bool ascend(const skt_csr &x) {
  using Unsigned = std::make_unsigned_t<Index>;
  constexpr int64_t size = sizeof(Index);
  constexpr int64_t kPart = 1 << 16; // indices after which to look whether there is still a reason to go on
  const char *const ends = static_cast<const char *>(x.indptr), *const indices = static_cast<const char *>(x.indices);
  int bad = read<Index>(ends) != 0;
  for (int64_t row = 0; row < x.n_rows; row++) bad |= read<Index>(ends + (row + 1) * size) < read<Index>(ends + row * size);
  const int64_t n = read<Index>(ends + x.n_rows * size);
  if (bad || n > x.n_entries) return false;

  // As an unsigned number, a negative one is beyond all columns.
  const Unsigned n_columns = static_cast<Unsigned>(std::min<int64_t>(x.n_columns, std::numeric_limits<Index>::max()));
  if (n && static_cast<Unsigned>(read<Index>(indices)) >= n_columns) return false;
  int64_t n_falls = 0;
  for (int64_t start = 1; start < n; start += kPart) {
    const int64_t stop = std::min(start + kPart, n);
    Index falls = 0; // as wide as the indices, so that vectors hold both
    for (int64_t i = start; i < stop; i++) {
      const Index before = read<Index>(indices + (i - 1) * size), here = read<Index>(indices + i * size);
      bad |= static_cast<Unsigned>(here) >= n_columns;
      falls += static_cast<Index>(here <= before);
    }
    if (bad) return false;
    n_falls += falls;
  }
  for (int64_t row = 1; row < x.n_rows; row++) { // from row to row, they may fall
    const int64_t begin = read<Index>(ends + row * size);
    if (begin > 0 && begin < n && begin > read<Index>(ends + (row - 1) * size))
      n_falls -= read<Index>(indices + begin * size) <= read<Index>(indices + (begin - 1) * size);
  }
  return !n_falls;
}

} // namespace

bool indices_ascend(const skt_csr &x) { return x.index_bytes == 4 ? ascend<int32_t>(x) : ascend<int64_t>(x); }

} // namespace SKT_ISA
