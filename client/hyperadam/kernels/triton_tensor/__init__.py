"""The coordinates' part of the rule whose cells are a tensor's, in Triton: the kernels of
`hyperadam.kernels.gpu_tensor`, which imports them late, as Triton may be missing.

    blocks.py       how the coordinates of tensors are cut into blocks
    launcher.py     launches the kernels
    forward.py      moments, direction and sums of a step
    backward.py     its derivative
    sums.py         sums of blocks to sums of tensors

The cells are a few hundred numbers a tensor and run as plain torch. Numbers are stored in the
pointers' dtype, which may be bfloat16 for states, and computed in Θ's.
"""
