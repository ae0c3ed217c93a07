"""What a file is by its first bytes: a table that can be read, or what it is instead, with the way from there to one."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import BinaryIO

from .arrays import MOST_COMPRESSION
from .encodings import MARKS
from .invalid import InvalidFile
from .opening import require_memory, size_of

HEAD = 1 << 16  # bytes that are looked at
MOST_MEMBERS = 10_000  # of a zip archive that is looked into
PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}

AS_TABLE = "save the table in it as csv or parquet"
PICTURE = "a picture", "a table is text, parquet or Excel; pictures are read as arrays, npz or IDX"
ARRAY = "rename it to end in"
# First bytes, what they are the first of, and what to do.
STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs.github.com/spec/", "a git-lfs pointer, not the data", "run `git lfs pull` where it is"),
    (b"\x93NUMPY", "a NumPy array", f"{ARRAY} .npy"),
    (b"\x89PNG", *PICTURE),
    (b"\xff\xd8\xff", *PICTURE),
    (b"GIF8", *PICTURE),
    (b"%PDF-", "a pdf document", "copy its table into a spreadsheet and save that as csv"),
    (b"SQLite format 3\0", "an SQLite database", "write the table with `sqlite3 -header -csv FILE 'select * from …'`"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", AS_TABLE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file (before 2007)", "save it as .xlsx or csv"),
    (b"ARROW1", "an Arrow file", "save it as parquet"),
    (b"FEA1", "a Feather file", "save it as parquet"),
    (b"Obj\x01", "an Avro file", AS_TABLE),
    (b"ORC", "an ORC file", AS_TABLE),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", "save its arrays as npz, or its table as csv"),
    (b"RDX", "an R data file", "write the table with write.csv in R"),
    (b"<stata_dta>", "a Stata file", AS_TABLE),
    (b"$FL2", "an SPSS file", AS_TABLE),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it and name the file in it"),
    (b"Rar!", "a rar archive", "unpack it and name the file in it"),
    (b"\x7fELF", "a program", "name a table"),
    (b"%%MatrixMarket", "a sparse matrix", "save it as npz with the arrays X and y"),
)
PICKLE = re.compile(rb"\x80[\x02-\x05](\x95.{8})?[\x80-\xff}\]\(c)K]", re.DOTALL)
SAFETENSORS = re.compile(rb'.{5}\0\0\0\{\s*"', re.DOTALL)
HTML = re.compile(r"<(!doctype\s+html|html|head|body|\?xml[^>]*>\s*<!doctype\s+html)\b", re.IGNORECASE)
JSON = re.compile(r'(\{\s*"([^"\\]|\\.)*"\s*:|\{\s*\}|\[\s*([\[{"\]]|-?\d[\d.eE+-]*\s*[,\]]))')
ARFF = re.compile(r"(\s*%[^\n]*\n|\s*\n)*\s*@relation\b", re.IGNORECASE)
SVMLIGHT = re.compile(r"[-+]?[\d.]+([eE][-+]?\d+)?( +(qid:\d+|\d+:[-+]?[\d.]+([eE][-+]?\d+)?))+\s*(#[^\n]*)?\n")
INSIDE = (  # of a zip archive
    ("xl/workbook.xml", "excel", ""),
    ("xl/workbook.bin", "a binary Excel file (.xlsb)", "save it as .xlsx or csv"),
    ("word/", "a Word document", "copy its table into a spreadsheet and save that as csv"),
    ("ppt/", "a PowerPoint file", "copy its table into a spreadsheet and save that as csv"),
    ("META-INF/manifest.xml", "an OpenDocument file", "save it as .xlsx or csv"),
    ("data.pkl", "a PyTorch file, which could run code when it is loaded", "save its arrays as npz, or its table as csv"),
    ("/data.pkl", "a PyTorch file, which could run code when it is loaded", "save its arrays as npz, or its table as csv"),
)


def find_kind(path: Path, file: BinaryIO) -> str:
    """The kind of a file's table: "text", "parquet", "excel", or how a text is packed. Raises InvalidFile for others."""
    head = file.read(HEAD)
    file.seek(0)
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _in_zip(path, file)
    if head.startswith(b"PAR1"):
        return "parquet"
    packed = next((kind for start, kind in PACKED.items() if head.startswith(start)), None)
    if packed is not None:
        return packed
    require_text(path, head)
    return "text"


