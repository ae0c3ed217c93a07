"""Tables as people have them are read as they are meant: dialects, encodings, headers, gaps; what is written comes back."""

import bz2
import csv
import gzip
import io
import itertools
import lzma

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from numbafc.files import Dialect, InvalidFile, tabular, textfile
from numbafc.files.dialect import MISSING
from numbafc.files.layout import Layout


def read(folder, content, name="x.csv", progress=None, **dialect):
    """The cells by their columns, and the reading."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    reading = tabular.read(path, Dialect(**dialect), progress=progress)
    return reading.frame.to_native().to_dict(as_series=False), reading


# ---- one table in many spellings ----

SAME = [
    "a,b\n1,x\n2,y z\n",
    "a,b\r\n1,x\r\n2,y z\r\n",
    "a,b\r1,x\r2,y z\r",
    "\ufeffa,b\n1,x\n2,y z",
    "\n\na,b\n\n1,x\n\n2,y z\n\n",
    "a, b\n1, x\n2, y z\n",
    'a, "b"\n1, "x"\n2, "y z"\n',
    '"a","b"\n"1","x"\n"2","y z"\n',
    "a;b\n1;x\n2;y z\n",
    "a\tb\n1\tx\n2\ty z\n",
    "a|b\n1|x\n2|y z\n",
    "sep=;\na;b\n1;x\n2;y z\n",
    'a  b\n1  x\n 2   "y z" \n',
    "a,b,\n1,x,\n2,y z,\n",
    "a,b\n1,x,\n2,y z,\n",
    "# from a program\n#\na,b\n1,x\n2,y z\n",
]
FROM = {"plain": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("packed", FROM)
@pytest.mark.parametrize("text", SAME)
def test_one_table_in_many_spellings(tmp_path, text, packed):
    cells, reading = read(tmp_path, FROM[packed](text.encode()))
    assert (cells, reading.header) == ({"a": ["1", "2"], "b": ["x", "y z"]}, True)
    assert (f"unpacked from {packed}" in reading.said) == (packed != "plain")


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "read as UTF-16"),
        ("utf-16-le", "read as UTF-16, of which it has no mark"),
        ("utf-16-be", "read as UTF-16, of which it has no mark"),
        ("utf-32", "read as UTF-32"),
        ("latin-1", "read as Latin-1 (Windows-1252), for it is not UTF-8"),
    ],
)
def test_encodings_are_found_and_said(tmp_path, encoding, said):
    cells, reading = read(tmp_path, "size,größe\n1,ä\n2,ü\n".encode(encoding))
    assert cells == {"size": ["1", "2"], "größe": ["ä", "ü"]}
    assert [line for line in reading.said if line.startswith("read as")] == ([said] if said else [])


def test_windows_own_characters_and_an_encoding_that_is_named(tmp_path):
    assert read(tmp_path, "price,b\n1,€ “5”\n".encode("cp1252"))[0]["b"] == ["€ “5”"]
    assert read(tmp_path, "a,b\n1,日本\n".encode("shift-jis"), encoding="shift-jis")[0]["b"] == ["日本"]
    for content, chosen in ((b"a,b\n1,\xe9\n", "utf-8"), (b"a,b\n1,2\n", "rot13"), (b"a,b\n1,2\n", "none")):
        with pytest.raises(InvalidFile, match="encoding"):
            read(tmp_path, content, encoding=chosen)


def test_what_is_no_utf_8_far_from_the_beginning_is_seen(tmp_path):
    cells, reading = read(tmp_path, b"a,b\n" + b"1,x\n" * 200_000 + b"2,\xe9\n")
    assert cells["b"][-1] == "é"
    assert any("Latin-1" in line for line in reading.said)


# ---- headers (cases/tables.md, 1) ----


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0,1,kind\n5.1,3.5,cat\n4.9,3.0,dog\n", ["0", "1", "kind"]),
        ("0,1,2\n5.5,1.5,0\n2.5,1,1\n", ["0", "1", "2"]),
        ("1,2,3\n5.5,1.5,0\n2.5,1,1\n", ["1", "2", "3"]),
        (",0,1\n0,5.5,1.5\n1,2.5,1\n", ["", "0", "1"]),
        ("a,b\n1,NA\n2,3\n", ["a", "b"]),
        ("day,b\n2020-01-01,x\n2020-01-02,y\n", ["day", "b"]),
        ("kind,color\ncat,red\ndog,blue\ncat,red\n", ["kind", "color"]),
        ("country,2019,2020\nAT,1.5,2\nDE,2,3\n", ["country", "2019", "2020"]),
        ("#a,b\n1,2\n3,4\n", ["a", "b"]),
        ("# a b\n1.5 2.5\n3.0 4.0\n", ["a", "b"]),
        ('"a","b"\n"r1",1,2\n"r2",3,4\n', ["", "a", "b"]),
    ],
)
def test_a_header_is_seen(tmp_path, text, names):
    cells, reading = read(tmp_path, text)
    assert (list(cells), reading.header) == (names, True)
    assert "the columns' names are in its first line" in reading.said


@pytest.mark.parametrize(
    "text",
    [
        "1,0.5\n2,1.5\n3,NA\n",
        "5.1,3.5,cat\n4.9,3.0,dog\n",
        "0,0,0\n0,1,1\n",
        "1,2\n3,4\n",
        "cat,red\ndog,blue\ncat,red\n",
        "NA,0.5\n1,1.5\n",
        "0,1,cat\n1,0,dog\n2,1,cat\n",
        "$3.20,1\n$4.10,2\n",
        "2020-01-01,1\n2020-01-02,2\n",
    ],
)
def test_no_header_is_seen_where_there_is_none(tmp_path, text):
    cells, reading = read(tmp_path, text)
    assert list(cells) == [str(n) for n in range(text.split("\n")[0].count(",") + 1)]
    assert not reading.header
    assert "no names in its first line" in reading.said


def test_the_option_settles_what_is_a_header(tmp_path):
    assert read(tmp_path, "1,2\n3,4\n", header=True)[0] == {"1": ["3"], "2": ["4"]}
    assert read(tmp_path, "a,b\nc,d\n", header=False)[0] == {"0": ["a", "c"], "1": ["b", "d"]}
    with pytest.raises(InvalidFile, match=r"may be a header or a bad row.*--header or --no-header"):
        read(tmp_path, "a,7,y\n1,2,0.5\n3,4,1.5\n")
    assert list(read(tmp_path, "a,7,y\n1,2,0.5\n3,4,1.5\n", header=True)[0]) == ["a", "7", "y"]
    with pytest.raises(InvalidFile, match="there is a header but no sample below it"):
        read(tmp_path, "a,b\n")


# ---- columns without and with the same names (cases 6 and 8) ----


def test_two_columns_of_one_name_are_refused_with_both_positions(tmp_path):
    with pytest.raises(InvalidFile, match=r"got 'y' for columns 1 and 2 \(from 0\); rename or remove one"):
        read(tmp_path, "a,y,y\n1,2,3\n")


def test_columns_without_names(tmp_path):
    assert read(tmp_path, ",a,\n0,1,\n1,2,\n")[0] == {"": ["0", "1"], "a": ["1", "2"]}
    cells, reading = read(tmp_path, "a,,\n0,1,\n1,2,\n")
    assert cells == {"a": ["0", "1"], "column 1": ["1", "2"]}
    assert "left out an empty column" in reading.said
    assert read(tmp_path, "a,b,\n0,1,\n1,2,7\n")[0]["column 2"] == [None, "7"]


# ---- missing words (case 2) and the spelling of cells (case 4) ----


def test_missing_words_are_null_and_all_else_keeps_its_spelling(tmp_path):
    text = "a,b\n" + "".join(f"{number},{word}\n" for number, word in enumerate([*MISSING, "", " ", " NA ", '"NA"']))
    assert set(read(tmp_path, text)[0]["b"]) == {None}
    kept = ["007", "12E5", "1.0", "12345678901234567890", "1_0", "yes", "inf", "0x1", "$3.20", "12.5 kg", "−5", "none so"]
    assert read(tmp_path, "a,b\n" + "".join(f"1,{word}\n" for word in kept))[0]["b"] == kept
    assert read(tmp_path, "a,b\n1,k.A.\n2,x\n", na=("k.A.",))[0]["b"] == [None, "x"]


def test_a_lone_minus_is_missing_but_beside_plus_it_is_a_class(tmp_path):
    assert read(tmp_path, "a,b\n1,-\n2,3\n")[0]["b"] == [None, "3"]
    assert read(tmp_path, "a,b\n1,-\n2,+\n")[0]["b"] == ["-", "+"]


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ("a;b\n1,5;2\n", ","),
        ("a;b\n1.234,5;2\n", ","),
        ("a;b\n1,234;2\n", ","),
        ("a;b\n1.5;2\n", "."),
        ("a\tb\n1,5\t2\n", ","),
        ('a,b\n"1,5",2\n', ","),
        ('a,b\n"1,234",2\n', "."),
        ('a,b\n"1,234.5",2\n', "."),
        ("a,b\n1,2\n", "."),
    ],
)
def test_the_decimal_mark_is_found(tmp_path, text, decimal):
    reading = read(tmp_path, text)[1]
    assert (reading.decimal, "decimal commas" in reading.said) == (decimal, decimal == ",")
    assert read(tmp_path, text, decimal=".")[1].decimal == "."


def test_quotes_where_they_do_not_belong_are_cells(tmp_path):
    cells, _ = read(tmp_path, 'a,b\n1,5" pipe\n2,a "b" c\n3,"x"y\n4,"a ""b"", c\nd"\n')
    assert cells["b"] == ['5" pipe', 'a "b" c', "xy", 'a "b", c\nd']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", r"expected 2 columns, as in the first line, got 1 at row 1 \(from 0, below the header; line 3\)"),
        ("a,b\n\n1,2\n3,4,5\n", r"expected 2 columns, as in the first line, got 3 at row 1 .*; line 4\)"),
        ('7,2\n"3\n4",2\n5\n', r"expected 2 columns, as in the first line, got 1 at row 2 \(from 0; line 4\)"),
        ('a,b\n1,2\n3,"4\n5,6\n', "a quote is not closed in the row that begins in line 3; close it"),
        ("", "expected a table, got an empty file"),
        ("\n \n", "expected a table, got an empty file"),
        (f"{','.join('1' * 100_002)}\n", "expected at most 100000 columns, got 100002"),
    ],
)
def test_what_is_no_table_of_one_width_is_refused(tmp_path, text, message):
    with pytest.raises(InvalidFile, match=message):
        read(tmp_path, text)


def test_a_row_of_another_width_is_named_wherever_it_is(tmp_path):
    """Rows of too few cells are filled by the library, without a word."""
    text = "a,b,c\n" + "1,2,3\n" * 100_000
    for wrong in ("1,2\n", "1,2,3,4\n", "1\n"):
        with pytest.raises(InvalidFile, match=r"got \d at row 100000 .* line 100002\)"):
            read(tmp_path, f"{text}{wrong}1,2,3\n")


def test_wide_tables_have_short_messages(tmp_path):
    header = ",".join(f"a rather long name {n}" for n in range(20_000))
    with pytest.raises(InvalidFile) as error:
        read(tmp_path, f"{header}\n{','.join('1' * 20_000)}\n1,2\n")
    assert len(str(error.value)) <= 450


# ---- several files, standard input, progress ----


def test_several_files_are_one_table(tmp_path):
    for name, text in (("1.csv", "a,b\n1,x\n"), ("2.csv", "b;a\ny;2\n"), ("3.csv", "b,c\n1,2\n"), ("4.csv", "1,2\n")):
        (tmp_path / name).write_text(text)
    reading = tabular.read([tmp_path / "1.csv", tmp_path / "2.csv"])
    assert reading.frame.to_native().to_dict(as_series=False) == {"a": ["1", "2"], "b": ["x", "y"]}
    assert reading.name == "1.csv and 1 more"
    for other, message in (("3.csv", r"3\.csv: expected columns 'a', as '1.csv' has, got 'c'"), ("4.csv", "has no names")):
        with pytest.raises(InvalidFile, match=message):
            tabular.read([tmp_path / "1.csv", tmp_path / other])


def test_progress_is_told_in_bytes_of_all_files(tmp_path):
    for name in ("1.csv", "2.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    told = []
    tabular.read([tmp_path / "1.csv", tmp_path / "2.csv"], progress=lambda *bytes_: told.append(bytes_))
    assert told == [(8, 16), (16, 16)]


def test_standard_input_is_read(tmp_path, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(gzip.compress(b"a,b\n1,2\n")))
    monkeypatch.setattr("sys.stdin", stdin)
    reading = tabular.read("-")
    assert (reading.name, reading.frame.to_native().to_dict(as_series=False)) == (
        "standard input",
        {"a": ["1"], "b": ["2"]},
    )


# ---- what is written comes back ----

LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])
TEXT = st.text(st.one_of(LETTERS, st.sampled_from("\",;|\t\n ab1.'")), max_size=8).map(str.strip)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers().map(str)
GAPS = st.sampled_from(["", "NA", "?"])
LACKING = {*MISSING, "", "-"}


@st.composite
def tables(draw):
    """Names, and rows of cells; the last column is numbers, so that the header is one."""
    width = draw(st.integers(2, 5))
    word = TEXT.filter(lambda text: text not in LACKING and text != "+" and not text.startswith(("#", "sep=")))
    kinds = [draw(st.sampled_from([word, NUMBERS])) for _ in range(width - 1)]
    row = st.tuples(*(kind | GAPS for kind in kinds), NUMBERS)
    rows = draw(st.lists(row, min_size=1, max_size=30))
    return [f"name {n}" for n in range(width)], rows


@given(
    tables(),
    st.sampled_from(",;|\t"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.sampled_from(list(FROM)),
)
def test_what_is_written_comes_back(tmp_path_factory, table, delimiter, quoting, end, encoding, packed):
    names, rows = table
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(names)
    writer.writerows(rows)
    content = FROM[packed](text.getvalue().encode(encoding))
    cells, reading = read(tmp_path_factory.mktemp("table"), content, delimiter=delimiter, header=True)
    assert list(cells) == names
    assert reading.header
    expected = [[None if cell in LACKING else cell for cell in column] for column in zip(*rows, strict=True)]
    assert list(cells.values()) == expected


@given(tables(), st.sampled_from(",;|\t"), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_the_delimiter_and_the_header_are_found(tmp_path_factory, table, delimiter, quoting):
    """Of tables whose cells have none of the candidates: else another one may fit as well."""
    names, rows = table
    assume(not any(mark in cell for row in rows for cell in row for mark in '\t;|,\n" '))
    names = [name.replace(" ", "_") for name in names]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows([names, *rows])
    cells, _ = read(tmp_path_factory.mktemp("table"), text.getvalue())
    assert list(cells) == names
    assert [len(column) for column in cells.values()] == [len(rows)] * len(names)


def test_whatever_quotes_are_where_polars_reads_as_csv_does():
    """Or leaves it to the csv module: every text of six of these letters between two rows."""
    found, read_fast = Layout(",", 0, ["a", "b"], True, (), ()), 0
    for letters in itertools.product('"x,\n', repeat=6):
        text = f"1,2\n{''.join(letters)}\n3,4\n"
        frame = textfile._fast(text.encode(), found) if '"' in letters else None
        if frame is not None:
            read_fast += 1
            assert [list(row) for row in frame.rows()] == [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    assert read_fast > 50
