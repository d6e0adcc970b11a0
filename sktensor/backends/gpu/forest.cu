// Sums over a forest's trees, and the leaves that rows reach: the kernels of the GPU.
//
// One source for NVRTC and, with ON_HOST, for a C++ compiler (kernels/gpu/host.h). Nothing in it depends on a model: trees, depths, columns and
// thresholds are data. What depends on dtypes and on the shape of a block is set when it is compiled (variants.py):
//
//   X, X_FORMAT       how a number of X lies in memory, and which format that is: 0 as it says, 1 float16, 2 bfloat16
//   THROUGH           what a number of X is cast to first
//   FEATURE, TRUNCATE the dtype of the comparison, and the function that truncates it
//   RIGHT             whether a value equal to a threshold goes right
//   MISSING, FLUSH, ZEROS, CATEGORIES    whether any value is missing beside NaN, flushed to zero, a zero that goes its own way, a category
//   TRUNCATE_FIRST    whether a category's number is truncated before it is looked at
//   ACC               the dtype of the sum
//   VECTOR            how many outputs of leaves with several values are summed at once; 0 where leaves have one
//   LEAVES            whether the numbers of leaves are wanted in place of sums
//   CODE, CODE_BYTES  the dtype of codes, u8 or u16, and its size
//   NODE64            whether nodes have 64 bits or 32
//   SHIFT             where the column of a 32-bit node begins
//   THREADS, R        threads of a block, and rows that each of them walks
//   MIN_BLOCKS        blocks that a processor is to have registers for
//   STAGED            whether nodes are copied to shared memory, a group of trees at a time
//   STAGE_BYTES       shared memory in front of the codes: for rows and thresholds, then for nodes
//   CHUNK             rows that pass through that memory at a time
//   FEW               which kernel: the one for few rows, or the one for many

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#if NODE64
typedef u64 Node;  // rank << 48 | column << 32 | byte offset of the left child in its group
#else
typedef u32 Node;  // rank << 24 | column << SHIFT | byte offset of the left child in its tree
#endif

struct alignas(16) Quad {
    u32 a, b, c, d;
};

struct alignas(16) Tree {
    u32 root;    // byte offset in its group; with 32-bit nodes a multiple of a power of two that holds the tree
    u32 begin;   // the first node of its group
    int depth;   // the most comparisons on a path
    int number;  // of the tree in the forest
};

// A column of X that some node looks at.
struct alignas(16) Source {
    int feature;  // the column of X
    int first;    // its thresholds, 2 ** steps - 1 of them
    int column;   // its first column of codes
    int shape;    // steps, or -1 for categories, in the low byte; above it the number of its columns
};

// A column of codes.
struct Column {
    int nan, zero;     // codes of a missing value, and of zero where that is not negative
    int offset, size;  // of its answers about categories, and how many categories they speak of
};

#ifdef ON_HOST
#include "host.h"
#else
#define DEVICE static __device__ __forceinline__
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS) name
#define SHARED(name) extern __shared__ __align__(16) u8 name[]
#define THREAD_INDEX ((int)threadIdx.x)
#define BLOCK_INDEX ((int)blockIdx.x)
#define GRID_SIZE ((int)gridDim.x)
#define BARRIER() __syncthreads()
#define AS_FLOAT(bits) __uint_as_float(bits)
template <class T> DEVICE T load(const T *p) { return __ldg(p); }
DEVICE Quad load(const Quad *p) {
    const uint4 v = __ldg((const uint4 *)p);
    return {v.x, v.y, v.z, v.w};
}
DEVICE Tree load(const Tree *p) {
    const uint4 v = __ldg((const uint4 *)p);
    return {v.x, v.y, (int)v.z, (int)v.w};
}
DEVICE Source load(const Source *p) {
    const uint4 v = __ldg((const uint4 *)p);
    return {(int)v.x, (int)v.y, (int)v.z, (int)v.w};
}
#define LOAD(pointer) load(pointer)
#endif

#define ROWS (THREADS * R)
#define PER_WORD (4 / (int)sizeof(CODE))        // codes of a thread that share a 32-bit word
#define COLUMN_BYTES (ROWS * (int)sizeof(CODE))  // of a column of codes of a block's rows
#define COLUMN_MASK (0xFFFFFF & ~((1 << SHIFT) - 1))
#define OFFSET_MASK ((1 << SHIFT) - 1)
#define FEATURES 32                              // that pass through the buffer at a time, at most
#define PITCH (FEATURES + 1)                     // so that lanes with neighbouring rows meet no bank twice
#define BUFFER_BYTES (CHUNK * PITCH * (int)sizeof(FEATURE))
#define PER_THREAD (CHUNK * FEATURES / THREADS)  // numbers of X that a thread puts into the buffer
#define TOGETHER (PER_THREAD < 8 ? PER_THREAD : 8)
#define MOST_STEPS 14                            // a search in shared memory has fewer
#define STAGED_THRESHOLDS ((STAGE_BYTES - BUFFER_BYTES) / (int)sizeof(FEATURE))

