// Whether tables hold together, so that the kernel that walks them need not ask.
#include "check.h"
#include "sktensor.h"

namespace {

enum : int32_t {
  kSum = 200,
  kAccumulator,
  // codes, numbered in check.h
  kBlocksMissing = 212,
  kAlignment,
  kTreeBlocks,
  kTreeLeaves,
  kTreeOutput,
  kNodeCode,
  kExits,
  kChildren,
  kLeaves,
  kLeafValues,
  kValueNumber,
  kLeafOutputs,
  kLinear,
  kLinearColumn,
  kTops,
  kTopCircuits,
  kTopStarts,
};

constexpr int64_t kNarrowSlots = 256;

int bits_of(uint32_t x) {
  int n = 0;
  for (; x; x &= x - 1) n++;
  return n;
}

// How many exits a block has, or -1 unless every set of answers leads to one of them and to one only.
int exits_of(const skt_block &block) {
  int n = 0;
  while (n < SKT_BLOCK_EXITS && (block.want[n] & ~block.care[n]) == 0) n++;
  uint32_t sets = 0; // of answers that lead to an exit
  for (int e = 0; e < SKT_BLOCK_EXITS; e++) {
    if (e >= n) {
      if (block.care[e] || !block.want[e]) return -1;
      continue;
    }
    if (block.care[e] >> SKT_BLOCK_NODES) return -1;
    sets += 1u << (SKT_BLOCK_NODES - bits_of(block.care[e]));
    for (int other = 0; other < e; other++)
      if (!(block.care[e] & block.care[other] & (block.want[e] ^ block.want[other]))) return -1;
  }
  return sets == 1u << SKT_BLOCK_NODES ? n : -1;
}

int32_t check_block(const skt_traversal &t, int64_t b, int32_t tree) {
  const skt_block &block = t.blocks[b];
  for (int i = 0; i < SKT_BLOCK_NODES; i++)
    if ((t.wide_code ? t.wide_code[SKT_BLOCK_NODES * b + i] : block.code[i]) >= t.codes.n_slots) return kNodeCode;
  const int exits = exits_of(block);
  if (exits < 0 || block.n_blocks > uint32_t(exits)) return kExits;
  const int64_t n_blocks = block.n_blocks, child = block.first[0];
  if (n_blocks && (child <= b || child < t.tree_block[tree] || child + n_blocks > t.tree_block[tree + 1])) return kChildren;
  const int64_t leaf = static_cast<uint32_t>(block.first[1] + block.n_blocks) - t.n_blocks;
  if (exits > n_blocks && (leaf < t.tree_leaf[tree] || leaf + exits - n_blocks > t.tree_leaf[tree + 1])) return kLeaves;
  return kFine;
}

int32_t check_trees(const skt_traversal &t) {
  if (t.n_trees < 0 || t.n_blocks < 0 || t.n_blocks > UINT32_MAX || t.n_leaves < 0 || t.n_leaves > INT32_MAX) return kBlocksMissing;
  if (t.n_blocks + t.n_leaves > UINT32_MAX) return kBlocksMissing;
  if (t.n_blocks && !t.blocks) return kBlocksMissing;
  if (t.n_blocks && reinterpret_cast<uintptr_t>(t.blocks) % 64) return kAlignment;
  if (!t.wide_code && t.codes.n_slots > kNarrowSlots) return kNodeCode;
  if (!ascends(t.tree_block, t.n_trees, t.n_trees, t.n_blocks)) return kTreeBlocks;
  if (!ascends(t.tree_leaf, t.n_trees, 0, t.n_leaves, true)) return kTreeLeaves;
  for (int32_t tree = 0; tree < t.n_trees; tree++) {
    if (const int32_t error = check_block(t, tree, tree)) return error;
    for (int64_t b = t.tree_block[tree]; b < t.tree_block[tree + 1]; b++)
      if (const int32_t error = check_block(t, b, tree)) return error;
  }
  return kFine;
}

int32_t check_leaves(const skt_traversal &t) {
  if (!leaf_outputs_fit(t.n_leaf_outputs, t.sum)) return kLeafOutputs;
  if (t.n_leaves && (!t.values || !t.leaf)) return kLeafValues;
  if (!t.value_number && t.n_values != t.n_leaves) return kValueNumber;
  if (t.value_number)
    for (int64_t l = 0; l < t.n_leaves; l++)
      if (t.value_number[l] >= t.n_values) return kValueNumber;
  if (t.n_trees && !t.tree_output) return kTreeOutput;
  if (t.n_leaf_outputs == 1)
    for (int32_t tree = 0; tree < t.n_trees; tree++)
      if (t.tree_output[tree] < (tree ? t.tree_output[tree - 1] : 0) || t.tree_output[tree] >= t.sum.n_outputs) return kTreeOutput;
  if (!t.linear_first) return kFine;
  const int64_t terms = t.linear_first[t.n_leaves];
  if (t.n_leaf_outputs != 1 || t.sum.acc_dtype != SKT_FLOAT64 || t.value_number || terms < 0) return kLinear;
  if (!ascends(t.linear_first, t.n_leaves, 0, terms) || !t.linear_const || (terms && (!t.linear_column || !t.linear_coef))) return kLinear;
  for (int64_t j = 0; j < terms; j++)
    if (!is_column(t.linear_column[j], t.codes.n_columns)) return kLinearColumn;
  return kFine;
}

int32_t check_tops(const skt_traversal &t) {
  if (t.n_tops < 0 || (t.n_tops && !t.tops)) return kTops;
  int64_t tree = -1;
  for (int32_t i = 0; i < t.n_tops; i++) {
    const skt_bitsliced &top = t.tops[i];
    if (top.n_columns != t.codes.n_columns || top.sum.acc_dtype != SKT_FLOAT32 || top.sum.n_outputs > t.n_trees || top.n_leaf_outputs != 1) return kTops;
    if (check_bitsliced(top)) return kTopCircuits;
    const uint8_t *const start = static_cast<const uint8_t *>(top.values);
    for (int32_t piece = 0; piece < top.n_pieces; piece++) {
      if (!piece || top.piece_output[piece] != top.piece_output[piece - 1]) tree++;
      if (top.piece_output[piece] != tree) return kTops;
      for (int64_t e = 0; e < int64_t(1) << top.piece_bits[piece]; e++)
        if (start[top.piece_first[piece] + e] > t.tree_block[tree + 1] - t.tree_block[tree]) return kTopStarts;
    }
  }
  if (t.n_tops && tree + 1 != t.n_trees) return kTops;
  return kFine;
}

// But for the blocks, which have a number of their own.
bool all_aligned(const skt_traversal &t) {
  return aligned(t.tops, t.wide_code, t.tree_block, t.tree_leaf, t.tree_output, t.leaf, t.value_number) &&
         aligned(t.linear_first, t.linear_column, t.linear_coef, t.linear_const) && aligned_as(t.sum.acc_dtype, t.values) &&
         aligned_as(t.sum.acc_dtype, t.sum.base);
}

} // namespace

