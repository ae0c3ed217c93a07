"""A life of a training, as Hypothesis makes it up: train, save, load, crash while saving, resume, change threads.

The model is one training without a break: what a network is after each minibatch. In memory and in the file there is
always the network after some of them, whole.
"""

import functools
import io
import os

import numpy as np
from checkpoints import before_each_minibatch, fit_for
from helpers import assert_same_bits
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import numbafc as fc

SIZES = [256, 256, 4]  # a layer that two threads share
BATCH, SAMPLES, EPOCHS = 32, 60, 5
BATCHES = -(-SAMPLES // BATCH)
ALL = EPOCHS * BATCHES
RNG = np.random.default_rng(0)
DATA = RNG.standard_normal((SAMPLES, SIZES[0])), RNG.integers(0, SIZES[-1], SAMPLES)
TRAININGS = (
    {"optimizer": "adam", "dropout": 0.2, "schedule": "cosine"},
    {"optimizer": fc.SGD(0.01, momentum=0.9), "shuffle": False, "clip_norm": 1.0},
)


def fresh(which):
    return fc.MLP(SIZES, activation="silu", seed=which), {**TRAININGS[which], "batch_size": BATCH, "epochs": EPOCHS}


@functools.cache
def model(which):
    """What the parameters and the optimizer's state are before each minibatch, and at the end."""
    moments = []

    def remember():
        moments.append([a.copy() for a in (net.parameters, *net.training.state.values())])

    net, options = fresh(which)
    with before_each_minibatch(remember):
        net.fit(*DATA, **options)
    remember()
    assert len(moments) == ALL + 1
    return moments


def done(net):
    """How many minibatches a network has been trained on."""
    return 0 if net.training is None else len(net.training.history) * BATCHES + int(net.training.results[4])


class Killed(BaseException):
    """The process is gone."""


class Dying:
    """The system as a process sees it that dies after so many of its steps: then nothing works, not even tidying up."""

    def __init__(self, steps):
        self.steps = steps

    def step(self, function, *arguments, **options):
        if self.steps == 0:
            raise Killed
        self.steps -= 1
        return function(*arguments, **options)

    def fdopen(self, handle, mode):
        return DyingFile(self, handle, mode)

    def __enter__(self):
        self.usual = {name: getattr(os, name) for name in ("fsync", "replace", "fdopen", "unlink")}
        os.fdopen = self.fdopen
        for name in ("fsync", "replace", "unlink"):
            setattr(os, name, functools.partial(self.step, self.usual[name]))
        return self

    def __exit__(self, *_):
        for name, function in self.usual.items():
            setattr(os, name, function)


class DyingFile(io.FileIO):
    """A file that is written in three parts, each of them a step."""

    def __init__(self, process, handle, mode):
        super().__init__(handle, mode)
        self.process = process

    def write(self, content):
        third = len(content) // 3 + 1
        for first in range(0, len(content), third):
            self.process.step(super().write, content[first : first + third])
        return len(content)


STEPS = 6  # of a save: three writes, two flushes and a rename; before them, each file that a killed one left is removed


class Training(RuleBasedStateMachine):
    """self.net is the network in memory; self.saved how far the one in the file is, or None."""

    folder = None  # a test's own

    @initialize(which=st.sampled_from(range(len(TRAININGS))))
    def begin(self, which):
        self.path = self.folder / "net.safetensors"
        for left in self.folder.iterdir():
            left.unlink()
        self.which, self.model, self.saved = which, model(which), None
        (self.net, self.options), self.threads = fresh(which), fc.get_num_threads()

    @rule(minibatches=st.integers(1, 5))
    def train(self, minibatches):
        """Until Ctrl-C after so many minibatches, or to the end."""
        before = done(self.net)
        options = {"resume": True} if self.net.training is not None else self.options
        finished = fit_for(self.net, minibatches, *DATA, **options)
        assert done(self.net) == min(before + minibatches, ALL)
        assert finished == (before + minibatches >= ALL)

    @rule()
    def save(self):
        self.net.save(self.path)
        self.saved = done(self.net)

    @rule(steps=st.integers(0, STEPS + 1))
    def be_killed_while_saving(self, steps):
        """And start again from the file, which is the one before or the new one."""
        steps_of_all = STEPS + len(list(self.folder.glob(".*")))
        assert steps_of_all <= STEPS + 1  # what is left does not grow
        try:
            with Dying(steps):
                self.net.save(self.path)
        except Killed:
            assert steps < steps_of_all
            renamed = steps == steps_of_all - 1  # all but the folder's flush
        else:
            assert steps >= steps_of_all
            renamed = True
        if renamed:
            self.saved = done(self.net)
        self.start_again()

    @rule()
    def start_again(self):
        """From the file; what was not saved is lost."""
        if self.saved is None:
            assert not self.path.exists()
            self.net, self.options = fresh(self.which)
        else:
            self.net = fc.load(self.path)
        assert done(self.net) == (self.saved or 0)

    @rule(threads=st.integers(1, 2))
    def change_threads(self, threads):
        fc.set_num_threads(min(threads, self.threads))

    @invariant()
    def the_network_is_that_of_the_model(self):
        if not hasattr(self, "net"):
            return
        expected, *states = self.model[done(self.net)]
        assert_same_bits(self.net.parameters, expected, "parameters")
        if self.net.training is not None:
            for name, state in zip(self.net.training.state, states, strict=True):
                assert_same_bits(self.net.training.state[name], state, name)

    def teardown(self):
        if hasattr(self, "threads"):
            fc.set_num_threads(self.threads)


def test_a_training_survives_everything(tmp_path):
    Training.folder = tmp_path
    lives = max(75, settings().max_examples)  # some 30 ms each
    run_state_machine_as_test(Training, settings=settings(max_examples=lives, stateful_step_count=20))