#if LEAVES
typedef int Out;
#else
typedef ACC Out;
#endif

DEVICE int steps_of(const Source &s) { return (signed char)s.shape; }
DEVICE int end_of(const Source &s) { return s.column + (s.shape >> 8); }

struct Tables {
    const Source *source;
    const Column *column;
    const FEATURE *threshold;     // of one source after the other, each ascending, padded with infinities
    const int *batch;             // (n_batches + 1): sources whose thresholds are staged together
    const u8 *answer;             // which side categories go to: 0 left, 1 right
    const Node *node;
    const ACC *value;             // by node, or with VECTOR by leaf and output
    const int *leaf;              // by node: the leaf's number
    const Tree *tree;             // by output
    const int *group_tree;        // (n_groups + 1): trees that are staged together
    const int *group_node;        // (n_groups + 1): their nodes, a multiple of 16 bytes
    const int *output_group;      // (n_outputs + 1), or with VECTOR and LEAVES (2)
    const int *output_tree;       // the same
    const ACC *base;              // (n_outputs)
    FEATURE missing, flush_limit, zero_limit, category_limit;
    int n_sources, n_columns, n_batches, n_trees, n_outputs;
};

// ---------------------------------------------------------------------------------------------------------------- codes

DEVICE FEATURE cast(X x) {
#if X_FORMAT == 1  // exact: 2 ** 112 moves the exponent's bias from 15 to 127, for denormals as well
    const u32 magnitude = (x & 0x7FFFu) << 13, sign = (x & 0x8000u) << 16;
    const float finite = AS_FLOAT(magnitude) * 5192296858534827628530496329220096.0f;
    const float y = magnitude >= 0x0F800000u ? AS_FLOAT(magnitude | 0x70000000u) : finite;
    return (FEATURE)(sign ? -y : y);
#elif X_FORMAT == 2
    return (FEATURE)AS_FLOAT((u32)x << 16);
#else
    return (FEATURE)(THROUGH)x;
#endif
}

// A number of X as the trees see it: missing ones are NaN.
DEVICE FEATURE seen(const Tables &t, X x) {
    FEATURE y = cast(x);
#if MISSING
    if (y == t.missing) y = (FEATURE)AS_FLOAT(0x7FC00000u);
#endif
#if FLUSH
    if ((y < 0 ? -y : y) <= t.flush_limit) y = 0;
#endif
    return y;
}

#if RIGHT
#define EXCEEDS(x, threshold) ((threshold) <= (x))
#else
#define EXCEEDS(x, threshold) ((threshold) < (x))
#endif

// Thresholds that x exceeds, of 2 ** steps - 1 ascending ones at an offset; every step is a load at a constant distance, a comparison and an
// addition.
DEVICE int search(FEATURE x, const u8 *stage, u32 offset, int steps) {
    u32 at = offset;
    switch (steps) {
#define STEP(k) \
    case k: \
        if (EXCEEDS(x, *(const FEATURE *)(stage + at + ((1 << (k - 1)) - 1) * (int)sizeof(FEATURE)))) at += (1 << (k - 1)) * (int)sizeof(FEATURE);
        STEP(13)
        STEP(12)
        STEP(11)
        STEP(10)
        STEP(9)
        STEP(8)
        STEP(7)
        STEP(6)
        STEP(5)
        STEP(4)
        STEP(3)
        STEP(2)
        STEP(1)
#undef STEP
    }
    return (int)((at - offset) / (u32)sizeof(FEATURE));
}

// The same in few instructions, for threads of a warp that search in arrays of several lengths.
DEVICE int search_any(FEATURE x, const FEATURE *thresholds, int steps) {
    int low = 0;
    for (int half = 1 << steps >> 1; half > 0; half >>= 1)
        if (EXCEEDS(x, LOAD(thresholds + low + half - 1))) low += half;
    return low;
}

#if CATEGORIES
DEVICE int answer(const Tables &t, FEATURE x, const Column &c) {
#if TRUNCATE_FIRST
    const FEATURE number = TRUNCATE(x);
#else
    const FEATURE number = x;
#endif
    int i = number >= 0 && number < t.category_limit ? (int)number : c.size;  // unknown
    i = x != x ? c.size + 1 : i < c.size ? i : c.size;
    return LOAD(t.answer + c.offset + i);
}
#endif

