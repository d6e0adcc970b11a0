// Trees as circuits over bit planes, 512 rows at a time.
//
// Each block of rows goes through four steps: values are loaded column by column; each becomes a rank, and each question "rank > r" that a
// node asks one plane of bits; multiplexers turn the planes into the bits of each tree's leaf; leaf values are looked up and added, one
// tree after the other, in the order and dtype of the model.
#include <algorithm>

#include "lanes.h"
#include "ranks.h"
#include "rows.h"
#include "scratch.h"
#include "sktensor.h"

namespace SKT_ISA {
namespace {

constexpr int kPanel = 16; // columns loaded together, a cache line of float32
constexpr int kGroup = 16; // pieces whose values are added together

// Up to 16 columns of X from `first` on, for n rows.
template <class Feature>
struct Panel {
  alignas(64) Feature values[kPanel][kBlock];

  void load(const skt_rows &rows, const Treatment<Feature> &treatment, int64_t first_row, int n, const int32_t *columns, int n_columns) {
    const bool side_by_side = !rows.columns && n_columns >= 4;
    if (side_by_side && columns[n_columns - 1] - columns[0] < kPanel && rows.column_stride == (rows.dtype == SKT_FLOAT32 ? 4 : 8)) {
      load_rows(rows, first_row, n, columns, n_columns);
      if (!treatment.changes_nothing())
        for (int c = 0; c < n_columns; c++)
          for (int i = 0; i < n; i++) values[c][i] = treatment(values[c][i]);
    } else {
      for (int c = 0; c < n_columns; c++) load_column(column_of(rows, columns[c]), first_row, n, treatment, values[c]);
    }
  }

 private:
  // Values that stand side by side in a row are read together.
  void load_rows(const skt_rows &rows, int64_t first_row, int n, const int32_t *columns, int n_columns) {
    const char *at = static_cast<const char *>(rows.data) + first_row * rows.row_stride + columns[0] * rows.column_stride;
    int i = 0;
#if defined(__AVX512F__)
    if constexpr (sizeof(Feature) == 4)
      for (; i + 16 <= n; i += 16) load_tile(at + i * rows.row_stride, rows, i, columns, n_columns);
#endif
    for (; i < n; i++) {
      const char *row = at + i * rows.row_stride;
      for (int c = 0; c < n_columns; c++) {
        const int offset = columns[c] - columns[0];
        values[c][i] = rows.dtype == SKT_FLOAT32 ? static_cast<Feature>(read<float>(row + 4 * offset)) : static_cast<Feature>(read<double>(row + 8 * offset));
      }
    }
  }

#if defined(__AVX512F__)
  // 16 rows by 16 columns, turned over.
  void load_tile(const char *at, const skt_rows &rows, int first, const int32_t *columns, int n_columns) {
    const int width = columns[n_columns - 1] - columns[0] + 1;
    const __mmask16 there = static_cast<__mmask16>((1u << width) - 1);
    __m512 r[16], t[16];
    if (rows.dtype == SKT_FLOAT32) {
      for (int i = 0; i < 16; i++) r[i] = _mm512_maskz_loadu_ps(there, at + i * rows.row_stride);
    } else {
      for (int i = 0; i < 16; i++) {
        const char *row = at + i * rows.row_stride;
        const __m256 low = _mm512_cvtpd_ps(_mm512_maskz_loadu_pd(static_cast<__mmask8>(there), row));
        const __m256 high = _mm512_cvtpd_ps(_mm512_maskz_loadu_pd(static_cast<__mmask8>(there >> 8), row + 64));
        r[i] = _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
      }
    }
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
      for (int j = 0; j < 2; j++) {
        const __m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + j + 2]);
        r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
        r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
      }
    // r[4 g + c] holds, in lane l, rows 4 g .. 4 g + 3 of column 4 l + c: lanes and groups are what is left to turn over.
    for (int c = 0; c < 4; c++) {
      const __m512 a = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x88), b = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xDD);
      const __m512 d = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x88), e = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xDD);
      t[c] = _mm512_shuffle_f32x4(a, d, 0x88);
      t[8 + c] = _mm512_shuffle_f32x4(a, d, 0xDD);
      t[4 + c] = _mm512_shuffle_f32x4(b, e, 0x88);
      t[12 + c] = _mm512_shuffle_f32x4(b, e, 0xDD);
    }
    for (int c = 0; c < n_columns; c++) _mm512_store_ps(reinterpret_cast<float *>(values[c]) + first, t[columns[c] - columns[0]]);
  }
