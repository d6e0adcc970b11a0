"""
A threshold that costs the least
================================

Whether to act on a score depends on what either mistake costs, not on one half. The threshold is tuned by
cross-validation around the wrapped model; afterwards it is moved without another fit.
"""

import matplotlib.pyplot as plt
import numpy as np
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import confusion_matrix, make_scorer
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
    train_test_split,
)

from sktensor import TensorizedEstimator

X, y = load_breast_cancer(return_X_y=True)
y = 1 - y  # 1 is a malignant tumour, which is what is looked for
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)


def gain(truth, predicted):
    """The negative of what the mistakes cost: an overlooked tumour, twenty examinations."""
    (_, false_alarms), (overlooked, _) = confusion_matrix(truth, predicted)
    return -float(false_alarms + 20 * overlooked)


model = TensorizedEstimator(LGBMClassifier(n_estimators=50, n_jobs=1, verbose=-1))
scorer = make_scorer(gain)
tuned = TunedThresholdClassifierCV(model, scoring=scorer, cv=3).fit(X_train, y_train)
bare = TunedThresholdClassifierCV(model.estimator, scoring=scorer, cv=3).fit(X_train, y_train)
print("the same threshold as with the bare model:", bare.best_threshold_ == tuned.best_threshold_)

# %%
# ``FixedThresholdClassifier`` predicts with a fitted wrapper as it is, so that a curve costs predictions only.

fitted = model.fit(X_train, y_train)
thresholds = np.geomspace(1e-3, 0.9, 60)
costs = [-gain(y_test, FixedThresholdClassifier(fitted, threshold=t).predict(X_test)) for t in thresholds]

# %%

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
axes.semilogx(thresholds, costs, drawstyle="steps-post", color="tab:cyan")
for name, t, color in (("one half", 0.5, "tab:gray"), ("tuned", tuned.best_threshold_, "tab:red")):
    cost = -gain(y_test, FixedThresholdClassifier(fitted, threshold=t).predict(X_test))
    axes.axvline(t, color=color, ls="--", label=f"{name}: {t:.3f}, cost {cost:g}")
axes.set(xlabel="threshold on the probability", ylabel="cost on held-out rows, examinations")
axes.legend()
