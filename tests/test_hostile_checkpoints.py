"""Checkpoints that lie about their training: refused by name, or a network that can be asked to go on without harm."""

import copy
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.files import InvalidFile

X, Y = np.random.default_rng(0).standard_normal((20, 3)), np.arange(20) % 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A checkpoint in bytes, with all that one can have."""
    path = tmp_path_factory.mktemp("whole") / "net.safetensors"
    net = fc.MLP([3, 4, 2])
    net.standardize(X)
    net.fit(X, Y, batch_size=6, epochs=3, early_stopping=5, schedule="step", dropout=0.1)
    net.training.results[:] = 1.0, 3, 6, 6, 1, 0  # as if interrupted
    net.training.begun, net.training.last = net.parameters.copy(), net.parameters.copy()
    net.save(path)
    return path.read_bytes()


def parts(content):
    """The header, the description of the training in it, and the numbers."""
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["numbafc"]), content[8 + length :]


def changed(content, change):
    """The checkpoint, with change(training, header, numbers) made to it."""
    header, description, numbers = parts(content)
    numbers = bytearray(numbers)
    change(description["training"], header, numbers)
    header["__metadata__"]["numbafc"] = json.dumps(description)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(numbers)


def into(*path, value):
    """A change of one place of the description."""

    def change(training, header, numbers):
        place = training
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return change


def results(*values):
    def change(training, header, numbers):
        first, last = header["training.results"]["data_offsets"]
        numbers[first:last] = struct.pack("<6d", *values)

    return change


def without(name):
    """The tensor goes by another name."""

    def change(training, header, numbers):
        header["training.other"] = header.pop(f"training.{name}")

    return change


def of_other_shape(name):
    def change(training, header, numbers):
        header[f"training.{name}"]["shape"] = [1, *header[f"training.{name}"]["shape"]]

    return change


LIES = {
    "another optimizer": into("optimizer", "name", value="adamax"),
    "an optimizer's rate is a word": into("optimizer", "learning_rate", value="fast"),
    "an optimizer's rate is below 0": into("optimizer", "learning_rate", value=-1),
    "an optimizer has another field": into("optimizer", "speed", value=1),
    "an optimizer is a list": into("optimizer", value=["adam"]),
    "another schedule": into("schedule", value={"name": "linear"}),
    "a flag is a number": into("shuffle", value=1),
    "no samples in a minibatch": into("batch_size", value=0),
    "a huge minibatch": into("batch_size", value=2**70),
    "half an epoch": into("epochs", value=1.5),
    "patience below 1": into("early_stopping", value=0),
    "all units dropped": into("regularization", "dropout", value=1.0),
    "dropout that is no number": into("regularization", "dropout", value=float("nan")),
    "a seed below 0": into("regularization", "seed", value=-1),
    "no samples": into("samples", value=0),
    "another generator": into("order", "bit_generator", value="MT19937"),
    "a generator without state": into("order", value={}),
    "a generator's state is a word": into("order", "state", "state", value="1"),
    "a generator's state is below 0": into("order", "state", "state", value=-1),
    "a history out of order": into("history", 0, 0, value=2),
    "a record too short": into("history", 0, value=[1, 2]),
    "a record of words": into("history", 0, 1, value="low"),
    "a best loss that is a list": into("best_loss", value=[1]),
    "epochs waited below 0": into("waited", value=-1),
    "a best epoch without early stopping": into("early_stopping", value=None),
    "more minibatches than there are": results(1, 3, 6, 6, 100, 0),
    "minibatches below 0": results(1, 0, 0, 0, -1, 0),
    "half a minibatch": results(1, 3, 6, 6, 0.5, 0),
    "more hits than samples": results(1, 7, 6, 6, 1, 0),
    "samples of minibatches to come": results(1, 3, 12, 12, 1, 0),
    "a loss that is no number": results(float("nan"), 3, 6, 6, 1, 0),
    "no end of weight": results(1, 3, float("inf"), 6, 1, 0),
    "a refusal": results(1, 3, 6, 6, 1, 1),
    "no optimizer's state": without("optimizer.mean"),
    "no results": without("results"),
    "a state of another shape": of_other_shape("optimizer.square"),
    "best parameters of another shape": of_other_shape("best"),
    "first parameters of another shape": of_other_shape("begun"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_checkpoint_that_lies_is_refused_by_name(tmp_path, whole, lie):
    path = tmp_path / "net.safetensors"
    path.write_bytes(changed(whole, LIES[lie]))
    with pytest.raises(
        InvalidFile, match=r"net\.safetensors: the model's description and its contents disagree \(."
    ) as error:
        fc.load(path)
    assert len(str(error.value).splitlines()) == 1


def test_the_checkpoint_without_lies_is_taken(tmp_path, whole):
    path = tmp_path / "net.safetensors"
    path.write_bytes(changed(whole, lambda *_: None))
    net = fc.load(path)
    assert len(net.fit(X, Y, resume=True, epochs=5)) == 5


def places(value, path=()):
    """Every place in a description, as into takes it."""
    if path:
        yield path
    for name in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[name], (*path, name))


STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-2, 3),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from([[], {}, [0], {"name": "sgd"}]),
)


@given(st.data(), STRANGE)
def test_no_lie_brings_anything_but_a_network_or_invalid_file(tmp_path_factory, whole, data, value):
    path = data.draw(st.sampled_from(sorted(places(parts(whole)[1]["training"]), key=repr)), label="place")
    file = tmp_path_factory.mktemp("lie") / "net.safetensors"
    file.write_bytes(changed(whole, into(*path, value=value)))
    try:
        net = fc.load(file)
    except InvalidFile:
        return
    before, last = copy.deepcopy(net.training.recipe), len(net.training.history)
    try:
        net.fit(X, Y, resume=True, epochs=last + 1)
    except ValueError as error:
        refusals = (
            "resume needs the samples",
            "the training to resume",
        )  # where the lie was about data, validation, smoothing
        if not any(words in str(error) for words in refusals):
            raise
    except FloatingPointError:
        return
    assert net.training.recipe == before