// The code of x, of which so many thresholds are exceeded, in one of its columns.
DEVICE int code_of(const Tables &t, FEATURE x, int rank, const Source &s, int column) {
    const Column *const c = t.column + column;
#if CATEGORIES
    if (steps_of(s) < 0) {
        const Column all = {0, 0, LOAD(&c->offset), LOAD(&c->size)};
        return answer(t, x, all);
    }
#endif
    if (x != x) return LOAD(&c->nan);
#if ZEROS
    if ((x < 0 ? -x : x) <= t.zero_limit && LOAD(&c->zero) >= 0) return LOAD(&c->zero);
#endif
    return rank;  // where infinity equals the padding, it exceeds the ranks of all nodes just as well
}

#if !FEW

// Where a thread's r-th row of a column stands: words of a warp lie side by side, so that no two lanes meet in a bank.
DEVICE int place(int thread, int r) { return (r / PER_WORD) * (THREADS * 4) + thread * 4 + (r % PER_WORD) * (int)sizeof(CODE); }

// Codes of a block's rows. CHUNK rows of some features at a time pass through a buffer, so that neighbours read neighbours in memory whether
// rows or columns lie together, and a warp ranks one feature of 32 rows. Each number of X is read once.
DEVICE void encode(const Tables &t, const X *rows, i64 stride_row, i64 stride_column, int first_row, int n, u8 *stage, u8 *tile, int thread) {
    FEATURE *const buffer = (FEATURE *)stage, *const thresholds = (FEATURE *)(stage + BUFFER_BYTES);
    static_assert(STAGED_THRESHOLDS > 0 && STAGED_THRESHOLDS < (1 << MOST_STEPS) - 1, "no search has so many steps");
    const int in_chunk = thread % CHUNK;
#pragma unroll 1
    for (int batch = 0; batch < t.n_batches; batch++) {
        const int begin = LOAD(t.batch + batch), end = LOAD(t.batch + batch + 1);
        const int low = LOAD(&t.source[begin].first), high = LOAD(&t.source[end].first);
        const bool staged = high - low <= STAGED_THRESHOLDS;
        if (staged)
#pragma unroll 4
            for (int i = thread; i < high - low; i += THREADS) thresholds[i] = LOAD(t.threshold + low + i);
#pragma unroll 1
        for (int chunk = 0; chunk < ROWS && first_row + chunk < n; chunk += CHUNK) {
            const bool by_row = stride_column == 1;
            for (int e = thread; e < CHUNK * FEATURES; e += THREADS * TOGETHER) {
                X x[TOGETHER];  // all of them are on their way at once; beyond the last row or feature it is read again
#pragma unroll
                for (int u = 0; u < TOGETHER; u++) {
                    const int at = e + u * THREADS, s = begin + (by_row ? at % FEATURES : at / CHUNK);
                    const int row = first_row + chunk + (by_row ? at / FEATURES : at % CHUNK);
                    const int feature = LOAD(&t.source[s < end ? s : end - 1].feature);
                    x[u] = rows[(row < n ? row : n - 1) * stride_row + feature * stride_column];
                }
#pragma unroll
                for (int u = 0; u < TOGETHER; u++) {
                    const int at = e + u * THREADS;
                    buffer[by_row ? at / FEATURES * PITCH + at % FEATURES : at % CHUNK * PITCH + at / CHUNK] = seen(t, x[u]);
                }
            }
            BARRIER();
            const int row = chunk + in_chunk;
#pragma unroll 1
            for (int s = begin + thread / CHUNK; s < end; s += THREADS / CHUNK) {
                const Source source = LOAD(t.source + s);
                const FEATURE x = buffer[in_chunk * PITCH + s - begin];
                const int rank = staged ? search(x, stage, BUFFER_BYTES + (source.first - low) * (int)sizeof(FEATURE), steps_of(source))
                                        : search_any(x, t.threshold + source.first, steps_of(source));
#pragma unroll 1
                for (int c = source.column; c < end_of(source); c++)
                    *(CODE *)(tile + c * COLUMN_BYTES + place(row / R, row % R)) = (CODE)code_of(t, x, rank, source, c);
            }
            BARRIER();
        }
    }
}

DEVICE Node node_at(const u8 *nodes, u32 at) {
#if STAGED
    return *(const Node *)(nodes + at);
#else
    return LOAD((const Node *)(nodes + at));
#endif
}

