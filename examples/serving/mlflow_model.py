"""Log a wrapped pipeline with MLflow as any other of scikit-learn, to be served by: mlflow models serve -m URI"""

import sys

import joblib
import mlflow
from mlflow.models import infer_signature


def log(fast, rows):
    """Log a fitted wrapper; gives the address of the model, for mlflow.pyfunc.load_model and mlflow models serve."""
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(
            fast,
            name="model",
            signature=infer_signature(rows, fast.predict_proba(rows)),
            pyfunc_predict_fn="predict_proba",
            serialization_format="cloudpickle",
        )
    return logged.model_uri


if __name__ == "__main__":
    print(log(*joblib.load(sys.argv[1])))
