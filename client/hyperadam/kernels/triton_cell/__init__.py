"""HyperAdam's cell in Triton: the kernels of `hyperadam.kernels.gpu`, which imports them late:
Triton may be missing.

    functions.py   element-wise functions, tiles of fields and of Θ
    norms.py       sums of squares to scales, dot products to corrections
    forward.py     a step in two passes, as in `native/forward.c`
    backward.py    its derivative in two parts, as in `native/backward.c`, where the formulas are derived

Fields are the rule's own, (J, L, p) and contiguous, of n = L p columns. A tile is all J rows,
padded to ROWS, of BLOCK coordinates of one learner. Padded rows and coordinates past the learner's
end are read as zeros and never written; parts of Θ are padded with zeros too, so they add nothing
anywhere. Numbers are stored in the pointers' dtype, which may be bfloat16 for states, and computed
in Θ's.
"""
