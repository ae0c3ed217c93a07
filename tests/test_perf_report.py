"""Reports and pictures of measured rows: the committed ones, drawn anew, and opened in a browser."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))  # perf is not installed

from perf import drawing, isa, products, readme, report, rows, storage, studies  # noqa: E402


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder with the committed rows, and what is made from them."""
    pytest.importorskip("matplotlib", reason="the pictures need matplotlib")
    folder = tmp_path_factory.mktemp("report")
    for name in studies.STUDIES:
        shutil.copy(readme.RESULTS / f"{name}.jsonl", folder)
    report.write(folder)
    return folder


def test_the_committed_rows_are_complete_and_verified():
    found = {name: rows.measured(storage.load(readme.RESULTS, name)) for name in studies.STUDIES}
    assert all(found.values())
    assert sum(map(len, found.values())) >= 40
    for name, some in found.items():
        for row in some:
            assert set(rows.FIELDS) <= set(row), name
            assert row["verified"] is True
            assert row["error_over_bound"] <= 1
            assert row["study"] == name
            assert 0 < row["best"] <= row["median"]
            assert row["samples"] > 0


def test_the_committed_results_are_small_and_nothing_else():
    listed = subprocess.run(["git", "ls-files", "perf/results"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.splitlines()]
    found = {f"{name}.jsonl" for name in studies.STUDIES}
    assert {path.name for path in files if path.parent == readme.RESULTS} == {"readme.png", *found}
    assert {path.name for path in files if path.parent != readme.RESULTS} <= found
    assert {path.parent.name for path in files} <= {"results", *isa.NAMES}
    assert sum(path.stat().st_size for path in files) < 600 * 1024


def test_the_committed_rows_are_of_revisions_that_there_are():
    asked = ["git", "rev-parse", "--is-shallow-repository"]
    if subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout != "false\n":
        pytest.skip("not a git checkout with its history")
    for name in studies.STUDIES:
        for commit in {row["commit"] for row in rows.measured(storage.load(readme.RESULTS, name))}:
            command = ["git", "merge-base", "--is-ancestor", commit, "HEAD"]
            assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0, (name, commit)


def test_every_study_has_a_picture_of_readme_width(drawn):
    from PIL import Image

    for name in studies.STUDIES:
        with Image.open(drawn / f"{name}.png") as picture:
            assert 1200 < picture.width < 1500, name  # of 830 wide ones, sharp on fine screens
            assert len(picture.getcolors()) > 8, name


def test_the_report_shows_everything_and_needs_nothing_else(drawn):
    page = (drawn / "report.html").read_text(encoding="utf-8")
    for name, module in studies.STUDIES.items():
        found = storage.load(drawn, name)
        assert f'<h2 id="{name}">' in page
        assert f"<summary>{len(rows.measured(found))} rows</summary>" in page
        for sentence in [*module.findings(rows.measured(found)), *rows.notes(found)]:
            assert report._text(sentence) in page
    assert page.count("data:image/png;base64,") == len(studies.STUDIES)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)


def test_the_report_says_how_time_grows_and_by_which_factor_the_shortcut_wins(drawn):
    page = (drawn / "report.html").read_text(encoding="utf-8")
    power = float(re.search(r"grows as T·N·B to the power (\d\.\d+)", page).group(1))
    assert abs(power - 1) <= 0.05
    median = float(re.search(r"long way is (\d\.\d+)·T in the median", page).group(1))
    assert abs(median - 1) <= 0.2
    assert re.search(r"numbafc, \d+ results over \[1, .*?\] threads and .*? instructions: all have equal bits", page)


def test_what_is_to_be_repeated_is_a_revision_or_said_to_be_none(drawn):
    page = (drawn / "report.html").read_text(encoding="utf-8")
    section = page[page.index("To repeat") : page.index("Options of the run")]
    checkouts = re.findall(r"<pre>git checkout (\S+)\n.*\npython -m perf (.*?)(?: --isa \w+)? --out DIR</pre>", section)
    assert sorted(name for _, names in checkouts for name in names.split()) == sorted(studies.STUDIES)
    for commit, names in checkouts:
        for name in names.split():
            assert {row["commit"] for row in rows.measured(storage.load(drawn, name))} == {commit}
    assert "git checkout abc1234\n" in report.repeating("abc1234", ["size"], "neon")
    assert "python -m perf size --isa avx2 --out DIR" in report.repeating("abc1234", ["size"], "avx2")
    changed = report.repeating("abc1234+", ["size"], "avx512")
    assert changed.startswith("<p>No revision has what was measured: the sources had changes since abc1234")
    assert "git checkout abc1234\n" in changed
    said = [rows.revision({"commit": commit}) for commit in ("abc1234", "abc1234+", None)]
    assert said == ["commit abc1234", "changes to commit abc1234", "no known commit"]
    unknown = report.repeating(None, list(studies.STUDIES), "neon")
    assert "not known" in unknown
    assert "checkout " not in unknown.partition("<pre>")[2]
    assert "python -m perf all --out DIR" in unknown