#endif
};

// Which of the n rows have a missing value, and which a zero.
template <class Feature>
bool find(const Feature *x, int n, bool zeros, Feature limit, uint8_t *is) {
  uint8_t any = 0;
  if (zeros)
    for (int i = 0; i < n; i++) any |= is[i] = std::fabs(x[i]) <= limit;
  else
    for (int i = 0; i < n; i++) any |= is[i] = x[i] != x[i];
  return any != 0;
}

// All numeric planes of a block, from its values.
template <bool kRightIfEqual, class Feature>
void numeric_planes(const skt_bitsliced &t, const skt_rows &rows, int64_t first_row, int n, Panel<Feature> &panel, Bits *planes) {
  const Treatment<Feature> treatment(rows);
  const int padded = (n + 15) / 16 * 16;
  alignas(64) uint8_t rank[kBlock], code[kBlock], missing[kBlock], zero[kBlock];
  std::memset(rank, 0, sizeof rank);
  for (int first = 0; first < t.n_searches;) {
    int32_t columns[kPanel];
    int n_columns = 0, last = first;
    for (; last < t.n_searches; last++) { // searches come by column, several for a column with many thresholds
      const int32_t column = t.search_column[last];
      if (n_columns && columns[n_columns - 1] == column) continue;
      if (n_columns == kPanel || (n_columns && column - columns[0] >= kPanel && n_columns >= 4)) break;
      columns[n_columns++] = column;
    }
    panel.load(rows, treatment, first_row, n, columns, n_columns);
    for (int place = 0; first < last; first++) {
      while (columns[place] != t.search_column[first]) place++;
      const Feature *x = panel.values[place];
      const int levels = t.search_levels[first];
      const int64_t where = t.search_first[first];
      ranks<kRightIfEqual>(x, padded, levels, t.thresholds32 + where, t.thresholds64 ? t.thresholds64 + where : nullptr, rank);
      const bool any_missing = find(x, n, false, Feature(0), missing);
      Bits bits[8];
      bits_of_bytes(rank, levels, bits);
      for (int c = t.search_codes[first]; c < t.search_codes[first + 1]; c++) {
        const int from = t.code_planes[c], count = t.code_planes[c + 1] - from;
        const bool any_zero = t.code_zero[c] >= 0 && find(x, n, true, static_cast<Feature>(t.zero_limit), zero);
        if (!any_missing && !any_zero) {
          planes_of(bits, levels, t.plane_rank + from, count, planes + from);
          continue;
        }
        for (int i = 0; i < n; i++) {
          const uint8_t known = any_zero && zero[i] ? static_cast<uint8_t>(t.code_zero[c]) : rank[i];
          code[i] = any_missing && missing[i] ? t.code_nan[c] : known;
        }
        std::memset(code + n, 0, kBlock - n);
        Bits changed[8];
        bits_of_bytes(code, levels, changed);
        planes_of(changed, levels, t.plane_rank + from, count, planes + from);
      }
    }
  }
}

