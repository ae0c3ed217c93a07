"""Vector code as Numba intrinsics: with the files of this folder, the kernels' only IR.

Besides the register tile (tiles.py, table.py, momentum.py) there are two functions that move X into panels, and one that
gathers samples (moving.py); one for few rows or few summands (streams.py); one for a single column (columns.py); and views
of arrays (views.py). The dtype of the first array and the processor decide what they become (sizes.py).
"""

from .columns import column
from .moving import copy_rows, gather, transpose
from .sizes import half_vectors, lanes_in, masked_loads, most_rows, most_vectors, next_height, vector_bytes
from .streams import stream_1, stream_2, stream_4, stream_8
from .table import tile, tile_table
from .tiles import ADDS_B, MOVES, NOTHING, RELU, SLOPES, STEPS
from .views import address, call_pointer, matrix, place, row_of, span, turn

__all__ = [
    "ADDS_B",
    "MOVES",
    "NOTHING",
    "RELU",
    "SLOPES",
    "STEPS",
    "address",
    "call_pointer",
    "column",
    "copy_rows",
    "gather",
    "half_vectors",
    "lanes_in",
    "masked_loads",
    "matrix",
    "most_rows",
    "most_vectors",
    "next_height",
    "place",
    "row_of",
    "span",
    "stream_1",
    "stream_2",
    "stream_4",
    "stream_8",
    "tile",
    "tile_table",
    "transpose",
    "turn",
    "vector_bytes",
]
