/* The C ABI of sktensor's CPU kernels.
 *
 * Plain structures that point into arrays owned by the caller; a kernel keeps nothing between two calls, so any number of threads may
 * run the same tables at once, before and after a fork. Tables are checked once, by the functions named skt_check_*; the functions that
 * run them trust them, and check their rows. All of them compute in IEEE 754's default mode and leave the thread's own as it was.
 */
#ifndef SKTENSOR_H
#define SKTENSOR_H

#include <stdint.h>

#if defined(_WIN32)
#define SKT_API __declspec(dllexport)
#else
#define SKT_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with every change of a structure or a function; the Python side refuses a library of another number. */
#define SKT_ABI 17

enum { SKT_FLOAT32 = 0, SKT_FLOAT64 = 1 };

/* Instruction sets, in ascending order. On Arm the baseline is NEON. */
enum { SKT_BASELINE = 0, SKT_AVX2 = 1, SKT_AVX512 = 2 };

/* One column of a frame. */
typedef struct {
  const void *data;
  int64_t stride; /* bytes from row to row */
  int32_t dtype;
  int32_t reserved;
} skt_column;

/* Rows of X, read where they lie: an array of any strides, or the columns of a frame. Values need no alignment. */
typedef struct {
  const void *data; /* row 0, column 0; unused where `columns` is given */
  const skt_column *columns;
  int64_t n_rows;
  int64_t n_columns;
  int64_t row_stride;    /* bytes, of any sign */
  int64_t column_stride; /* bytes, of any sign */
  int32_t dtype;
  /* What happens to a value once it is in the dtype of the features: first, one equal to `missing` becomes NaN ... */
  int32_t has_missing;
  double missing;
  /* ... then one with |x| <= `flush` becomes 0.0; a negative number flushes nothing. */
  double flush;
  int32_t must_be_finite; /* whether a value that is missing or infinite in the dtype of the features is an error */
  int32_t below_exponent; /* if it is: whether one of 2**below_exponent or beyond is an error, too; 0 if none is */
} skt_rows;

/* A CSR matrix, read where it lies. Values and indices need no alignment. */
typedef struct {
  const void *indptr;  /* (n_rows + 1) */
  const void *indices; /* (n_entries) */
  const void *values;  /* (n_entries) */
  int64_t n_rows;
  int64_t n_columns;
  int64_t n_entries;
  int32_t index_bytes; /* of both, 4 or 8 */
  int32_t dtype;       /* of the values */
} skt_csr;

/* A dense block of some columns, by its own numbers for them. */
typedef struct {
  const int32_t *place; /* of each column of X, n_places or more for one that is left out; NULL where all are wanted */
  void *values;         /* row 0, place 0 */
  int64_t n_rows;
  int64_t n_places;
  int64_t row_step;   /* items */
  int64_t place_step; /* items */
  double absent;      /* what entries are written over with */
  int32_t dtype;
  int32_t reserved;
} skt_dense;

/* Where the sums over trees start, and where they go. */
typedef struct {
  const void *base; /* accumulator dtype (n_outputs) */
  int32_t acc_dtype;
  int32_t n_outputs;
  int32_t continues; /* whether the sums start from what `out` holds, the sums of the trees before these, instead of the base */
  int32_t reserved;
} skt_sum;

/* Slots that a demultiplexer refers to, sides that it has, floors of three levels of nodes, and bits of all of them. */
enum { SKT_DEMUX = 8, SKT_SIDES = 8, SKT_FLOORS = 3, SKT_FLOOR_BITS = 9 };

/* Trees as circuits over bit planes (strategies/bitsliced.py). Sizes: S searches, C codes, D planes, O multiplexers, U demultiplexers, P pieces of trees.
 *
 * A search finds the ranks of one column of X among at most 255 thresholds; a code is a search's rank with a rule for missing values and
 * zeros; a plane is one bit a row, "code > rank".
 */
