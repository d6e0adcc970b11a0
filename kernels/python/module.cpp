// The extension module: what answers few rows in one call. Written against CPython's stable ABI, so that one build serves every version of it from
// 3.11 on. The kernels know nothing of Python: the types get their addresses as numbers.
#include "../sktensor.h"
#include "plain_call.h"

namespace {

bool add_type(PyObject *module, PyType_Spec &spec, const char *name) {
  PyObject *const type = PyType_FromModuleAndSpec(module, &spec, nullptr);
  if (!type) return false;
  const int error = PyModule_AddObjectRef(module, name, type);
  Py_DECREF(type);
  return error == 0;
}

int execute(PyObject *module) {
  const bool fine = add_type(module, sktensor::plain_call_spec, "PlainCall") && add_type(module, sktensor::frame_call_spec, "FrameCall") &&
                    add_type(module, sktensor::watch_spec, "Watch");
  return fine && PyModule_AddIntConstant(module, "ABI", SKT_ABI) == 0 && PyModule_AddIntConstant(module, "MOST_ROWS", sktensor::kMostRows) == 0 ? 0 : -1;
}

PyModuleDef_Slot module_slots[] = {{Py_mod_exec, reinterpret_cast<void *>(execute)}, {0, nullptr}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_plain_call", nullptr, 0, nullptr, module_slots, nullptr, nullptr, nullptr};

} // namespace

PyMODINIT_FUNC PyInit__plain_call(void) { return PyModuleDef_Init(&definition); }
