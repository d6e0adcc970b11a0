"""Rows like those of data sets that scikit-learn's gallery downloads: the same columns, made-up values."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

HOUSES = [
    "3SsnPorch", "Fireplaces", "BsmtHalfBath", "HalfBath", "GarageCars", "TotRmsAbvGrd", "BsmtFinSF1", "BsmtFinSF2",
    "GrLivArea", "ScreenPorch",
]  # fmt: skip
KINDS_OF_HOUSES = [
    "BldgType", "GarageFinish", "LotConfig", "Functional", "MasVnrType", "HouseStyle", "FireplaceQu", "ExterCond",
    "ExterQual", "PoolQC",
]  # fmt: skip


def _words(rng, n, prefix, kinds):
    return pd.Series(np.array([f"{prefix} {i}" for i in range(kinds)], dtype=object)[rng.integers(0, kinds, n)])


def california_housing(**given):
    """In place of ``fetch_california_housing``."""
    rng = np.random.default_rng(0)
    names = ["MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"]
    X = np.abs(rng.normal(size=(20_640, 8))) * [4, 28, 5, 1, 1400, 3, 1, 1] + [0, 0, 0, 0, 0, 0, 34, -120]
    frame = pd.DataFrame(X, columns=names)
    frame["MedHouseVal"] = frame["MedInc"] / 4 + np.sin(frame["Latitude"]) + rng.normal(size=len(X)) / 4
    return _given(frame, "MedHouseVal", **given)


def titanic():
    """Passengers."""
    rng = np.random.default_rng(0)
    n = 1309
    frame = pd.DataFrame({"pclass": rng.integers(1, 4, n), "sex": _words(rng, n, "sex", 2).astype("category")})
    frame["age"] = np.where(rng.random(n) < 0.2, np.nan, np.round(np.abs(rng.normal(30, 14, n)), 1))
    frame["sibsp"], frame["parch"] = rng.integers(0, 4, n), rng.integers(0, 3, n)
    frame["fare"] = np.round(rng.exponential(33, n), 4)
    frame["embarked"] = pd.Series(rng.choice(["S", "C", "Q", None], n, p=[0.7, 0.2, 0.09, 0.01])).astype("category")
    score = (frame["sex"] == "sex 0") * 2 - frame["pclass"] * 0.5 + rng.normal(size=n)
    frame["survived"] = pd.Series((score > 0).astype(int).astype(str)).astype("category")
    return frame, "survived"


def bike_sharing():
    """Hours of two years."""
    rng = np.random.default_rng(0)
    n = 17_379
    hours = np.arange(n)
    frame = pd.DataFrame({"season": pd.Series(hours * 8 // n % 4).map(dict(enumerate(
        ["spring", "summer", "fall", "winter"]))).astype("category")})  # fmt: skip
    frame["year"], frame["month"], frame["hour"] = hours * 2 // n, hours * 24 // n % 12 + 1, hours % 24
    frame["holiday"] = pd.Series(np.where(rng.random(n) < 0.03, "True", "False")).astype("category")
    frame["weekday"] = hours // 24 % 7
    frame["workingday"] = pd.Series(np.where(frame["weekday"] % 6 == 0, "False", "True")).astype("category")
    weather = rng.choice(["clear", "misty", "rain", "heavy_rain"], n, p=[0.65, 0.26, 0.0898, 0.0002])
    frame["weather"] = pd.Series(weather).astype("category")
    frame["temp"] = np.round(15 + 12 * np.sin(hours / 1400) + rng.normal(size=n), 2)
    frame["feel_temp"] = np.round(frame["temp"] + rng.normal(size=n), 2)
    frame["humidity"], frame["windspeed"] = np.round(rng.random(n), 2), np.round(rng.exponential(12, n), 4)
    peaks = np.exp(-((frame["hour"] - 8) ** 2) / 4) + np.exp(-((frame["hour"] - 18) ** 2) / 6)
    frame["count"] = (20 + 300 * peaks * rng.random(n) + 5 * np.maximum(frame["temp"], 0)).astype(int)
    return frame, "count"


def houses():
    """Houses and their prices."""
    rng = np.random.default_rng(0)
    n = 1460
    frame = pd.DataFrame({name: rng.integers(0, 2 + 3 * i, n) for i, name in enumerate(HOUSES)})
    for i, name in enumerate(KINDS_OF_HOUSES):
        frame[name] = _words(rng, n, name, 3 + i)
    frame["SalePrice"] = 50_000 + 9_000 * frame["GarageCars"] + 4_000 * frame["TotRmsAbvGrd"] + rng.exponential(9e3, n)
    return frame, "SalePrice"


def wine_reviews():
    """Points of wines."""
    rng = np.random.default_rng(0)
    n = 20_000
    frame = pd.DataFrame({"price": np.round(rng.exponential(35, n) + 4)})
    for kinds, name in zip((40, 400, 1000, 18, 600, 8000), (
        "country", "province", "region_1", "region_2", "variety", "winery"), strict=True):  # fmt: skip
        frame[name] = _words(rng, n, name, kinds)
    frame["points"] = np.clip(80 + frame["price"] / 10 + rng.normal(size=n) * 2, 80, 100).round()
    return frame, "points"


OPENML = {"titanic": titanic, "Bike_Sharing_Demand": bike_sharing, 42165: houses, 42074: wine_reviews}


def openml(name=None, *, data_id=None, version=None, **given):
    """In place of ``fetch_openml``."""
    return _given(*OPENML[name or data_id](), **given)


def _given(frame, target, *, as_frame=False, return_X_y=False, **_):
    X, y = frame.drop(columns=target), frame[target]
    if not as_frame:
        X, y = X.to_numpy(), y.to_numpy()
    return (X, y) if return_X_y else Bunch(data=X, target=y, frame=frame, feature_names=[*frame.drop(columns=target)])
