"""An ONNX graph that is put together node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Graph"]

Array = npt.NDArray[Any]

# The oldest operator sets that have all that is used: TreeEnsemble came with the fifth one of ai.onnx.ml.
OPSETS = {"": 21, "ai.onnx.ml": 5}
IR_VERSION = 10

TEXT = "text"


class Graph:
    """Nodes and constants, named in the order in which they come.

    Values are called by their names. The package `onnx` is imported when one is made.
    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._taken: set[str] = set()

    def input(self, name: str, dtype: str, n_columns: int) -> str:
        """An input of shape (n, n_columns)."""
        from onnx import helper

        self._taken.add(name)
        self._inputs.append(helper.make_tensor_value_info(name, element_type(dtype), ["n", n_columns]))
        return name

    def output(self, name: str, value: str, dtype: str, shape: Sequence[int]) -> None:
        """A value as an output of shape (n, *shape)."""
        from onnx import helper

        self._nodes.append(helper.make_node("Identity", [value], [name], name=f"output_{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, element_type(dtype), ["n", *shape]))

    def constant(self, values: Any, dtype: str | None = None) -> str:
        """A constant."""
        from onnx import numpy_helper

        array = np.asarray(values)
        array = array.astype(object) if array.dtype.kind in "OUT" else np.asarray(array, dtype=dtype)
        name = self._new("constant")
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """The only output of an operator."""
        from onnx import helper, numpy_helper

        tensors = {
            name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
            for name, value in attributes.items()
        }
        name = self._new(kind.lower())
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, domain=domain, **tensors))
        return name

    def cast(self, value: str, dtype: str) -> str:
        """A value in another dtype."""
        return self.op("Cast", value, to=element_type(dtype))

    def columns(self, value: str, numbers: Any) -> str:
        """Some of the columns of a matrix."""
        return self.op("Gather", value, self.constant(numbers, "int64"), axis=1)

    def beside(self, values: Sequence[str]) -> str:
        """Matrices beside each other."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=1)

    def model(self, doc: str) -> Any:
        """The checked `onnx.ModelProto`."""
        import onnx
        from onnx import helper

        from sktensor import __version__

        graph = helper.make_graph(
            self._nodes, "forest", self._inputs, self._outputs, initializer=self._constants, doc_string=doc
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSETS.items()],
            ir_version=IR_VERSION,
            producer_name="sktensor",
            producer_version=__version__,
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _new(self, stem: str) -> str:
        i = len(self._taken)
        while (name := f"{stem}_{i}") in self._taken:
            i += 1
        self._taken.add(name)
        return name


def element_type(dtype: str) -> int:
    """ONNX's number of a dtype."""
    from onnx import TensorProto, helper

    return int(TensorProto.STRING) if dtype == TEXT else int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
