// The Python type PlainCall: rows of a plain array through kernels and back, in one call. See sktensor/native/plain_calls.py.
//
// Written against CPython's stable ABI, so that one build serves every version of it from 3.11 on. The kernels know nothing of Python: it gets
// their addresses as numbers. Whatever is not the common case is answered with None: the caller goes the ordinary way, which finds the same
// numbers, or the error.
#include "plain_call.h"

#include <cstring>
#include <memory>
#include <new>

#include "../sktensor.h"

namespace sktensor {
namespace {

constexpr int kMostSteps = 8;            // kernel calls that continue each other's sums
constexpr int64_t kScoresAtHand = 1024;  // raw scores that a link is applied to, without memory of their own
constexpr int64_t kMostScores = 1 << 17; // with it

// Up to so many rows, each number has kernel calls of its own; then 64 numbers share those that the first of them to come asks for.
constexpr int64_t kEachUpTo = 128, kShare = 64;

constexpr int64_t place_of(int64_t n_rows) { return n_rows <= kEachUpTo ? n_rows : kEachUpTo + (n_rows - kEachUpTo + kShare - 1) / kShare; }
constexpr int64_t kPlaces = place_of(kMostRows) + 1;

using Kernel = int32_t (*)(const void *tables, const skt_rows *rows, int32_t features, void *out, int32_t n_threads, int32_t isa);
using Sigmoid32 = int32_t (*)(const skt_expf *table, const float *raw, int64_t n, float *out, int32_t n_threads, int32_t isa);
using Sigmoid64 = int32_t (*)(const double *raw, int64_t n, double factor, double *out, int32_t n_threads, int32_t isa);
using Softmax32 = int32_t (*)(const skt_expf *table, const float *raw, int64_t n, int64_t n_classes, float *out, int32_t n_threads, int32_t isa);
using Softmax64 = int32_t (*)(const double *raw, int64_t n, int64_t n_classes, double *out, int32_t n_threads, int32_t isa);

enum Link { kNoLink, kSigmoid32, kSigmoid64, kSoftmax32, kSoftmax64 };
constexpr const char *kLinkNames[] = {"none", "sigmoid32", "sigmoid64", "softmax32", "softmax64"};

// The kernel calls for so many rows of a dtype.
struct Steps {
  enum : int8_t { kNone, kKnown } state;
  int8_t n_steps;
  int8_t releases; // whether other threads may run meanwhile
  int32_t features, below_exponent;
  Kernel kernel[kMostSteps];
  const void *tables[kMostSteps];
  PyObject *shape; // of the answer, if it is always the same
};

struct PlainCall {
  PyObject_HEAD
  PyObject *array_type, *empty, *dtype, *resolve, *kept;
  skt_rows rows;  // as they are to be read
  int32_t isa, link;
  int64_t n_outputs, width, item;
  double divisor, factor;
  const skt_expf *expf;
  void *link_kernel;
  Steps **steps; // [dtype][place], those that have been asked for
};

int traverse(PyObject *self, visitproc visit, void *arg) {
  PlainCall *const call = slot_of<PlainCall>(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(call->array_type);
  Py_VISIT(call->empty);
  Py_VISIT(call->dtype);
  Py_VISIT(call->resolve);
  Py_VISIT(call->kept);
  return 0;
}

int clear(PyObject *self) {
  PlainCall *const call = slot_of<PlainCall>(self);
  Py_CLEAR(call->array_type);
  Py_CLEAR(call->empty);
  Py_CLEAR(call->dtype);
  Py_CLEAR(call->resolve);
  if (call->steps)
    for (int64_t i = 0; i < 2 * kPlaces; i++) {
      if (!call->steps[i]) continue;
      call->steps[i]->state = Steps::kNone; // what the tables are kept by goes
      Py_CLEAR(call->steps[i]->shape);
    }
  Py_CLEAR(call->kept);
  return 0;
}

void dealloc(PyObject *self) {
  PyObject_GC_UnTrack(self);
  clear(self);
  if (Steps **const steps = slot_of<PlainCall>(self)->steps) {
    for (int64_t i = 0; i < 2 * kPlaces; i++) delete steps[i];
    delete[] steps;
  }
  free_object(self);
}

PyObject *create(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  static const char *names[] = {"array_type", "empty", "dtype", "item", "resolve", "n_columns", "n_outputs", "isa", "has_missing", "missing",
                                "flush", "must_be_finite", "divisor", "link", "link_kernel", "factor", "expf", "width", nullptr};
  PyObject *array_type, *empty, *dtype, *resolve;
  long long item, n_columns, n_outputs, width;
  int isa, has_missing, must_be_finite;
  double missing, flush, divisor, factor;
  const char *link_name;
  unsigned long long link_kernel, expf;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOLOLLipddpdsKdKL", const_cast<char **>(names), &array_type, &empty, &dtype, &item, &resolve,
                                   &n_columns, &n_outputs, &isa, &has_missing, &missing, &flush, &must_be_finite, &divisor, &link_name,
                                   &link_kernel, &factor, &expf, &width))
    return nullptr;
  int link = -1;
  for (int i = 0; i < 5; i++)
    if (!std::strcmp(link_name, kLinkNames[i])) link = i;
  const bool is_wide = item == sizeof(double);
  const bool by_table = link == kSigmoid32 || link == kSoftmax32;
  if (link < 0 || (link != kNoLink && (!link_kernel || is_wide == by_table || width < 1)) || (by_table && !expf) || n_outputs < 1 || n_columns < 0 ||
      ((link == kSigmoid32 || link == kSigmoid64) && (n_outputs != 1 || width != 2)) || ((link == kSoftmax32 || link == kSoftmax64) && width != n_outputs) ||
      (link == kNoLink && width != n_outputs && !(width == 0 && n_outputs == 1)) || (item != sizeof(float) && !is_wide)) {
    PyErr_SetString(PyExc_ValueError, "PlainCall got arguments that do not hold together.");
    return nullptr;
  }
  PyObject *const self = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (!self) return nullptr;
  PlainCall *const call = slot_of<PlainCall>(self);
  call->array_type = Py_NewRef(array_type);
  call->empty = Py_NewRef(empty);
  call->dtype = Py_NewRef(dtype);
  call->resolve = Py_NewRef(resolve);
  call->kept = PyList_New(0);
  call->steps = new (std::nothrow) Steps *[2 * kPlaces]();
  if (!call->kept || !call->steps) {
    if (!PyErr_Occurred()) PyErr_NoMemory();
    Py_DECREF(self);
    return nullptr;
  }
  call->rows.n_columns = n_columns;
  call->rows.has_missing = has_missing;
  call->rows.missing = missing;
  call->rows.flush = flush;
  call->rows.must_be_finite = must_be_finite;
  call->isa = isa;
  call->link = link;
  call->n_outputs = n_outputs;
  call->width = width;
  call->item = item;
  call->divisor = divisor;
  call->factor = factor;
  call->expf = reinterpret_cast<const skt_expf *>(static_cast<uintptr_t>(expf));
  call->link_kernel = reinterpret_cast<void *>(static_cast<uintptr_t>(link_kernel));
  return self;
}

// Of the answer for so many rows; a new reference.
PyObject *shape_of(const PlainCall &call, int64_t n_rows) {
  const long long n = n_rows, width = call.width;
  return width ? Py_BuildValue("(LL)", n, width) : Py_BuildValue("(L)", n);
}

// Reads what `resolve` gave: None, or (whether other threads may run, the dtype of the features, the power of two that no value may reach,
// ((kernel, tables), ...), what keeps the tables). False with an error set.
bool read_steps(PlainCall &call, PyObject *given, int64_t place, Steps &steps) {
  if (given == Py_None) {
    steps.state = Steps::kNone;
    return true;
  }
  int releases, features, below_exponent;
  PyObject *calls, *kept;
  if (!PyArg_ParseTuple(given, "piiO!O", &releases, &features, &below_exponent, &PyTuple_Type, &calls, &kept)) return false;
  const Py_ssize_t n_steps = PyTuple_Size(calls);
  if (n_steps < 1 || n_steps > kMostSteps) {
    steps.state = Steps::kNone;
    return true;
  }
  Steps found{};
  for (Py_ssize_t i = 0; i < n_steps; i++) {
    unsigned long long kernel, tables;
    if (!PyArg_ParseTuple(PyTuple_GetItem(calls, i), "KK", &kernel, &tables)) return false;
    found.kernel[i] = reinterpret_cast<Kernel>(static_cast<uintptr_t>(kernel));
    found.tables[i] = reinterpret_cast<const void *>(static_cast<uintptr_t>(tables));
  }
  if (place <= kEachUpTo && !(found.shape = shape_of(call, place))) return false;
  if (PyList_Append(call.kept, kept) < 0) {
    Py_XDECREF(found.shape);
    return false;
  }
  found.n_steps = static_cast<int8_t>(n_steps);
  found.releases = static_cast<int8_t>(releases);
  found.features = features;
  found.below_exponent = below_exponent;
  found.state = Steps::kKnown;
  steps = found;
  return true;
}

// Which dtype of the kernels an array has that numpy describes so; -1 for another one, or another byte order.
int dtype_of(const char *format) {
  if (!format || !format[0] || format[1]) return -1;
  return *format == 'f' ? SKT_FLOAT32 : *format == 'd' ? SKT_FLOAT64 : -1;
}

// Runs the kernels and the link; 0, or the error that a kernel found.
int32_t run(const PlainCall &call, const Steps &steps, const skt_rows &rows, void *out) {
  const int64_t n = rows.n_rows, n_scores = n * call.n_outputs;
  alignas(8) double at_hand[kScoresAtHand];
  std::unique_ptr<double[]> more;
  void *raw = call.link == kNoLink ? out : at_hand;
  if (call.link != kNoLink && n_scores > kScoresAtHand) {
    more.reset(new (std::nothrow) double[n_scores]);
    if (!(raw = more.get())) return -1; // there may be memory for less
  }
  for (int i = 0; i < steps.n_steps; i++)
    if (const int32_t error = steps.kernel[i](steps.tables[i], &rows, steps.features, raw, 1, call.isa)) return error;
  if (call.divisor != 1.0) {
    if (call.item == sizeof(float))
      for (int64_t i = 0; i < n_scores; i++) static_cast<float *>(raw)[i] /= static_cast<float>(call.divisor);
    else
      for (int64_t i = 0; i < n_scores; i++) static_cast<double *>(raw)[i] /= call.divisor;
  }
  const float *const raw32 = static_cast<const float *>(raw);
  const double *const raw64 = static_cast<const double *>(raw);
  switch (call.link) {
    case kSigmoid32: return reinterpret_cast<Sigmoid32>(call.link_kernel)(call.expf, raw32, n, static_cast<float *>(out), 1, call.isa);
    case kSigmoid64: return reinterpret_cast<Sigmoid64>(call.link_kernel)(raw64, n, call.factor, static_cast<double *>(out), 1, call.isa);
    case kSoftmax32:
      return reinterpret_cast<Softmax32>(call.link_kernel)(call.expf, raw32, n, call.n_outputs, static_cast<float *>(out), 1, call.isa);
    case kSoftmax64: return reinterpret_cast<Softmax64>(call.link_kernel)(raw64, n, call.n_outputs, static_cast<double *>(out), 1, call.isa);
    default: return 0;
  }
}

// The answer for rows; None where this is not the place for them.
PyObject *answer(PlainCall &call, const RowsGiven &given) {
  const int64_t n_rows = given.n_rows;
  const int dtype = given.dtype;
  if (n_rows < 1 || n_rows > kMostRows || given.n_columns != call.rows.n_columns) Py_RETURN_NONE;
  if (call.link != kNoLink && n_rows * call.n_outputs > kMostScores) Py_RETURN_NONE;
  const int64_t place = place_of(n_rows);
  Steps *&known = call.steps[dtype * kPlaces + place];
  if (!known) {
    PyObject *const found = PyObject_CallFunction(call.resolve, "Ls", static_cast<long long>(n_rows), dtype == SKT_FLOAT32 ? "float32" : "float64");
    if (!found) return nullptr;
    Steps *const made = new (std::nothrow) Steps();
    const bool fine = made && read_steps(call, found, place, *made);
    Py_DECREF(found);
    if (!fine || known) { // another thread has been here meanwhile
      if (made) Py_XDECREF(made->shape);
      delete made;
      if (!fine) return PyErr_Occurred() ? nullptr : PyErr_NoMemory();
    } else {
      known = made;
    }
  }
  const Steps &steps = *known;
  if (steps.state != Steps::kKnown) Py_RETURN_NONE;

  PyObject *const shape = steps.shape ? Py_NewRef(steps.shape) : shape_of(call, n_rows);
  if (!shape) return nullptr;
  PyObject *const found = PyObject_CallFunctionObjArgs(call.empty, shape, call.dtype, nullptr);
  Py_DECREF(shape);
  if (!found) return nullptr;
  Py_buffer out;
  if (PyObject_GetBuffer(found, &out, PyBUF_WRITABLE) < 0) {
    Py_DECREF(found);
    return nullptr;
  }
  skt_rows rows = call.rows;
  rows.data = given.data;
  rows.n_rows = n_rows;
  rows.row_stride = given.row_stride;
  rows.column_stride = given.column_stride;
  rows.dtype = dtype;
  rows.below_exponent = steps.below_exponent;
  int32_t error;
  if (steps.releases) {
    PyThreadState *const state = PyEval_SaveThread();
    error = run(call, steps, rows, out.buf);
    PyEval_RestoreThread(state);
  } else {
    error = run(call, steps, rows, out.buf);
  }
  PyBuffer_Release(&out);
  if (!error) return found;
  Py_DECREF(found);
  Py_RETURN_NONE; // the ordinary way has the words for it
}

PyObject *call(PyObject *self, PyObject *args, PyObject *kwargs) {
  PlainCall &call = *slot_of<PlainCall>(self);
  if (PyTuple_Size(args) != 1 || (kwargs && PyDict_Size(kwargs))) {
    PyErr_SetString(PyExc_TypeError, "PlainCall takes one array.");
    return nullptr;
  }
  PyObject *const X = PyTuple_GetItem(args, 0);
  if (reinterpret_cast<PyObject *>(Py_TYPE(X)) != call.array_type) Py_RETURN_NONE;
  Py_buffer view;
  if (PyObject_GetBuffer(X, &view, PyBUF_STRIDED_RO | PyBUF_FORMAT) < 0) { // dates, for instance
    PyErr_Clear();
    Py_RETURN_NONE;
  }
  const int dtype = dtype_of(view.format);
  PyObject *found = Py_None;
  if (dtype >= 0 && view.ndim == 2)
    found = answer(call, {view.buf, dtype, view.shape[0], view.shape[1], view.strides[0], view.strides[1]});
  else
    Py_INCREF(found);
  PyBuffer_Release(&view);
  return found;
}

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void *>(create)},
    {Py_tp_dealloc, reinterpret_cast<void *>(dealloc)},
    {Py_tp_traverse, reinterpret_cast<void *>(traverse)},
    {Py_tp_clear, reinterpret_cast<void *>(clear)},
    {Py_tp_call, reinterpret_cast<void *>(call)},
    {Py_tp_doc, const_cast<char *>("Rows of a plain array through kernels: call(X) gives the answer, or None where the ordinary way is to be taken.")},
    {0, nullptr},
};
} // namespace

PyType_Spec plain_call_spec = {"sktensor.native._plain_call.PlainCall", sizeof(PlainCall), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE, slots};

bool is_plain_call(PyObject *object) { return PyType_GetSlot(Py_TYPE(object), Py_tp_call) == reinterpret_cast<void *>(call); }

PyObject *answer(PyObject *plain_call, const RowsGiven &given) { return answer(*slot_of<PlainCall>(plain_call), given); }

} // namespace sktensor
