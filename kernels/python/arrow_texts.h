// Texts of an Arrow array, through the Arrow C data interface: https://arrow.apache.org/docs/format/CDataInterface.html
#pragma once

#include "plain_call.h"

#include <cstring>

namespace sktensor {

struct ArrowSchema {
  const char *format, *name, *metadata;
  int64_t flags, n_children;
  ArrowSchema **children, *dictionary;
  void (*release)(ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length, null_count, offset, n_buffers, n_children;
  const void **buffers;
  ArrowArray **children, *dictionary;
  void (*release)(ArrowArray *);
  void *private_data;
};

// What `__arrow_c_array__` gave: two capsules, which own the texts.
class ArrowTexts {
public:
  // False, with or without an error set, if these are no texts in one buffer.
  bool open(PyObject *capsules) {
    if (!PyTuple_Check(capsules) || PyTuple_Size(capsules) != 2) return false;
    const auto *const schema = static_cast<const ArrowSchema *>(PyCapsule_GetPointer(PyTuple_GetItem(capsules, 0), "arrow_schema"));
    if (!schema) return false;
    array = static_cast<const ArrowArray *>(PyCapsule_GetPointer(PyTuple_GetItem(capsules, 1), "arrow_array"));
    if (!array || array->n_buffers != 3) return false;
    is_large = !std::strcmp(schema->format, "U");
    return is_large || !std::strcmp(schema->format, "u");
  }

  int64_t n_rows() const { return array->length; }

  bool is_missing(int64_t row) const {
    const auto *const there = static_cast<const uint8_t *>(array->buffers[0]);
    const int64_t i = array->offset + row;
    return there && !(there[i / 8] >> (i % 8) & 1);
  }

  // A new text; null with an error set.
  PyObject *text(int64_t row) const {
    const int64_t i = array->offset + row;
    const int64_t begin = offset(i), end = offset(i + 1);
    return PyUnicode_DecodeUTF8(static_cast<const char *>(array->buffers[2]) + begin, static_cast<Py_ssize_t>(end - begin), nullptr);
  }

private:
  int64_t offset(int64_t i) const {
    return is_large ? static_cast<const int64_t *>(array->buffers[1])[i] : static_cast<const int32_t *>(array->buffers[1])[i];
  }

  const ArrowArray *array = nullptr;
  bool is_large = false;
};

} // namespace sktensor
