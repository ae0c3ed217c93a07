"""The page that --report writes: what is in it, that it needs nothing else, and how a browser shows it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from commands import IRIS, ok
from hypothesis import given, settings
from hypothesis import strategies as st

import numbafc as fc
from numbafc.cli import report
from numbafc.cli.report import charts, columns, pieces
from numbafc.tables.report import Row

SECTIONS = ["The model", "Columns", "Learning curves", "How good it is", "Calibration", "What it looks at"]
SECTIONS += ["What it does not know", "How to repeat it"]
TAGS = {
    "html", "head", "meta", "link", "title", "style", "body", "h1", "h2", "p", "ul", "li", "div", "table", "thead", "tbody",
    "tr", "th", "td", "figure", "svg", "path", "polyline", "text", "tspan", "pre", "details", "summary",
}  # fmt: skip


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    handle_startendtag = handle_starttag

    def handle_data(self, data):
        self.text.append(data)


def safe(text):
    """The page, parsed; nothing in it is run, or fetched from anywhere."""
    page = Page(text)
    assert set(page.tags) <= TAGS, set(page.tags) - TAGS
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("src", "href") or (tag, value) == ("link", "data:,"), (tag, name, value)
    assert "url(" not in text
    assert not re.search(r"nan|inf", "".join(re.findall(r"<(?:path|polyline)[^>]*>", text)))
    return page


@pytest.fixture
def iris(here):
    pytest.importorskip("rich")
    (here.folder / "iris.csv").write_text(IRIS)
    return here


def test_a_training_has_a_page_with_everything(iris):
    told = ok(iris("train", "iris.csv", "--epochs", "30", "--seed", "3", "--report", "r.html"))
    assert "wrote r.html\n" in told
    text = (iris.folder / "r.html").read_text(encoding="utf-8")
    page = safe(text)
    assert re.findall("<h2>(.*?)</h2>", text) == SECTIONS
    assert "numbafc train iris.csv --epochs 30 --seed 3 --report r.html" in page.text
    assert hashlib.sha256(IRIS.encode()).hexdigest() in page.text
    net = fc.load(iris.folder / "iris.safetensors")
    assert f"{net.training.digest:08x}" in page.text
    for name in ("width", "length", "a", "b", "c", fc.__version__, np.__version__):
        assert name in page.text, name
    assert page.tags.count("svg") == 3  # loss, accuracy, calibration
    assert ", on the 12 samples of iris.csv that were held out." in text
    assert len(text) < 100_000


def test_the_samples_that_are_named_are_those_of_the_file(iris):
    """The sample of the largest loss, by its place in the file."""
    ok(iris("train", "iris.csv", "--epochs", "2", "--report", "r.html"))
    page = Page((iris.folder / "r.html").read_text(encoding="utf-8"))
    at = page.text.index("probability of what is so")
    place, is_, said, right = page.text[at + 2 : at + 6]
    rows = [line.split(",") for line in IRIS.split()[1:]]
    net = fc.load(iris.folder / "iris.safetensors")
    p = net.predict_proba(np.array([rows[int(place)][:2]], np.float32))[0]
    assert rows[int(place)][2] == is_
    assert net.classes[p.argmax()] == said
    assert abs(p[net.classes.index(is_)] - float(right)) <= 5e-5  # four digits of it
    held_out = report.places(fc.files.Dataset("", np.empty((60, 1)), np.empty(60), None), 12, net.seed)
    all_ = np.array([row[:2] for row in rows], np.float32)
    losses = -np.log(net.predict_proba(all_)[np.arange(60), [net.classes.index(row[2]) for row in rows]])
    assert int(place) == held_out[np.argmax(losses[held_out])]


def test_an_evaluation_has_a_page_about_the_samples_that_were_held_out(iris):
    ok(iris("train", "iris.csv", "--epochs", "2"))
    told = ok(iris("evaluate", "iris.safetensors", "iris.csv", "--report", "r.html"))
    assert "wrote r.html\n" in told
    page = safe((iris.folder / "r.html").read_text(encoding="utf-8"))
    assert any("on the 12 samples of iris.csv that were held out of its training" in one for one in page.text)
    assert "numbafc evaluate iris.safetensors iris.csv --report r.html" in page.text
    (iris.folder / "other.csv").write_text("\n".join(IRIS.splitlines()[:30]) + "\n")
    found = json.loads(ok(iris("evaluate", "iris.safetensors", "other.csv", "--report", "s.html", "--json")))
    assert found["samples"] == 29
    page = safe((iris.folder / "s.html").read_text(encoding="utf-8"))
    assert any("on the 29 samples of other.csv." in one for one in page.text)
    assert any("are not in the model's file" in one for one in page.text)


def test_reals_have_residuals_and_two_classes_ranks(here):
    X = np.random.default_rng(0).standard_normal((60, 2))
    np.savez("r.npz", X=X, y=X @ [[1.0, 2], [3, 4]])
    ok(here("train", "r.npz", "--epochs", "3", "--report", "r.html"))
    page = safe((here.folder / "r.html").read_text(encoding="utf-8"))
    assert page.tags.count("svg") == 2 + 2 * 2
    assert "residual of output 1" in page.text
    np.savez("c.npz", X=X, y=(X[:, 0] > 0).astype(int))
    ok(here("train", "c.npz", "--epochs", "3", "--report", "c.html"))
    page = safe((here.folder / "c.html").read_text(encoding="utf-8"))
    assert page.tags.count("svg") == 2 + 2
    assert "share that is found" in page.text
    np.savez("l.npz", X=X, y=(X > 0).astype(float))
    ok(here("train", "l.npz", "--loss", "binary_cross_entropy", "--epochs", "3", "--report", "l.html"))
    assert safe((here.folder / "l.html").read_text(encoding="utf-8")).tags.count("svg") == 2 + 2 * 2


def test_a_report_that_cannot_be_is_refused_before_the_work(iris):
    for path, message in (("r.pdf", "--report must end in .html"), ("no/r.html", "cannot be written")):
        done = iris("train", "iris.csv", "--report", path)
        assert (done.returncode, message in done.stderr) == (2, True), done
    assert [path.name for path in iris.folder.iterdir()] == ["iris.csv"]


hostile = "<script>alert(1)</script>", '"><img src=x onerror=a()>', "]]>", "&amp;", "\x00\x1b"
names = st.one_of(st.text(max_size=30), st.sampled_from(hostile))


class Table:
    """A table as a network may know one, of other people's words."""

    def __init__(self, words):
        self.words = words

    def report(self):
        return [Row(word, word, word, 0, word) for word in self.words]

    def describe(self):
        return self.words

    def as_targets(self, y, dtype):
        return y


