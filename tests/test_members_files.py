"""Ensembles in files and as one answer: what was saved comes back, what lies is refused, an answer is the mean of all."""

import copy
import json
import pickle
import struct

import numpy as np
import pytest
from checkpoints import assert_same_training
from helpers import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st
from test_hostile_checkpoints import STRANGE, parts, places

import numbafc as fc
from numbafc.files import InvalidFile
from numbafc.files import load as load_anything
from numbafc.nn import Members

N, T = 3, 2
RNG = np.random.default_rng(0)
X = RNG.standard_normal((20, N))
Y = {
    "cross_entropy": RNG.integers(0, T, 20),
    "binary_cross_entropy": RNG.integers(0, 2, (20, T)).astype(float),
    "mse": RNG.standard_normal((20, T)) * 5 + 100,
    "poisson": RNG.integers(0, 4, (20, T)).astype(float),
}


def ensemble(k=3, loss="cross_entropy", dtype="float64", **options):
    return Members([fc.MLP([N, 4, T], loss=loss, dtype=dtype, seed=5 + m, **options) for m in range(k)])


def trained(k=3, loss="cross_entropy", **settings):
    members = ensemble(k, loss)
    members.standardize(X, Y[loss] if loss == "mse" else None)
    members.fit(X, Y[loss], batch_size=6, validation=(X[:7], Y[loss][:7]), **{"epochs": 2, **settings})
    return members


def assert_comes_back(members, path):
    back = fc.load(path)
    assert type(back) is Members
    assert len(back) == len(members)
    for one, other in zip(back, members, strict=True):
        for name in ("sizes", "activation", "loss_name", "dtype", "seed", "label_smoothing", "init", "scaling"):
            assert getattr(one, name) == getattr(other, name), name
        assert (one.classes, one.features, one.table) == (other.classes, other.features, other.table)
        assert_same_bits(one.parameters, other.parameters, "parameters")
        for name in ("input_mean", "input_scale", "target_mean", "target_scale"):
            mine, theirs = getattr(one, name), getattr(other, name)
            assert (mine is None) == (theirs is None), name
            if theirs is not None:
                assert_same_bits(mine, theirs, name)
        assert one.order.bit_generator.state == other.order.bit_generator.state
        assert (one.training is None) == (other.training is None)
        if other.training is not None:
            assert_same_training(one, other)
    assert_same_bits(back.outputs(X), members.outputs(X), "outputs")
    return back


# ---- the answers of all ---------------------------------------------------------------------------------------------


def log_mean(each):
    return np.log(np.mean(each, axis=0))


@pytest.mark.parametrize("loss", Y)
@pytest.mark.parametrize("k", [1, 3])
def test_outputs_and_loss_are_those_of_the_mean(loss, k):
    members, y = trained(k, loss), Y[loss]
    found = members.outputs(X)
    if loss == "cross_entropy":
        expected = log_mean([net.predict_proba(X) for net in members])
        losses = -expected[np.arange(20), y]
    elif loss == "binary_cross_entropy":
        p = np.mean([net.predict_proba(X) for net in members], axis=0)
        expected, losses = np.log(p / (1 - p)), -np.mean(np.where(y == 1, np.log(p), np.log(1 - p)), axis=1)
    elif loss == "poisson":
        expected = log_mean([net.predict(X) for net in members])
        losses = None
    else:
        expected = np.mean([net.outputs(X) for net in members], axis=0)
        losses = None
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    one = fc.MLP([T, T], loss=loss, dtype="float64")  # which says what it is given
    one.weights[0][:], one.biases[0][:] = np.eye(T), 0
    if loss == "mse":
        one.target_mean, one.target_scale = members.target_mean, members.target_scale
    assert members.loss(X, y) == pytest.approx(one.loss(found, y), rel=1e-12)
    assert members.score(X, y) == pytest.approx(one.score(found, y), abs=1e-12)
    if losses is not None:
        assert members.loss(X, y) == pytest.approx(losses.mean(), rel=1e-9)
    weight = np.arange(20.0)
    assert members.loss(X, y, weight) == pytest.approx(one.loss(found, y, weight), rel=1e-12)