typedef struct {
  int64_t n_columns; /* of X */
  int32_t n_searches;
  int32_t right_if_equal; /* 1: x goes right iff x >= threshold; 0: iff x > threshold */
  const int32_t *search_column; /* (S) column of X, ascending */
  const int32_t *search_levels; /* (S) 0 to 8: there are 2**levels - 1 thresholds, padded with +inf */
  const int64_t *search_first;  /* (S) where they begin in `thresholds32` and `thresholds64`, in the order of a search tree, element 0 unused */
  const float *thresholds32;    /* what float32 values are compared with */
  const double *thresholds64;   /* what float64 values are compared with; NULL where features are float32 */
  int64_t n_thresholds;
  const int32_t *search_codes; /* (S + 1) where a search's codes begin */

  int32_t n_codes;
  const uint8_t *code_nan;    /* (C) the rank of a missing value */
  const int16_t *code_zero;   /* (C) the rank of a value with |x| <= zero_limit, or -1 where it is ranked like any other */
  double zero_limit;
  const int32_t *code_planes; /* (C + 1) where a code's planes begin */
  const uint8_t *plane_rank;  /* planes of numeric codes: (code_planes[C]), ascending within a code */

  /* Columns of categories: the answers of all questions about one column, as bits, one row of `answers` a category, then one for a
   * category beyond those, one for a missing value. Their planes follow the numeric ones. */
  int32_t n_category_columns;
  const int32_t *category_column; /* (G) column of X */
  const int32_t *category_count;  /* (G) categories with answers of their own */
  const int32_t *category_bytes;  /* (G) bytes of a row of answers; bits beyond the planes are 0 */
  const int64_t *category_first;  /* (G) where the answers begin, in bytes */
  const uint8_t *answers;
  int64_t n_answers;
  const int32_t *category_planes; /* (G + 1) where a column's planes begin; the first is code_planes[C] */
  int32_t truncate_first;         /* -0.5 is category 0 (LightGBM) rather than none (XGBoost) */
  double category_limit;          /* numbers from here on are no categories */

  /* Slots: 0 is all zeros, 1 all ones, then the D planes, then what the piece at hand computes: its triples, in their order, its multiplexers, and
   * where it has demultiplexers, nine planes for its bits, lowest first, and the eight sides of each one on the upper two floors. */
  int32_t n_planes;
  int32_t n_pieces;
  /* (R, 8) slots: a select, then the select, value where set and value where clear of the multiplexer for where it is set, then those of the
   * one for where it is clear; the last is unused. */
  const uint16_t *triples;
  const int32_t *piece_triples; /* (P + 1) */
  const uint16_t *muxes;        /* (O, 3) slots: select, value where it is set, value where it is clear */
  const int32_t *piece_muxes;   /* (P + 1) */
  /* (U, 8) slots: of the rows that come to a node, of its question, those of its two children, first where it is clear, and those of theirs. Three
   * levels of nodes give three bits: each row's answers on its way. The sides are in the order of these answers, the uppermost node's counts
   * most. Multiplexers of a piece refer to no demultiplexer, questions neither, and rows to a side of a higher floor at most. */
  const uint16_t *demuxes;
  const int32_t *piece_demuxes; /* (3 P + 1) where those of each floor begin: the first one has bits 6 to 8, the last one bits 0 to 2 */
  const int32_t *piece_bits;   /* (P) 0 to 8 */
  const uint16_t *piece_code;  /* (P, 8) slots of the code's bits, lowest first; 0 beyond piece_bits */
  const int64_t *piece_first;  /* (P) entry of `values` where the piece's 2**bits values begin */
  const int32_t *piece_output; /* (P) the output that it adds to, ascending; with vector leaves the number of its tree, unused */
  int32_t n_leaf_outputs;      /* values an entry: 1, or n_outputs for vector leaves */
  const void *values;          /* accumulator dtype (entries, n_leaf_outputs) */
  int64_t n_values;            /* entries */
  /* The same values for look-up in registers, or NULL: for each piece and value of an entry in turn, first the lowest bytes of all
   * entries, then the next ones and so on, each time max(64, 2**bits) of them. 64-byte aligned. */
  const uint8_t *value_bytes;
  const int64_t *piece_bytes; /* (P) where a piece begins there */
  int64_t n_value_bytes;
  skt_sum sum;
} skt_bitsliced;

