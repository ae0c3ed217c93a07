"""Tables as people have them, through the command: train, evaluate and predict on one file and on others like it."""

import csv
import gzip
import io
import json
import re

import numpy as np
import pytest
from commands import ok

import numbafc as fc
from numbafc.nn import realmlp

QUICK = "--recipe", "plain", "--hidden", "8", "--epochs", "3"


def houses(rows=120, seed=0, gaps=True):
    """A table with a column of each kind, and a target of numbers that follows from them."""
    draw = np.random.default_rng(seed)
    found = []
    for n in range(rows):
        area, town = draw.uniform(20, 200), draw.choice(["Aach", "Bonn", "Celle"])
        lift, built = draw.choice(["yes", "no"]), f"20{draw.integers(10, 24)}-0{draw.integers(1, 10)}-11"
        price = 1000 * area + 30000 * (town == "Bonn") + 5000 * (lift == "yes") + draw.normal(0, 1000)
        known = "" if gaps and n % 13 == 5 else f"{area:.2f}"
        found.append([f"h{n:03}", known, town, lift, built, "same", f"{price:.0f}"])
    return ["id", "area", "town", "lift", "built", "constant", "price"], found


def written(header, rows, delimiter=","):
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(([header] if header else []) + rows)
    return file.getvalue()


@pytest.fixture(scope="module")
def flowers():
    draw = np.random.default_rng(1)
    rows = [[f"{draw.normal(k, 0.2):.3f}", f"{draw.normal(-k, 0.2):.3f}", "rst"[k]] for _ in range(40) for k in range(3)]
    return ["width", "length", "kind"], rows


def test_words_gaps_dates_and_what_is_dropped(here):
    (here.folder / "houses.csv").write_text(written(*houses()))
    printed = ok(here("train", "houses.csv", *QUICK))
    for told in ("area", "town", "lift", "built", "category", "date", "yes/no", "dropped", "constant", "id"):
        assert told in printed, told
    evaluated = ok(here("evaluate", "houses.safetensors", "houses.csv"))
    assert "R²" in evaluated
    header, rows = houses(7, seed=3)
    with_unseen = [[*row[:2], "Dessau", *row[3:-1]] for row in rows]
    (here.folder / "new.csv").write_text(written(header[:-1], with_unseen))  # no target, a town that nobody has seen
    lines = ok(here("predict", "houses.safetensors", "new.csv", "--keep", "id")).splitlines()
    assert lines[0] == "id,price"
    assert [line.split(",")[0] for line in lines[1:]] == [row[0] for row in rows]
    assert all(np.isfinite(float(line.split(",")[1])) for line in lines[1:])


def test_columns_by_name_in_any_order_with_others_beside_them(here):
    header, rows = houses()
    (here.folder / "houses.csv").write_text(written(header, rows))
    ok(here("train", "houses.csv", *QUICK))
    expected = ok(here("predict", "houses.safetensors", "houses.csv"))
    order = [6, 3, 2, 1, 4]
    turned = [["x", *(row[k] for k in order)] for row in rows]
    (here.folder / "turned.csv").write_text(written(["new", *(header[k] for k in order)], turned, delimiter=";"))
    assert ok(here("predict", "houses.safetensors", "turned.csv")) == expected
    lines = ok(here("evaluate", "houses.safetensors", "houses.csv")).splitlines()
    assert ok(here("evaluate", "houses.safetensors", "turned.csv")).splitlines()[1:3] == lines[1:3]
    (here.folder / "less.csv").write_text(written(["id", "area", "lift", "built"], [[*row[:2], *row[3:5]] for row in rows]))
    done = here("predict", "houses.safetensors", "less.csv")
    assert done.returncode == 2
    assert "'town'" in done.stderr
    assert len(done.stderr) < 400


