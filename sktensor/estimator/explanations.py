"""What an estimator says about its raw scores: how much each column adds to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sktensor.estimator.attributions import attribution_of
from sktensor.estimator.tensors import as_scikit_learn_answers, like_tensor
from sktensor.explain.table import EXPLANATIONS
from sktensor.inputs.rows import exchanged, is_exchangeable
from sktensor.inputs.tensors import is_tensor

if TYPE_CHECKING:
    from sktensor.estimator.estimator import TensorizedEstimator

__all__ = ["ExplanationMethods"]


class ExplanationMethods:
    """Mix-in of :class:`~sktensor.TensorizedEstimator`: SHAP values of its raw scores."""

    def shap_values(  # type: ignore[misc]
        self: TensorizedEstimator, X: Any, *, background: Any = None, interactions: bool = False
    ) -> Any:
        """Give the exact SHAP values of the raw scores: what each column adds to them.

        Together with the base value they come to :meth:`predict_raw`, without its rounding. What a model makes of raw
        scores, as probabilities, is not explained.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows; whatever :meth:`predict` takes.
        background : array-like, data frame or sparse matrix of shape (n_background, n_features), optional
            Rows that the values of unknown columns are taken from, on average over all of them ("interventional"). By
            default, at a node that asks of an unknown column both children answer, weighted by their cover in training
            ("tree_path_dependent").
        interactions : bool, default=False
            Whether to give values of pairs of columns: off the diagonal half of a pair's interaction, on the diagonal
            what is left of a column's own. Those of a column add up to its value. Not with a background.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_features) or (n_samples, n_features, n_outputs)
            The second where the model has several raw scores; interactions have one more axis of `n_features` behind
            the first. Of a pipeline, values of its input columns, then of those columns of steps that have to be run
            which the trees look at; where no step is folded, of the columns that the last step is given.

        Raises
        ------
        UnsupportedModelError
            If the model has none: linear leaves, medians, leaves that are the answer themselves, nodes without cover
            where no background is given, or a meta-estimator whose score is no sum of its models' raw scores.
        NotImplementedError
            If interactions are asked for with a background.

        See Also
        --------
        explain : The same with base values, data and names, for plots.
        contributions : As the library lays them out.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.ensemble import GradientBoostingRegressor
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_diabetes(return_X_y=True)
        >>> fast = TensorizedEstimator(GradientBoostingRegressor(n_estimators=20, random_state=0).fit(X, y))
        >>> values = fast.shap_values(X)
        >>> values.shape
        (442, 10)
        >>> base = fast.contributions(X[:1])[0, -1]
        >>> bool(abs(base + values.sum(axis=1) - fast.predict(X)).max() < 1e-10)
        True
        >>> fast.shap_values(X, background=X[:50]).shape, fast.shap_values(X, interactions=True).shape
        ((442, 10), (442, 10, 10))
        """
        return _explained(self, "interactions" if interactions else "shap_values", X, background)

    def explain(  # type: ignore[misc]
        self: TensorizedEstimator, X: Any, *, background: Any = None, base_margin: Any = None
    ) -> Any:
        """Give SHAP values as a ``shap.Explanation``, for the plots of that package.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.
        background : array-like, data frame or sparse matrix of shape (n_background, n_features), optional
            As for :meth:`shap_values`.
        base_margin : array-like of shape (n_samples,) or (n_samples, n_scores), optional
            Where the raw scores of each row start, as for :meth:`predict`.

        Returns
        -------
        shap.Explanation
            With ``values`` as :meth:`shap_values` gives them, ``base_values`` of shape (n_samples,) or (n_samples,
            n_outputs), ``data``, ``feature_names``, and for classifiers with several raw scores ``output_names``.

        Raises
        ------
        ImportError
            If shap is not installed: ``pip install shap``.
        UnsupportedModelError
            If the model has none.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.ensemble import RandomForestRegressor
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
        >>> fast = TensorizedEstimator(RandomForestRegressor(n_estimators=5)).fit(X, y)
        >>> import shap
        >>> axes = shap.plots.waterfall(fast.explain(X)[0], show=False)
        """
        return _explained(self, "explain", X, background, base_margin)

    def contributions(self: TensorizedEstimator, X: Any, *, base_margin: Any = None) -> Any:  # type: ignore[misc]
        """Give SHAP values and base values in the layout and dtype of the library.

        XGBoost's ``pred_contribs=True``, LightGBM's ``pred_contrib=True``, CatBoost's ``ShapValues``. They are computed
        in float64 and exact, so that they are not the library's bits; see :doc:`/explanations`.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.
        base_margin : array-like of shape (n_samples,) or (n_samples, n_scores), optional
            Where the raw scores of each row start, as for :meth:`predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_features + 1)
            Base values last. Of several raw scores (n_samples, n_outputs, n_features + 1), from LightGBM (n_samples,
            n_outputs * (n_features + 1)). Of float32 from XGBoost, otherwise of float64.

        Raises
        ------
        UnsupportedModelError
            If the model has none.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.ensemble import RandomForestClassifier
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_iris(return_X_y=True)
        >>> TensorizedEstimator(RandomForestClassifier(n_estimators=5).fit(X, y)).contributions(X).shape
        (150, 3, 5)
        """
        return _explained(self, "contributions", X, base_margin=base_margin)


def _explained(est: TensorizedEstimator, name: str, X: Any, background: Any = None, base_margin: Any = None) -> Any:
    """What a method returns, made of one fitted state."""
    entry = EXPLANATIONS[name]
    if is_exchangeable(X):
        X = exchanged(X)
    found = attribution_of(est._current(), est._settings(), entry.needs, X, background, base_margin)
    answer = entry.finish(found, X)
    return as_scikit_learn_answers(like_tensor(X, answer) if is_tensor(X) else answer)
