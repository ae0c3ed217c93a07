"""python -m perf.mutation: what do the tests not see? A source is changed, and the tests that belong to it must fail.

mutants.py   the changes: cosmic-ray's operators, and statements that are left out
known.py     which tests belong to which file; which changes alter no result, and why
planted.py   bugs that were once planted by hand, and that no test saw
running.py   one change in one process
hook/        how that process is given the changed source
"""
