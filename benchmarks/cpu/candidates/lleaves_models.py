"""lleaves: LightGBM's text compiled by LLVM."""

from __future__ import annotations

from functools import partial

from benchmarks.cpu.candidates import Runner


def compiled(kept, fitted, threads, scratch):
    """Compiled, or loaded if it has been."""
    import lleaves

    model = lleaves.Model(model_file=str(kept.native))
    model.compile(cache=str(scratch / "model.o"))
    return Runner(partial(model.predict, n_jobs=threads))
