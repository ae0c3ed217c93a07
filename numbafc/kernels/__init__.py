"""The formulas, fast: kernel="loops" (loops.py) and kernel="tiled", with the bits of formulas.py. This is their map.

From a call to the fma, for Y = W X + b; every other product is the same with other operands (the table in product.py):

    fc.forward                layer.py               checks what is out of the ordinary; picks the operands
    result                    tiled.py               the array for Y, the workspace of the last call, one compiled call
    on_one_thread             product.py             refuses what does not fit, and takes one of the six ways below;
                                                     for enough work tiled.py asks threads.py, which calls it for parts of Y
    gemm, _band, _tiles       gemm.py                the loops around the microkernel; packing.py packs what they read
    microkernel               vector/dispatch.py     the code for that height and width of a tile
    TileFunction              vector/microkernel.py  for tiles, panels, blocks of 256 k, k: the fma of a tile
    TileEpilogue              vector/epilogues.py    joins the sums with Y, and runs the epilogue (epilogue.py)

Training calls on_one_thread by address, for some rows of a layer in each thread: nn/minibatch.py, then nn/layer_steps.py,
which asks for an epilogue first, and for the product and a pass of the activation where that is UNFIT.

The six ways, in this order. The conditions are functions of packing.py, of strides, shapes and the processor: without
masked loads (on Arm, and on x86 below AVX2) all products go the last one.

    way                       where the product is                              asked by              computed by
    gemv                      one column, rows of A contiguous                  is_gemv               level2.py
    gemv of the transpose     one row, columns of X contiguous                  is_gemv_transposed    level2.py
    axpyf, row by row         ≤ 4 rows or ≤ 2 summands, rows of X contiguous,   is_axpyf              level2.py
                              Y wider than a tile
    turned                    fewer columns than lanes, rows of A side by side  is_turned             few_columns.py
    few columns               two to four, rows of A, and of Y, in one piece  is_few_columns        few_columns.py
    gemm                      anything else; epilogues behind BIAS_RELU only here                     gemm.py

What level2.py computes is a kernel of its own, compiled when a product first needs it: on_one_thread answers that it is
not there (WITHOUT_LEVEL2), or calls it by address. Threads and training have it from the start (product.address).

Row sums beside a product (the gradient of b) are one more lane of its tiles, or gemv's where sums_by_gemv says so.

Who blocks what for which cache (numbers and reasons: target.py; A is (T, K), X is (K, S), and Y is (T, S)):

    what                      size                  stays in        while                         copied
    tile of Y                 MR rows × NR lanes    registers       256 summands (SUM_BLOCK)      never
    panel of X                KC × NR               L2, read by L1  all rows of A pass by         where packs_x says so
    group of panels           KC × NC vectors, or   L2              a band of A passes by         in the workspace
                              256 × 4 NC of Wᵀ
    rows of A, in a tile      MR rows × 256         L1              its panels pass by            by the first: Wᵀ, AVX2
    band of A                 MC rows × 256         L2              a group of X passes by        where packs_a says so: Wᵀ,
                                                                                                  powers of two apart

A sum starts anew at each block of 256 summands and is joined with Y in order (formulas.SUM_BLOCK); no blocking above has
any influence on that, so none changes a bit. Everything that may be tuned in these files is in target.py.

To add an epilogue: a formula and a member in epilogue.py, written with select and constant (element.py), and its line in
FORMS: every microkernel then has it. An activation that ends in tiles names its two epilogues in nn/activations.py, and
test_tiles.py lists what each must refuse.

Besides: elementwise.py (with series.py and normal.py) has exp, tanh and the like with one right answer in bits;
gradients.py and norms.py do backward and the norms of samples' gradients in one compiled call each; border.py and
overlaps.py say what a kernel may be given.
"""
