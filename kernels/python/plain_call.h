// The Python type PlainCall, for the other types of the module. See sktensor/native/plain_calls.py.
#pragma once

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <cstdint>

namespace sktensor {

constexpr int64_t kMostRows = 128;

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
