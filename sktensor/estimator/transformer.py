"""What an estimator around a transformer offers: the embedding of rows in the leaves that they reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from sklearn.utils._set_output import _wrap_data_with_container  # what TransformerMixin does around transform
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sktensor.estimator.wrapped import wrapped_has
from sktensor.inputs.tensors import is_tensor, on_host
from sktensor.runtime.program import Program

if TYPE_CHECKING:
    from sktensor.estimator.estimator import TensorizedEstimator

__all__ = ["TransformerMethods", "innermost"]


class TransformerMethods:
    """Mix-in of :class:`~sktensor.TensorizedEstimator`: its methods where the wrapped model has ``transform``."""

    @available_if(wrapped_has("transform"))
    def transform(self: TensorizedEstimator, X: Any, **params: Any) -> Any:
        """Give the rows as the leaves that they reach, of a random trees embedding.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.
        **params
            For meta-estimators, passed on to the wrapped model's method; for other models, refused by name.

        Returns
        -------
        csr_matrix or ndarray of shape (n_samples, n_leaves)
            As the wrapped model gives it, also in the container chosen with ``set_output``; of a tensor a sparse or a
            dense tensor.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.ensemble import RandomTreesEmbedding
        >>> from sktensor import TensorizedEstimator
        >>> X, _ = load_iris(return_X_y=True)
        >>> fast = TensorizedEstimator(RandomTreesEmbedding(n_estimators=4, max_depth=2)).fit(X)
        >>> bool((fast.transform(X) != fast.estimator_.transform(X)).nnz == 0)
        True
        """
        fitted = self._current()
        columns = self._answer("transform", X, None, params, fitted)
        if is_tensor(columns) or not isinstance(fitted.program, Program):
            return columns
        return _wrap_data_with_container("transform", columns, on_host(X), innermost(fitted.model))

    @available_if(wrapped_has("transform"))
    def fit_transform(self: TensorizedEstimator, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit on X and transform it.

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
        csr_matrix or ndarray of shape (n_samples, n_leaves)
            As of :meth:`transform`.

        Examples
        --------
        >>> from sklearn.ensemble import RandomTreesEmbedding
        >>> from sktensor import TensorizedEstimator
        >>> embedding = RandomTreesEmbedding(n_estimators=1, max_depth=1, sparse_output=False, random_state=0)
        >>> TensorizedEstimator(embedding).fit_transform([[0.0], [1.0]])
        array([[1., 0.],
               [0., 1.]])
        """
        return self.fit(X, y, **fit_params).transform(X)

    @available_if(wrapped_has("get_feature_names_out"))
    def get_feature_names_out(self: TensorizedEstimator, input_features: Any = None) -> npt.NDArray[Any]:
        """Names of the columns of :meth:`transform`.

        Parameters
        ----------
        input_features : array-like of str, optional
            Handed to the wrapped model, which compares them with those that it was fitted on.

        Returns
        -------
        ndarray of str
            As the wrapped model gives them.

        Examples
        --------
        >>> from sklearn.ensemble import RandomTreesEmbedding
        >>> from sktensor import TensorizedEstimator
        >>> fast = TensorizedEstimator(RandomTreesEmbedding(n_estimators=1, max_depth=1, random_state=0))
        >>> fast.fit([[0.0], [1.0]]).get_feature_names_out().tolist()
        ['randomtreesembedding_0_1', 'randomtreesembedding_0_2']
        """
        check_is_fitted(self)
        return self.estimator_.get_feature_names_out(input_features)  # type: ignore[no-any-return]

    @available_if(wrapped_has("set_output"))
    def set_output(self: TensorizedEstimator, *, transform: str | None = None) -> TensorizedEstimator:
        """Choose the container that :meth:`transform` gives, on the wrapped model.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, optional
            None leaves it as it is.

        Returns
        -------
        TensorizedEstimator
            This estimator.

        Examples
        --------
        >>> from sklearn.ensemble import RandomTreesEmbedding
        >>> from sktensor import TensorizedEstimator
        >>> embedding = RandomTreesEmbedding(n_estimators=1, max_depth=1, sparse_output=False, random_state=0)
        >>> fast = TensorizedEstimator(embedding).set_output(transform="pandas")
        >>> fast.fit_transform([[0.0], [1.0]]).columns.tolist()
        ['randomtreesembedding_0_1', 'randomtreesembedding_0_2']
        """
        fitted = self.__dict__.get("_fitted")
        program = None if fitted is None else fitted.program
        for model in (self.estimator, self.__dict__.get("estimator_"), program):
            if model is not None and hasattr(model, "set_output"):
                model.set_output(transform=transform)
        return self


def innermost(model: Any) -> Any:
    """The model within wrappers of wrappers."""
    while isinstance(model, TransformerMethods):
        model = model.estimator_  # type: ignore[attr-defined]
    return model
