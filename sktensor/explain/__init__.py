"""SHAP values: what each input adds to a forest's raw scores."""