// All planes of questions about categories: the answers of 8 rows to 8 questions at a time, turned over.
template <class Feature>
void category_planes(const skt_bitsliced &t, const skt_rows &rows, int64_t first_row, int n, Panel<Feature> &panel, Bits *planes) {
  const Treatment<Feature> treatment(rows);
  for (int g = 0; g < t.n_category_columns; g++) {
    Feature *x = panel.values[0];
    load_column(column_of(rows, t.category_column[g]), first_row, n, treatment, x);
    const int count = t.category_count[g], width = t.category_bytes[g];
    const uint8_t *answers = t.answers + t.category_first[g];
    const uint8_t *row_answers[kBlock];
    for (int i = 0; i < kBlock; i++) {
      int32_t number = count + 1; // missing
      if (i < n && x[i] == x[i]) {
        const Feature whole = t.truncate_first ? std::trunc(x[i]) : x[i];
        number = whole >= 0 && whole < static_cast<Feature>(t.category_limit) && whole < count ? static_cast<int32_t>(whole) : count;
      }
      row_answers[i] = answers + static_cast<int64_t>(number) * width;
    }
    const int first = t.category_planes[g], n_planes = t.category_planes[g + 1] - first;
    for (int byte = 0; byte < width; byte++) {
      alignas(64) uint8_t answer[kBlock];
      for (int i = 0; i < kBlock; i++) answer[i] = row_answers[i][byte];
      bits_of_bytes(answer, std::min(8, n_planes - 8 * byte), planes + first + 8 * byte);
    }
  }
}

// Numbers of up to eight bits, lowest first, back into 512 bytes.
void bytes_of_bits(const Bits *slots, const uint16_t *code, int n_bits, uint8_t *out) {
#if defined(SKT_HAS_GFNI)
  // Bit b of a byte comes from row 7 - b of its matrix, so the lowest bit's plane stands last.
  const __m512i gather = _mm512_setr_epi64(0x3830282018100800ll, 0x3931292119110901ll, 0x3A322A221A120A02ll, 0x3B332B231B130B03ll,
                                           0x3C342C241C140C04ll, 0x3D352D251D150D05ll, 0x3E362E261E160E06ll, 0x3F372F271F170F07ll);
  __m512i r[8];
  for (int i = 0; i < 8; i++) r[i] = (__m512i)slots[code[7 - i]];
  transpose_words(r);
  for (int s = 0; s < kSlices; s++)
    _mm512_store_si512(out + 64 * s, columns_of_bits(_mm512_permutexvar_epi8(gather, r[s]), 0x0102040810204080ll));
  (void)n_bits;
#elif defined(__AVX2__)
  const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101ll, 0x0202020202020202ll, 0x0303030303030303ll);
  const __m256i bit_of = _mm256_set1_epi64x(0x8040201008040201ll);
  for (int i = 0; i < kBlock / 32; i++) {
    __m256i number = _mm256_setzero_si256();
    for (int bit = 0; bit < n_bits; bit++) {
      const __m256i word = _mm256_set1_epi32(read<int32_t>(reinterpret_cast<const char *>(slots + code[bit]) + 4 * i));
      const __m256i own = _mm256_and_si256(_mm256_shuffle_epi8(word, spread), bit_of);
      const __m256i set = _mm256_cmpeq_epi8(own, bit_of);
      number = _mm256_or_si256(number, _mm256_and_si256(set, _mm256_set1_epi8(static_cast<char>(1 << bit))));
    }
    _mm256_store_si256(reinterpret_cast<__m256i *>(out) + i, number);
  }
#else
  const uint8_t *plane[8];
  for (int bit = 0; bit < 8; bit++) plane[bit] = reinterpret_cast<const uint8_t *>(slots + code[bit]);
  (void)n_bits; // the slots beyond are clear
  for (int q = 0; q < kBlock / 8; q++) {
    uint64_t word = 0;
    for (int bit = 0; bit < 8; bit++) word |= static_cast<uint64_t>(plane[bit][q]) << (8 * bit);
    word = transposed(word);
    std::memcpy(out + 8 * q, &word, 8);
  }
#endif
}

#if defined(__AVX512VBMI__)

