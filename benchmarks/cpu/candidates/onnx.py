"""ONNX Runtime: each library's model through its converter to ONNX-ML, float32 in and out as the converters have it."""

from __future__ import annotations

import numpy as np

from benchmarks.cpu.candidates import Runner


def runtime(kept, fitted, threads, scratch):
    """One session; only the probabilities are asked for, not the labels."""
    import onnxruntime

    graph = CONVERTERS[kept.model.package](kept, fitted, scratch)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    rows = session.get_inputs()[0].name
    values = [session.get_outputs()[-1].name]  # a classifier's first output holds the labels
    return Runner(lambda X: session.run(values, {rows: X.astype(np.float32, copy=False)})[0])


def _from_xgboost(kept, fitted, scratch):
    from onnxmltools import convert_xgboost

    return convert_xgboost(fitted, initial_types=_float_rows(kept))


def _from_lightgbm(kept, fitted, scratch):
    from onnxmltools import convert_lightgbm

    return convert_lightgbm(fitted, initial_types=_float_rows(kept), zipmap=False)


def _from_sklearn(kept, fitted, scratch):
    from skl2onnx import to_onnx

    without_dictionaries = {id(fitted): {"zipmap": False}} if kept.model.n_classes else None
    return to_onnx(fitted, kept.model.rows(1), options=without_dictionaries)


def _from_catboost(kept, fitted, scratch):
    import onnx

    path = scratch / "catboost.onnx"
    fitted.save_model(str(path), format="onnx")
    converted = onnx.load(str(path))
    _drop_dictionaries(converted.graph)
    return converted


def _drop_dictionaries(graph):
    """Give out the probabilities as the tensor that CatBoost's export would turn into a list of dictionaries."""
    import onnx

    last = graph.node[-1]
    if last.op_type != "ZipMap":
        return
    tensor = onnx.helper.make_tensor_value_info(last.input[0], onnx.TensorProto.FLOAT, ["N", None])
    kept = [output for output in graph.output if output.name not in last.output]
    del graph.node[-1], graph.output[:]
    graph.output.extend([*kept, tensor])


def _float_rows(kept):
    from onnxmltools.convert.common.data_types import FloatTensorType

    return [("X", FloatTensorType([None, kept.model.n_features]))]


CONVERTERS = {
    "xgboost": _from_xgboost,
    "lightgbm": _from_lightgbm,
    "catboost": _from_catboost,
    "scikit-learn": _from_sklearn,
}
