// A stand-in for libcuda and NVRTC, for machines without a GPU: same entry points, same arguments. Kernels are compiled by a C++ compiler, with
// host.h, and run on the CPU; what a device would refuse is refused. The tests of sktensor/backends/gpu drive the very launcher through it.
//
// A block's threads are fibers, which AddressSanitizer and UBSan look at, or with -DREAL_THREADS real ones, for ThreadSanitizer. Memory of the
// device is that of the host.

#include "host.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

typedef void *Handle;
typedef int Result;

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_IMAGE = 200, INVALID_CONTEXT = 201, NOT_FOUND = 500, TOO_MANY_RESOURCES = 701 };

// ---------------------------------------------------------------------------------------------------- a block's threads

static std::mutex one_launch;  // the state below is that of one block

#ifdef REAL_THREADS

#include <condition_variable>
#include <thread>

static thread_local StandInThread here;
static struct Gate {
    std::mutex mutex;
    std::condition_variable opens;
    int waiting = 0, present = 0;
    unsigned round = 0;
    void pass(bool leaves) {
        std::unique_lock<std::mutex> lock(mutex);
        present -= leaves;
        waiting += !leaves;
        if (waiting == present) {
            waiting = 0;
            round++;
            opens.notify_all();
        } else if (!leaves) {
            const unsigned mine = round;
            opens.wait(lock, [&] { return round != mine; });
        }
    }
} gate;

extern "C" StandInThread *stand_in_thread() { return &here; }
extern "C" void stand_in_barrier() { gate.pass(false); }

static void run_block(void (*kernel)(void **), void **arguments, int block, int grid, int threads, unsigned char *shared) {
    gate.waiting = 0, gate.present = threads;
    std::vector<std::thread> all;
    for (int t = 0; t < threads; t++)
        all.emplace_back([=] {
            here = {t, block, grid, shared};
            kernel(arguments);
            gate.pass(true);
        });
    for (auto &one : all) one.join();
}

#else

static StandInThread here;
static void (*body)(void **);
static void **body_arguments;

#if defined(__x86_64__)
// Without the signal masks of swapcontext, whose system calls would take most of the time.
extern "C" void switch_stacks(void **from, void *to);
asm(R"(
.text
.globl switch_stacks
switch_stacks:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
)");
typedef void *Context;
static void change(Context &from, Context &to) { switch_stacks(&from, to); }
static void prepare(Context &context, char *stack, size_t bytes, void (*entry)()) {
    void **top = reinterpret_cast<void **>((reinterpret_cast<size_t>(stack) + bytes) & ~size_t(15));
    *--top = nullptr;  // where the entry, which never returns, would return to
    *--top = reinterpret_cast<void *>(entry);
    for (int i = 0; i < 6; i++) *--top = nullptr;
    context = top;
}
#else
#include <ucontext.h>
typedef ucontext_t Context;
static void change(Context &from, Context &to) { swapcontext(&from, &to); }
static void prepare(Context &context, char *stack, size_t bytes, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack, context.uc_stack.ss_size = bytes, context.uc_link = nullptr;
    makecontext(&context, entry, 0);
}
#endif

static Context home;
static std::vector<Context> fibers;
static std::vector<char> done;

extern "C" StandInThread *stand_in_thread() { return &here; }
extern "C" void stand_in_barrier() {
    const int me = here.thread;
    change(fibers[me], home);
    here.thread = me;
}

static void fiber() {
    const int me = here.thread;
    body(body_arguments);
    done[me] = 1;
    change(fibers[me], home);
    abort();
}

static void run_block(void (*kernel)(void **), void **arguments, int block, int grid, int threads, unsigned char *shared) {
    const size_t bytes = 65536;
    static std::vector<char> stacks;
    stacks.resize(threads * bytes);
    body = kernel, body_arguments = arguments;
    here = {0, block, grid, shared};
    fibers.resize(threads);
    done.assign(threads, 0);
    for (int t = 0; t < threads; t++) prepare(fibers[t], &stacks[t * bytes], bytes, fiber);
    // Each round runs every thread to its next barrier, every other round from the last one on: their order is nothing to rely on.
    for (bool left = true, forth = true; left; forth = !forth) {
        left = false;
        for (int i = 0; i < threads; i++) {
            const int t = forth ? i : threads - 1 - i;
            if (done[t]) continue;
            here.thread = t;
            change(home, fibers[t]);
            left = left || !done[t];
        }
    }
}