template <int kBits>
inline __m512i bytes_at(const uint8_t *table, __m512i number, __mmask64 upper) {
  const __m512i *t = reinterpret_cast<const __m512i *>(table);
  if constexpr (kBits <= 6) return _mm512_permutexvar_epi8(number, t[0]);
  if constexpr (kBits == 7) return _mm512_permutex2var_epi8(t[0], number, t[1]);
  return _mm512_mask_blend_epi8(upper, _mm512_permutex2var_epi8(t[0], number, t[1]), _mm512_permutex2var_epi8(t[2], number, t[3]));
}

// Looks up the values of 64 rows a byte at a time and puts the bytes together. Register q of four (eight) then holds rows
// 16 l + 4 q + i (16 l + 2 q + i) in its l-th quarter.
template <int kBits>
inline void add_values(float *, __m512 *acc, const uint8_t *table, __m512i number) {
  constexpr int kStep = kBits <= 6 ? 64 : 1 << kBits;
  const __mmask64 upper = kBits == 8 ? _mm512_movepi8_mask(number) : 0;
  __m512i b[4];
  for (int k = 0; k < 4; k++) b[k] = bytes_at<kBits>(table + k * kStep, number, upper);
  const __m512i low0 = _mm512_unpacklo_epi8(b[0], b[1]), low1 = _mm512_unpackhi_epi8(b[0], b[1]);
  const __m512i high0 = _mm512_unpacklo_epi8(b[2], b[3]), high1 = _mm512_unpackhi_epi8(b[2], b[3]);
  acc[0] = _mm512_add_ps(acc[0], _mm512_castsi512_ps(_mm512_unpacklo_epi16(low0, high0)));
  acc[1] = _mm512_add_ps(acc[1], _mm512_castsi512_ps(_mm512_unpackhi_epi16(low0, high0)));
  acc[2] = _mm512_add_ps(acc[2], _mm512_castsi512_ps(_mm512_unpacklo_epi16(low1, high1)));
  acc[3] = _mm512_add_ps(acc[3], _mm512_castsi512_ps(_mm512_unpackhi_epi16(low1, high1)));
}

template <int kBits>
inline void add_values(double *, __m512d *acc, const uint8_t *table, __m512i number) {
  constexpr int kStep = kBits <= 6 ? 64 : 1 << kBits;
  const __mmask64 upper = kBits == 8 ? _mm512_movepi8_mask(number) : 0;
  __m512i pair[4][2]; // two bytes of 8 values in each quarter
  for (int k = 0; k < 4; k++) {
    const __m512i even = bytes_at<kBits>(table + 2 * k * kStep, number, upper), odd = bytes_at<kBits>(table + (2 * k + 1) * kStep, number, upper);
    pair[k][0] = _mm512_unpacklo_epi8(even, odd);
    pair[k][1] = _mm512_unpackhi_epi8(even, odd);
  }
  for (int half = 0; half < 2; half++) {
    const __m512i low0 = _mm512_unpacklo_epi16(pair[0][half], pair[1][half]), low1 = _mm512_unpackhi_epi16(pair[0][half], pair[1][half]);
    const __m512i high0 = _mm512_unpacklo_epi16(pair[2][half], pair[3][half]), high1 = _mm512_unpackhi_epi16(pair[2][half], pair[3][half]);
    __m512d *a = acc + 4 * half;
    a[0] = _mm512_add_pd(a[0], _mm512_castsi512_pd(_mm512_unpacklo_epi32(low0, high0)));
    a[1] = _mm512_add_pd(a[1], _mm512_castsi512_pd(_mm512_unpackhi_epi32(low0, high0)));
    a[2] = _mm512_add_pd(a[2], _mm512_castsi512_pd(_mm512_unpacklo_epi32(low1, high1)));
    a[3] = _mm512_add_pd(a[3], _mm512_castsi512_pd(_mm512_unpackhi_epi32(low1, high1)));
  }
}