def test_outputs_beyond_all_exponents_are_finite():
    members = ensemble(2)
    members[0].biases[-1][:], members[1].biases[-1][:] = (5000, -5000), (-5000, 5000)
    np.testing.assert_allclose(members.outputs(X), np.full((20, T), np.log(0.5)), rtol=1e-12)
    labels = ensemble(2, "binary_cross_entropy")
    for net in labels:
        net.biases[-1][:] = 5000, -5000
    np.testing.assert_allclose(labels.outputs(X), np.full((20, T), (5000.0, -5000.0)), rtol=1e-3)


def test_what_they_share_is_read_here_and_set_on_each():
    members = trained(3, "mse")
    assert (members.sizes, members.loss_name, members.seed, members.classes) == ((N, 4, T), "mse", 5, None)
    assert_same_bits(members.target_mean, members[0].target_mean, "target_mean")
    for name in ("seed", "classes", "table", "target_mean", "training"):
        with pytest.raises(AttributeError, match=f"members share {name}, which is set on each: for net in members"):
            setattr(members, name, None)
    with pytest.raises(AttributeError):
        members.parameters  # noqa: B018  no catch-all
    assert members.was_trained_on(X, Y["mse"])
    assert not members.was_trained_on(X[:-1], Y["mse"][:-1])
    members[2].training = None
    assert not members.was_trained_on(X, Y["mse"])


def test_print_says_how_many_are_averaged():
    members = trained(3)
    assert str(members).startswith("3 members averaged, each MLP: 3 → 4 → 2, relu, cross_entropy, float64\n")
    assert "seeds 5, 6, 7" in str(members)
    assert repr(members).startswith("<Members: 3 networks, the first is MLP([3, 4, 2],")
    assert "3 members averaged" in members._repr_html_()


def test_members_are_alike_in_what_is_said_of_inputs_and_outputs():
    nets = list(ensemble(2))
    nets[1].classes = ("a", "b")
    with pytest.raises(ValueError, match="members must be of one classes; member 0 has None"):
        Members(nets)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda members: pickle.loads(pickle.dumps(members))])
def test_copies_are_their_own(copied):
    members = trained(2)
    other = copied(members)
    assert_same_bits(other.outputs(X), members.outputs(X), "outputs")
    other[0].parameters[:] = 0
    assert members[0].parameters.any()


def test_frames_are_encoded_by_their_table():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"size": X[:, 0], "kind": np.where(X[:, 1] > 0, "old", "new"), "y": np.where(X[:, 2] > 0, "b", "a")}
    )
    table = fc.Table.fit(frame)
    nets = [fc.MLP([len(table.features), 4, 2], seed=m) for m in range(2)]
    for net in nets:
        net.table = table
    members, encoded = Members(nets), table.encode(frame)
    members.fit(frame, frame["y"])
    for ask in (members.predict, members.predict_proba, members.outputs):
        assert_same_bits(ask(frame[["y", "kind", "size"]]), ask(encoded), "by name")
    assert members.score(frame, frame["y"]) == members.score(encoded, table.targets(frame))
    assert members.was_trained_on(frame, frame["y"])


# ---- files ----------------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(sorted(Y)),
    st.sampled_from(["float32", "float64"]),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(0, 2**40), min_size=4, max_size=4),
    st.sampled_from([{}, {"init": "ntp", "scaling": True}]),
    st.sampled_from([None, ("a", "b")]),
    st.sampled_from([0, 1, 3]),
)
def test_whatever_is_saved_comes_back(tmp_path_factory, loss, dtype, k, standardised, training, seeds, net, names, epochs):
    path = tmp_path_factory.mktemp("members") / "m.safetensors"
    members = Members([fc.MLP([N, 4, T], loss=loss, dtype=dtype, seed=seed, **net) for seed in seeds[:k]])
    for m, one in enumerate(members):
        one.classes = names
        if standardised and m != 1:  # each may have its own
            one.standardize(X + m, Y[loss] if loss == "mse" else None)
    if epochs:
        members.fit(X, Y[loss], epochs=epochs, batch_size=7, early_stopping=1)
    members[-1].training = None
    fc.save(members, path, training)
    if not training:
        for one in members:
            one.training = None
    back = assert_comes_back(members, path)
    members.fit(X, Y[loss], epochs=1)
    back.fit(X, Y[loss], epochs=1)
    assert_same_bits(back[-1].parameters, members[-1].parameters, "parameters after another fit")