def test_subjects_have_one_name_in_pictures_tables_and_the_terminal():
    found = rows.where(storage.load(readme.RESULTS, "layer"), op="forward", T=512, N=512, B=128, form="new")
    table, best = report.table(found), drawing.name("numpy, OPENBLAS")
    for row in found:
        assert f"<td>{drawing.name(row['peer'])}</td>" in table
    (forced,) = [row for row in found if "OPENBLAS_CORETYPE" in row["peer"]]
    assert f"<td>{best}</td>" in table
    assert report.subject(forced) == f"{best} {forced['version']} (OPENBLAS_CORETYPE=SkylakeX)"
    assert products.line([found[0], forced]).endswith(f" x {best}")


def test_text_of_rows_cannot_break_the_report():
    row = storage.load(readme.RESULTS, "layer")[0] | {"peer": "<script>alert(1)</script>"}
    assert "<script>" not in report.table([row])


def chromium():
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("Chromium is not installed: the report is not opened in a browser")
    return found


SEEN = """
<script>
window.addEventListener("load", () => {
  const shown = [...document.images].filter(image => image.complete && image.naturalWidth > 1000 && image.width > 600);
  document.title = `shown ${shown.length} of ${document.images.length}, errors ${window.errors}`;
});
</script>
"""


def opened(page, folder):
    """What a browser says of the report: of its pictures and errors, and its console."""
    counter = '<script>window.errors = 0; window.addEventListener("error", () => { window.errors++ }, true)</script>'
    watched = folder / "report.html"
    watched.write_text(page.replace("<head>", f"<head>{counter}").replace("</body>", f"{SEEN}</body>"), encoding="utf-8")
    options = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
        "--disable-background-networking", "--disable-sync", "--disable-dev-shm-usage", "--enable-logging=stderr", "--v=0",
        f"--user-data-dir={folder / 'profile'}", "--window-size=1000,800", "--dump-dom", watched.as_uri(),
    ]  # fmt: skip
    environment = os.environ | {"HOME": str(folder)}
    done = subprocess.run([chromium(), *options], capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return re.search(r"<title>(.*?)</title>", done.stdout).group(1), re.findall(r".*CONSOLE.*", done.stderr)


def test_a_browser_shows_every_picture_and_no_error(drawn, tmp_path):
    page, n = (drawn / "report.html").read_text(encoding="utf-8"), len(studies.STUDIES)
    assert opened(page, tmp_path) == (f"shown {n} of {n}, errors 0", [])


def test_a_browser_misses_a_broken_picture_and_reports_an_error(drawn, tmp_path):
    page, n = (drawn / "report.html").read_text(encoding="utf-8"), len(studies.STUDIES)
    broken = page.replace("base64,iVBOR", "base64,iVBOX", 1).replace("</body>", "<script>missing()</script></body>")
    title, console = opened(broken, tmp_path)
    assert title == f"shown {n - 1} of {n}, errors 2"
    assert "missing is not defined" in console[0]


def test_without_matplotlib_there_are_tables_and_a_sentence(monkeypatch, tmp_path, capsys):
    shutil.copy(readme.RESULTS / "layer.jsonl", tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    report.write(tmp_path)
    output = capsys.readouterr().out
    assert "no pictures: matplotlib is not installed" in output
    assert re.search(r"\d+ verified rows of 1 study, 0 pictures: ", output)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert "<td>grad_w</td>" in page
    assert "python -m perf layer --isa avx512 --out DIR</pre>" in page


@pytest.mark.parametrize("name", list(studies.STUDIES))
def test_what_an_interrupted_run_left_can_be_drawn(name):
    pytest.importorskip("matplotlib", reason="the pictures need matplotlib")
    found = rows.measured(storage.load(readme.RESULTS, name))
    alone = [row for row in found if rows.ours(row)]
    for some in (found[:1], found[:2], found[: len(found) // 2], alone):
        assert all(studies.STUDIES[name].findings(some))
    with drawing.settings():
        for some in (found[:1], alone):
            studies.STUDIES[name].picture(some)
