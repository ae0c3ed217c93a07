"""print(net), notebooks, and the records of a training as pictures and frames."""

import copy
import html.parser
import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.nn import summary


class Cells(html.parser.HTMLParser):
    """The text of cells in html, and the tags that there are."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.inside = set(), [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.inside = tag in ("td", "th")
        if self.inside:
            self.cells.append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.cells[-1] += data


def trained(**options):
    X, y = np.random.default_rng(0).standard_normal((40, 3)), np.arange(40) % 2
    net = fc.MLP([3, 5, 2], "tanh")
    net.standardize(X)
    net.features, net.classes = ("width", "length", "<script>alert(1)</script>"), ("a & b", "c\n\x1b[31md")
    return net, net.fit(X, y, epochs=3, validation=(X, y), **options)


def test_a_network_says_what_it_is_and_what_it_was_trained_on():
    net, history = trained(early_stopping=2)
    lines = str(net).splitlines()
    assert lines[0] == "MLP: 3 → 5 → 2, tanh, cross_entropy, float32"
    assert [line.split()[0] for line in lines[1:5]] == ["layer", "0", "1", "all"]
    # W (5, 3) and b, W (2, 5) and b; 4 bytes each; a multiplication and an addition for each weight
    assert re.fullmatch(r"0 +\(5, 3\) +tanh +20 +80 B +30", lines[2])
    assert re.fullmatch(r"1 +\(2, 5\) +– +12 +48 B +20", lines[3])
    assert re.fullmatch(r"all +32 +128 B +50", lines[4])
    text = "\n".join(lines[5:])
    assert "3: width, length, <script>alert(1)</script>; standardised, means " in text
    assert "2 classes: a & b, c\\n\\x1b[31md" in text
    assert "40 samples, 3 of 3 epochs in minibatches of 32, Adam at 0.001, schedule Constant" in text
    assert f"last epoch: loss {history.loss[-1]:.4g}, accuracy {history.score[-1]:.4g}, validation loss" in text
    assert "early stopping after 2 epochs" in text
    assert f"{net.training.digest:08x}" in text
    assert repr(net) == "MLP([3, 5, 2], activation='tanh', loss='cross_entropy', dtype='float32', seed=0)"


def test_a_notebook_shows_the_same_and_runs_nothing():
    net, _ = trained()
    page = net._repr_html_()
    found = Cells(page)
    assert found.tags == {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}
    told = summary.of(net)
    facts = [cell for fact in told.facts for cell in fact]
    assert found.cells == [*summary.HEADINGS, *(cell for row in told.layers for cell in row), *facts]
    assert "&lt;script&gt;" in page


@given(st.lists(st.text(max_size=80), min_size=2, max_size=30))
def test_names_cannot_break_lines_or_pages(names):
    names = [name.encode(errors="replace").decode() for name in names]
    net = fc.MLP([len(names), 1], loss="mse")
    net.features = names
    assert str(net).count("\n") == 6  # lines of ours: a title, headings, 2 of layers, 3 of facts
    assert all(line.isprintable() and len(line) < 400 for line in str(net).split("\n"))
    assert Cells(net._repr_html_()).tags <= {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}


def test_a_network_that_was_not_trained_and_one_with_a_table_say_so():
    net = fc.MLP([2, 1], loss="mse")
    assert str(net).splitlines()[-1].split(maxsplit=1) == ["training", "none that is known"]

    class Table:
        def describe(self):
            return ["age: number", "<b>", *(f"column {n}" for n in range(100))]

    vars(net)["table"] = Table()
    lines = str(net).splitlines()
    assert lines[6].split(maxsplit=1) == ["table", "age: number"]
    assert lines[17].strip() == "… and 91 lines more"
    assert "&lt;b&gt;" in net._repr_html_()


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (9610 * 4, "37.5 KiB"), (2**41, "2048.0 GiB")]
)
def test_bytes_for_people(count, said):
    assert summary.nbytes(count) == said


def test_a_history_is_drawn_on_two_axes():
    pytest.importorskip("matplotlib")
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    _, history = trained()
    before = pyplot.get_fignums()
    loss, score = history.plot(Figure().subplots(1, 2), score="accuracy")
    assert pyplot.get_fignums() == before  # axes of one's own need no pyplot
    assert [one.get_ylabel() for one in (loss, score)] == ["loss", "accuracy"]
    for axes, columns in ((loss, ("validation_loss", "loss")), (score, ("validation_score", "score"))):
        assert [line.get_label() for line in axes.get_lines()] == ["validation", "training"]
        for line, column in zip(axes.get_lines(), columns, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), getattr(history, column))
            np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    for wrong in (Figure().subplots(), 3):
        with pytest.raises(ValueError, match="axes must be two"):
            history.plot(wrong)


def test_a_history_has_a_figure_of_its_own(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("MPLBACKEND", "agg")
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    _, history = trained()
    axes = fc.History(history).plot()
    assert len(axes[0].figure.axes) == 2
    pyplot.close(axes[0].figure)
    axes = fc.History().plot()  # no epoch, no curve, no warning
    assert not list(axes[0].get_lines())
    pyplot.close(axes[0].figure)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_history_is_a_frame(library):
    pytest.importorskip("narwhals")
    module = pytest.importorskip(library)
    _, history = trained()
    frame = history.to_frame(library)
    assert isinstance(frame, module.DataFrame)
    assert list(frame.columns) == list(fc.nn.EpochRecord._fields)
    for name in frame.columns:
        np.testing.assert_array_equal(frame[name].to_numpy(), getattr(history, name))
    assert type(history.to_frame()).__name__ == "DataFrame"
    with pytest.raises(ValueError, match="backend must be one of pandas, polars, pyarrow"):
        history.to_frame("dask")


def test_libraries_that_are_missing_are_named(monkeypatch):
    _, history = trained()
    for name in ("matplotlib", "narwhals", "pandas", "polars", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"history.plot\(\) needs matplotlib, which is not installed: pip install"):
        history.plot()
    with pytest.raises(ImportError, match="to_frame needs narwhals and pandas or polars: pip install narwhals pandas"):
        history.to_frame()
    with pytest.raises(ImportError, match="to_frame needs narwhals and polars: pip install narwhals polars"):
        history.to_frame("polars")


def test_copies_of_a_history_and_of_a_network_stay_what_they_are():
    net, history = trained()
    assert copy.deepcopy(history) == history
    assert str(copy.deepcopy(net)) == str(net)