def require_text(path: Path, head: bytes, within: str = "") -> None:
    """Refuse what begins as no table of text does, by its name. within: what it is packed in. Raises InvalidFile."""
    found = _binary(head) or _text(head)
    if found is not None:
        what, fix = found
        if within and fix.startswith(ARRAY):
            fix = "unpack it, and " + fix
        raise InvalidFile(path, f"expected a table, got {what}{within}; {fix}")


def _binary(head: bytes) -> tuple[str, str] | None:
    for start, what, fix in STARTS:
        if head.startswith(start):
            return what, fix
    if head.startswith(b"PAR1"):
        return "a parquet file", "unpack it first, for parquet packs its columns itself"
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive", "unpack it first"
    if any(head.startswith(start) for start in PACKED):
        return "a packed file", "unpack it first"
    if PICKLE.match(head):
        return "a pickle, which could run code when it is loaded", AS_TABLE
    if SAFETENSORS.match(head):
        return "a safetensors file, as models are kept in", "name a table; a model goes where the command wants one"
    if head[257:262] == b"ustar":
        return "a tar archive", "unpack it and name the file in it"
    if head[:2] == b"\0\0" and len(head) > 4 and head[2] in range(8, 15) and 0 < head[3] < 8:
        return "an IDX file of arrays", f"{ARRAY} .idx"
    marked = any(head.startswith(mark) for mark, _ in MARKS)
    zeros = head.count(0)
    if zeros and not marked and not (0.4 < zeros / len(head) < 0.6):  # as UTF-16 has them
        return "binary data of an unknown kind", "a table is text, parquet or Excel"
    return None


def _text(head: bytes) -> tuple[str, str] | None:
    mark, name = next(((mark, name) for mark, name in MARKS if head.startswith(mark)), (b"", "utf-8"))
    text = head[len(mark) :].decode(name, "replace").lstrip()
    if HTML.match(text):
        return "a web page", "download the file itself (on GitHub: the link named Raw)"
    if text.startswith("<?xml"):
        return "an xml document", AS_TABLE
    if JSON.match(text):
        return "JSON", AS_TABLE
    if ARFF.match(text):
        return "an ARFF file", "remove the lines up to @data, write a line with the names instead, and save it as csv"
    if SVMLIGHT.match(text):
        return "a sparse table (svmlight)", "save it as npz with the arrays X and y"
    return None


def _in_zip(path: Path, file: BinaryIO) -> str:
    """ "excel", for a zip archive that is one. Raises InvalidFile for others, and for one that would burst."""
    try:
        members = zipfile.ZipFile(file).infolist()
    except Exception as error:  # there is no end to what a damaged archive raises
        raise InvalidFile(path, f"a damaged zip archive ({type(error).__name__}: {error}); copy it again") from None
    finally:
        file.seek(0)
    names = [member.filename for member in members[:MOST_MEMBERS]]
    for sign, kind, fix in INSIDE:
        if any(name == sign or (sign[-1:] == "/" and name.startswith(sign)) or name.endswith(sign) for name in names):
            if kind == "excel":
                _require_bounded(path, members, size_of(file))
                return kind
            raise InvalidFile(path, f"expected a table, got {kind}; {fix}")
    if names and all(name.endswith(".npy") for name in names):
        raise InvalidFile(path, f"expected a table, got NumPy arrays (npz); {ARRAY} .npz")
    shown = f" with {names[0]!r:.60}{' and others' if len(names) > 1 else ''}" if names else " with nothing in it"
    raise InvalidFile(path, f"expected a table, got a zip archive{shown}; unpack it and name the file in it")


def _require_bounded(path: Path, members: list[zipfile.ZipInfo], size: int) -> None:
    """Require that an archive's members can have the sizes they claim, and that memory holds them."""
    for member in members:
        if member.file_size > MOST_COMPRESSION * max(member.compress_size, 1) or member.compress_size > size:
            claim = f"{member.filename!r:.60} claims {member.file_size} bytes"
            raise InvalidFile(path, f"{claim}, more than the file can hold; save it again")
    require_memory(path, sum(member.file_size for member in members), "this workbook")