def subject(words, seed=0, table=False, **replaced):
    """A network and samples whose names are these."""
    rng, T = np.random.default_rng(seed), len(words)
    net = fc.MLP([2, T])
    net.features, net.classes = (words[0], words[-1]), tuple(words)
    X, y = rng.standard_normal((20, 2)).astype(np.float32), rng.integers(T, size=20)
    if table:
        vars(net)["table"] = Table(words)
    given_ = report.Subject(net, X, y, words[0], True, np.arange(20), words[0], words[0], [Path("gone")], X[:3])
    return given_._replace(**replaced)


@settings(max_examples=15)
@given(st.lists(names, min_size=2, max_size=25, unique=True), st.booleans())
def test_no_name_can_break_the_page(words, table):
    words = [word.encode(errors="replace").decode() for word in words]
    text = report.page.page(subject(words, table=table, unknown=words))
    page = safe(text)
    assert "onerror" not in [name for _, name, _ in page.attributes]
    assert page.tags.count("h1") == 1


def test_columns_of_a_table_are_named_and_permuted_by_their_source():
    given_ = subject(["x", "y"], table=True, groups={"source": [0, 1]})
    found, _, _ = columns.importance_of(given_)
    assert [one.name for one in found] == ["source"]
    assert "becomes" in columns.of_data(given_)
    assert list(columns.groups(subject(["x", "y"]))) == ["x", "y"]


def test_what_the_model_does_not_know_is_said():
    given_ = subject(["x", "y"])
    X = given_.X.copy()
    X[4, 1] = 100
    text = report.page.page(given_._replace(X=X, training=np.zeros((3, 2)), unknown=["colour: mauve was never seen"]))
    assert "colour: mauve was never seen" in text
    assert re.search(r"20 of 20 samples have a value beyond the range .*: x 20, y 20\.", text)
    assert "All the same where it was trained" in text
    assert "not an ensemble" in text


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "mse"])
def test_a_network_that_says_nothing_finite_has_a_page(loss):
    net = fc.MLP([2, 2], loss=loss)
    net.parameters[:] = np.float32(3e38)
    X, y = np.ones((6, 2), np.float32), np.arange(6) % 2
    targets = y if loss == "cross_entropy" else np.eye(2, dtype=np.float32)[y]
    safe(report.page.page(subject(["a", "b"])._replace(net=net, X=X, y=targets, training=X, places=y)))


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_and_inside_and_their_numbers_differ(low, width):
    high = low + width
    low, high = charts._range([np.array([low, high])], False)
    found = charts.ticks(low, high)
    assert 2 <= len(found) <= 10
    slack = 4 * np.spacing(max(abs(low), abs(high)))  # a product of two numbers is rounded
    assert low - slack <= found[0] < found[-1] <= high + slack
    told = [charts.digits(one, found[1] - found[0]) for one in found]
    assert len(set(told)) == len(told)
    # of a step of one digit, a number's last digit is that of its step
    assert all(abs(float(text) - one) <= 0.51 * (found[1] - found[0]) for text, one in zip(told, found, strict=True))