def test_a_file_without_a_header(here, flowers):
    rows = flowers[1]
    (here.folder / "bare.csv").write_text(written(None, rows))
    printed = ok(here("train", "bare.csv", *QUICK))
    assert "120 samples" in printed
    (here.folder / "features.csv").write_text(written(None, [row[:2] for row in rows]))
    told = ok(here("predict", "bare.safetensors", "features.csv")).split()[1:]
    assert len(told) == 120
    assert ok(here("predict", "bare.safetensors", "bare.csv")).split()[1:] == told
    (here.folder / "wide.csv").write_text(written(None, [[*row, "1", "2"] for row in rows]))
    done = here("predict", "bare.safetensors", "wide.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert "5" in done.stderr


@pytest.mark.parametrize("header", ["0,1,kind", "0,1,2"])
def test_a_header_of_numbers(here, header, flowers):
    """cases: tables 1."""
    (here.folder / "n.csv").write_text(header + "\n" + written(None, flowers[1]))
    printed = ok(here("train", "n.csv", *QUICK))
    assert "120 samples" in printed
    assert "3 classes (r … t)" in printed
    (here.folder / "p.csv").write_text("0,1\n" + written(None, [row[:2] for row in flowers[1]]))
    assert len(ok(here("predict", "n.safetensors", "p.csv")).split()) == 121


@pytest.mark.parametrize("cell", ["$3.20", "1,234.5kg", "12.5 kg", "35%", "−4"])
def test_one_bad_cell_among_numbers_is_named(here, cell):
    """cases: tables 2."""
    rows = [[str(n), str(n / 2)] for n in range(60)]
    rows[7][1] = cell
    (here.folder / "bad.csv").write_text(written(["x", "y"], rows))
    done = here("train", "bad.csv", *QUICK)
    assert done.returncode == 2
    assert repr(cell) in done.stderr
    assert "'y'" in done.stderr
    assert "7" in done.stderr
    assert not (here.folder / "bad.safetensors").exists()


@pytest.mark.parametrize("word", ["NA", "?", "#N/A", "-", "n/a"])
def test_a_missing_word_is_missing(here, word):
    rows = [[str(n * n % 31), str(n / 7)] for n in range(60)]
    rows[7][0] = word
    (here.folder / "gaps.csv").write_text(written(["x", "y"], rows))
    assert re.search(r"^x +number +0 … \d+ +1 +a number", ok(here("train", "gaps.csv", *QUICK)), re.M)
    assert len(ok(here("predict", "gaps.safetensors", "gaps.csv")).split()) == 61


def test_whole_number_prices_are_no_classes(here):
    """cases: tables 3."""
    draw = np.random.default_rng(2)
    rows = [[f"{draw.normal():.3f}", str(1000 + 7 * n)] for n in range(200)]
    (here.folder / "prices.csv").write_text(written(["x", "price"], rows))
    assert "classes" not in ok(here("train", "prices.csv", *QUICK)).splitlines()[0]
    assert fc.load("prices.safetensors").classes is None


def test_labels_are_as_they_are_spelt(here):
    """cases: tables 4."""
    labels = ["12E5", "007", "1.0", "98765432109876543210", "98765432109876543211"]
    rows = [[str(k + n / 100), labels[k]] for n in range(30) for k in range(5)]
    (here.folder / "spelt.csv").write_text(written(["x", "label"], rows))
    ok(here("train", "spelt.csv", *QUICK, "--categorical", "label"))
    assert set(fc.load("spelt.safetensors").classes) == set(labels)
    (here.folder / "some.csv").write_text(written(["x", "label"], [row for row in rows if row[1] in labels[:2]]))
    assert "loss" in ok(here("evaluate", "spelt.safetensors", "some.csv"))
    predicted = ok(here("predict", "spelt.safetensors", "spelt.csv")).splitlines()
    assert predicted[0] == "label"
    assert set(predicted[1:]) <= set(labels)


def test_two_columns_of_one_name_are_refused(here):
    """cases: tables 6."""
    (here.folder / "twice.csv").write_text("a,y,y\n" + "".join(f"{n},{n % 2},{n % 2}\n" for n in range(40)))
    done = here("train", "twice.csv", "--target", "y", *QUICK)
    assert done.returncode == 2
    assert "'y'" in done.stderr
    assert "1" in done.stderr
    assert "2" in done.stderr


def test_an_index_column_is_left_out(here):
    """cases: tables 8: sorted by class, the row's number knows the answer."""
    draw = np.random.default_rng(0)
    rows = [[str(n), f"{draw.normal():.3f}", "ab"[n // 100]] for n in range(200)]
    (here.folder / "indexed.csv").write_text(written(["", "noise", "kind"], rows))
    printed = ok(here("train", "indexed.csv", *QUICK))
    assert "index" in printed
    assert fc.load("indexed.safetensors").sizes[0] == 1


def test_timestamps_within_a_minute_stay_apart(here):
    """cases: tables 10."""
    rows = [[f"{1.7e9 + 0.1 * k:.1f}", f"{k / 60:.4f}"] for k in range(600)]
    (here.folder / "times.csv").write_text(written(["t", "y"], rows))
    ok(here("train", "times.csv", *QUICK))
    predicted = ok(here("predict", "times.safetensors", "times.csv")).split()[1:]
    assert len(set(predicted)) > 300


def test_a_cell_beyond_all_others_is_scaled_or_named_and_what_is_saved_loads(here):
    """cases: tables 11."""
    rows = [[str(n % 17), str(n / 3)] for n in range(80)]
    rows[9][0] = "1e200"
    (here.folder / "far.csv").write_text(written(["x", "y"], rows))
    done = here("train", "far.csv", *QUICK)
    if done.returncode == 0:
        assert np.isfinite(fc.load("far.safetensors").parameters).all()
        assert "nan" not in ok(here("predict", "far.safetensors", "far.csv"))
    else:
        assert "'x'" in done.stderr
    assert "Warning" not in done.stderr


def test_several_targets(here):
    header, rows = houses()
    both = [[*row, str(float(row[-1]) / 7 + len(row[2]))] for row in rows]
    (here.folder / "two.csv").write_text(written([*header, "tax"], both))
    ok(here("train", "two.csv", "--target", "price,tax", *QUICK))
    lines = ok(here("predict", "two.safetensors", "two.csv")).splitlines()
    assert lines[0] == "price,tax"
    assert len(lines[1].split(",")) == 2
    evaluated = ok(here("evaluate", "two.safetensors", "two.csv"))
    assert "price" in evaluated
    assert "tax" in evaluated


def test_options_override_what_was_found(here):
    header, rows = houses()
    (here.folder / "houses.csv").write_text(written(header, rows))
    ok(here("train", "houses.csv", *QUICK, "--drop", "built,lift", "--categorical", "area", "--keep", "constant"))
    table = fc.load("houses.safetensors").table
    kinds = {row.name: row.kind for row in table.report()}
    assert kinds["area"] == "category"
    assert not any(name.startswith(("built", "lift")) for name in table.features)
    done = here("train", "houses.csv", *QUICK, "--drop", "buildt")
    assert done.returncode == 2
    assert "'buildt'" in done.stderr


def test_dialects_and_gzip_by_content(here):
    header, rows = houses()
    text = written(header, [[row[0], row[1].replace(".", ","), *row[2:]] for row in rows], delimiter=";")
    (here.folder / "german.csv").write_bytes(gzip.compress(text.encode("utf-16")))
    (here.folder / "plain.csv").write_text(written(header, rows))
    printed = ok(here("train", "german.csv", *QUICK))
    assert "UTF-16" in printed
    ok(here("train", "plain.csv", *QUICK))
    german, plain = fc.load("german.safetensors"), fc.load("plain.safetensors")
    np.testing.assert_array_equal(german.parameters, plain.parameters)


def test_a_training_over_a_table_is_resumed_to_the_bits_of_one_run(here):
    (here.folder / "houses.csv").write_text(written(*houses()))
    ok(here("train", "houses.csv", *QUICK, "--out", "a.safetensors"))
    ok(here("train", "houses.csv", "--resume", "a.safetensors", "--epochs", "6"))
    ok(here("train", "houses.csv", *QUICK[:-1], "6", "--out", "b.safetensors"))
    np.testing.assert_array_equal(fc.load("a.safetensors").parameters, fc.load("b.safetensors").parameters)


def test_all_rows_can_be_trained_on(here, flowers):
    (here.folder / "f.csv").write_text(written(*flowers))
    result = json.loads(ok(here("train", "f.csv", *QUICK, "--validation-split", "0", "--json")))
    assert (result["training_samples"], result["validation_samples"]) == (120, 0)
    assert result["validation_score"] is None
    assert "120 samples to train on, none for validation" in ok(here("train", "f.csv", *QUICK, "--validation-split", "0"))


def test_info_prints_a_model(here):
    (here.folder / "houses.csv").write_text(written(*houses()))
    ok(here("train", "houses.csv", *QUICK))
    printed = ok(here("info", "houses.safetensors"))
    for told in ("area", "town", "category", "price", "parameters"):
        assert told in printed, told


def test_a_model_worse_than_chance_replaces_no_file(here):
    """Noise is learnt by heart: what comes of it is worse than the mean, and the better model stays."""
    draw = np.random.default_rng(5)
    rows = [[f"{a:.3f}", f"{b:.3f}", f"{y:.3f}"] for a, b, y in draw.normal(size=(60, 3))]
    (here.folder / "noise.csv").write_text(written(["a", "b", "y"], rows))
    options = "train", "noise.csv", "--recipe", "plain", "--learning-rate", "0.05", "--out", "m.safetensors"
    ok(here("train", "noise.csv", *QUICK, "--target", "a", "--out", "m.safetensors"))
    before = (here.folder / "m.safetensors").read_bytes()
    done = here(*options, "--epochs", "300")
    assert done.returncode == 1
    assert "worse than" in done.stderr
    assert "--force" in done.stderr
    assert (here.folder / "m.safetensors").read_bytes() == before
    here(*options, "--epochs", "300", "--force")
    assert (here.folder / "m.safetensors").read_bytes() != before


def test_a_few_flowers_are_learnt_without_options(here):
    """cases: 80 steps are few. The recipe sees to it by itself, and says what ended it."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    rows = [[*map(str, x), iris.target_names[k]] for x, k in zip(iris.data, iris.target, strict=True)]
    (here.folder / "iris.csv").write_text(written([*iris.feature_names, "species"], rows))
    result = json.loads(ok(here("train", "iris.csv", "--json")))
    assert result["validation_score"] >= 0.9
    assert result["ended_by"]


def test_standard_input_and_several_files_are_one_table(here, monkeypatch):
    header, rows = houses()
    (here.folder / "all.csv").write_text(written(header, rows))
    (here.folder / "a.csv").write_text(written(header, rows[:70]))
    (here.folder / "b.csv").write_text(written(header[::-1], [row[::-1] for row in rows[70:]]))
    ok(here("train", "all.csv", *QUICK, "--out", "all.safetensors"))
    ok(here("train", "a.csv", "b.csv", *QUICK, "--out", "ab.safetensors"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((here.folder / "all.csv").read_bytes())))
    ok(here("train", "-", *QUICK, "--out", "in.safetensors"))
    nets = [fc.load(f"{name}.safetensors") for name in ("all", "ab", "in")]
    for net in nets[1:]:
        np.testing.assert_array_equal(net.parameters, nets[0].parameters)
    done = here("train", "a.csv", "a.npy", *QUICK)
    assert done.returncode == 2


def test_what_was_said_of_a_file_is_remembered(here):
    """--na and --delimiter of the training hold for the files that come after it."""
    rows = [[f"{n % 13}", "99" if n % 9 == 4 else f"{n % 7}.5", f"{n / 3:.2f}"] for n in range(80)]
    (here.folder / "said.txt").write_text("\n".join("^".join(row) for row in [["a", "b", "y"], *rows]) + "\n")
    ok(here("train", "said.txt", *QUICK, "--delimiter", "^", "--na", "99"))
    net = fc.load("said.safetensors")
    assert "b missing" in net.table.features
    told = ok(here("predict", "said.safetensors", "said.txt")).split()
    assert len(told) == 81
    (here.folder / "more.csv").write_text(written(["a", "b"], [row[:2] for row in rows]))
    assert ok(here("predict", "said.safetensors", "more.csv", "--delimiter", ",")).split() == told


def test_targets_far_from_zero_keep_their_digits(here):
    """cases: tables 10, of the target: float32 has no two numbers within 100 of 1.7e9."""
    rows = [[f"{k / 60:.4f}", f"{1.7e9 + 0.1 * k:.1f}"] for k in range(600)]
    (here.folder / "late.csv").write_text(written(["x", "t"], rows))
    ok(here("train", "late.csv", "--recipe", "plain", "--epochs", "60"))
    predicted = np.array(ok(here("predict", "late.safetensors", "late.csv")).split()[1:], float)
    assert np.abs(predicted - [float(row[1]) for row in rows]).max() < 20
    assert re.search(r"^R² (0\.9|1)", ok(here("evaluate", "late.safetensors", "late.csv")), re.M)


def test_a_training_says_what_limited_it(here, flowers):
    (here.folder / "f.csv").write_text(written(*flowers))
    printed = ok(here("train", "f.csv", *QUICK))
    assert "it ended after all of its 3 epochs, 9 steps; the loss was still falling: more --epochs" in printed
    result = json.loads(ok(here("train", "f.csv", "--time-limit", "0.000001", "--json")))
    assert (result["ended_by"], result["epochs"]) == ("time_limit", 1)


def test_the_recipe_of_a_table_is_resumed_to_the_bits_of_one_run(here, monkeypatch):
    """Interrupted after some epochs, the recipe goes on with its own schedule, best epoch and end."""
    from numbafc.cli.display import Display

    (here.folder / "houses.csv").write_text(written(*houses()))
    options = "houses.csv", "--hidden", "8", "--epochs", "30"
    ok(here("train", *options, "--out", "whole.safetensors"))
    real = Display.__call__

    def interrupted(self, record):
        real(self, record)
        if record.epoch == 11:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Display, "__call__", interrupted)
        assert here("train", *options, "--out", "part.safetensors").returncode == 130
    ok(here("train", "houses.csv", "--resume", "part.safetensors"))
    whole, part = fc.load("whole.safetensors"), fc.load("part.safetensors")
    assert len(whole.nets) == len(part.nets) == realmlp.MEMBERS
    for one, other in zip(whole.nets, part.nets, strict=True):
        np.testing.assert_array_equal(one.parameters, other.parameters)
        assert one.training.history.validation_score == other.training.history.validation_score


def test_a_job_over_a_table_is_given_again_with_resume_and_with_other_columns_it_is_refused(here):
    (here.folder / "houses.csv").write_text(written(*houses()))
    job = "train", "houses.csv", *QUICK, "--target", "price", "--drop", "lift", "--out", "m.safetensors"
    ok(here(*job))
    ok(here(*job, "--resume", "m.safetensors", "--epochs", "5"))
    for other in (("--drop", "built"), ("--recipe", "realmlp"), ("--target", "area"), ("--categorical", "area")):
        done = here("train", "houses.csv", *other, "--resume", "m.safetensors", "--epochs", "7")
        assert (done.returncode, done.stdout) == (2, ""), other
        assert "leave" in done.stderr
    assert here("predict", "m.safetensors", "houses.csv", "--target", "lift").returncode == 2
    ok(here("predict", "m.safetensors", "houses.csv", "--target", "price"))


def test_a_file_with_decimal_commas_is_the_same_to_a_model_of_one_with_points(here):
    header, rows = houses()
    (here.folder / "houses.csv").write_text(written(header, rows))
    ok(here("train", "houses.csv", *QUICK))
    commas = [[row[0], row[1].replace(".", ","), *row[2:]] for row in rows]
    (here.folder / "german.csv").write_text(written(header, commas, delimiter=";"))
    for command in ("predict", "evaluate"):
        expected = ok(here(command, "houses.safetensors", "houses.csv")).splitlines()[1:]
        assert ok(here(command, "houses.safetensors", "german.csv")).splitlines()[1:] == expected


def test_targets_far_from_zero_are_no_divergence_to_the_recipe(here):
    """The last layer begins at 0, and the loss before the first step is that of targets in float64."""
    rows = [[f"{k / 60:.4f}", f"{1.7e9 + 0.1 * k:.1f}"] for k in range(200)]
    (here.folder / "late.csv").write_text(written(["x", "t"], rows))
    ok(here("train", "late.csv", "--hidden", "8", "--epochs", "3"))
    (here.folder / "two.csv").write_text("x,y\n1,0.5\n2,1.5\n")
    ok(here("train", "two.csv", "--hidden", "8", "--epochs", "1"))


def test_a_better_model_of_another_training_is_not_written_over_on_the_way(here, monkeypatch, flowers):
    """--out names it: a save between epochs goes elsewhere until the training is known to be no worse than chance."""
    from numbafc.cli import outputs

    (here.folder / "f.csv").write_text(written(*flowers))
    ok(here("train", "f.csv", *QUICK, "--out", "m.safetensors"))
    before, seen = (here.folder / "m.safetensors").read_bytes(), []

    def now(saver, record):
        seen.append((saver.save(), (here.folder / "m.safetensors").read_bytes() == before))

    monkeypatch.setattr(outputs.Saver, "__call__", now)
    ok(here("train", "f.csv", "--recipe", "plain", "--epochs", "20", "--out", "m.safetensors"))
    assert all(same and path.name == "m-2.safetensors" for path, same in seen), seen
    assert (here.folder / "m.safetensors").read_bytes() != before
    assert not (here.folder / "m-2.safetensors").exists()


def test_a_model_of_arrays_takes_no_option_about_tables(here, flowers):
    np.savez("a.npz", X=np.random.default_rng(0).standard_normal((40, 2)), y=np.arange(40) % 2)
    ok(here("train", "a.npz", "--epochs", "1"))
    (here.folder / "b.csv").write_text(written(None, [row[:2] for row in flowers[1]]))
    for words in (("b.csv", "b.csv"), ("b.csv", "--delimiter", ";"), ("a.npz", "a.npz"), ("a.npz", "--na", "x")):
        done = here("predict", "a.safetensors", *words)
        assert (done.returncode, done.stdout) == (2, ""), words
    (here.folder / "f.csv").write_text(written(*flowers))
    ok(here("train", "f.csv", *QUICK))
    for words in (("a.npz",), ("digits",)):
        done = here("evaluate", "f.safetensors", *words)
        assert "expected a table" in done.stderr, words
