"""Hummingbird: trees as torch operations."""

from __future__ import annotations

import numpy as np

from benchmarks.cpu.candidates import Runner

# Its tables of rows x trees are not cut into batches: more rows at once would need tens of gigabytes.
ROWS_AT_ONCE = 50_000


def _converted(kept, fitted, threads, backend):
    import hummingbird.ml

    # Its containers set torch's number of threads themselves, to that of the cores unless told otherwise.
    converted = hummingbird.ml.convert(fitted, backend, kept.model.rows(100), extra_config={"n_threads": threads})
    answer = getattr(converted, kept.model.method)

    def predict(X):
        if len(X) <= ROWS_AT_ONCE:
            return answer(X)
        return np.concatenate([answer(X[i : i + ROWS_AT_ONCE]) for i in range(0, len(X), ROWS_AT_ONCE)])

    return Runner(predict)


def torch_eager(kept, fitted, threads, scratch):
    """The operations one by one."""
    return _converted(kept, fitted, threads, "torch")


def torch_jit(kept, fitted, threads, scratch):
    """The operations traced and compiled."""
    return _converted(kept, fitted, threads, "torch.jit")
