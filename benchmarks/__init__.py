"""How fast is it, as ratios of two things measured in turn in one run: `python -m benchmarks`.

`rows` says what a row of the table is; every other module measures a few of them. Nothing here is
part of a package.
"""
