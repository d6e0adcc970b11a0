// The Python type FrameCall: few rows of a data frame through the views of folded steps, kernels and back, in one call. See
// sktensor/native/frame_calls.py.
//
// It knows frames of one layout: the names and the order of their columns, and what holds these. Whatever is another one, and every value about
// which the steps have to be asked, is answered with None: the caller goes the ordinary way. Python code of other classes than those of the frame's
// library runs at no time, so that what is read stays where it is.
#include <cstring>
#include <new>

#include "../sktensor.h"
#include "frame_views.h"
#include "plain_call.h"

namespace sktensor {
namespace {

// By which names the parts of a frame are asked for.
enum Name { kManager, kAxes, kBlocks, kPlace, kValues, kIs, kToList, kArrow, kNumChunks, kChunk, kToPyList, kColumns, kDtype, kDtypes, kHeight, kRows, kNames };
constexpr const char *kNameTexts[] = {"_mgr",       "axes",  "blocks",            "_mgr_locs", "values", "is_",    "tolist", "_pa_array",
                                      "num_chunks", "chunk", "to_pylist", "columns",   "dtype",  "dtypes", "height", "rows"};

struct Pair {
  int place, slot; // of a column in its block or frame, and of what is read
};

// What pandas holds columns of one dtype in. How its values are read: 'f', 'i', 'u' and 'b' numbers and 'O' objects of an array, 'a' texts of an
// Arrow array, 'l' by a function that gives lists; '-' not at all.
struct Block {
  char how;
  int size;
  PyObject *place, *dtype, *listed;
  std::vector<Pair> pairs;
};

// A column of a frame of polars: 'f' floats, 'i' other numbers, 'O' texts.
struct Column {
  char how;
  Pair at;
};

struct Layout {
  Views views;
  std::vector<Block> blocks;
  std::vector<Column> columns;
};

struct FrameCall {
  PyObject_HEAD
  PyObject *plain, *frame_type, *same_place, *names; // of the columns, a list
  PyObject *index;                                   // the last one of pandas that had these names
  PyObject *dtypes;                                  // of polars, their classes
  PyObject *kept;                                    // whatever the layout points to
  PyObject *zero, *asked[kNames];
  int dtype;
  Layout *layout;
};

// A new reference that goes with its scope.
class Held {
public:
  explicit Held(PyObject *object) : object(object) {}
  Held(const Held &) = delete;
  Held &operator=(const Held &) = delete;
  ~Held() { Py_XDECREF(object); }
  explicit operator bool() const { return object != nullptr; }
  PyObject *get() const { return object; }

private:
  PyObject *object;
};

PyObject *get(const FrameCall &call, PyObject *object, Name name) { return PyObject_GetAttr(object, call.asked[name]); }
PyObject *ask(const FrameCall &call, PyObject *object, Name name) { return PyObject_CallMethodObjArgs(object, call.asked[name], nullptr); }

// --- pandas ------------------------------------------------------------------------------------------------------------------------------------------

// Whether a frame's columns have the names of the layout.
bool has_names(FrameCall &call, PyObject *manager) {
  const Held axes(get(call, manager, kAxes));
  if (!axes || !PyList_Check(axes.get()) || PyList_Size(axes.get()) != 2) return false;
  const Held index(Py_NewRef(PyList_GetItem(axes.get(), 0)));
  if (index.get() == call.index) return true;
  const Held known(Py_NewRef(call.index)); // which another thread may replace meanwhile
  const Held same(PyObject_CallMethodObjArgs(index.get(), call.asked[kIs], known.get(), nullptr)); // as of a slice
  if (!same) return false;
  if (same.get() != Py_True) {
    const Held names(ask(call, index.get(), kToList));
    if (!names || PyObject_RichCompareBool(names.get(), call.names, Py_EQ) != 1) return false;
  }
  PyObject *const last = call.index;
  call.index = Py_NewRef(index.get());
  Py_DECREF(last);
  return true;
}

// The class of numbers of which numpy says this, as in Block; 0 for others, and for those of another byte order.
char class_of(const char *format) {
  if (!format || !format[0] || format[1]) return 0;
  switch (*format) {
    case 'f': case 'd': return 'f';
    case 'b': case 'h': case 'i': case 'l': case 'q': return 'i';
    case 'B': case 'H': case 'I': case 'L': case 'Q': return 'u';
    case '?': return 'b';
    case 'O': return 'O';
    default: return 0;
  }
}

template <class T>
double as(const void *at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<double>(value);
}

double number_at(char how, int size, const void *at) {
  switch (how) {
    case 'f': return size == 4 ? as<float>(at) : as<double>(at);
    case 'i': return size == 1 ? as<int8_t>(at) : size == 2 ? as<int16_t>(at) : size == 4 ? as<int32_t>(at) : as<int64_t>(at);
    case 'u': return size == 1 ? as<uint8_t>(at) : size == 2 ? as<uint16_t>(at) : size == 4 ? as<uint32_t>(at) : as<uint64_t>(at);
    default: return as<uint8_t>(at); // of true and false
  }
}

// Columns of a numpy array of shape (columns of the block, rows).
bool read_array(const Block &block, const Py_buffer &view, Made &made) {
  if (view.ndim != 2 || class_of(view.format) != block.how || view.itemsize != block.size) return false;
  if (!made.takes(view.shape[1])) return false;
  for (const Pair &pair : block.pairs) {
    if (pair.place >= view.shape[0]) return false;
    for (int64_t row = 0; row < made.n_rows; row++) {
      const char *const at = static_cast<const char *>(view.buf) + pair.place * view.strides[0] + row * view.strides[1];
      if (block.how == 'O') {
        PyObject *value;
        std::memcpy(&value, at, sizeof value);
        if (!value || !made.put_text(pair.slot, row, value)) return false; // null where numpy has none, for None
      } else {
        made.put_number(pair.slot, row, number_at(block.how, block.size, at));
      }
    }
  }
  return true;
}

bool read_arrow(const FrameCall &call, const Block &block, PyObject *values, Made &made) {
  const Held chunked(get(call, values, kArrow));
  if (!chunked) return false;
  const Held n_chunks(get(call, chunked.get(), kNumChunks));
  if (!n_chunks || PyLong_AsLong(n_chunks.get()) != 1) return false;
  const Held chunk(PyObject_CallMethodObjArgs(chunked.get(), call.asked[kChunk], call.zero, nullptr));
  if (!chunk) return false;
  if (!made.takes(PyObject_Size(chunk.get()))) return false;
  const Held texts(ask(call, chunk.get(), kToPyList)); // of few rows faster than the Arrow C data interface
  if (!texts || !PyList_Check(texts.get()) || PyList_Size(texts.get()) != made.n_rows) return false;
  for (const Pair &pair : block.pairs)
    for (int64_t row = 0; row < made.n_rows; row++) {
      PyObject *const text = PyList_GetItem(texts.get(), row);
      if (!(text == Py_None ? made.put_missing_text(pair.slot, row) : made.put_text(pair.slot, row, text))) return false;
    }
  return true;
}

bool read_listed(const Block &block, PyObject *values, Made &made) {
  if (!made.takes(PyObject_Size(values))) return false;
  const Held lists(PyObject_CallFunctionObjArgs(block.listed, values, nullptr));
  if (!lists || !PyList_Check(lists.get())) return false;
  for (const Pair &pair : block.pairs) {
    PyObject *const list = PyList_GetItem(lists.get(), pair.place);
    if (!list || !PyList_Check(list) || PyList_Size(list) != made.n_rows) return false;
    for (int64_t row = 0; row < made.n_rows; row++)
      if (!made.put_text(pair.slot, row, PyList_GetItem(list, row))) return false;
  }
  return true;
}

bool read_block(const FrameCall &call, const Block &block, PyObject *given, Made &made) {
  const Held place(get(call, given, kPlace));
  if (!place) return false;
  if (place.get() != block.place) {
    const Held same(PyObject_CallFunctionObjArgs(call.same_place, place.get(), block.place, nullptr));
    if (!same || same.get() != Py_True) return false;
  }
  if (block.how == '-') return true;
  const Held values(get(call, given, kValues));
  if (!values) return false;
  if (block.how == 'a' || block.how == 'l') {
    const Held dtype(get(call, values.get(), kDtype));
    if (!dtype) return false;
    if (dtype.get() != block.dtype && (block.how == 'l' || PyObject_RichCompareBool(dtype.get(), block.dtype, Py_EQ) != 1)) return false;
    return block.how == 'a' ? read_arrow(call, block, values.get(), made) : read_listed(block, values.get(), made);
  }
  Py_buffer view;
  if (PyObject_GetBuffer(values.get(), &view, PyBUF_STRIDED_RO | PyBUF_FORMAT) < 0) return false;
  const bool fine = read_array(block, view, made);
  PyBuffer_Release(&view);
  return fine;
}

bool read_pandas(FrameCall &call, PyObject *X, Made &made) {
  const Held manager(get(call, X, kManager));
  if (!manager || !has_names(call, manager.get())) return false;
  const Held blocks(get(call, manager.get(), kBlocks));
  const std::vector<Block> &known = call.layout->blocks;
  if (!blocks || !PyTuple_Check(blocks.get()) || PyTuple_Size(blocks.get()) != static_cast<Py_ssize_t>(known.size())) return false;
  for (size_t i = 0; i < known.size(); i++)
    if (!read_block(call, known[i], PyTuple_GetItem(blocks.get(), static_cast<Py_ssize_t>(i)), made)) return false;
  return true;
}

// --- polars ------------------------------------------------------------------------------------------------------------------------------------------

bool read_polars(const FrameCall &call, PyObject *X, Made &made) {
  const Held height(get(call, X, kHeight));
  if (!height || !made.takes(PyLong_AsSsize_t(height.get()))) return false;
  const Held names(get(call, X, kColumns));
  if (!names || PyObject_RichCompareBool(names.get(), call.names, Py_EQ) != 1) return false;
  const Held dtypes(get(call, X, kDtypes));
  const Py_ssize_t n_columns = PyTuple_Size(call.dtypes);
  if (!dtypes || !PyList_Check(dtypes.get()) || PyList_Size(dtypes.get()) != n_columns) return false;
  for (Py_ssize_t i = 0; i < n_columns; i++) // enums of other texts are read in the same way
    if (reinterpret_cast<PyObject *>(Py_TYPE(PyList_GetItem(dtypes.get(), i))) != PyTuple_GetItem(call.dtypes, i)) return false;
  const Held rows(ask(call, X, kRows));
  if (!rows || !PyList_Check(rows.get()) || PyList_Size(rows.get()) != made.n_rows) return false;
  for (int64_t row = 0; row < made.n_rows; row++) {
    PyObject *const given = PyList_GetItem(rows.get(), row);
    if (!PyTuple_Check(given) || PyTuple_Size(given) != n_columns) return false;
    for (const Column &column : call.layout->columns) {
      PyObject *const value = PyTuple_GetItem(given, column.at.place);
      if (column.how == 'O') {
        if (!made.put_text(column.at.slot, row, value)) return false;
        continue;
      }
      // A column of integers with missing values is none of numbers to the steps.
      if (value == Py_None && column.how != 'f') return false;
      const double number = value == Py_None ? std::numeric_limits<double>::quiet_NaN() : PyFloat_AsDouble(value);
      if (number == -1.0 && PyErr_Occurred()) return false;
      made.put_number(column.at.slot, row, number);
    }
  }
  return true;
}

// --- the type ----------------------------------------------------------------------------------------------------------------------------------------

PyObject *call(PyObject *self, PyObject *args, PyObject *kwargs) {
  FrameCall &call = *slot_of<FrameCall>(self);
  if (PyTuple_Size(args) != 1 || (kwargs && PyDict_Size(kwargs))) {
    PyErr_SetString(PyExc_TypeError, "FrameCall takes one frame.");
    return nullptr;
  }
  PyObject *const X = PyTuple_GetItem(args, 0);
  if (reinterpret_cast<PyObject *>(Py_TYPE(X)) != call.frame_type || !call.layout) Py_RETURN_NONE;
  Made made(call.layout->views);
  if (!(call.dtypes ? read_polars(call, X, made) : read_pandas(call, X, made)) || !made.finish()) {
    if (PyErr_Occurred()) {
      if (!PyErr_ExceptionMatches(PyExc_Exception)) return nullptr; // an interrupt is no matter of the frame
      PyErr_Clear();
    }
    Py_RETURN_NONE;
  }
  const bool is_narrow = call.dtype == SKT_FLOAT32;
  if (is_narrow) made.narrow();
  const int64_t item = is_narrow ? sizeof(float) : sizeof(double), n_views = call.layout->views.n_views;
  return answer(call.plain, {made.data(), call.dtype, made.n_rows, n_views, n_views * item, item});
}

int traverse(PyObject *self, visitproc visit, void *arg) {
  FrameCall *const call = slot_of<FrameCall>(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(call->plain);
  Py_VISIT(call->frame_type);
  Py_VISIT(call->same_place);
  Py_VISIT(call->names);
  Py_VISIT(call->index);
  Py_VISIT(call->dtypes);
  Py_VISIT(call->kept);
  return 0;
}

int clear(PyObject *self) {
  FrameCall *const call = slot_of<FrameCall>(self);
  Layout *const layout = call->layout;
  call->layout = nullptr; // it points to what goes now
  delete layout;
  Py_CLEAR(call->plain);
  Py_CLEAR(call->frame_type);
  Py_CLEAR(call->same_place);
  Py_CLEAR(call->names);
  Py_CLEAR(call->index);
  Py_CLEAR(call->dtypes);
  Py_CLEAR(call->kept);
  Py_CLEAR(call->zero);
  for (PyObject *&name : call->asked) Py_CLEAR(name);
  return 0;
}

void dealloc(PyObject *self) {
  PyObject_GC_UnTrack(self);
  clear(self);
  free_object(self);
}

// Whether `slot` is one of a kind that holds numbers, or texts.
bool is_slot(const Views &views, int slot, bool is_numeric) {
  return slot >= 0 && slot < static_cast<int>(views.slots.size()) && views.slots[slot].is_numeric == is_numeric;
}

// Each item of a tuple of tuples, by a function that gives false with an error set, or without where items do not hold together.
template <class Function>
bool each(PyObject *items, Function function) {
  for (Py_ssize_t i = 0; i < PyTuple_Size(items); i++)
    if (!PyTuple_Check(PyTuple_GetItem(items, i)) || !function(PyTuple_GetItem(items, i))) return false;
  return true;
}

bool parse_views(PyObject *slots, PyObject *numbers, PyObject *bins, PyObject *categories, Views &views) {
  const auto is_view = [&views](int at) { return at >= 0 && at < views.n_views; };
  return each(slots, [&](PyObject *item) {
           int is_numeric, takes_missing;
           double low, high;
           if (!PyArg_ParseTuple(item, "pddp", &is_numeric, &low, &high, &takes_missing)) return false;
           views.slots.push_back({is_numeric != 0, takes_missing != 0, low, high});
           views.categories.emplace_back();
           return true;
         }) &&
         each(numbers, [&](PyObject *item) {
           NumberView view;
           if (!PyArg_ParseTuple(item, "iiddd", &view.at, &view.slot, &view.low, &view.high, &view.fill)) return false;
           views.numbers.push_back(view);
           return is_view(view.at) && is_slot(views, view.slot, true);
         }) &&
         each(bins, [&](PyObject *item) {
           BinView view;
           const char *breaks;
           Py_ssize_t n_breaks, n_refused;
           if (!PyArg_ParseTuple(item, "iiy#z#", &view.at, &view.slot, &breaks, &n_breaks, &view.refused, &n_refused)) return false;
           view.breaks = reinterpret_cast<const double *>(breaks); // of bytes objects, which lie at multiples of eight
           view.n_breaks = n_breaks / static_cast<Py_ssize_t>(sizeof(double));
           views.bins.push_back(view);
           return is_view(view.at) && is_slot(views, view.slot, true) && (!view.refused || n_refused == view.n_breaks + 1);
         }) &&
         each(categories, [&](PyObject *item) {
           CategoryView view;
           int slot, all_missing;
           if (!PyArg_ParseTuple(item, "iiO!iiip", &view.at, &slot, &PyDict_Type, &view.codes, &view.nan, &view.none, &view.unknown, &all_missing))
             return false;
           view.all_missing = all_missing != 0;
           if (!is_view(view.at) || !is_slot(views, slot, false)) return false;
           views.categories[slot].push_back(view);
           return true;
         });
}

bool parse_blocks(PyObject *items, Layout &layout) {
  return each(items, [&](PyObject *item) {
    Block block{};
    PyObject *pairs;
    int how;
    if (!PyArg_ParseTuple(item, "CiOOOO!", &how, &block.size, &block.place, &block.dtype, &block.listed, &PyTuple_Type, &pairs)) return false;
    block.how = static_cast<char>(how);
    const bool is_numeric = block.how == 'f' || block.how == 'i' || block.how == 'u' || block.how == 'b';
    if (!each(pairs, [&](PyObject *pair) {
          Pair found;
          if (!PyArg_ParseTuple(pair, "ii", &found.place, &found.slot)) return false;
          block.pairs.push_back(found);
          return found.place >= 0 && is_slot(layout.views, found.slot, is_numeric);
        }))
      return false;
    layout.blocks.push_back(block);
    return is_numeric || block.how == 'O' || block.how == 'a' || block.how == 'l' || block.how == '-';
  });
}

bool parse_columns(PyObject *items, Py_ssize_t n_columns, Layout &layout) {
  return each(items, [&](PyObject *item) {
    int how;
    Pair at;
    if (!PyArg_ParseTuple(item, "Cii", &how, &at.place, &at.slot)) return false;
    layout.columns.push_back({static_cast<char>(how), at});
    return (how == 'f' || how == 'i' || how == 'O') && at.place >= 0 && at.place < n_columns && is_slot(layout.views, at.slot, how != 'O');
  });
}

PyObject *create(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  static const char *names[] = {"plain", "frame_type", "names", "index", "dtypes", "same_place", "is_double", "n_views",
                                "slots", "numbers",    "bins",  "categories", "parts", nullptr};
  PyObject *plain, *frame_type, *column_names, *index, *dtypes, *same_place, *slots, *numbers, *bins, *categories, *parts;
  int is_double;
  long long n_views;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO!OOOpLO!O!O!O!O!", const_cast<char **>(names), &plain, &frame_type, &PyList_Type, &column_names,
                                   &index, &dtypes, &same_place, &is_double, &n_views, &PyTuple_Type, &slots, &PyTuple_Type, &numbers, &PyTuple_Type,
                                   &bins, &PyTuple_Type, &categories, &PyTuple_Type, &parts))
    return nullptr;
  PyObject *const self = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (!self) return nullptr;
  FrameCall *const call = slot_of<FrameCall>(self);
  call->plain = Py_NewRef(plain);
  call->frame_type = Py_NewRef(frame_type);
  call->same_place = Py_NewRef(same_place);
  call->names = Py_NewRef(column_names);
  call->index = Py_NewRef(index);
  call->dtypes = dtypes == Py_None ? nullptr : Py_NewRef(dtypes);
  call->kept = PyTuple_Pack(4, bins, categories, parts, plain);
  call->zero = PyLong_FromLong(0);
  bool fine = call->kept && call->zero;
  for (int i = 0; i < kNames && fine; i++) fine = (call->asked[i] = PyUnicode_InternFromString(kNameTexts[i])) != nullptr;
  call->dtype = is_double ? SKT_FLOAT64 : SKT_FLOAT32;
  try {
    if (fine && is_plain_call(plain) && (!call->dtypes || PyTuple_Check(dtypes)) && n_views >= 0) {
      call->layout = new Layout();
      call->layout->views.n_views = n_views;
      if (parse_views(slots, numbers, bins, categories, call->layout->views) &&
          (call->dtypes ? parse_columns(parts, PyTuple_Size(dtypes), *call->layout) : parse_blocks(parts, *call->layout)))
        return self;
    }
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "FrameCall got arguments that do not hold together.");
  } catch (const std::bad_alloc &) {
    PyErr_NoMemory();
  }
  Py_DECREF(self);
  return nullptr;
}

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void *>(create)},
    {Py_tp_dealloc, reinterpret_cast<void *>(dealloc)},
    {Py_tp_traverse, reinterpret_cast<void *>(traverse)},
    {Py_tp_clear, reinterpret_cast<void *>(clear)},
    {Py_tp_call, reinterpret_cast<void *>(call)},
    {Py_tp_doc, const_cast<char *>("Few rows of a frame through kernels: call(X) gives the answer, or None where the ordinary way is to be taken.")},
    {0, nullptr},
};

} // namespace

PyType_Spec frame_call_spec = {"sktensor.native._plain_call.FrameCall", sizeof(FrameCall), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE, slots};

} // namespace sktensor
