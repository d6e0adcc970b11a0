"""What an estimator around an outlier detector offers beside predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.utils.metaestimators import available_if

from sktensor.estimator.wrapped import wrapped_has

if TYPE_CHECKING:
    from sktensor.estimator.estimator import TensorizedEstimator

__all__ = ["OutlierMethods"]


class OutlierMethods:
    """Mix-in of :class:`~sktensor.TensorizedEstimator`: its methods where the wrapped model detects outliers."""

    @available_if(wrapped_has("score_samples"))
    def score_samples(self: TensorizedEstimator, X: Any, **params: Any) -> Any:
        """Scores of the rows as samples, of an isolation forest: the lower, the more abnormal.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.
        **params
            For meta-estimators, passed on to the wrapped model's method; for other models, refused by name.

        Returns
        -------
        ndarray of shape (n_samples,)
            Bit for bit the wrapped model's.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.ensemble import IsolationForest
        >>> from sktensor import TensorizedEstimator
        >>> X, _ = load_iris(return_X_y=True)
        >>> fast = TensorizedEstimator(IsolationForest(n_estimators=10, random_state=0)).fit(X)
        >>> bool((fast.score_samples(X) == fast.estimator_.score_samples(X)).all())
        True
        """
        return self._answer("score_samples", X, None, params)

    @available_if(wrapped_has("fit_predict"))
    def fit_predict(self: TensorizedEstimator, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit on X and predict it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : object, optional
            Handed to :meth:`fit`.
        **fit_params
            Likewise.

        Returns
        -------
        ndarray of shape (n_samples,)
            As of :meth:`predict`: of an outlier detector, -1 for outliers and 1 for the others.

        Examples
        --------
        >>> from sklearn.ensemble import IsolationForest
        >>> from sktensor import TensorizedEstimator
        >>> rows = [[-1.1], [0.3], [0.5], [100.0]]
        >>> TensorizedEstimator(IsolationForest(random_state=0)).fit_predict(rows)
        array([ 1,  1,  1, -1])
        """
        return self.fit(X, y, **fit_params).predict(X)