#endif

// -------------------------------------------------------------------------------------------------- what tests may change

static struct {
    std::mutex mutex;
    std::map<std::string, int> numbers = {{"driver", 13000},  {"nvrtc_major", 13},    {"nvrtc_minor", 0},         {"devices", 2},     {"major", 9},
                                          {"minor", 0},       {"processors", 4},      {"shared_per_block", 232448}, {"shared_per_processor", 233472},
                                          {"oldest_arch", 75}, {"newest_arch", 121}};
    std::map<std::string, int> failures, calls;
} world;

static int number(const char *name) {
    std::lock_guard<std::mutex> lock(world.mutex);
    return world.numbers.at(name);
}

// The result that a call is to fail with, if it is; and that it was made.
static Result called(const char *name) {
    std::lock_guard<std::mutex> lock(world.mutex);
    world.calls[name]++;
    auto found = world.failures.find(name);
    return found == world.failures.end() ? SUCCESS : found->second;
}

#define CALLED(name) \
    if (Result failed = called(name)) return failed

extern "C" {
int stand_in_set(const char *name, int value) {  // gives what it was before
    std::lock_guard<std::mutex> lock(world.mutex);
    std::swap(world.numbers.at(name), value);
    return value;
}
void stand_in_fail(const char *name, int result) {
    std::lock_guard<std::mutex> lock(world.mutex);
    if (result) world.failures[name] = result;
    else world.failures.erase(name);
}
int stand_in_calls(const char *name) {
    std::lock_guard<std::mutex> lock(world.mutex);
    return world.calls[name];
}
}

// ----------------------------------------------------------------------------------------------------------------- libcuda

struct Module {
    void *library;
    void (*entry)(void **);
    const char *name;
    int threads, allowed, device;
};

static thread_local std::vector<long> contexts;  // current ones: 1 for device 0, and so on

extern "C" {

Result cuInit(unsigned) {
    CALLED("cuInit");
    return SUCCESS;
}

Result cuDriverGetVersion(int *version) {
    CALLED("cuDriverGetVersion");
    *version = number("driver");
    return SUCCESS;
}

Result cuDeviceGet(int *device, int ordinal) {
    CALLED("cuDeviceGet");
    if (ordinal < 0 || ordinal >= number("devices")) return 101;
    *device = ordinal;
    return SUCCESS;
}

Result cuDeviceGetAttribute(int *value, int attribute, int) {
    CALLED("cuDeviceGetAttribute");
    switch (attribute) {
    case 16: *value = number("processors"); return SUCCESS;
    case 75: *value = number("major"); return SUCCESS;
    case 76: *value = number("minor"); return SUCCESS;
    case 81: *value = number("shared_per_processor"); return SUCCESS;
    case 97: *value = number("shared_per_block"); return SUCCESS;
    }
    return INVALID_VALUE;
}

Result cuDevicePrimaryCtxRetain(Handle *context, int device) {
    CALLED("cuDevicePrimaryCtxRetain");
    *context = reinterpret_cast<Handle>(device + 1L);
    return SUCCESS;
}

Result cuCtxPushCurrent_v2(Handle context) {
    CALLED("cuCtxPushCurrent_v2");
    contexts.push_back(reinterpret_cast<long>(context));
    return SUCCESS;
}

Result cuCtxPopCurrent_v2(Handle *context) {
    CALLED("cuCtxPopCurrent_v2");
    if (contexts.empty()) return INVALID_CONTEXT;
    *context = reinterpret_cast<Handle>(contexts.back());
    contexts.pop_back();
    return SUCCESS;
}

// Of a context that a thread should have left: how many are current.
int stand_in_contexts() { return int(contexts.size()); }

Result cuModuleLoadData(Handle *module, const void *image) {
    CALLED("cuModuleLoadData");
    if (contexts.empty()) return INVALID_CONTEXT;
    const char *at = static_cast<const char *>(image);
    if (memcmp(at, "standin", 8)) return INVALID_IMAGE;
    size_t bytes;
    memcpy(&bytes, at + 8, 8);
    const int file = memfd_create("kernel", 0);
    if (write(file, at + 16, bytes) != ssize_t(bytes)) return OUT_OF_MEMORY;
    void *library = dlopen(("/proc/self/fd/" + std::to_string(file)).c_str(), RTLD_NOW | RTLD_LOCAL);
    // The file stays open: a later one of the same number would be taken for this library, which is loaded already.
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return INVALID_IMAGE;
    }
    auto entry = reinterpret_cast<void (*)(void **)>(dlsym(library, "stand_in_entry"));
    *module = new Module{library, entry, static_cast<const char *>(dlsym(library, "stand_in_name")), *static_cast<int *>(dlsym(library, "stand_in_threads")), 48 << 10, int(contexts.back()) - 1};
    return SUCCESS;
}

