"""Our MLPClassifier and MLPRegressor beside scikit-learn's: the one place that tests import both from."""

from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor

from numbafc.interop.sklearn import MLPClassifier, MLPRegressor

OURS = {"classifier": MLPClassifier, "regressor": MLPRegressor}
THEIRS = {"classifier": TheirClassifier, "regressor": TheirRegressor}
