// The Python type PlainCall, for the other types of the module. See sktensor/native/plain_calls.py.
#pragma once

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <cstdint>

namespace sktensor {

constexpr int64_t kMostRows = 2048;

template <class T>
T *slot_of(PyObject *self) {
  return reinterpret_cast<T *>(self);
}

// The last step of an object's end: its memory, and its reference to its type.
inline void free_object(PyObject *self) {
  PyTypeObject *const type = Py_TYPE(self);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

// Rows of numbers that lie somewhere: how many, and the bytes from one row and one column to the next.
struct RowsGiven {
  const void *data;
  int dtype; // SKT_FLOAT32 or SKT_FLOAT64
  int64_t n_rows, n_columns, row_stride, column_stride;
};

// Whether an object is a PlainCall.
bool is_plain_call(PyObject *object);

// What a PlainCall answers for rows; None where the ordinary way is to be taken.
PyObject *answer(PyObject *plain_call, const RowsGiven &given);

extern PyType_Spec plain_call_spec, frame_call_spec, watch_spec;

} // namespace sktensor