Result cuModuleGetFunction(Handle *function, Handle module, const char *name) {
    CALLED("cuModuleGetFunction");
    if (strcmp(name, static_cast<Module *>(module)->name)) return NOT_FOUND;
    *function = module;
    return SUCCESS;
}

Result cuFuncSetAttribute(Handle function, int attribute, int value) {
    CALLED("cuFuncSetAttribute");
    if (attribute == 9) return value >= -1 && value <= 100 ? SUCCESS : INVALID_VALUE;  // how much of the cache is shared memory
    if (attribute != 8 || value > number("shared_per_block")) return INVALID_VALUE;
    static_cast<Module *>(function)->allowed = value;
    return SUCCESS;
}

Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Handle function, int threads, size_t shared) {
    CALLED("cuOccupancyMaxActiveBlocksPerMultiprocessor");
    if (threads != static_cast<Module *>(function)->threads) return INVALID_VALUE;
    const int by_memory = int(number("shared_per_processor") / (shared + 1024)), by_threads = 1024 / threads;
    *blocks = by_memory < by_threads ? by_memory : by_threads;
    return SUCCESS;
}

Result cuLaunchKernel(Handle function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, Handle, void **arguments,
                      void **extra) {
    CALLED("cuLaunchKernel");
    const Module &module = *static_cast<Module *>(function);
    if (contexts.empty() || contexts.back() != module.device + 1) return INVALID_CONTEXT;
    if (gx == 0 || gx > 0x7FFFFFFF || gy * gz * by * bz != 1 || extra) return INVALID_VALUE;
    if (bx != unsigned(module.threads)) return TOO_MANY_RESOURCES;
    if (shared > unsigned(module.allowed)) return INVALID_VALUE;
    std::lock_guard<std::mutex> lock(one_launch);
    for (unsigned block = 0; block < gx; block++) {
        // Of the exact size, so that AddressSanitizer sees the end, and full of something.
        std::vector<unsigned char> memory(shared, 0xAB);
        run_block(module.entry, arguments, int(block), int(gx), int(bx), memory.data());
    }
    return SUCCESS;
}

