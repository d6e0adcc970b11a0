"""The estimator: scikit-learn's contract around a program, and no arithmetic."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import Tags, check_scalar, get_tags
from sklearn.utils._set_output import _wrap_data_with_container  # what TransformerMixin does around transform
from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from sktensor import outputs
from sktensor.errors import UnsupportedModelError
from sktensor.estimator.composite import Composite, CompositePlan, compose
from sktensor.estimator.verification import verify
from sktensor.forest import Forest
from sktensor.inputs.checks import margins
from sktensor.inputs.dataframe import frame_names, is_frame
from sktensor.inputs.names import are_text, fitted_attribute
from sktensor.inputs.reading import read
from sktensor.inputs.rows import Rows, is_tensor
from sktensor.registry import find_extractor, forest_of
from sktensor.runtime.devices import device_here
from sktensor.runtime.planner import Plan
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

__all__ = ["TensorizedEstimator"]

# What a wrapper around a fitted model shows of it before anything is compiled.
FITTED_ATTRIBUTES = ("classes_", "n_features_in_", "feature_names_in_", "n_outputs_", "n_classes_", "offset_")

# Methods whose metadata goes to the same method of the wrapped model.
ROUTED = ("fit", "predict", "predict_proba", "predict_log_proba", "decision_function", "score", "transform")

# One lock for all estimators: one in each would have to be left out of every copy and pickle.
_adopting = threading.RLock()  # a wrapper may wrap another


def _wrapped_has(method: str) -> Callable[[TensorizedEstimator], bool]:
    """For `available_if`: a method is there if the wrapped model has it."""
    return lambda self: hasattr(self.__dict__.get("estimator_", self.estimator), method)


def _asks_parts(method: Callable[..., Any]) -> Callable[..., Any]:
    """For a method about rows: of a model made of others, the library's own is called, with programs inside it."""

    @functools.wraps(method)
    def answer(self: TensorizedEstimator, X: Any, **given: Any) -> Any:
        if isinstance(program := self._compiled(), Composite):
            found = program.ask(method.__name__, self._settings(), X, **given)
            return found if method.__name__ == "predict_raw" else _as_scikit_learn_answers(found)
        return method(self, X, **given)

    return answer


def _has_score(self: TensorizedEstimator) -> bool:
    return is_classifier(self) or is_regressor(self) or _wrapped_has("score")(self)


