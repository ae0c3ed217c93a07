"""MLPClassifier and MLPRegressor: scikit-learn's own, with the epochs in compiled code.

constructor.py checks their parameters, perceptron.py is what both share, classifier.py and regressor.py what each does with
y. training.py is the epochs of a fit with a solver of minibatches, lbfgs.py those of L-BFGS. solver.py is the optimizer and
its rates; batches.py hands samples to the engine, sparse ones, too; losses.py has scikit-learn's losses; outputs.py asks
the network.
"""

from .classifier import MLPClassifier
from .regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