Result cuGetErrorName(Result error, const char **text) {
    static const std::map<Result, const char *> names = {{1, "CUDA_ERROR_INVALID_VALUE"},   {2, "CUDA_ERROR_OUT_OF_MEMORY"},    {100, "CUDA_ERROR_NO_DEVICE"},
                                                         {200, "CUDA_ERROR_INVALID_IMAGE"}, {201, "CUDA_ERROR_INVALID_CONTEXT"}, {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"}};
    auto found = names.find(error);
    if (found == names.end()) return INVALID_VALUE;
    *text = found->second;
    return SUCCESS;
}

}  // extern "C"

// ------------------------------------------------------------------------------------------------------------------- NVRTC

struct Program {
    std::string source, log, image;
};

extern "C" {

Result nvrtcVersion(int *major, int *minor) {
    *major = number("nvrtc_major"), *minor = number("nvrtc_minor");
    return called("nvrtcVersion");
}

Result nvrtcGetNumSupportedArchs(int *n) {
    *n = 2;
    return SUCCESS;
}

Result nvrtcGetSupportedArchs(int *archs) {
    archs[0] = number("oldest_arch"), archs[1] = number("newest_arch");
    return SUCCESS;
}

Result nvrtcCreateProgram(Handle *program, const char *source, const char *, int, const char *const *, const char *const *) {
    CALLED("nvrtcCreateProgram");
    *program = new Program{source, "", ""};
    return SUCCESS;
}

Result nvrtcDestroyProgram(Handle *program) {
    delete static_cast<Program *>(*program);
    *program = nullptr;
    return SUCCESS;
}

// Runs the compiler that STAND_IN_COMPILER names, with the options that it needs (a sanitizer's, the folder of host.h), on the same definitions.
Result nvrtcCompileProgram(Handle handle, int n, const char *const *options) {
    Program &program = *static_cast<Program *>(handle);
    if (Result failed = called("nvrtcCompileProgram")) {
        program.log = "forest.cu(1): error: a test wants it";
        return failed;
    }
    char folder[] = "/tmp/stand_in_XXXXXX";
    if (!mkdtemp(folder)) return OUT_OF_MEMORY;
    const std::string base = folder, source = base + "/forest.cpp", library = base + "/forest.so", log = base + "/log";
    std::ofstream(source) << "#line 1 \"forest.cu\"\n"
                          << program.source
                          << "\nextern \"C\" {\n#if FEW\n#define NAME forest_few\n#else\n#define NAME forest_many\n#endif\n#define TEXT(x) #x\n#define TEXT_OF(x) TEXT(x)\n"
                             "void stand_in_entry(void **arguments) { stand_in_call(NAME, arguments); }\nextern const char stand_in_name[] = TEXT_OF(NAME);\n"
                             "extern const int stand_in_threads = THREADS;\n}\n";
    std::vector<std::string> words;
    std::istringstream compiler(getenv("STAND_IN_COMPILER"));
    for (std::string word; compiler >> word;) words.push_back(word);
    for (int i = 0; i < n; i++)
        if (!strncmp(options[i], "-D", 2)) words.push_back(options[i]);
    for (const char *word : {"-std=c++17", "-ffp-contract=off", "-w", "-fPIC", "-shared", "-DON_HOST", "-o"}) words.push_back(word);
    words.push_back(library), words.push_back(source);
    std::vector<char *> arguments;
    for (auto &word : words) arguments.push_back(&word[0]);
    arguments.push_back(nullptr);
    std::vector<char *> environment;
    for (char **one = environ; *one; one++)
        if (strncmp(*one, "LD_PRELOAD=", 11)) environment.push_back(*one);  // a sanitizer's runtime, which the compiler does not need
    environment.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 2, log.c_str(), O_WRONLY | O_CREAT, 0600);
    pid_t child;
    if (posix_spawnp(&child, arguments[0], &files, nullptr, arguments.data(), environment.data())) return OUT_OF_MEMORY;
    posix_spawn_file_actions_destroy(&files);
    int status = 1;
    waitpid(child, &status, 0);
    std::ostringstream text, code;
    text << std::ifstream(log).rdbuf();
    program.log = text.str();
    if (status) {
        fprintf(stderr, "%s\n", program.log.c_str());
        return 6;
    }
    code << std::ifstream(library, std::ios::binary).rdbuf();
    const std::string found = code.str();
    const size_t bytes = found.size();
    program.image = std::string("standin", 8) + std::string(reinterpret_cast<const char *>(&bytes), 8) + found;
    for (const auto &file : {source, library, log}) unlink(file.c_str());
    rmdir(folder);
    return SUCCESS;
}

Result nvrtcGetProgramLogSize(Handle program, size_t *bytes) {
    *bytes = static_cast<Program *>(program)->log.size() + 1;
    return SUCCESS;
}

Result nvrtcGetProgramLog(Handle program, char *log) {
    strcpy(log, static_cast<Program *>(program)->log.c_str());
    return SUCCESS;
}

#define IMAGE(kind) \
    Result nvrtcGet##kind##Size(Handle program, size_t *bytes) { \
        CALLED("nvrtcGet" #kind); \
        *bytes = static_cast<Program *>(program)->image.size(); \
        return SUCCESS; \
    } \
    Result nvrtcGet##kind(Handle program, char *image) { \
        const std::string &found = static_cast<Program *>(program)->image; \
        memcpy(image, found.data(), found.size()); \
        return SUCCESS; \
    }

IMAGE(CUBIN)
IMAGE(PTX)

const char *nvrtcGetErrorString(Result) { return "NVRTC_ERROR_COMPILATION"; }

}  // extern "C"
