"""sktensor, through its public estimator."""

from __future__ import annotations

from benchmarks.cpu.candidates import Runner


def estimator(kept, fitted, threads, scratch, **settings):
    """The estimator as users make it; torch runs on OMP_NUM_THREADS threads, set when the process starts."""
    from sktensor import TensorizedEstimator

    wrapped = TensorizedEstimator(fitted, n_jobs=threads, **settings)

    def plan(n):
        chosen = wrapped.explain_plan(n)
        return f"{chosen.strategy}/{chosen.backend}"

    return Runner(getattr(wrapped, kept.model.method), plan=plan)


def torch_backend(kept, fitted, threads, scratch):
    """The portable tables."""
    return estimator(kept, fitted, threads, scratch, backend="torch")