/* Up to 12 nodes of a tree, one below the other, in two cache lines. Its exits lead to other blocks, these first, and then to leaves. Bit i of
 * an answer is that of node i, "code <= key"; a row takes the one exit where (answers & care) == want. */
enum { SKT_BLOCK_NODES = 12, SKT_BLOCK_EXITS = 13 };

typedef struct {
  uint32_t key[12];  /* 0xFFFFFFFF, which no code exceeds, beyond the last node */
  uint8_t code[12];  /* slot of the node's code; unused where there is `wide_code` */
  uint32_t n_blocks; /* exits that lead to blocks */
  uint16_t care[13];
  uint16_t want[13]; /* 0xFFFF beyond the last exit, where `care` is 0 */
  uint32_t first[2]; /* exit e leads to first[0] + e, or from n_blocks on to first[1] + e, modulo 2**32: a block, or from B on a leaf, B + its number */
  uint32_t reserved;
} skt_block;

/* How rows of X become codes (backends/cpu/codes.py). Sizes: C codes, G codes of categories.
 *
 * A code is a uint32 that grows with the value of a column of X, so that every node compares it with a key: the bits of a float32, made monotone,
 * or a rank among thresholds. A row's codes stand in slots. Those from n_base_slots on are for columns whose missing values or zeros do not
 * go to the same side everywhere: slot s holds the column of slot s % n_base_slots once more, and where no value is missing or zero both
 * hold the same.
 */
typedef struct {
  int64_t n_columns; /* of X */
  int32_t n_codes;
  int32_t right_if_equal;     /* of ranks: whether thresholds equal to x count */
  const int32_t *code_column; /* (C) column of X */
  const int32_t *code_slot;   /* (C) ascending */
  const uint32_t *code_nan;   /* (C) the code of a missing value */
  const uint32_t *code_zero;  /* (C) the code of a value with |x| <= zero_limit ... */
  const uint8_t *code_has_zero; /* (C) ... where this is set; NULL where it is nowhere */
  double zero_limit;
  /* Ranks: thresholds of each code, ascending; NULL: the code is the float32's own bits. */
  const double *thresholds;
  const int64_t *code_first; /* (C + 1) */
  int64_t n_thresholds;

  /* Codes that answer one question about categories each, 0 or 1. */
  int32_t n_category_codes;
  const int32_t *category_column; /* (G) */
  const int32_t *category_slot;   /* (G) below n_base_slots */
  const int32_t *category_count;  /* (G) categories that have an answer of their own */
  const int64_t *category_first;  /* (G) their answers, then that of any other category, then that of a missing value */
  const uint8_t *answers;
  int64_t n_answers;
  int32_t truncate_first;
  double category_limit;

  int32_t n_slots;      /* a multiple of n_base_slots */
  int32_t n_base_slots; /* a multiple of 16, at least 16 */
} skt_codes;

/* Trees cut into blocks (backends/cpu/traversal.py). Sizes: T trees, B blocks, L leaves. */
typedef struct {
  skt_codes codes;
  int32_t n_trees;
  const skt_block *blocks;   /* (B) 64-byte aligned: the roots of all trees, then each tree's other blocks; a block's blocks stand behind it */
  const uint16_t *wide_code; /* (B, 12) slots, where there are more than 256, or NULL */
  int64_t n_blocks;
  const int64_t *tree_block; /* (T + 1) where its other blocks begin */
  const int64_t *tree_leaf;  /* (T + 1) where its leaves begin */
  const int32_t *tree_output; /* (T) the output that it adds to, ascending; with vector leaves unused */
  const int32_t *leaf;        /* (L) the number that skt_leaves gives for a leaf */
  int32_t n_leaf_outputs;     /* values a leaf: 1, or n_outputs for vector leaves */
  const uint16_t *value_number; /* (L) a leaf's entry of `values`, where many leaves have the same; NULL: they stand in the order of leaves */
  const void *values;         /* accumulator dtype (n_values, n_leaf_outputs) */
  int64_t n_values;
  int64_t n_leaves;
  /* Linear leaves, or NULL: const + sum of coef * x unless one of these x is missing or there is none, then the leaf's value. */
  const int32_t *linear_first; /* (L + 1) */
  const int32_t *linear_column;
  const double *linear_coef;
  const double *linear_const; /* (L) */
  /* Circuits that take many rows through the tops of trees, in the order of these, or NULL. The output of a piece is the number of its tree, and its
   * `values` are uint8 instead of float32: 0 where a row enters the tree at its root, or else one more than the number of the block, counted from where
   * the tree's other blocks begin. A tree may have several pieces, all but one of which answer a row with 0. */
  const skt_bitsliced *tops; /* (n_tops) */
  int32_t n_tops;
  skt_sum sum;
} skt_traversal;