def test_the_first_is_there_as_a_network_alone(tmp_path):
    numpy_of = pytest.importorskip("safetensors.numpy")
    members = trained(3)
    members.save(tmp_path / "m", training=False)
    members[0].save(tmp_path / "one", training=False)
    found, one = (numpy_of.load_file(tmp_path / name) for name in ("m", "one"))
    assert {name: array.tobytes() for name, array in one.items()}.items() <= {
        n: a.tobytes() for n, a in found.items()
    }.items()
    assert_same_bits(found["members.2.layers.0.weight"], members[2].weights[0], "of the last")
    assert isinstance(load_anything(tmp_path / "m"), Members)
    description = parts_of(tmp_path / "m")
    assert description["format"] == 3
    assert [sorted(own) for own in description["members"]] == [["order", "seed"]] * 2


def parts_of(path):
    return parts(path.read_bytes())[1]


def test_the_table_is_written_once(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = fc.Table.fit(pandas.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": X[:, 2]}))
    nets = [fc.MLP([2, 1], loss="mse", seed=m) for m in range(3)]
    for net in nets:
        net.table = table
    Members(nets).save(tmp_path / "m")
    assert all("table" not in own for own in parts_of(tmp_path / "m")["members"])
    assert all(net.table is fc.load(tmp_path / "m")[0].table or net.table == table for net in fc.load(tmp_path / "m"))
    nets[1].table = None
    members = Members.__new__(Members)
    members.nets = nets
    with pytest.raises(ValueError, match=r"cannot be saved.*members must be of one table"):
        members.save(tmp_path / "m")


def test_a_saved_training_goes_on_to_the_bits_of_one_without_a_break(tmp_path):
    settings = {"early_stopping": 50, "schedule": "cosine", "dropout": 0.2, "epochs": 4}
    whole, members = trained(**settings), ensemble()
    members.standardize(X)
    seen = []

    def interrupt(m, record):
        seen.append(m)
        if record.epoch == 2 and m == 1:  # the last one has trained that epoch, and not counted it
            raise KeyboardInterrupt

    y = Y["cross_entropy"]
    with pytest.raises(KeyboardInterrupt):
        members.fit(X, y, batch_size=6, validation=(X[:7], y[:7]), callbacks=[interrupt], **settings)
    members.save(tmp_path / "m")
    back = assert_comes_back(members, tmp_path / "m")
    assert [net.training.done for net in back] == [2, 2, 1]
    back.fit(X, y, validation=(X[:7], y[:7]), resume=True)
    for one, other in zip(back, whole, strict=True):
        assert_same_training(one, other)


def test_a_member_that_a_callback_has_ended_stays_so_when_the_others_go_on(tmp_path):
    y, settings = Y["cross_entropy"], {"batch_size": 6, "validation": (X[:7], Y["cross_entropy"][:7]), "best_epoch": "loss"}

    def ends(m, record):
        return m == 1 and record.epoch >= 2

    def interrupts(m, record):
        if record.epoch == 4:
            raise KeyboardInterrupt

    unbroken, members = ensemble(), ensemble()
    unbroken.fit(X, y, epochs=6, callbacks=[ends], **settings)
    with pytest.raises(KeyboardInterrupt):
        members.fit(X, y, epochs=6, callbacks=[ends, interrupts], **settings)
    members.save(tmp_path / "m")
    back = fc.load(tmp_path / "m")
    histories = back.fit(X, y, validation=settings["validation"], resume=True, callbacks=[ends])
    assert [history.ended for history in histories] == ["epochs", "callback", "epochs"]
    for one, other in zip(back, unbroken, strict=True):
        assert_same_training(one, other)
    back.fit(X, y, epochs=7, validation=settings["validation"], resume=True)  # of which none was interrupted
    assert [net.training.done for net in back] == [7, 7, 7]


# ---- files that lie -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "m.safetensors"
    trained(3, early_stopping=5, epochs=2).save(path)
    return path.read_bytes()


def changed(content, change):
    """The file with change(description, header) made to it."""
    header, description, numbers = parts(content)
    change(description, header)
    header["__metadata__"]["numbafc"] = json.dumps(description)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def renamed(old, new):
    return lambda description, header: header.update({new: header.pop(old)})


LIES = {
    "members are no list": lambda d, h: d.update(members={}),
    "members are a number": lambda d, h: d.update(members=3),
    "a member is no description": lambda d, h: d["members"].__setitem__(0, [["seed", 1]]),
    "one member fewer": lambda d, h: d["members"].pop(),
    "one member more": lambda d, h: d["members"].append({"seed": 9}),
    "a million members": lambda d, h: d.update(members=[{}] * 10**5),
    "a member of another shape": lambda d, h: d["members"][0].update(sizes=[3, 5, 2]),
    "a member of another loss": lambda d, h: d["members"][0].update(loss="mse"),
    "a member of another dtype": lambda d, h: d["members"][0].update(dtype="float32"),
    "a member with other classes": lambda d, h: d["members"][0].update(classes=["a", "b"]),
    "a member with a table": lambda d, h: d["members"][0].update(table={}),
    "a seed below 0": lambda d, h: d["members"][1].update(seed=-1),
    "a training without its tensors": renamed("members.1.training.results", "members.1.training.other"),
    "a state of another member's": renamed("members.2.training.optimizer.mean", "members.1.training.optimizer.other"),
    "no weights": renamed("members.1.layers.0.weight", "members.1.other"),
    "a member of no number": renamed("members.1.layers.0.weight", "members.x.layers.0.weight"),
    "member 0": renamed("members.1.layers.0.weight", "members.0.layers.0.weight"),
    "member 01": renamed("members.1.layers.0.weight", "members.01.layers.0.weight"),
    "a huge number": renamed("members.1.layers.0.weight", f"members.{'9' * 5000}.layers.0.weight"),
    "the first has none": renamed("layers.0.weight", "other"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_about_its_members_is_refused(tmp_path, whole, lie):
    path = tmp_path / "m.safetensors"
    path.write_bytes(changed(whole, LIES[lie]))
    with pytest.raises(InvalidFile, match="the model's description and its contents disagree") as refused:
        fc.load(path)
    assert len(str(refused.value)) <= 400


def test_a_file_that_was_cut_short_is_refused(tmp_path, whole):
    path = tmp_path / "m.safetensors"
    for length in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InvalidFile):
            fc.load(path)


def test_the_file_without_lies_is_taken(tmp_path, whole):
    path = tmp_path / "m.safetensors"
    path.write_bytes(changed(whole, lambda *_: None))
    assert len(fc.load(path)) == 3


@given(st.data(), STRANGE)
def test_no_lie_brings_anything_but_members_or_invalid_file(tmp_path_factory, whole, data, value):
    path = data.draw(st.sampled_from(sorted(places(parts(whole)[1]["members"]), key=repr)), label="place")
    file = tmp_path_factory.mktemp("lie") / "m.safetensors"

    def lie(description, header):
        place = description["members"]
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    file.write_bytes(changed(whole, lie))
    try:
        members = fc.load(file)
    except InvalidFile:
        return
    assert len(members) == 3
    members.predict(X)
    again = file.with_name("again.safetensors")
    members.save(again)
    assert_comes_back(members, again)
