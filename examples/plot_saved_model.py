"""
Loaded without the library that trained it
==========================================

``sktensor.save`` writes trees and rules, no pickle. Where the file is loaded, the library that trained the model need
not be installed; the answers keep every bit, and a row takes less time.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from xgboost import XGBClassifier

import sktensor

X, y = load_breast_cancer(return_X_y=True)
model = XGBClassifier(n_estimators=100, n_jobs=1).fit(X, y)
folder = Path(tempfile.mkdtemp())
np.save(folder / "X.npy", X)
sktensor.save(sktensor.TensorizedEstimator(model), folder / "model.safetensors")
joblib.dump(model, folder / "model.joblib")

# %%
# A process that loads the model and answers, and says which packages it has imported and how long a row takes.

PROGRAM = """
import json, sys, timeit, numpy as np
{load}
X = np.load("X.npy")
p = model.predict_proba(X)
taken = min(timeit.repeat(lambda: model.predict_proba(X[:1]), number=100, repeat=5)) / 100
places = [m.__path__[0] for n, m in sys.modules.items() if "." not in n and getattr(m, "__path__", None)]
print(json.dumps([p.tobytes().hex(), 1e6 * taken, [p for p in places if "packages" in p or "sktensor" in p]]))
"""
LOADS = {"XGBoost": "import joblib; model = joblib.load('model.joblib')"}
LOADS["sktensor"] = "import sktensor; model = sktensor.load('model.safetensors')"
found = {}
for name, load in LOADS.items():
    program = [sys.executable, "-c", PROGRAM.format(load=load)]
    found[name] = json.loads(subprocess.check_output(program, cwd=folder))
    print(name, "imported", *sorted({Path(place).name for place in found[name][2]} & {"xgboost", "torch", "sklearn"}))
print("the same bits:", found["XGBoost"][0] == found["sktensor"][0])

# %%

figure, panels = plt.subplots(2, figsize=(6, 3.2), layout="constrained")
files = [[file for place in places for file in Path(place).rglob("*.*")] for *_, places in found.values()]
shown = {"MiB of imported packages": [sum(f.stat().st_size for f in each) / 2**20 for each in files]}
shown["µs for one row"] = [taken for _, taken, _ in found.values()]
for panel, (label, values) in zip(panels, shown.items(), strict=True):
    bars = panel.barh(list(found), values, color=["tab:orange", "tab:cyan"])
    panel.bar_label(bars, fmt=" %.0f")
    panel.set(xlabel=label, xlim=(0, 1.2 * max(values)))