/* A node that compares a value of X itself; a child is a node behind it, or ~leaf. */
typedef struct {
  double threshold;
  int32_t column;
  int32_t child[2];      /* left, right */
  int32_t missing_right; /* 1: a missing value goes right, 0: left */
} skt_node;

/* Trees to walk (backends/cpu/walk.py), for few trees over many columns. Sizes: T trees, M nodes, L leaves. */
typedef struct {
  int64_t n_columns; /* of X */
  int32_t right_if_equal; /* 1: x goes right iff x >= threshold; 0: iff x > threshold */
  int32_t n_trees;
  const skt_node *nodes; /* (M) */
  int64_t n_nodes;
  const int32_t *root;        /* (T) node or ~leaf */
  const int32_t *tree_output; /* (T) the output that it adds to; with vector leaves unused */
  int32_t n_leaf_outputs;     /* values a leaf: 1, or n_outputs for vector leaves */
  const void *values;         /* accumulator dtype (L, n_leaf_outputs) */
  int64_t n_leaves;
  skt_sum sum;
} skt_walk;

/* A node as SHAP values are computed from it (explain/native.py). A row goes left iff its code in `slot` is at most `key`. */
typedef struct {
  double share;      /* of the left child among the covers of both */
  int64_t constants; /* where those of a repeated split begin, each for all points in turn: what a row's product is multiplied with if it
                        went the way of all previous splits and goes left here, the same if it goes right, and W / F^2 */
  uint32_t key;
  int32_t slot;
  int32_t player; /* number among those that are used */
  int32_t left;   /* a node, counted from the tree's first, or ~leaf */
  int32_t right;
  int32_t previous; /* the last split of the same player above, counted as well, or -1 */
  int32_t depth;
  uint8_t kind;     /* left child + 3 * right child: 0 leaf, 1 a node above two leaves that is no repeated split, 2 any other node; + 9 for
                       a repeated split */
  uint8_t is_right; /* whether it is its parent's right child */
  uint8_t previous_right; /* whether the way from `previous` is its right one */
  uint8_t reserved;
} skt_shap_node;

/* The same trees for a few rows at a time, nodes in lanes (explain/flat.py). A batch holds some trees whose quadratures have as many points; in it
 * stand the inner nodes, run after run, each a run at one depth, and then those above two leaves that their parents see to. Places of nodes
 * that nobody asks for fill runs up to a multiple of 16. */
typedef struct {
  int64_t first; /* its nodes are first .. end */
  int64_t end;
  int64_t constants; /* where those of a run of repeated splits begin: what skt_shap_node has, (3, n_points, end - first) */
  int32_t repeated;
  int32_t reserved;
} skt_shap_run;

typedef struct {
  int64_t first; /* inner nodes are first .. bottom, the others bottom .. end */
  int64_t bottom;
  int64_t end;
  int64_t first_run;
  int64_t end_run;
  int64_t point; /* where the numbers of its quadrature begin */
  int32_t n_points; /* up to 8 */
  int32_t reserved;
} skt_shap_batch;