// Adds the values of pieces first .. last, whose leaf numbers of 512 rows each stand one after the other, to one output of all rows.
template <class Acc>
void add_pieces(const skt_bitsliced &t, int first, int last, int output, const uint8_t *numbers, int n_slices, Acc *acc) {
  constexpr int kRegisters = sizeof(Acc);
  for (int s = 0; s < n_slices; s++) {
    std::conditional_t<sizeof(Acc) == 4, __m512, __m512d> a[kRegisters];
    std::memcpy(a, acc + kSlice * s, sizeof a);
    for (int p = first; p < last; p++) {
      const __m512i number = _mm512_load_si512(numbers + (p - first) * kBlock + kSlice * s);
      const int bits = t.piece_bits[p];
      const uint8_t *table = t.value_bytes + t.piece_bytes[p] + static_cast<int64_t>(output) * sizeof(Acc) * std::max(64, 1 << bits);
      if (bits <= 6)
        add_values<6>(static_cast<Acc *>(nullptr), a, table, number);
      else if (bits == 7)
        add_values<7>(static_cast<Acc *>(nullptr), a, table, number);
      else
        add_values<8>(static_cast<Acc *>(nullptr), a, table, number);
    }
    std::memcpy(acc + kSlice * s, a, sizeof a);
  }
}

// Where the sum of a block's row stands in the accumulators.
template <class Acc>
inline int place_of(int row) {
  constexpr int kPart = 16 / sizeof(Acc); // values in a quarter of a register
  const int in_slice = row % kSlice, quarter = in_slice / 16, part = in_slice % 16 / kPart;
  return row - in_slice + part * 4 * kPart + quarter * kPart + in_slice % kPart;
}

#else

// Adds the values of pieces first .. last to one output of all rows, whose sums stay in registers from piece to piece.
template <class Acc>
void add_pieces(const skt_bitsliced &t, int first, int last, int output, const uint8_t *numbers, int n_slices, Acc *acc) {
  constexpr int kRows = 16;
  const int64_t width = t.n_leaf_outputs;
  for (int row = 0; row < n_slices * kSlice; row += kRows) {
    Acc a[kRows];
    std::memcpy(a, acc + row, sizeof a);
    for (int p = first; p < last; p++) {
      const Acc *values = static_cast<const Acc *>(t.values) + t.piece_first[p] * width + output;
      const uint8_t *number = numbers + (p - first) * kBlock + row;
      if (width == 1)
        for (int i = 0; i < kRows; i++) a[i] += values[number[i]];
      else
        for (int i = 0; i < kRows; i++) a[i] += values[number[i] * width];
    }
    std::memcpy(acc + row, a, sizeof a);
  }
}

template <class Acc>
inline int place_of(int row) {
  return row;
}

#endif

// Leaf numbers of a piece, from the planes.
inline void evaluate(const skt_bitsliced &t, int piece, Bits *slots, uint8_t *numbers) {
  Bits *out = slots + 2 + t.n_planes;
  const uint16_t *mux = t.muxes + 3 * static_cast<int64_t>(t.piece_muxes[piece]);
  for (const uint16_t *end = t.muxes + 3 * static_cast<int64_t>(t.piece_muxes[piece + 1]); mux < end; mux += 3)
    *out++ = choose(slots[mux[0]], slots[mux[1]], slots[mux[2]]);
  bytes_of_bits(slots, t.piece_code + 8 * static_cast<int64_t>(piece), t.piece_bits[piece], numbers);
}

