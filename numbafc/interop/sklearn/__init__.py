"""scikit-learn's estimators, trained by numbafc: what goes where a classifier or a regressor of scikit-learn goes.

    from numbafc.interop.sklearn import TabularClassifier
    model = TabularClassifier().fit(frame, labels)      # words and gaps in the frame are fine: no pipeline
    model.predict_proba(other)

Needs scikit-learn 1.6 or later, and narwhals with polars, pandas or pyarrow: the extra `sklearn`.
"""

try:
    import narwhals  # noqa: F401
    from sklearn.utils.validation import validate_data  # noqa: F401
except ImportError:
    raise ImportError(
        "numbafc.interop.sklearn needs scikit-learn 1.6 or later, and narwhals: pip install 'numbafc[sklearn]'"
    ) from None

from .classifier import TabularClassifier
from .mlp import MLPClassifier, MLPRegressor
from .regressor import TabularRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor"]
