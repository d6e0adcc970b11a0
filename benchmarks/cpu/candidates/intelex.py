"""scikit-learn-intelex: gradient boosting models converted for oneDAL; those of scikit-learn by way of treelite."""

from __future__ import annotations

from benchmarks.cpu.candidates import Runner


def converted(kept, fitted, threads, scratch):
    """The converted model; forests become regressions, whose answer is the probability of the second class."""
    import daal4py
    from daal4py.mb import convert_model

    daal4py.daalinit(threads)
    model = convert_model(SOURCES[kept.model.package](fitted))
    return Runner(model.predict_proba if getattr(model, "is_classifier_", False) else model.predict)


def _through_treelite(fitted):
    import treelite

    return treelite.sklearn.import_model(fitted)


SOURCES = {
    "xgboost": lambda fitted: fitted.get_booster(),
    "lightgbm": lambda fitted: fitted.booster_,
    "catboost": lambda fitted: fitted,
    "scikit-learn": _through_treelite,
}
