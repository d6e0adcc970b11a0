"""
Calibration curves
==================

Boosted trees rank well, but what they call a probability is often too sure of itself. The wrapped model is fitted and
compiled once; calibrators around it learn on other rows what its scores are worth, and compile nothing again.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator

X, y = make_classification(12_000, 20, n_informative=5, flip_y=0.25, random_state=0)
X_train, X_rest, y_train, y_rest = train_test_split(X, y, train_size=3_000, random_state=0)
X_held, X_test, y_held, y_test = train_test_split(X_rest, y_rest, train_size=3_000, random_state=0)
model = TensorizedEstimator(XGBClassifier(n_estimators=200, n_jobs=1)).fit(X_train, y_train)

# %%
# ``FrozenEstimator`` keeps the fit: ``CalibratedClassifierCV`` would otherwise refit a clone on each fold. It goes
# around the wrapper, so that there is one compiled program for all that follows.

classifiers = {"as it is": model}
for method in ("sigmoid", "isotonic"):
    calibrator = CalibratedClassifierCV(FrozenEstimator(model), method=method)
    classifiers[method] = calibrator.fit(X_held, y_held)

bare = CalibratedClassifierCV(FrozenEstimator(model.estimator_), method="isotonic")
bare_p = bare.fit(X_held, y_held).predict_proba(X_test)
same = np.array_equal(bare_p, classifiers["isotonic"].predict_proba(X_test))
print("calibrators around the bare model give the same bits:", same)

# %%
# Of the rows to which a model gives 0.9, nine in ten should be of the class: the nearer to the diagonal, the better.

figure, axes = plt.subplots(figsize=(5.5, 4.5), layout="constrained")
axes.plot([0, 1], [0, 1], color="tab:gray", lw=1, label="perfect")
for (name, classifier), mark in zip(classifiers.items(), "os^", strict=True):
    p = classifier.predict_proba(X_test)[:, 1]
    share, said = calibration_curve(y_test, p, n_bins=10)
    axes.plot(said, share, f"{mark}-", label=f"{name}, Brier {brier_score_loss(y_test, p):.3f}")
axes.set(xlabel="predicted probability", ylabel="share of rows of the class")
axes.legend()
