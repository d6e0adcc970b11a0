"""The libraries themselves, in each form in which they predict, limited to a number of threads by their own setting."""

from __future__ import annotations

from functools import partial

from benchmarks.cpu.candidates import Runner


def estimator(kept, fitted, threads, scratch):
    """``predict_proba`` or ``predict`` of the estimator, from an array."""
    return Runner(LIMITED[kept.model.package](fitted, kept.model.method, threads))


def _by_parameter(fitted, method, threads):
    if "n_jobs" in fitted.get_params():  # scikit-learn's boosting has none, and OMP_NUM_THREADS decides
        fitted.set_params(n_jobs=threads)
    return getattr(fitted, method)


def _by_argument(fitted, method, threads):
    return partial(getattr(fitted, method), thread_count=threads)


LIMITED = {
    "xgboost": _by_parameter,
    "lightgbm": _by_parameter,
    "scikit-learn": _by_parameter,
    "catboost": _by_argument,
}


def _booster(fitted, threads):
    booster = fitted.get_booster()
    booster.set_param({"nthread": threads})
    return booster


def xgboost_inplace(kept, fitted, threads, scratch):
    """From the array as it is, without a DMatrix and without the estimator's own checks."""
    return Runner(_booster(fitted, threads).inplace_predict)


def _from_file(kept):
    from xgboost import XGBClassifier

    fitted = XGBClassifier()
    fitted.load_model(kept.native)
    return fitted


def xgboost_from_file(kept, fitted, threads, scratch):
    """The estimator of another version of XGBoost, from the file that versions share."""
    return estimator(kept, _from_file(kept), threads, scratch)


def xgboost_inplace_from_file(kept, fitted, threads, scratch):
    """Another version's :func:`xgboost_inplace`."""
    return xgboost_inplace(kept, _from_file(kept), threads, scratch)


def xgboost_dmatrix(kept, fitted, threads, scratch):
    """From a DMatrix that is made before the clock starts."""
    from xgboost import DMatrix

    return Runner(_booster(fitted, threads).predict, convert=partial(DMatrix, nthread=threads))


def lightgbm_booster(kept, fitted, threads, scratch):
    """Without the estimator's own checks."""
    return Runner(partial(fitted.booster_.predict, num_threads=threads))


def catboost_pool(kept, fitted, threads, scratch):
    """From a Pool that is made before the clock starts."""
    from catboost import Pool

    return Runner(partial(getattr(fitted, kept.model.method), thread_count=threads), convert=Pool)