// One comparison of a thread's r-th row: from a node to the child on its side, from a leaf to itself.
DEVICE u32 next(Node w, u32 root, const u8 *tile, u32 mine, int r) {
#if NODE64
    const u32 question = (u32)(w >> 32);
    const u32 code = *(const CODE *)(tile + ((question & 0xFFFF) * COLUMN_BYTES + mine) + place(0, r));
    return (u32)w | (code << 16 > question ? 8 : 0);
#else
#if (1 << SHIFT) == ROWS * CODE_BYTES
    const u32 column = w & COLUMN_MASK;
#else
    const u32 column = ((w & COLUMN_MASK) >> SHIFT) * COLUMN_BYTES;
#endif
    const u32 code = *(const CODE *)(tile + (column | mine) + place(0, r));
    return (w & OFFSET_MASK) | (code << 24 > w ? root | 4 : root);
#endif
}

DEVICE void step(u32 (&at)[R], const u8 *nodes, u32 root, const u8 *tile, u32 mine) {
#pragma unroll
    for (int r = 0; r < R; r++) at[r] = next(node_at(nodes, at[r]), root, tile, mine, r);
}

// The leaf of each of a thread's rows, as an offset in the tree's group.
DEVICE void walk(u32 (&at)[R], const Tree &tree, const u8 *nodes, const u8 *tile, u32 mine) {
    const Node root = node_at(nodes, tree.root);  // of all rows
#pragma unroll
    for (int r = 0; r < R; r++) at[r] = next(root, tree.root, tile, mine, r);
#if STAGED
    for (int d = tree.depth; d > 1; d--) step(at, nodes, tree.root, tile, mine);
#else
    // Trees that do not fit are deep, and most of their paths are not: look every few steps whether a row has moved at all.
    for (int d = tree.depth; d > 1; d -= 4) {
        u32 before[R], moved = 0;
#pragma unroll
        for (int r = 0; r < R; r++) before[r] = at[r];
#pragma unroll
        for (int i = 0; i < 4; i++) step(at, nodes, tree.root, tile, mine);
#pragma unroll
        for (int r = 0; r < R; r++) moved |= at[r] ^ before[r];
        if (!moved) break;
    }
#endif
}

#define AT_ONCE (VECTOR ? VECTOR : 1)  // outputs that a thread sums at once

