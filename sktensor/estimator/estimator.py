"""The estimator: scikit-learn's contract around a program, and no arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import Tags
from sklearn.utils.metadata_routing import UNUSED, MetadataRequest, MetadataRouter, get_routing_for_object
from sklearn.utils.metaestimators import available_if

from sktensor.estimator.answers import ANSWERS
from sktensor.estimator.compiling import NOTHING, hold, publish, recompiled, shown, withdraw_outdated
from sktensor.estimator.composite import Composite
from sktensor.estimator.fit_signature import WeightsAsWrapped
from sktensor.estimator.fitted import Fitted, is_fitted
from sktensor.estimator.library_methods import LibraryMethods, answer_of_library, further_method, given_beside_X
from sktensor.estimator.outliers import OutlierMethods
from sktensor.estimator.pipeline import PipelineProgram
from sktensor.estimator.refusals import check_arguments, check_parameters
from sktensor.estimator.scoring import score
from sktensor.estimator.tensors import as_scikit_learn_answers, like_array
from sktensor.estimator.training import check_trainable, fitted_clone, unfitted
from sktensor.estimator.transformer import TransformerMethods
from sktensor.estimator.trees import TreeMethods
from sktensor.estimator.wrapped import has_score, with_tags_of, wrapped_has
from sktensor.forest import Forest
from sktensor.inputs.rows import as_rows
from sktensor.inputs.tensors import on_host
from sktensor.registry import ColumnNames, Fingerprint
from sktensor.runtime.devices import device_here
from sktensor.runtime.pickled_state import stamp, take_stamp
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

if TYPE_CHECKING:
    from sktensor.estimator.saved_pipeline import SavedPipeline

__all__ = ["TensorizedEstimator"]


class TensorizedEstimator(
    TreeMethods, TransformerMethods, OutlierMethods, LibraryMethods, MetaEstimatorMixin, BaseEstimator
):
    """A tree model that predicts through a tensor program, bit for bit as before.

    Wrap a model, fitted or not, and use the wrapper in its place: alone, in a
    :class:`~sklearn.pipeline.Pipeline`, in a search. :meth:`fit` fits a clone and compiles it; around a fitted
    model, or a booster, the first prediction compiles, and :meth:`fit` is not needed. The program is a snapshot of the
    model at that moment; where its library fits the wrapped model anew, the next prediction compiles again.

    Parameters
    ----------
    estimator : estimator
        A tree model of XGBoost, LightGBM, CatBoost or scikit-learn, a meta-estimator of scikit-learn around such ones,
        a trained booster, whose ``predict`` gives its values, or a model of a package with a registered extractor.
    device : str or torch.device, default="cpu"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or ``"auto"`` for CUDA where there is one.
    strategy : str, default="auto"
        Which algorithm: ``"bitsliced"``, ``"gemm"``, ``"tree_traversal"``, ``"perfect_tree_traversal"``, the name of a
        registered one, or ``"auto"`` for the one expected to be the fastest for the forest, the rows and the device.
    backend : {"auto", "torch", "native"}, default="auto"
        What runs it: tensor code, on any device; or compiled kernels, which there are for ``"tree_traversal"`` on the
        CPU and on CUDA, and for ``"bitsliced"`` on the CPU. ``"auto"`` takes a kernel where there is one.
    batch_size : int, optional
        Rows in flight at most. None lets the program choose, so that memory stays bounded at any number of rows.
    n_jobs : int, optional
        Threads of the CPU kernels, as joblib counts them: None is one, -1 all. Tensor code runs on torch's own
        threads, whose number is never changed here.
    verify : bool, default=True
        Whether to compare raw scores with the wrapped model's when it is compiled, bit for bit, on 256 rows made
        of the model's own thresholds, their neighbours and missing values. It takes milliseconds.
    verbose : int, default=0
        Whether predictions that take longer than half a second show a progress bar, for which tqdm is needed.

    Attributes
    ----------
    estimator_ : estimator
        The fitted model.
    forest_ : Forest
        Its trees and rules.
    classes_ : ndarray of shape (n_classes,), or list of them
        The labels, for classifiers.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of str, shape (`n_features_in_`,)
        Names of the columns, if the model was fitted on a frame with names.
    offset_ : float
        What lies between ``score_samples`` and ``decision_function``, for outlier detectors.

    See Also
    --------
    tensorize : The same as a :class:`torch.nn.Module`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sktensor import TensorizedEstimator
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(n_estimators=10, random_state=0)
    >>> fast = TensorizedEstimator(forest).fit(X, y)
    >>> fast.predict(X[:2])
    array([0, 0])
    >>> bool((fast.predict_proba(X) == fast.estimator_.predict_proba(X)).all())
    True
    """

    # Requests for metadata are those of the wrapped model, which alone has methods to set them.
    __metadata_request__fit = {"sample_weight": UNUSED}  # noqa: RUF012
    __metadata_request__score = {"sample_weight": UNUSED}  # noqa: RUF012
    __metadata_request__predict = {"base_margin": UNUSED}  # noqa: RUF012
    __metadata_request__predict_proba = {"base_margin": UNUSED}  # noqa: RUF012

    def __init__(
        self,
        estimator: Any,
        *,
        device: Any = "cpu",
        strategy: str = "auto",
        backend: str = "auto",
        batch_size: int | None = None,
        n_jobs: int | None = None,
        verify: bool = True,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.device = device
        self.strategy = strategy
        self.backend = backend
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.verify = verify
        self.verbose = verbose

    # --- fitting ----------------------------------------------------------------------------------------------------

    @WeightsAsWrapped
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **fit_params: Any) -> TensorizedEstimator:
        """Fit a clone of the wrapped model and compile it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Whatever the wrapped model takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), optional
            Targets.
        sample_weight : array-like of shape (n_samples,), optional
            Handed to the wrapped model.
        **fit_params
            Likewise: ``eval_set``, callbacks and so on.

        Returns
        -------
        TensorizedEstimator
            This estimator.

        Raises
        ------
        UnsupportedModelError
            If the fitted model cannot be reproduced. A class or a parameter that says so is refused before it is
            fitted.
        VerificationError
            If `verify` is set and the program and the model differ.
        TypeError, ValueError
            If a parameter is not one that is accepted, which is found out before the model is fitted.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.ensemble import HistGradientBoostingRegressor
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_diabetes(return_X_y=True)
        >>> TensorizedEstimator(HistGradientBoostingRegressor(max_iter=5)).fit(X, y).predict(X).shape
        (442,)
        """
        self._settings().check()
        check_trainable(self.estimator)
        if sample_weight is not None:
            fit_params["sample_weight"] = sample_weight
        fitted, names, columns = fitted_clone(self.estimator, X, y, fit_params)
        publish(self, fitted, names, **columns)
        if isinstance(program := self._compiled(), PipelineProgram):
            program.fold_for(X)
        return self

    _hold = hold  # for estimators that come from a file

    def _current(self) -> Fitted:
        """The fitted state now; a call takes it once, so that a fit in another thread does not change its answer."""
        fitted: Fitted | None = self.__dict__.get("_fitted")
        if fitted is None or (fitted.prefit and fitted.model is not self.estimator) or fitted.is_stale():
            return recompiled(self)
        return fitted

    def _compiled(self) -> Program | Composite | PipelineProgram | SavedPipeline:
        """The program, or those of a meta-estimator or pipeline; compiled now if it has not been."""
        return self._current().program

    def _settings(self) -> Settings:
        # What Settings(...) does, without a call: it is made for each prediction.
        return tuple.__new__(Settings, (self.device, self.strategy, self.backend, self.batch_size, self.n_jobs))

    def _total_from(self, start: Any, X: Any) -> Any:
        """Sums over the trees for rows that have been checked, from `start` on, shape (n, K)."""
        program: Any = self._compiled()
        return program.total(as_rows(X, program.forest), self._settings(), start)

    # --- prediction -------------------------------------------------------------------------------------------------

    @available_if(wrapped_has("predict"))
    def predict(self, X: Any, *, base_margin: Any = None, **params: Any) -> Any:
        """Labels or values, as the wrapped model's ``predict`` gives them.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows. Where there are none, the library's answer or error.
        base_margin : array-like of shape (n_samples,) or (n_samples, n_scores), optional
            Where the raw scores of each row start, in place of the model's base score. For models of XGBoost, but not
            for estimators with ``booster="dart"`` up to xgboost 3.2, which take their base score away from it.
        **params
            For meta-estimators, passed on to the wrapped model's method; for other models, refused by name.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            In the library's dtype. Under scikit-learn's ``array_api_dispatch``, a tensor on the device of `X` where
            that is a tensor; so do all methods but :meth:`predict_raw`, which needs no such setting.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If neither this estimator nor the wrapped one is fitted.
        ValueError
            If `X` has another number of columns, other names, or values that the library refuses.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_iris(return_X_y=True)
        >>> TensorizedEstimator(DecisionTreeClassifier(random_state=0).fit(X, y)).predict(X[::50])
        array([0, 1, 2])
        """
        return self._answer("predict", X, base_margin, params)

    @available_if(wrapped_has("predict_proba"))
    def predict_proba(self, X: Any, *, base_margin: Any = None, **params: Any) -> Any:
        """Probabilities of the classes.

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
        ndarray of shape (n_samples, n_classes), or list of them
            The library's own, bit for bit; of tensors within 4 ulp where an ``exp`` is involved.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_iris(return_X_y=True)
        >>> TensorizedEstimator(DecisionTreeClassifier().fit(X, y)).predict_proba(X[:1])
        array([[1., 0., 0.]])
        """
        return self._answer("predict_proba", X, base_margin, params)

    @available_if(wrapped_has("predict_log_proba"))
    def predict_log_proba(self, X: Any, **params: Any) -> Any:
        """Logarithms of the probabilities.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.
        **params
            For meta-estimators, passed on to the wrapped model's method; for other models, refused by name.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or list of them
            ``log(predict_proba(X))``, or what the library computes instead.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.ensemble import GradientBoostingClassifier
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_iris(return_X_y=True)
        >>> fast = TensorizedEstimator(GradientBoostingClassifier(n_estimators=5).fit(X, y))
        >>> fast.predict_log_proba(X).shape
        (150, 3)
        """
        return self._answer("predict_log_proba", X, None, params)

    @available_if(wrapped_has("decision_function"))
    def decision_function(self, X: Any, **params: Any) -> Any:
        """Raw scores in the shape of scikit-learn's ``decision_function``.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.
        **params
            For meta-estimators, passed on to the wrapped model's method; for other models, refused by name.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Bit for bit the wrapped model's.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.ensemble import HistGradientBoostingClassifier
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> fast = TensorizedEstimator(HistGradientBoostingClassifier(max_iter=5).fit(X, y))
        >>> bool((fast.decision_function(X) == fast.estimator_.decision_function(X)).all())
        True
        """
        return self._answer("decision_function", X, None, params)

    def _answer(
        self, method: str, X: Any, base_margin: Any = None, params: Any = None, fitted: Fitted | None = None
    ) -> Any:
        """What a method returns, made of one fitted state."""
        fitted = self._current() if fitted is None else fitted
        settings = self._settings()
        is_simple = base_margin is None and not params and not self.verbose
        if is_simple and (found := fitted.plain_answers(method, settings, X)) is not None:
            return found
        program: Any = fitted.program
        if method in fitted.methods:
            return answer_of_library(fitted, method, settings, X, **given_beside_X(base_margin, params))
        if not isinstance(program, Program):
            ask = getattr(program, "ask_watched", program.ask) if self.verbose else program.ask
            found = ask(method, settings, X, **given_beside_X(base_margin, params))
            return found if method == "predict_raw" else as_scikit_learn_answers(found)
        if params:
            check_arguments(fitted.model, method, params)
        if self.verbose:
            from sktensor.estimator.progress import Watched

            program = Watched(program)
        found = ANSWERS[method](fitted, program, settings, X, base_margin)
        if is_simple and type(X) is not np.ndarray:
            fitted.model_frames.learn(method, settings, X)  # type: ignore[union-attr]
        return found if type(found).__module__ == "numpy" else like_array(X, found)

    @available_if(has_score)
    def score(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> float:
        """The wrapped model's own score: accuracy of a classifier, R² of a regressor in most cases.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The truth.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the rows.
        **params
            Handed to the score of the wrapped model.

        Returns
        -------
        float
            The score.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from sktensor import TensorizedEstimator
        >>> X, y = load_iris(return_X_y=True)
        >>> TensorizedEstimator(DecisionTreeClassifier().fit(X, y)).score(X, y)
        1.0
        """
        fitted = self._current()
        given = {name: on_host(value) for name, value in params.items()}
        if sample_weight is not None:
            given["sample_weight"] = on_host(sample_weight)
        if "score" in fitted.methods:
            return answer_of_library(fitted, "score", self._settings(), X, on_host(y), **given)  # type: ignore[no-any-return]
        if not isinstance(fitted.program, Program):
            return fitted.program.ask("score", self._settings(), X, on_host(y), **given)  # type: ignore[no-any-return]

        def predict(rows: Any) -> Any:
            return on_host(self._answer("predict", rows, fitted=fitted))

        return score(fitted.model, X, on_host(y), predict, **given)  # type: ignore[no-any-return]

    # --- what scikit-learn asks of the class ------------------------------------------------------------------------

    def set_params(self, **params: Any) -> TensorizedEstimator:
        """Set parameters of this estimator, or with ``estimator__`` before their names those of the wrapped one.

        They take effect with the next prediction; those of the wrapped model, as always, with the next fit.

        Parameters
        ----------
        **params
            Names and values.

        Returns
        -------
        TensorizedEstimator
            This estimator.

        Raises
        ------
        ValueError
            If there is no such parameter, with the name to write for one of the wrapped model.

        Examples
        --------
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from sktensor import TensorizedEstimator
        >>> TensorizedEstimator(DecisionTreeClassifier()).set_params(estimator__max_depth=3, strategy="gemm")
        TensorizedEstimator(estimator=DecisionTreeClassifier(max_depth=3),
                            strategy='gemm')
        """
        check_parameters(self, params)
        super().set_params(**params)
        withdraw_outdated(self)
        return self

    def __sklearn_clone__(self) -> TensorizedEstimator:
        params = self.get_params(deep=False)
        copied = {name: clone(value, safe=False) for name, value in params.items() if name != "estimator"}
        return type(self)(unfitted(params["estimator"]), **copied)

    def __getstate__(self) -> Any:
        fitted = self.__dict__.get("_fitted")
        if fitted is not None and fitted.is_stale():
            recompiled(self)  # a copy could not tell any more
        return stamp(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(take_stamp(state, "TensorizedEstimator"))
        # A fitted one is to predict here, too; an unfitted one says what it lacks when it is fitted.
        if self.device != "cpu" and self.__sklearn_is_fitted__():
            self.device = device_here(self.device)

    def __sklearn_is_fitted__(self) -> bool:
        return "estimator_" in self.__dict__ or is_fitted(self.estimator)

    def __sktensor_forest__(self) -> Forest:
        return self._compiled().forest  # type: ignore[no-any-return]

    def __sktensor_columns__(self) -> ColumnNames | None:
        return getattr(self._compiled(), "names", None)

    def __sktensor_fingerprint__(self) -> Fingerprint:
        return (self._current(),), ()

    def __sktensor_check_class__(self) -> None:
        check_trainable(self.estimator)

    def __getattr__(self, name: str) -> Any:
        # Reached only for names that are not set: a wrapper around a fitted model shows what that model has.
        found = shown(self, name)
        return further_method(self, name) if found is NOTHING else found

    def _sk_visual_block_(self) -> Any:
        from sktensor.estimator.html_repr import diagram

        return diagram(self)

    def __sklearn_tags__(self) -> Tags:
        return with_tags_of(self.estimator, super().__sklearn_tags__())

    def get_metadata_routing(self) -> MetadataRequest | MetadataRouter:
        """Where metadata goes: where it would go without this wrapper.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRequest or MetadataRouter
            That of the wrapped model.

        Examples
        --------
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from sktensor import TensorizedEstimator
        >>> routing = TensorizedEstimator(DecisionTreeClassifier()).get_metadata_routing()
        >>> routing.consumes("fit", ["sample_weight"])
        set()
        """
        return get_routing_for_object(self.estimator)