def test_a_chart_of_one_number_has_axes_around_it():
    for one in (0.0, 5.0, -3e200, 5e-324):
        assert "nan" not in charts.chart([charts.Series("", [1, 2], [one, one])], "x", "y")
    assert [charts.digits(value, 0.2) for value in (0, 0.2, 1.0, 1.2, -10.4)] == ["0", "0.2", "1", "1.2", "-10.4"]


def test_charts_leave_out_what_is_not_finite():
    assert charts.chart([charts.Series("", [1, 2], [np.nan, np.inf])], "x", "y") == ""
    drawn = charts.chart([charts.Series("<a>", [1, 2, 3], [1, np.nan, 2]), charts.Series("", [1], [5], "dots")], "<x>", "y")
    assert "nan" not in drawn
    assert "<a>" not in drawn
    assert "<x>" not in drawn
    assert len(re.search(r'points="(.*?)"', drawn)[1].split()) == 2


def test_bars_and_matrices_are_shaded_by_share():
    assert pieces.bars([("a", 0.5, "x"), ("b", 0.25, "x"), ("c", -1, "x")]).count("width:") == 3
    assert "width:50.0%" in pieces.bars([("a", 0.5, "x"), ("b", 0.25, "x")])
    square = pieces.matrix(["a", "b"], np.array([[3, 1], [0, 0]]))
    assert "rgba(40,110,60,0.56)" in square
    assert "rgba(190,50,40,0.19)" in square


# ---- in a browser --------------------------------------------------------------------------------------------------


def chromium():
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("Chromium is not installed: the page is not opened in a browser")
    return found


SEEN = """
<script>
window.addEventListener("load", () => {
  const large = one => one.getBoundingClientRect().width > 250 && one.getBoundingClientRect().height > 150;
  const shown = [...document.querySelectorAll("svg")].filter(large);
  const text = [...document.querySelectorAll("svg text")].filter(one => one.getBoundingClientRect().height > 5);
  const wide = document.documentElement.scrollWidth > window.innerWidth;
  const outside = [...document.querySelectorAll("svg")].filter(one => {
    const box = one.getBBox(); return box.x < -1 || box.y < -1 || box.x + box.width > 402 || box.y + box.height > 262 });
  document.title = `${shown.length} charts, ${text.length > 20} text, wide ${wide}, ${outside.length} outside, `
    + `errors ${window.errors}`;
});
</script>
"""


def opened(text, folder, width):
    """What a browser says of the page, and its console."""
    counter = '<script>window.errors = 0; window.addEventListener("error", () => { window.errors++ }, true)</script>'
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)  # or our own script would not run
    path = folder / "page.html"
    path.write_text(text.replace("<head>", f"<head>{counter}").replace("</body>", f"{SEEN}</body>"), encoding="utf-8")
    options = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
        "--disable-background-networking", "--disable-sync", "--disable-dev-shm-usage", "--enable-logging=stderr", "--v=0",
        f"--user-data-dir={folder / 'profile'}", f"--window-size={width},800", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    environment = os.environ | {"HOME": str(folder)}
    done = subprocess.run([chromium(), *options], capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return re.search(r"<title>(.*?)</title>", done.stdout).group(1), re.findall(r".*CONSOLE.*", done.stderr)


@pytest.mark.parametrize("width", [1000, 500])
def test_a_browser_shows_every_chart_inside_its_frame_and_no_error(iris, width, tmp_path_factory):
    chromium()
    ok(iris("train", "iris.csv", "--epochs", "30", "--report", "r.html"))
    text = (iris.folder / "r.html").read_text(encoding="utf-8")
    told = opened(text, tmp_path_factory.mktemp("browser"), width)
    assert told == ("3 charts, true text, wide false, 0 outside, errors 0", [])


def test_a_browser_runs_nothing_that_is_in_a_name(tmp_path):
    chromium()
    text = report.page.page(subject(["<script>missing()</script>", "<img src=x onerror=missing()>"], table=True))
    title, console = opened(text, tmp_path, 1000)
    assert title.endswith("errors 0")
    assert not console
    broken = text.replace("</body>", "<script>missing()</script></body>")  # which it would have heard
    title, console = opened(broken, tmp_path, 1000)
    assert title.endswith("errors 1")
    assert "missing is not defined" in console[0]
