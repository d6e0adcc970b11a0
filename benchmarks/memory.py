"""Peak memory of a prediction beyond its input and output, each measured in a process of its own.

The model is XGBoost's 500 trees of depth 8, the rows have 28 float32 columns. It is the first prediction that is
measured: it reads the model and compiles its tables, so that the peak holds all of that as well.

Usage: python benchmarks/memory.py [--rows 100000 --rows 400000] [--strategy tree_traversal] [--device cpu]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import joblib
from machine import describe
from models import rows, xgboost_500_depth_8
from peak import peak_of

MIB = 2**20
BOUND_MIB = 1024


def child(path, n, strategy, device):
    """One measurement, printed as JSON."""
    import torch

    from sktensor import TensorizedEstimator

    torch.zeros(1, device=device)  # what torch itself takes is no part of a prediction
    model = joblib.load(path)
    model.predict(rows(10), output_margin=True)
    X = rows(n, seed=3)
    wrapper = TensorizedEstimator(model, device=device, strategy=strategy)
    try:
        out, seconds, peak = peak_of(lambda: wrapper.predict_raw(X))
    except ValueError as refusal:
        print(json.dumps({"refused": str(refusal)}))
        return
    same = out.tobytes() == model.predict(X, output_margin=True).tobytes()
    print(json.dumps({"peak": peak - out.nbytes, "seconds": seconds, "same": same}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append", help="may be given several times; 100,000 and 400,000")
    parser.add_argument("--strategy", action="append", help="may be given several times; default: all four")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--child", metavar="MODEL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child, args.rows[0], args.strategy[0], args.device)
        return 0

    print(describe(), end="\n\n")
    print(f"{'strategy':<24} {'rows':>9} {'peak':>10} {'time':>9}   same bits")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(xgboost_500_depth_8(), path)
        for strategy in args.strategy or ["auto", "gemm", "tree_traversal", "perfect_tree_traversal"]:
            for n in args.rows or [100_000, 400_000]:
                options = ["--child", str(path), "--rows", str(n), "--strategy", strategy, "--device", args.device]
                ran = subprocess.run(
                    [sys.executable, __file__, *options], stdout=subprocess.PIPE, check=True, text=True
                )
                seen = json.loads(ran.stdout)
                if "refused" in seen:
                    print(f"{strategy:<24} {n:>9,} refused: {textwrap.shorten(seen['refused'], 100)}", flush=True)
                    continue
                peak = seen["peak"] / MIB
                failed = failed or peak > BOUND_MIB or not seen["same"]
                verdict = "yes" if seen["same"] else "NO"
                print(f"{strategy:<24} {n:>9,} {peak:>6.0f} MiB {seen['seconds']:>7.1f} s   {verdict}", flush=True)
    print(f"\nBound: {BOUND_MIB} MiB beyond input and output, at any number of rows.")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
