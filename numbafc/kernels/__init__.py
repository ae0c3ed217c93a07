"""The formulas, fast: each module offers what formulas.py has for the layer, with the same bits."""
