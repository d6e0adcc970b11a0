"""
Calibrating a model that is fitted already
==========================================

Boosted trees rank well, but what they call a probability is often too sure of itself. A calibrator learns on other
rows what their scores are worth. The wrapped model is fitted and compiled once; calibrating it compiles nothing again.
"""

# %%
# A model that is too sure
# ------------------------
#
# Noisy labels, and more trees than they deserve.

import numpy as np
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator

X, y = make_classification(9_000, 20, n_informative=5, flip_y=0.25, random_state=0)
X_train, X_rest, y_train, y_rest = train_test_split(X, y, train_size=3_000, random_state=0)
X_held, X_test, y_held, y_test = train_test_split(X_rest, y_rest, train_size=3_000, random_state=0)

model = TensorizedEstimator(XGBClassifier(n_estimators=200, n_jobs=1)).fit(X_train, y_train)

# %%
# Calibrated on rows that it has not seen
# ---------------------------------------
#
# ``FrozenEstimator`` keeps the fit: ``CalibratedClassifierCV`` would otherwise refit a clone on each fold. It goes
# around the wrapper, so that there is one compiled program for all that follows.

calibrated = {"as it is": model}
for method in ("sigmoid", "isotonic"):
    calibrated[method] = CalibratedClassifierCV(FrozenEstimator(model), method=method).fit(X_held, y_held)

for name, classifier in calibrated.items():
    p = classifier.predict_proba(X_test)[:, 1]
    losses = f"log loss {log_loss(y_test, p):.3f}, Brier {brier_score_loss(y_test, p):.3f}"
    print(f"{name:<10} {losses}, AUC {roc_auc_score(y_test, p):.3f}")

# %%
# How often it is right when it says so
# -------------------------------------
#
# Of the rows to which a model gives about 0.9, nine in ten should be of the class.

for name, classifier in calibrated.items():
    share, said = calibration_curve(y_test, classifier.predict_proba(X_test)[:, 1], n_bins=5)
    print(f"{name:<10}", "  ".join(f"says {a:.2f}, is {b:.2f}" for a, b in zip(said, share, strict=True)))

# %%
# Nothing but the time differs
# ----------------------------
#
# The same calibrators around the bare model give the same numbers.

bare = CalibratedClassifierCV(FrozenEstimator(model.estimator_), method="isotonic").fit(X_held, y_held)
print("the same:", np.array_equal(bare.predict_proba(X_test), calibrated["isotonic"].predict_proba(X_test)))
