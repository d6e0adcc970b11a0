"""
A wrapped model in a pipeline and a grid search
===============================================

``TensorizedEstimator`` is an ordinary scikit-learn estimator: it goes wherever the model that it wraps goes, and its
parameters are searched together with the model's own.
"""

# %%
# A pipeline
# ----------
#
# The wrapped model need not be fitted: ``fit`` trains a clone of it and compiles the result.

import io

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

model = XGBClassifier(n_estimators=50, max_depth=3, n_jobs=1)
pipeline = Pipeline([("scale", StandardScaler()), ("clf", TensorizedEstimator(model, device="cpu"))])
pipeline.fit(X_train, y_train)
print(f"accuracy: {pipeline.score(X_test, y_test):.3f}")

# %%
# The numbers are the library's, to the bit.

scaled = pipeline["scale"].transform(X_test)
ours = pipeline["clf"].predict_raw(scaled)
theirs = pipeline["clf"].estimator_.predict(scaled, output_margin=True)
print("same bits:", ours.tobytes() == theirs.tobytes())

# %%
# Cross-validation and a grid search
# ----------------------------------
#
# ``clf__estimator__max_depth`` reaches the wrapped model, ``clf__strategy`` the wrapper. All strategies give the same
# bits, so searching over them changes the time and never the score.

print("cross-validated:", cross_val_score(pipeline, X, y, cv=3).round(3))

search = GridSearchCV(
    pipeline,
    {"clf__estimator__max_depth": [2, 4], "clf__strategy": ["gemm", "tree_traversal"]},
    cv=3,
)
search.fit(X_train, y_train)
for parameters, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True):
    print(f"{score:.4f}  {parameters}")

# %%
# What runs, and why
# ------------------

print(search.best_estimator_["clf"].explain_plan(len(X_test)))

# %%
# Saving it
# ---------
#
# A pickle holds the fitted model and the forest read from it; tables are compiled again where it is loaded, so that a
# model saved on a machine with a GPU loads on one without.

file = io.BytesIO()
joblib.dump(search.best_estimator_, file)
file.seek(0)
loaded = joblib.load(file)
print("same after loading:", np.array_equal(loaded.predict_proba(X_test), search.predict_proba(X_test)))