int32_t check_traversal(const skt_traversal &t) {
  int32_t error = check_sum(t.sum, kSum, kAccumulator);
  if (!error && !all_aligned(t)) error = kMisaligned;
  if (!error) error = check_codes(t.codes);
  if (!error) error = check_trees(t);
  if (!error) error = check_leaves(t);
  if (!error) error = check_tops(t);
  return error;
}

const char *traversal_message(int32_t error) {
  switch (error) {
    case kSum: return "there is no base, or the number of outputs is out of range";
    case kAccumulator: return "the dtype of the sums is unknown";
    case kBlocksMissing: return "blocks are missing or too many";
    case kAlignment: return "blocks do not begin where a cache line does";
    case kTreeBlocks: return "where the blocks of trees begin is out of range or out of order";
    case kTreeLeaves: return "where the leaves of trees begin is out of range or out of order";
    case kTreeOutput: return "outputs of trees are missing, out of range or out of order";
    case kNodeCode: return "a node looks at a slot out of range";
    case kExits: return "the answers of a block do not lead to one exit";
    case kChildren: return "an exit leads to a block that does not stand behind its own within the tree";
    case kLeaves: return "an exit leads to a leaf outside the tree";
    case kLeafValues: return "values or numbers of leaves are missing";
    case kValueNumber: return "the value of a leaf is out of range";
    case kLeafOutputs: return "leaves have neither one value nor one for each output";
    case kLinear: return "linear leaves are missing, out of order, or not of one float64 value each";
    case kLinearColumn: return "the column of a linear leaf is out of range";
    case kTops: return "circuits for the tops of trees are missing, or out of order";
    case kTopCircuits: return "a circuit for the tops of trees does not hold together";
    case kTopStarts: return "a circuit for the top of a tree leads out of it";
    default: return codes_message(error);
  }
}
