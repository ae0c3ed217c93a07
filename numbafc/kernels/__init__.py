"""The formulas, fast: kernel="loops" (loops.py) and kernel="tiled", with the bits of formulas.py. This is their map.

From a call to the fma, for Y = W X + b; every other product is the same with other operands (the table in product.py):

    fc.forward                      layer.py       checks what is out of the ordinary; picks the operands
    result                          tiled.py       the array for Y, the workspace of the last call, one compiled call
    on_one_thread                   product.py     refuses what does not fit, and takes one of the four ways below;
                                             for enough work tiled.py asks threads.py, which calls it for parts of Y
    gemm, _band, _tiles             gemm.py        the loops around the microkernel; packing.py packs what they read
    microkernel                     vector/dispatch.py     the code for that height and width of a tile
    TileFunction                    vector/microkernel.py  for tiles, panels, blocks of 256 k, k: the fma of a tile
    TileEnd                         vector/epilogues.py    joins the sums with Y, and runs the epilogue (epilogue.py)

The four ways, in this order; the conditions are functions of packing.py, of shapes and strides alone:

    way                       where the product is                              asked by      computed by
    gemv                      one column, rows of A contiguous                  is_column     level2.py, vector/gemv.py
    gemv of the transpose     one row, columns of X contiguous                  is_row        the same
    axpyf, row by row         ≤ 4 rows or ≤ 2 summands, Y wider than a tile     is_passes     level2.py, vector/axpyf.py
    gemm                      anything else; epilogues beyond BIAS only here                  gemm.py

Who blocks what for which cache (numbers and reasons: target.py; A is (T, K), X is (K, S), and Y is (T, S)):

    what                      size                  stays in        while                         copied
    tile of Y                 MR rows × NR lanes    registers       256 summands (SUM_BLOCK)      never
    panel of X                KC × NR               L2, read by L1  all rows of A pass by         where packs_x says so
    group of panels           KC × NC vectors       L2              a band of A passes by         in the workspace
    rows of A                 MC × KC               L2              a group of X passes by        where packs_a says so:
                                                                                                  Wᵀ, powers of two apart

A sum starts anew at each block of 256 summands and is joined with Y in order (formulas.SUM_BLOCK); no blocking above has
any influence on that, so none changes a bit. Everything that may be tuned is in target.py.

To add an epilogue, add a member and a line of FORMS to epilogue.py; every microkernel then has it. nn/activations.py says
which activation uses it.

Besides: elementwise.py (with series.py and normal.py) has exp, tanh and the like with one right answer in bits;
gradients.py and norms.py do backward and the norms of samples' gradients in one compiled call each; border.py and
overlaps.py say what a kernel may be given.
"""