class TensorizedEstimator(MetaEstimatorMixin, BaseEstimator):
    """A tree model that predicts through a tensor program, bit for bit as before.

    Wrap a model, fitted or not, and use the wrapper in its place: alone, in a
    :class:`~sklearn.pipeline.Pipeline`, in a search. :meth:`fit` fits a clone and compiles it; around a fitted
    model, the first prediction compiles, and :meth:`fit` is not needed. The program is a snapshot of the model at
    that moment.

    Parameters
    ----------
    estimator : estimator
        A tree model of XGBoost, LightGBM, CatBoost or scikit-learn, one of scikit-learn that is made of these, or a
        model of a package with a registered extractor.
    device : str or torch.device, default="cpu"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or ``"auto"`` for CUDA where there is one.
    strategy : str, default="auto"
        Which algorithm: ``"bitsliced"``, ``"gemm"``, ``"tree_traversal"``, ``"perfect_tree_traversal"``, the name of a
        registered one, or ``"auto"`` for the one expected to be the fastest for the forest, the rows and the device.
    backend : {"auto", "torch", "native"}, default="auto"
        What runs it: tensor code, on any device; or compiled kernels, which there are for ``"bitsliced"`` and
        ``"tree_traversal"`` on the CPU. ``"auto"`` takes a kernel where there is one.
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

    # A pure router: weights go to the wrapped model, so this class takes no request of its own for them.
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
            If the fitted model cannot be reproduced.
        VerificationError
            If `verify` is set and the program and the model differ.
        ValueError
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
        if sample_weight is not None:
            fit_params["sample_weight"] = sample_weight
        if get_config()["enable_metadata_routing"]:
            fit_params = process_routing(self, "fit", **fit_params)["estimator"]["fit"]
        X, y = _on_host(X), _on_host(y)
        fit_params = {name: _on_host(value) for name, value in fit_params.items()}
        fitted = clone(self.estimator).fit(X, y, **fit_params)
        columns = BaseEstimator()
        validate_data(columns, X, skip_check_array=True)  # the names as given; the libraries rewrite some
        names = frame_names(X) if is_frame(X) else []
        if are_text(names) and fitted_attribute(fitted, "feature_names_in_") is not None:
            # scikit-learn before 1.9 asks frames for them by a protocol that polars has given up, and finds none.
            columns.__dict__.setdefault("feature_names_in_", np.asarray(names, dtype=object))
        self._publish(fitted, **vars(columns))
        return self

    def _publish(self, fitted: Any, **columns: Any) -> None:
        """Compile a fitted model and set all fitted attributes at once, so that no thread sees half of them."""
        extractor = find_extractor(fitted)
        where = extractor.parts(fitted) if hasattr(extractor, "parts") else None
        if where is not None:
            self._hold(fitted, compose(fitted, where, self._tensorized), **columns)
            return
        program = Program(forest_of(fitted, extractor), fitted, extractor)
        program.prepare(self._settings())
        if self.verify:
            verify(program, self._settings(), extractor, fitted)
        self._hold(fitted, program, **columns)

    def _tensorized(self, part: Any) -> TensorizedEstimator:
        """A fitted model inside the wrapped one, compiled with the same settings; one that has its own keeps them."""
        if isinstance(part, TensorizedEstimator):
            return part
        wrapped = TensorizedEstimator(part, **self._settings()._asdict(), verify=self.verify)
        wrapped._compiled()
        return wrapped

    def _total_from(self, start: Any, X: Any) -> Any:
        """Sums over the trees for rows that have been checked, from `start` on, shape (n, K)."""
        return self._compiled().total(Rows(X), self._settings(), start)

    def _hold(self, fitted: Any, program: Program | Composite, **columns: Any) -> None:
        state = {"estimator_": fitted, "_program": program, **columns}
        if isinstance(program, Program):
            # A loaded CatBoost model has forgotten the number of its columns.
            state |= {"forest_": program.forest, "n_features_in_": program.forest.n_features}
            if program.forest.decision == "inlier":
                state["offset_"] = program.forest.decision_threshold
        for name in ("classes_", "n_outputs_"):
            if hasattr(fitted, name):
                state[name] = getattr(fitted, name)
        stale = {"_prefit", "forest_", *FITTED_ATTRIBUTES} - state.keys()
        self.__dict__.update(state)
        for name in stale:
            self.__dict__.pop(name, None)

    def _compiled(self) -> Any:
        """The program, or those of a model made of others; around a fitted model, compiled now if it has not been."""
        state = self.__dict__
        if "_program" in state and "_prefit" not in state:  # the most frequent case, in the least time
            return state["_program"]
        if self._is_current():
            return self._program
        with _adopting:
            if not self._is_current():
                check_is_fitted(self)
                shown = {name: fitted_attribute(self.estimator, name) for name in FITTED_ATTRIBUTES}
                known = {name: value for name, value in shown.items() if value is not None}
                self._publish(self.estimator, _prefit=True, **known)
        return self._program

    def _is_current(self) -> bool:
        """Whether there is a program, and it is that of `estimator` where that came fitted."""
        state = self.__dict__  # asked for at each prediction, so without a detour by __getattr__
        return "_program" in state and not ("_prefit" in state and state["estimator_"] is not state["estimator"])

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

        Examples
        --------
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from sktensor import TensorizedEstimator
        >>> TensorizedEstimator(DecisionTreeClassifier()).set_params(estimator__max_depth=3, strategy="gemm")
        TensorizedEstimator(estimator=DecisionTreeClassifier(max_depth=3),
                            strategy='gemm')
        """
        super().set_params(**params)
        if "_program" in self.__dict__ and not self._is_current():
            for name in ("_prefit", "_program", "estimator_", "forest_", *FITTED_ATTRIBUTES):
                self.__dict__.pop(name, None)
        return self

    def _settings(self) -> Settings:
        return Settings(self.device, self.strategy, self.backend, self.batch_size, self.n_jobs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # A fitted one is to predict here, too; an unfitted one says what it lacks when it is fitted.
        if self.device != "cpu" and self.__sklearn_is_fitted__():
            self.device = device_here(self.device)

    def __sklearn_is_fitted__(self) -> bool:
        return "estimator_" in self.__dict__ or _is_fitted(self.estimator)

    def __sktensor_forest__(self) -> Forest:
        return self._compiled().forest  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        # Reached only for names that are not set: a wrapper around a fitted model shows what that model has.
        if name == "forest_" and isinstance(self.__dict__.get("_program"), Composite):
            try:
                return self._program.forest
            except UnsupportedModelError as error:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute 'forest_': {error}") from error
        if name in (*FITTED_ATTRIBUTES, "estimator_", "forest_") and "estimator_" not in self.__dict__:
            estimator = self.__dict__.get("estimator")
            if estimator is not None and _is_fitted(estimator):
                if name == "estimator_":
                    return estimator
                if name == "forest_":
                    self._compiled()
                    return self.forest_
                found = fitted_attribute(estimator, name)
                if found is not None:
                    return found
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def feature_importances_(self) -> npt.NDArray[Any]:
        """Importances of the features, as the wrapped model gives them."""
        return self.estimator_.feature_importances_  # type: ignore[no-any-return]

    # --- prediction -------------------------------------------------------------------------------------------------

    @available_if(_wrapped_has("predict"))
    @_asks_parts
    def predict(self, X: Any, *, base_margin: Any = None) -> Any:
        """Labels or values, as the wrapped model's ``predict`` gives them.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows. An empty batch gives an empty answer.
        base_margin : array-like of shape (n_samples,) or (n_samples, n_scores), optional
            Where the raw scores of each row start, in place of the model's base score. For models of XGBoost, but not
            for estimators with ``booster="dart"`` up to xgboost 3.2, which take their base score away from it.

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
        return outputs.labels(*self._forest_raw_and_threads(X, self._routed("predict", base_margin)))

    @available_if(_wrapped_has("predict_proba"))
    @_asks_parts
    def predict_proba(self, X: Any, *, base_margin: Any = None) -> Any:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.
        base_margin : array-like of shape (n_samples,) or (n_samples, n_scores), optional
            Where the raw scores of each row start, in place of the model's base score. For models of XGBoost, but not
            for estimators with ``booster="dart"`` up to xgboost 3.2, which take their base score away from it.

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
        return outputs.probabilities(*self._forest_raw_and_threads(X, self._routed("predict_proba", base_margin)))

    @available_if(_wrapped_has("predict_log_proba"))
    @_asks_parts
    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of the probabilities.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.

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
        program = self._compiled()
        if program.forest.log_proba == "log_add_exp":
            rows = self._predicted_rows(X, program.forest)
            return _as_scikit_learn_answers(self._run(program.log_mean, rows, self._settings()))
        return outputs.log_probabilities(*self._forest_and_raw(X))

    @available_if(_wrapped_has("decision_function"))
    @_asks_parts
    def decision_function(self, X: Any) -> Any:
        """Raw scores in the shape of scikit-learn's ``decision_function``.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.

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
        return outputs.decision_scores(*self._forest_and_raw(X))

    @available_if(_wrapped_has("score_samples"))
    @_asks_parts
    def score_samples(self, X: Any) -> Any:
        """Scores of the rows as samples, of an isolation forest: the lower, the more abnormal.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.

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
        return outputs.sample_scores(*self._forest_and_raw(X))

    @available_if(_wrapped_has("fit_predict"))
    def fit_predict(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
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

    @available_if(_wrapped_has("transform"))
    @_asks_parts
    def transform(self, X: Any) -> Any:
        """Give the rows as the leaves that they reach, of a random trees embedding.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.

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
        program = self._compiled()
        rows = self._predicted_rows(X, program.forest)
        leaves = _as_scikit_learn_answers(self._run(program.reached, rows, self._settings()))
        columns = outputs.leaf_columns(program.forest, leaves)
        if is_tensor(columns):
            return columns
        return _wrap_data_with_container("transform", columns, _on_host(X), innermost(self))

    @available_if(_wrapped_has("transform"))
    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
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

    @available_if(_wrapped_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:
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

    @available_if(_wrapped_has("set_output"))
    def set_output(self, *, transform: str | None = None) -> TensorizedEstimator:
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
        for model in (self.estimator, self.__dict__.get("estimator_"), self.__dict__.get("_program")):
            if model is not None and hasattr(model, "set_output"):
                model.set_output(transform=transform)
        return self

    @available_if(_wrapped_has("predict"))
    @_asks_parts
    def predict_raw(self, X: Any, *, base_margin: Any = None) -> Any:
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
        return outputs.shaped_raw(*self._forest_and_raw(X, base_margin, keeps_tensors=True))

    @_asks_parts
    def apply(self, X: Any) -> Any:
        """Number of the leaf that each row reaches in each tree, as the library counts them.

        Parameters
        ----------
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            The rows.

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
        program = self._compiled()
        forest = program.forest
        rows = read(X, forest, self, allow_nan=forest.accepts_nan or forest.leaves_accept_nan)
        return outputs.leaf_numbers(forest, _as_scikit_learn_answers(self._run(program.leaves, rows, self._settings())))

    @available_if(_has_score)
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of a classifier, R² of a regressor, the wrapped model's own score otherwise.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The truth.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the rows.

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
        program, truth, sample_weight = self._compiled(), _on_host(y), _on_host(sample_weight)
        if isinstance(program, Composite):
            weights = {} if sample_weight is None else {"sample_weight": sample_weight}
            return float(program.ask("score", self._settings(), X, truth, **weights))
        if is_classifier(self) or is_regressor(self):
            metric = accuracy_score if is_classifier(self) else r2_score
            return float(metric(truth, _on_host(self.predict(X)), sample_weight=sample_weight))
        return float(self.estimator_.score(_on_host(X), truth))

    def warmup(self, batch_sizes: Sequence[int] = (1, 1000)) -> TensorizedEstimator:
        """Compile now what predictions of so many rows need, lest the first request waits for it.

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

    def explain_plan(self, n_rows: int = 1000) -> Plan | CompositePlan:
        """Which strategy, backend and device a prediction would take, its memory, and why.

        Parameters
        ----------
        n_rows : int, default=1000
            Rows of the prediction.

        Returns
        -------
        Plan or CompositePlan
            Printed, a table; for a model made of others, one for each of them.

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
        return self._compiled().plan(n_rows, self._settings())  # type: ignore[no-any-return]

    def _forest_and_raw(self, X: Any, base_margin: Any = None, keeps_tensors: bool = False) -> tuple[Forest, Any]:
        return self._forest_raw_and_threads(X, base_margin, keeps_tensors)[:2]

    def _forest_raw_and_threads(
        self, X: Any, base_margin: Any = None, keeps_tensors: bool = False
    ) -> tuple[Forest, Any, int]:
        """The forest, raw scores of X, and the threads that may go on with them."""
        program, settings = self._compiled(), self._settings()
        forest = program.forest
        rows = self._predicted_rows(X, forest)
        start = None if base_margin is None else margins(base_margin, len(rows), forest, self.estimator_)
        if self.verbose:
            raw, n_threads = self._run(program.raw_scores, rows, settings, start)
        else:
            raw, n_threads = program.raw_scores(rows, settings, start)  # at once: a row is ready in microseconds
        return forest, raw if keeps_tensors else _as_scikit_learn_answers(raw), n_threads

    def _predicted_rows(self, X: Any, forest: Forest) -> Rows:
        return read(X, forest, self, allow_nan=forest.accepts_nan)

    def _run(self, run: Callable[..., Any], rows: Rows, *given: Any) -> Any:
        if not self.verbose:
            return run(rows, *given)
        from sktensor.estimator.progress import with_bar

        return with_bar(lambda watched: run(watched, *given), rows)

    def _routed(self, method: str, base_margin: Any) -> Any:
        """The margins that the wrapped model has requested for a method, where metadata is routed."""
        if base_margin is None or not get_config()["enable_metadata_routing"]:
            return base_margin
        return process_routing(self, method, base_margin=base_margin)["estimator"][method].get("base_margin")

    # --- what scikit-learn asks of the class ------------------------------------------------------------------------

    def _sk_visual_block_(self) -> Any:
        from sktensor.estimator.html_repr import diagram

        program = self.__dict__.get("_program") if self._is_current() else None
        return diagram(
            self.__dict__.get("estimator_", self.estimator),
            self.device,
            is_fitted=self.__sklearn_is_fitted__(),
            plan=None if program is None else program.planned(self._settings()),
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        # Field by field: copying the whole object would also copy FrozenEstimator's order to skip all checks.
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = inner.classifier_tags
        tags.regressor_tags = inner.regressor_tags
        tags.transformer_tags = inner.transformer_tags
        tags.target_tags = inner.target_tags
        tags.input_tags = inner.input_tags
        tags.no_validation = inner.no_validation
        tags.non_deterministic = inner.non_deterministic
        return tags

    def get_metadata_routing(self) -> MetadataRouter:
        """Where metadata goes: each method's to the same method of the wrapped model.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
            The routes.

        Examples
        --------
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from sktensor import TensorizedEstimator
        >>> type(TensorizedEstimator(DecisionTreeClassifier()).get_metadata_routing()).__name__
        'MetadataRouter'
        """
        mapping = MethodMapping()
        for method in ROUTED:
            mapping.add(caller=method, callee=method)
        mapping.add(caller="fit_transform", callee="fit")  # what pipelines ask for; scikit-learn 1.9 would find it
        return MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=mapping)


def _is_fitted(estimator: Any) -> bool:
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError):
        # CatBoost's models made of others have no fitted attributes, but say that they are fitted.
        own = getattr(estimator, "is_fitted", None)
        return bool(callable(own) and own())
    return True


def innermost(model: Any) -> Any:
    """The model within wrappers of wrappers."""
    while isinstance(model, TensorizedEstimator):
        model = model.estimator_
    return model


def _on_host(X: Any) -> Any:
    """A tensor as numpy, for libraries that take no tensors; anything else as it is."""
    return X.detach().cpu().resolve_neg().numpy() if is_tensor(X) else X


def _as_scikit_learn_answers(found: Any) -> Any:
    """Tensors stay tensors where scikit-learn's own estimators would let them, under ``array_api_dispatch``."""
    if isinstance(found, list):
        return [_as_scikit_learn_answers(part) for part in found]
    return found if is_tensor(found) and get_config()["array_api_dispatch"] else _on_host(found)