KERNEL(forest_many)(const Tables t, const X *rows, i64 stride_row, i64 stride_column, int n, const ACC *start, Out *out) {
    SHARED(stage);
    u8 *const tile = stage + STAGE_BYTES;
    const int thread = THREAD_INDEX;
    const u32 mine = thread * 4;
    for (int first_row = BLOCK_INDEX * ROWS; first_row < n; first_row += GRID_SIZE * ROWS) {
        const int my_row = first_row + thread * R;
        encode(t, rows, stride_row, stride_column, first_row, n, stage, tile, thread);
        for (int k = 0; k < (LEAVES ? 1 : t.n_outputs); k += AT_ONCE) {
            const int of = VECTOR ? 0 : k;
#if !LEAVES
            ACC sum[R][AT_ONCE];
#pragma unroll
            for (int r = 0; r < R; r++)
#pragma unroll
                for (int v = 0; v < AT_ONCE; v++) {
                    if (k + v >= t.n_outputs) sum[r][v] = 0;
                    else if (!start) sum[r][v] = LOAD(t.base + k + v);
                    else sum[r][v] = my_row + r < n ? start[(i64)(my_row + r) * t.n_outputs + k + v] : 0;
                }
#endif
#if STAGED
            for (int group = LOAD(t.output_group + of); group < LOAD(t.output_group + of + 1); group++) {
                const int begin = LOAD(t.group_node + group), end = LOAD(t.group_node + group + 1);
                const int first_tree = LOAD(t.group_tree + group), end_tree = LOAD(t.group_tree + group + 1);
                BARRIER();
#pragma unroll 4
                for (int i = thread; i < (end - begin) * (int)sizeof(Node) / 16; i += THREADS)
                    ((Quad *)stage)[i] = LOAD((const Quad *)(t.node + begin) + i);
                BARRIER();
#else
            {
                const int first_tree = LOAD(t.output_tree + of), end_tree = LOAD(t.output_tree + of + 1);
#endif
                for (int i = first_tree; i < end_tree; i++) {
                    const Tree tree = LOAD(t.tree + i);
#if STAGED
                    const u8 *const nodes = stage;
#else
                    const u8 *const nodes = (const u8 *)(t.node + tree.begin);
#endif
                    u32 at[R];
                    walk(at, tree, nodes, tile, mine);
#pragma unroll
                    for (int r = 0; r < R; r++) {
                        const u32 reached = tree.begin + at[r] / (u32)sizeof(Node);
#if LEAVES
                        if (my_row + r < n) out[(i64)(my_row + r) * t.n_trees + tree.number] = LOAD(t.leaf + reached);
#elif VECTOR
                        const ACC *const value = t.value + (i64)LOAD(t.leaf + reached) * t.n_outputs + k;
#pragma unroll
                        for (int v = 0; v < AT_ONCE; v++)
                            if (k + v < t.n_outputs) sum[r][v] += LOAD(value + v);
#else
                        sum[r][0] += LOAD(t.value + reached);
#endif
                    }
                }
            }
#if !LEAVES
#pragma unroll
            for (int r = 0; r < R; r++)
#pragma unroll
                for (int v = 0; v < AT_ONCE; v++)
                    if (my_row + r < n && k + v < t.n_outputs) out[(i64)(my_row + r) * t.n_outputs + k + v] = sum[r][v];
#endif
        }
        BARRIER();
    }
}

#else  // FEW

#if VECTOR || LEAVES
typedef int Reached;
#else
typedef ACC Reached;
#endif

// Few rows: a thread walks one tree for one row, and a row's values are then added in the order of the trees.
KERNEL(forest_few)(const Tables t, const X *x, i64 stride_row, i64 stride_column, int n, const ACC *start, Out *out, int log_rows) {
    SHARED(memory);
    const int thread = THREAD_INDEX, rows = 1 << log_rows, at_once = THREADS >> log_rows;
    const int in_block = thread & (rows - 1), slot = thread >> log_rows;
    Reached *const reached = (Reached *)memory;
    CODE *const tile = (CODE *)(memory + THREADS * (int)sizeof(Reached));
    for (int first_row = BLOCK_INDEX * rows; first_row < n; first_row += GRID_SIZE * rows) {
        const int row = first_row + in_block;
        for (int s = slot; s < t.n_sources; s += at_once) {
            if (row >= n) break;
            const Source source = LOAD(t.source + s);
            const FEATURE value = seen(t, x[row * stride_row + source.feature * stride_column]);
            const int rank = search_any(value, t.threshold + source.first, steps_of(source) < 0 ? 0 : steps_of(source));
            for (int c = source.column; c < end_of(source); c++)
                tile[(c << log_rows) + in_block] = (CODE)code_of(t, value, rank, source, c);
        }
        BARRIER();
        for (int first = 0; first == 0 || first < t.n_trees; first += at_once) {
            const int i = first + slot;
            if (i < t.n_trees && row < n) {
                const Tree tree = LOAD(t.tree + i);
                const u8 *const nodes = (const u8 *)(t.node + tree.begin);
                u32 at = tree.root;
                for (int d = tree.depth; d > 0; d--) {
                    const Node w = LOAD((const Node *)(nodes + at));
                    const u32 before = at;
#if NODE64
                    const u32 question = (u32)(w >> 32), code = tile[((question & 0xFFFF) << log_rows) + in_block];
                    at = (u32)w | (code << 16 > question ? 8 : 0);
#else
                    const u32 code = tile[((w & COLUMN_MASK) >> SHIFT << log_rows) + in_block];
                    at = (w & OFFSET_MASK) | (code << 24 > w ? tree.root | 4 : tree.root);
#endif
                    if (at == before) break;
                }
                const u32 place = tree.begin + at / (u32)sizeof(Node);
#if LEAVES
                out[(i64)row * t.n_trees + tree.number] = LOAD(t.leaf + place);
#elif VECTOR
                reached[thread] = LOAD(t.leaf + place);
#else
                reached[thread] = LOAD(t.value + place);
#endif
            }
#if !LEAVES
            BARRIER();
            for (int k = slot; k < t.n_outputs; k += at_once) {
                if (row >= n) break;
                const int low = VECTOR ? 0 : LOAD(t.output_tree + k), high = VECTOR ? t.n_trees : LOAD(t.output_tree + k + 1);
                const int begin = low > first ? low : first, end = high < first + at_once ? high : first + at_once;
                Out *const total = out + (i64)row * t.n_outputs + k;
                ACC sum = first ? *total : start ? start[(i64)row * t.n_outputs + k] : LOAD(t.base + k);
                for (int j = begin; j < end; j++) {
                    const Reached found = reached[((j - first) << log_rows) + in_block];
#if VECTOR
                    sum += LOAD(t.value + (i64)found * t.n_outputs + k);
#else
                    sum += found;
#endif
                }
                *total = sum;
            }
            BARRIER();
#endif
        }
        BARRIER();
    }
}

#endif