/* Sizes: B batches, R runs, F places of nodes, N nodes. A place within a batch counts from its first. */
typedef struct {
  int64_t n_batches;
  const skt_shap_batch *batches; /* (B) */
  int64_t n_runs;
  const skt_shap_run *runs; /* (R) */
  int64_t n_places;
  const int32_t *slot;        /* (F) */
  const uint32_t *key;        /* (F) */
  const double *share;        /* (F) */
  const double *value_left;   /* (F) of a child that is a leaf */
  const double *value_right;  /* (F) */
  const int32_t *parent;      /* (F) place within the batch, behind all inner nodes once more for right children; -1 for a root */
  const int32_t *left;        /* (F) place within the batch, -1 for a leaf */
  const int32_t *right;       /* (F) */
  const int32_t *previous;    /* (F) of repeated splits, place within the batch */
  const uint8_t *previous_right; /* (F) */
  int64_t n_terms;
  const int32_t *term;   /* (N) places in the order in which they are added ... */
  const int32_t *target; /* (N) ... to this player in use and output: player * n_outputs + output */
  const double *constants;
  int64_t n_constants;
} skt_shap_flat;

/* Trees for path-dependent SHAP values (explain/tables.py says what is computed). Sizes: T trees, N nodes, L leaves, P players in use. */
typedef struct {
  skt_codes codes;
  int32_t n_trees;
  int32_t n_outputs;
  int32_t n_leaf_outputs; /* values a leaf: 1, or n_outputs for vector leaves */
  int32_t n_players;
  int32_t n_used;
  int32_t reserved;
  const int32_t *used;        /* (P) number of a player among all, ascending */
  const skt_shap_node *nodes; /* (N) tree after tree, each before those below it and its left side before its right one */
  const int64_t *tree_node;   /* (T + 1) where a tree's nodes begin */
  const int32_t *tree_points; /* (T) how many points its quadrature has */
  const int64_t *tree_point;  /* (T) where they begin: first all t, then all 1 - t, then all weights */
  const int32_t *tree_depth;  /* (T) the greatest depth of its nodes */
  const int32_t *tree_output; /* (T) the output that it adds to; with vector leaves unused */
  int64_t n_nodes;
  const double *points;
  int64_t n_points; /* of the quadratures' numbers */
  const double *constants;
  int64_t n_constants;
  const double *values; /* (L, n_leaf_outputs) */
  int64_t n_leaves;
  skt_shap_flat flat; /* without batches where leaves have several values, or a quadrature more than 8 points */
} skt_shap;

/* SHAP values that are looked up (explain/lookup.py): a group is a tree, or a leaf with the way to it, and what it adds to some players depends on
 * a few bits of the row only. Sizes: T trees, G groups, Q questions, B bits, C conditions, V values. */
typedef struct {
  int64_t first_bit;   /* its bits, the lowest first */
  int64_t first_value; /* its values */
  int64_t table;       /* where its table begins: (n_values, 2**n_bits) */
  int32_t n_bits;      /* up to 16 */
  int32_t n_values;
} skt_lookup_group;

typedef struct {
  skt_codes codes;
  int32_t n_trees;
  int32_t n_outputs;
  int32_t n_players;
  int32_t n_used;
  const int32_t *used;  /* number of a player among all, ascending, of those in use */
  const int32_t *slot;  /* (Q) a question is whether the code in a slot exceeds a key */
  const uint32_t *key;  /* (Q) */
  const int64_t *tree_question; /* (T + 1) where a tree's questions begin */
  const int64_t *tree_group;    /* (T + 1) where its groups begin */
  const skt_lookup_group *groups; /* (G) */
  const int64_t *bit_condition; /* (B + 1) where a bit's conditions begin; it is set where all of them hold */
  const int32_t *condition;     /* (C) a question of the tree, counted from its first, or ~question where the answer is to be no */
  const int32_t *target;        /* (V) player in use * n_outputs + output */
  const double *table;
  int64_t n_questions;
  int64_t n_groups;
  int64_t n_bits;
  int64_t n_conditions;
  int64_t n_values;
  int64_t n_table;
} skt_lookup;

/* Columns derived from keys. A row has one key for each table, made of parts of 64 bits, one after the other: key = m * (key + m * part)
 * modulo 2**64, from 0 on, m being `factor`. The table gives the key's number, and each derived column the value of that number. Sizes: K
 * keys, P parts, D derived columns.
 */