template <bool kRightIfEqual, class Feature, class Acc>
void run(const skt_bitsliced &t, const skt_rows &rows, int64_t first_row, int64_t last_row, Acc *out, Scratch &scratch) {
  const int n_outputs = t.sum.n_outputs;
  int most = 0;
  for (int p = 0; p < t.n_pieces; p++) most = std::max(most, t.piece_muxes[p + 1] - t.piece_muxes[p]);
  const size_t slot_bytes = sizeof(Bits) * (2 + static_cast<size_t>(t.n_planes) + most), acc_bytes = sizeof(Acc) * kBlock * n_outputs;
  char *memory = scratch.of(slot_bytes + acc_bytes + sizeof(Panel<Feature>) + kGroup * kBlock);
  Bits *slots = reinterpret_cast<Bits *>(memory);
  Acc *acc = reinterpret_cast<Acc *>(memory + slot_bytes);
  Panel<Feature> &panel = *reinterpret_cast<Panel<Feature> *>(memory + slot_bytes + acc_bytes);
  uint8_t *numbers = reinterpret_cast<uint8_t *>(&panel + 1);
  const Acc *base = static_cast<const Acc *>(t.sum.base);
  slots[0] = all_clear();
  slots[1] = all_set();

  for (int64_t row = first_row; row < last_row; row += kBlock) {
    const int n = static_cast<int>(std::min<int64_t>(kBlock, last_row - row)), n_slices = (n + kSlice - 1) / kSlice;
    for (int k = 0; k < n_outputs; k++) {
      std::fill_n(acc + k * kBlock, kBlock, t.sum.base_last ? Acc(0) : base[k]);
      if (t.sum.continues)
        for (int i = 0; i < n; i++) acc[k * kBlock + place_of<Acc>(i)] = out[(row + i) * n_outputs + k];
    }
    numeric_planes<kRightIfEqual, Feature>(t, rows, row, n, panel, slots + 2);
    category_planes(t, rows, row, n, panel, slots + 2);
    for (int first = 0; first < t.n_pieces;) {
      const bool shared = t.n_leaf_outputs > 1;
      int last = first;
      for (; last < t.n_pieces && last < first + kGroup && (shared || t.piece_output[last] == t.piece_output[first]); last++)
        evaluate(t, last, slots, numbers + (last - first) * kBlock);
      if (shared)
        for (int k = 0; k < n_outputs; k++) add_pieces(t, first, last, k, numbers, n_slices, acc + k * kBlock);
      else
        add_pieces(t, first, last, 0, numbers, n_slices, acc + t.piece_output[first] * kBlock);
      first = last;
    }
    for (int k = 0; k < n_outputs; k++)
      for (int i = 0; i < n; i++) {
        const Acc total = acc[k * kBlock + place_of<Acc>(i)];
        out[(row + i) * n_outputs + k] = t.sum.base_last ? total + base[k] : total;
      }
  }
}

template <class Feature, class Acc>
void run_as(const skt_bitsliced &t, const skt_rows &rows, int64_t first_row, int64_t last_row, void *out, Scratch &scratch) {
  if (t.right_if_equal)
    run<true, Feature, Acc>(t, rows, first_row, last_row, static_cast<Acc *>(out), scratch);
  else
    run<false, Feature, Acc>(t, rows, first_row, last_row, static_cast<Acc *>(out), scratch);
}

// The dtype in which values are compared: float32 rows stay so even if features are float64, for thresholds32 is rounded such that the
// comparisons come out the same. Columns of a frame differ among themselves, so they are compared in the dtype of the features.
bool compares_float32(const skt_rows &rows, int32_t features) {
  return features == SKT_FLOAT32 || (!rows.columns && rows.dtype == SKT_FLOAT32);
}

} // namespace

void bitsliced_sums(const skt_bitsliced &t, const skt_rows &rows, int32_t features, int64_t first_row, int64_t last_row, void *out, Scratch &scratch) {
  const bool narrow = t.sum.acc_dtype == SKT_FLOAT32;
  if (compares_float32(rows, features)) {
    skt_rows as_float = rows;
    // A float64 that is no float32 equals none of them.
    if (features == SKT_FLOAT64 && static_cast<double>(static_cast<float>(rows.missing)) != rows.missing) as_float.has_missing = 0;
    if (narrow)
      run_as<float, float>(t, as_float, first_row, last_row, out, scratch);
    else
      run_as<float, double>(t, as_float, first_row, last_row, out, scratch);
  } else if (narrow) {
    run_as<double, float>(t, rows, first_row, last_row, out, scratch);
  } else {
    run_as<double, double>(t, rows, first_row, last_row, out, scratch);
  }
}

} // namespace SKT_ISA
