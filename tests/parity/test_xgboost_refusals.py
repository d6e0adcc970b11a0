"""Models of XGBoost that are refused, by name."""

import pytest
import xgboost as xgb
from sklearn.exceptions import NotFittedError
from xgboost_models import LABELS, REAL, THREE, C, K, R, X, after, fit, trained

from sktensor import UnsupportedModelError, extract_forest
from sktensor.extractors.xgboost import model as extractor
from sktensor.extractors.xgboost.outputs import link_of
from sktensor.extractors.xgboost.ubjson import parse

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:xgboost")

REFUSED = {
    "gblinear": (fit(R, X, REAL, booster="gblinear"), r"XGBRegressor\(booster='gblinear'\) has no trees"),
    "gblinear booster": (lambda: trained(REAL, booster="gblinear"), "booster='gblinear'"),
    "a DMatrix": (lambda: xgb.DMatrix(X), "DMatrix"),
    "missing=None": (lambda: after(fit(R, X, REAL)(), lambda m: setattr(m, "missing", None)), "missing=None"),
    "missing=True": (lambda: after(fit(R, X, REAL)(), lambda m: setattr(m, "missing", True)), "missing=True"),
    "missing=2**63": (lambda: after(fit(R, X, REAL)(), lambda m: setattr(m, "missing", 2**63)), "missing=922337"),
    "best_iteration beyond the rounds": (
        lambda: after(fit(R, X, REAL)(), lambda m: m.get_booster().set_attr(best_iteration="8")),
        "best_iteration=8",
    ),
    "best_iteration below -1": (
        lambda: after(fit(R, X, REAL)(), lambda m: m.get_booster().set_attr(best_iteration="-2")),
        "best_iteration=-2",
    ),
    "labels of one class": (fit(C, X, LABELS * 0), "n_classes_=1"),
    "another number of classes": (
        lambda: after(fit(C, X, THREE)(), lambda m: setattr(m, "n_classes_", 4)),
        "n_classes_=4",
    ),
    "numbers of classes without the objective": (
        lambda: after(fit(C, X, THREE, objective="multi:softmax")(), lambda m: setattr(m, "objective", None)),
        "objective=None",
    ),
}


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("name", REFUSED)
def test_irreproducible_models_are_refused_by_name(name):
    build, words = REFUSED[name]
    with pytest.raises(UnsupportedModelError, match=words):
        extractor.extract(build())


class Doubling:
    """Answers of its own."""

    def predict(self, *args, **kwargs):
        return 2 * super().predict(*args, **kwargs)


class DoublingRegressor(Doubling, R):
    pass


class DoublingBooster(Doubling, xgb.Booster):
    pass


@pytest.mark.evidence("refused")
def test_answers_of_a_subclass_or_an_object_of_their_own_are_refused_by_name():
    model = fit(R, X, REAL)()
    for own, named in (
        (fit(DoublingRegressor, X, REAL)(), "DoublingRegressor replaces predict of XGBRegressor"),
        (
            DoublingBooster(model_file=model.get_booster().save_raw("ubj")),
            "DoublingBooster replaces predict of Booster",
        ),
        (after(model, lambda m: setattr(m, "predict", lambda X: X[:, 0])), "XGBRegressor replaces predict"),
    ):
        with pytest.raises(UnsupportedModelError, match=named):
            extract_forest(own)


@pytest.mark.evidence("refused")
def test_estimators_for_dask_are_refused_and_told_what_to_do():
    model = fit(type("DaskXGBRegressor", (R,), {"__module__": "xgboost.dask"}), X, REAL)()
    with pytest.raises(UnsupportedModelError, match=r"DaskXGBRegressor predicts on dask .* model\.get_booster\(\)"):
        extract_forest(model)


@pytest.mark.parametrize("build", [R, C, K, xgb.XGBRFRegressor, xgb.Booster], ids=lambda build: build.__name__)
def test_unfitted_model_raises_not_fitted_error(build):
    with pytest.raises(NotFittedError):
        extract_forest(build())


@pytest.mark.evidence("refused")
def test_an_unknown_objective_is_refused_by_name():
    with pytest.raises(UnsupportedModelError, match="objective='reg:expectileerror'"):
        link_of("reg:expectileerror", 2)


@pytest.mark.evidence("refused")
def test_quantiles_that_the_library_sorts_are_refused(monkeypatch):
    assert link_of("reg:quantileerror", 2) == "identity"
    monkeypatch.setattr(xgb, "__version__", "3.4.1")
    assert link_of("reg:quantileerror", 1) == "identity"
    with pytest.raises(UnsupportedModelError, match="2 quantiles"):
        link_of("reg:quantileerror", 2)


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("where", ["learner", "gradient_booster", "model", "tree"])
def test_a_field_that_is_not_known_is_refused_by_name(where, monkeypatch):
    saved = parse(extractor._saved(trained(REAL, 2)))
    learner = saved["learner"]
    booster = learner["gradient_booster"]
    place = {
        "learner": learner,
        "gradient_booster": booster,
        "model": booster["model"],
        "tree": booster["model"]["trees"][1],
    }
    place[where]["sheep"] = 1
    monkeypatch.setattr(extractor, "parse", lambda data: saved)
    with pytest.raises(UnsupportedModelError, match="sheep"):
        extractor.extract(trained(REAL, 2))