enum {
  SKT_HASH = 0,    /* the hash of the row's category */
  SKT_EXCEEDS = 1, /* whether the number there is > `part_border`; of a missing one `part_missing` */
  SKT_IS_HASH = 2  /* whether the hash is `part_hash` */
};

/* A place of a hash table. Keys stand at the place named by their upper bits or behind it, wrapping around, without an empty one between;
 * `number` of an empty place is that of a key that is not there. */
typedef struct {
  uint64_t key;
  uint32_t number;
  uint32_t is_taken;
} skt_place;

typedef struct {
  int64_t n_columns; /* of X */
  uint64_t factor;
  int32_t n_keys;
  int32_t n_parts;
  const int32_t *key_parts;    /* (K + 1) where a key's parts begin */
  const int32_t *part_column;  /* (P) column of X */
  const int32_t *part_test;    /* (P) */
  const uint64_t *part_hash;   /* (P) */
  const float *part_border;    /* (P) */
  const uint8_t *part_missing; /* (P) 0 or 1 */
  const skt_place *places;
  int64_t n_places;
  const int64_t *key_places; /* (K) where a key's table begins */
  const int32_t *key_bits;   /* (K) it has 2**bits places, 1 to 32 bits */
  int64_t n_derived;
  const int32_t *key_columns;   /* (K + 1) where a key's derived columns begin below */
  const int32_t *column;        /* (D) number of the derived column, 0 to D - 1 */
  const int64_t *column_values; /* (D) where its values begin in `values`, one for each number */
  const float *values;
  int64_t n_values;
} skt_keys;

/* The C library's expf: 2**(i / 32), coefficients of a cubic, 32 / ln 2. */
typedef struct {
  double power[32];
  double cubic[3];
  double scale;
} skt_expf;

/* Each function returns 0, or the number of what is wrong, for which skt_message has words. */
SKT_API int32_t skt_abi(void);
SKT_API const char *skt_message(int32_t error);

/* The best instruction set that this library and this processor share. */
SKT_API int32_t skt_best_isa(void);

SKT_API int32_t skt_check_bitsliced(const skt_bitsliced *tables);
SKT_API int32_t skt_check_traversal(const skt_traversal *tables);
SKT_API int32_t skt_check_walk(const skt_walk *tables);

/* Sums over trees of all rows into `out`, accumulator dtype (n_rows, n_outputs), C order. `features` is the dtype in which values are
 * compared; `n_threads` threads at most, this one included. */
SKT_API int32_t skt_run_bitsliced(const skt_bitsliced *tables, const skt_rows *rows, int32_t features, void *out, int32_t n_threads, int32_t isa);
SKT_API int32_t skt_run_traversal(const skt_traversal *tables, const skt_rows *rows, int32_t features, void *out, int32_t n_threads, int32_t isa);
SKT_API int32_t skt_run_walk(const skt_walk *tables, const skt_rows *rows, int32_t features, void *out, int32_t n_threads, int32_t isa);

/* Numbers of the leaves that rows reach, int32 (n_rows, n_trees), trees in the order of `tree_number` (T). */
SKT_API int32_t skt_leaves(const skt_traversal *tables, const skt_rows *rows, int32_t features, const int32_t *tree_number, int32_t *out, int32_t n_threads, int32_t isa);

/* The same of walked trees, trees in their order. */
SKT_API int32_t skt_walk_leaves(const skt_walk *tables, const skt_rows *rows, int32_t features, int32_t *out, int32_t n_threads, int32_t isa);

/* SHAP values of all rows, float64 (n_rows, n_players, n_outputs). */
SKT_API int32_t skt_check_shap(const skt_shap *tables);
SKT_API int32_t skt_shap_values(const skt_shap *tables, const skt_rows *rows, int32_t features, double *out, int32_t n_threads, int32_t isa);

/* SHAP interaction values, (n_rows, n_players, n_players, n_outputs). */
SKT_API int32_t skt_shap_pairs(const skt_shap *tables, const skt_rows *rows, int32_t features, double *out, int32_t n_threads, int32_t isa);

