"""HyperAdam's cell in Triton: the kernels of `hyperadam.kernels.gpu`, which imports them late, as
Triton may be missing.

    launcher.py         launches the kernels, for learners of one shape
    arguments.py        what they are launched with
    constants.py        what they are compiled for
    norms.py            sums of squares to scales, dot products to corrections
    forward.py          a step in two passes, as in `native/forward.c`
    backward_heads.py   its derivative, part A, as in `native/backward.c`, which derives it
    backward_lstm.py    its derivative, part B
    layers.py           layers of the cell on one tile
    sums.py             sums of dΘ over blocks
    theta_parts.py      where the parts of Θ begin
    tiles.py            tiles of fields, matrix products
    functions.py        element-wise functions

Fields are the rule's own, (J, L, p) and contiguous, of n = L p columns. A tile is all J rows,
padded to ROWS, of BLOCK coordinates of one learner. Padded rows and coordinates past the learner's
end are read as zeros and never written; parts of Θ are padded with zeros too, so they add nothing
anywhere. Numbers are stored in the pointers' dtype, which may be bfloat16 for states, and computed
in Θ's.
"""
