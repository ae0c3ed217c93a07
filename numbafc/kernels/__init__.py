"""The formulas, fast: each module offers forward, grad_w, grad_b, grad_x and per_sample_grad_norms with the same bits."""