/* Whether each row goes left at each node, 1 or 0, (n_rows, n_nodes). */
SKT_API int32_t skt_shap_decisions(const skt_shap *tables, const skt_rows *rows, int32_t features, uint8_t *out, int32_t n_threads, int32_t isa);

/* Codes of rows, (n_rows, n_slots). */
SKT_API int32_t skt_shap_codes(const skt_shap *tables, const skt_rows *rows, int32_t features, uint32_t *out, int32_t n_threads, int32_t isa);

/* Interventional SHAP values, as skt_shap_values gives the others: the mean over n_others rows of the background, of which `others` holds the
 * codes. Shares, points and constants are not looked at. */
SKT_API int32_t skt_shap_direct(const skt_shap *tables, const skt_rows *rows, int32_t features, const uint32_t *others, int64_t n_others, double *out,
                                int32_t n_threads, int32_t isa);

/* SHAP values by look-up, as skt_shap_values gives them. */
SKT_API int32_t skt_check_lookup(const skt_lookup *tables);
SKT_API int32_t skt_lookup_values(const skt_lookup *tables, const skt_rows *rows, int32_t features, double *out, int32_t n_threads, int32_t isa);

/* Columns for trees that look at derived ones: rows first .. first + n of X as float32, column after column of n values each, then their
 * derived columns; `out` is (n_columns + n_derived, n), C order. `hashes` (n_columns) are those of all rows, or NULL for a column of numbers;
 * where there are hashes, `rows` is not read, and 0.0 written. */
SKT_API int32_t skt_check_keys(const skt_keys *tables);
SKT_API int32_t skt_derive(const skt_keys *tables, const skt_rows *rows, const uint64_t *const *hashes, int64_t first, int64_t n, float *out,
                           int32_t n_threads, int32_t isa);

/* CityHash64 (1.0.2) of n texts that stand one after the other; text i ends where the next one begins, at begins[i + 1]. */
SKT_API int32_t skt_cityhash64(const char *text, const int64_t *begins, int64_t n, uint64_t *out);

/* Writes the entries of rows first .. first + n into the first n rows of a block, the last of repeated ones; with `clear`, what stands for
 * absent entries in their places. */
SKT_API int32_t skt_gather(const skt_csr *rows, const skt_dense *block, int64_t first, int64_t n, int32_t clear, int32_t isa);

/* The same of the columns of a CSC matrix, of which `x` describes the transpose: its rows are the columns of X. Writes every cell of the first n
 * rows of the block, of which `place` is not looked at; place p is for column[p], or for column p where `column` is NULL. next[p] is the first
 * entry of that column that does not stand before row `first`, and becomes the first that does not stand before first + n. Of repeated entries,
 * the last one is written; one before `first` is refused. */
SKT_API int32_t skt_gather_columns(const skt_csr *x, const skt_dense *block, const int64_t *column, int64_t *next, int64_t first, int64_t n, int32_t isa);

/* 1 if the indices of a matrix are those of its columns and ascend within each row, 0 if they do not or cannot be read; of the structure,
 * neither `values` nor `dtype` is looked at. */
SKT_API int32_t skt_indices_ascend(const skt_csr *rows, int32_t isa);

/* 1 if no value is missing or infinite in the dtype of the features, 0 if one is or the rows cannot be read. */
SKT_API int32_t skt_all_finite(const skt_rows *rows, int32_t features, int32_t isa);

/* Probabilities from raw scores: of two classes into `out` (n, 2), of several into `out` (n, n_classes). */
SKT_API int32_t skt_sigmoid32(const skt_expf *table, const float *raw, int64_t n, float *out, int32_t n_threads, int32_t isa);
SKT_API int32_t skt_sigmoid64(const double *raw, int64_t n, double factor, double *out, int32_t n_threads, int32_t isa);
SKT_API int32_t skt_softmax32(const skt_expf *table, const float *raw, int64_t n, int64_t n_classes, float *out, int32_t n_threads, int32_t isa);
SKT_API int32_t skt_softmax64(const double *raw, int64_t n, int64_t n_classes, double *out, int32_t n_threads, int32_t isa);

#ifdef __cplusplus
}
#endif
#endif
