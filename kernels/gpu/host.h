// What sktensor/backends/gpu/forest.cu takes from CUDA, for a C++ compiler: a block's threads are fibers, or real threads [stand_in.cpp].
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <utility>

struct StandInThread {
    int thread, block, grid;
    unsigned char *shared;
};

extern "C" {
StandInThread *stand_in_thread();
void stand_in_barrier();
}

#define DEVICE static inline
#define KERNEL(name) static void name
#define SHARED(name) unsigned char *const name = stand_in_thread()->shared
#define THREAD_INDEX (stand_in_thread()->thread)
#define BLOCK_INDEX (stand_in_thread()->block)
#define GRID_SIZE (stand_in_thread()->grid)
#define BARRIER() stand_in_barrier()
#define LOAD(pointer) (*(pointer))

static inline float AS_FLOAT(unsigned int bits) {
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}

template <class... A, size_t... I>
static void stand_in_call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<A> *>(arguments[I])...);
}

template <class... A>
static void stand_in_call(void (*kernel)(A...), void **arguments) {
    stand_in_call(kernel, arguments, std::index_sequence_for<A...>());
}
