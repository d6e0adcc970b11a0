"""
A threshold that costs the least
================================

Whether to act on a score depends on what either mistake costs, not on one half. The threshold is chosen by
cross-validation, in which the wrapped model is fitted and compiled in each fold as the bare one is fitted; afterwards
it can be moved without another fit.
"""

# %%
# What mistakes cost
# ------------------
#
# A tumour that is overlooked costs twenty times as much as one more examination. Class 0 is the malignant one.

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import confusion_matrix, make_scorer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV, train_test_split

from sktensor import TensorizedEstimator

X, y = load_breast_cancer(return_X_y=True)
y = 1 - y  # so that 1 is what is looked for
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)


def gain(truth, predicted):
    """The negative of what the mistakes cost."""
    (_, false_alarms), (overlooked, _) = confusion_matrix(truth, predicted)
    return -float(false_alarms + 20 * overlooked)


# %%
# The threshold, tuned
# --------------------

model = TensorizedEstimator(LGBMClassifier(n_estimators=50, n_jobs=1, verbose=-1))
tuned = TunedThresholdClassifierCV(model, scoring=make_scorer(gain), cv=3).fit(X_train, y_train)
half = model.fit(X_train, y_train)
print(f"one half: {gain(y_test, half.predict(X_test)):g}")
print(f"{tuned.best_threshold_:.3f}: {gain(y_test, tuned.predict(X_test)):g}")

# %%
# Moved by hand
# -------------
#
# A fitted wrapper needs no fit here either: ``FixedThresholdClassifier`` predicts with it as it is.

for threshold in (0.01, 0.1, 0.5, 0.9):
    moved = FixedThresholdClassifier(half, threshold=threshold)
    found = moved.predict(X_test)
    print(f"{threshold:<5} suspects {found.sum():>3} where there are {y_test.sum()}, gain {gain(y_test, found):g}")

# %%
# The same threshold as with the bare model
# -----------------------------------------

bare = TunedThresholdClassifierCV(model.estimator, scoring=make_scorer(gain), cv=3).fit(X_train, y_train)
print("the same threshold:", bare.best_threshold_ == tuned.best_threshold_)
print("the same labels:", np.array_equal(bare.predict(X_test), tuned.predict(X_test)))
