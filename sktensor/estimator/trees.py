"""What an estimator offers beyond scikit-learn's contract: raw scores, leaves, and how they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from sklearn.utils import check_scalar
from sklearn.utils.metaestimators import available_if

from sktensor.estimator.composite import CompositePlan
from sktensor.estimator.explanations import ExplanationMethods
from sktensor.estimator.pipeline import PipelinePlan
from sktensor.estimator.refusals import check_n_rows
from sktensor.estimator.wrapped import wrapped_has
from sktensor.runtime.planner import Plan

if TYPE_CHECKING:
    from sktensor.estimator.estimator import TensorizedEstimator

__all__ = ["TreeMethods"]


class TreeMethods(ExplanationMethods):
    """Mix-in of :class:`~sktensor.TensorizedEstimator`: what its trees say, and what runs them."""

    @property
    def feature_importances_(self: TensorizedEstimator) -> npt.NDArray[Any]:  # type: ignore[misc]
        """Importances of the features, as the wrapped model gives them."""
        return self.estimator_.feature_importances_  # type: ignore[no-any-return]

    @available_if(wrapped_has("predict"))
    def predict_raw(self: TensorizedEstimator, X: Any, *, base_margin: Any = None, **params: Any) -> Any:
        """The library's raw scores, bit for bit.

        XGBoost's ``output_margin=True``, LightGBM's ``raw_score=True``, the ``_raw_predict`` of scikit-learn's
        boosting; for its trees, forests and bagging the mean that ``predict`` or ``predict_proba`` start from; for
        AdaBoost what ``decision_function`` or a regressor's ``predict`` gives; for isolation forests the sum of path
        lengths over the trees, of which ``score_samples`` is made.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.
        base_margin : array-like of shape (n_samples,) or (n_samples, n_scores), optional
            Where the raw scores of each row start, in place of the model's base score. For models of XGBoost, but not
            for estimators with ``booster="dart"`` up to xgboost 3.2, which take their base score away from it.
        **params
            For meta-estimators, passed on to the wrapped model's method; for other models, refused by name.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_scores), or list of them
            In the library's dtype and shape; a tensor on the device of `X` where that is a tensor.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.ensemble import GradientBoostingRegressor
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_diabetes(return_X_y=True)
        >>> fast = TensorizedEstimator(GradientBoostingRegressor(n_estimators=5).fit(X, y))
        >>> bool((fast.predict_raw(X) == fast.estimator_._raw_predict(X.astype("float32"))).all())
        True
        """
        return self._answer("predict_raw", X, base_margin, params)

    def apply(self: TensorizedEstimator, X: Any, **params: Any) -> Any:  # type: ignore[misc]
        """Number of the leaf that each row reaches in each tree, as the library counts them.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.
        **params
            For meta-estimators, passed on to the wrapped model's method; for other models, refused by name.

        Returns
        -------
        ndarray of shape (n_samples, n_trees)
            Or in the shape that the library gives. HistGradientBoosting models, which have no ``apply``, count
            the rows of their predictors' node arrays; for bagging, AdaBoost and isolation forests, which have none
            either, the trees' own ``apply`` counts.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.ensemble import RandomForestClassifier
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_iris(return_X_y=True)
        >>> forest = RandomForestClassifier(n_estimators=3).fit(X, y)
        >>> bool((TensorizedEstimator(forest).apply(X) == forest.apply(X)).all())
        True
        """
        return self._answer("apply", X, None, params)

    def warmup(self: TensorizedEstimator, batch_sizes: Sequence[int] = (1, 1000)) -> TensorizedEstimator:  # type: ignore[misc]
        """Compile what predictions of so many rows need, so that the first request does not wait for it.

        :meth:`fit` has done so; around a fitted model, after unpickling, loading or setting other parameters, the first
        prediction does.

        Parameters
        ----------
        batch_sizes : sequence of int, default=(1, 1000)
            Numbers of rows. Few programs serve all numbers; which one serves these may depend on the number.

        Returns
        -------
        TensorizedEstimator
            This estimator.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_iris(return_X_y=True)
        >>> TensorizedEstimator(DecisionTreeClassifier(max_depth=2).fit(X, y)).warmup([1, 100])
        TensorizedEstimator(estimator=DecisionTreeClassifier(max_depth=2))
        """
        for n_rows in batch_sizes:
            check_scalar(n_rows, "batch_sizes", Integral, min_val=0)
            self._compiled().prepare(self._settings(), int(n_rows))
        return self

    def explain_plan(self: TensorizedEstimator, n_rows: int = 1000) -> Plan | CompositePlan | PipelinePlan:  # type: ignore[misc]
        """Which strategy, backend and device a prediction would take, its memory, and why.

        Parameters
        ----------
        n_rows : int, default=1000
            Rows of the prediction.

        Returns
        -------
        Plan, CompositePlan or PipelinePlan
            Printed, a table; for a meta-estimator, one for each of its submodels; for a pipeline, what becomes of each
            step.

        Raises
        ------
        TypeError, ValueError
            If `n_rows` is no number of rows, for instance the rows themselves.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_iris(return_X_y=True)
        >>> fast = TensorizedEstimator(DecisionTreeClassifier().fit(X, y), strategy="gemm")
        >>> plan = fast.explain_plan(n_rows=10)
        >>> plan.strategy, plan.backend, plan.device, plan.reason
        ('gemm', 'torch', 'cpu', 'as asked for')
        """
        return self._compiled().plan(check_n_rows(n_rows), self._settings())  # type: ignore[no-any-return]
