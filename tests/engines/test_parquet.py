"""Scoring a file that is larger than memory (examples/scaling/parquet_scoring.py)."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engine_cases import rows, run_recipe, same_scores

import sktensor

FRAME = rows(3_000)

# Prints the peak of its memory after a small file, and then what a large one adds to it, in MiB.
MEASURE = """
import resource, sys
from pathlib import Path
import parquet_scoring, pyarrow, sktensor

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

small, large, target, model = sys.argv[1:]
model = sktensor.load(model)
parquet_scoring.score(small, target, model)
before = peak()
parquet_scoring.score(large, target, model)
print(peak() - before)
"""


def written(path, n_groups, frame=FRAME):
    """A file of so many row groups, each of which is the frame with numbers of its own."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pq.ParquetWriter(path, table.schema, compression="none") as file:
        for group in range(n_groups):
            numbers = pa.array(range(group * len(frame), (group + 1) * len(frame)), pa.int64())
            file.write_table(table.set_column(0, "row", numbers))
    return path


def test_scores_are_the_librarys_over_all_row_groups(pipeline, model_path, tmp_path):
    source = written(tmp_path / "rows.parquet", 3)
    run_recipe("scaling/parquet_scoring.py", model_path, source, tmp_path / "scores.parquet")
    expected = pd.concat([FRAME] * 3, ignore_index=True)
    same_scores(pd.read_parquet(tmp_path / "scores.parquet"), pipeline, expected.assign(row=expected.index))


@pytest.mark.parametrize("rows_per_batch", [1, 7, 1_000, 100_000])
def test_batches_come_in_order_with_every_row_once(pipeline, model_path, tmp_path, rows_per_batch):
    from parquet_scoring import batches_with_scores

    frame = FRAME[:100]
    source = written(tmp_path / "rows.parquet", 3, frame)
    found = pa.Table.from_batches(batches_with_scores(source, sktensor.load(model_path), rows_per_batch)).to_pandas()
    assert list(found["row"]) == list(range(300))
    expected = pd.concat([frame] * 3, ignore_index=True)
    same_scores(found, pipeline, expected.assign(row=expected.index))


def test_a_file_without_rows_gives_one_without_rows(model_path, tmp_path):
    from parquet_scoring import score

    score(written(tmp_path / "rows.parquet", 1, FRAME[:0]), tmp_path / "scores", sktensor.load(model_path))
    assert pq.read_table(tmp_path / "scores").schema.names == [*FRAME.columns, "score"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_memory_does_not_grow_with_the_file(model_path, tmp_path):
    frame = rows(100_000)
    small, large = written(tmp_path / "small", 2, frame), written(tmp_path / "large", 36, frame)
    command = [sys.executable, "-c", MEASURE, small, large, tmp_path / "scores", model_path]
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, timeout=300)
    # A row group has 2.5 MiB of numbers and text; allocators keep some of what they have been given back.
    assert large.stat().st_size > 80 * 2**20
    assert float(done.stdout) < 45
