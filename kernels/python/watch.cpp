// The Python type Watch: whether containers still hold the same objects. See sktensor/native/watching.py.
#include <new>
#include <vector>

#include "plain_call.h"

namespace sktensor {
namespace {

// What is watched: all values of a dict, the value of one key of it, or all items of a list or tuple.
struct Container {
  PyObject *object, *key;
  std::vector<PyObject *> held; // null for a key that is not there
};

struct Watch {
  PyObject_HEAD
  PyObject *kept; // whatever the rest points to, so that no other object takes its place in memory
  std::vector<Container> *containers;
};

// Calls a function with each object that a container holds, none of which it takes a reference to; false as soon as that is false.
template <class Function>
bool each(const Container &container, Function function) {
  PyObject *const object = container.object;
  if (container.key) return function(PyDict_GetItemWithError(object, container.key));
  if (PyDict_Check(object)) {
    Py_ssize_t at = 0;
    PyObject *value;
    while (PyDict_Next(object, &at, nullptr, &value))
      if (!function(value)) return false;
    return true;
  }
  const bool is_list = PyList_Check(object);
  for (Py_ssize_t i = 0; i < (is_list ? PyList_Size(object) : PyTuple_Size(object)); i++)
    if (!function(is_list ? PyList_GetItem(object, i) : PyTuple_GetItem(object, i))) return false;
  return true;
}

bool is_same(const Container &container) {
  size_t n = 0;
  const auto is_next = [&](PyObject *value) { return n < container.held.size() && container.held[n++] == value; };
  return each(container, is_next) && n == container.held.size();
}

PyObject *call(PyObject *self, PyObject *args, PyObject *kwargs) {
  if (PyTuple_Size(args) || (kwargs && PyDict_Size(kwargs))) {
    PyErr_SetString(PyExc_TypeError, "Watch takes no arguments.");
    return nullptr;
  }
  const std::vector<Container> *const containers = slot_of<Watch>(self)->containers;
  bool same = containers != nullptr;
  if (same)
    for (const Container &container : *containers)
      if (!is_same(container)) {
        same = false;
        break;
      }
  if (PyErr_Occurred()) return nullptr;
  return PyBool_FromLong(same);
}

int traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(slot_of<Watch>(self)->kept);
  return 0;
}

int clear(PyObject *self) {
  Watch *const watch = slot_of<Watch>(self);
  delete watch->containers; // it points to what goes now
  watch->containers = nullptr;
  Py_CLEAR(watch->kept);
  return 0;
}

void dealloc(PyObject *self) {
  PyObject_GC_UnTrack(self);
  clear(self);
  free_object(self);
}

// Adds a container, given with a key or None, and a reference to it and to whatever it holds to a list; false with an error set.
bool add(PyObject *item, std::vector<Container> &containers, PyObject *kept) {
  Container container{};
  if (!PyTuple_Check(item) || !PyArg_ParseTuple(item, "OO", &container.object, &container.key)) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "Watch takes pairs of a container and a key.");
    return false;
  }
  if (container.key == Py_None) container.key = nullptr;
  if (!PyDict_Check(container.object) && (container.key || !(PyList_Check(container.object) || PyTuple_Check(container.object)))) {
    PyErr_SetString(PyExc_TypeError, "Watch takes dicts, lists and tuples, and keys of dicts.");
    return false;
  }
  each(container, [&](PyObject *value) {
    container.held.push_back(value);
    return true;
  });
  if (PyErr_Occurred() || PyList_Append(kept, item) < 0) return false;
  for (PyObject *const value : container.held)
    if (value && PyList_Append(kept, value) < 0) return false;
  containers.push_back(container);
  return true;
}

PyObject *create(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  static const char *names[] = {"containers", nullptr};
  PyObject *items;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!", const_cast<char **>(names), &PyTuple_Type, &items)) return nullptr;
  PyObject *const self = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (!self) return nullptr;
  Watch *const watch = slot_of<Watch>(self);
  watch->kept = PyList_New(0);
  bool fine = watch->kept != nullptr;
  try {
    if (fine) watch->containers = new std::vector<Container>();
    for (Py_ssize_t i = 0; fine && i < PyTuple_Size(items); i++) fine = add(PyTuple_GetItem(items, i), *watch->containers, watch->kept);
  } catch (const std::bad_alloc &) {
    PyErr_NoMemory();
    fine = false;
  }
  if (fine) return self;
  Py_DECREF(self);
  return nullptr;
}

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void *>(create)},
    {Py_tp_dealloc, reinterpret_cast<void *>(dealloc)},
    {Py_tp_traverse, reinterpret_cast<void *>(traverse)},
    {Py_tp_clear, reinterpret_cast<void *>(clear)},
    {Py_tp_call, reinterpret_cast<void *>(call)},
    {Py_tp_doc, const_cast<char *>("Watch(containers)() says whether dicts, lists and tuples hold the same objects as at first.")},
    {0, nullptr},
};

} // namespace

PyType_Spec watch_spec = {"sktensor.native._plain_call.Watch", sizeof(Watch), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
                          slots};

} // namespace sktensor
