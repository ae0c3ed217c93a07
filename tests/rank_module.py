"""Trainings of modules for tests/test_ranks_torch.py; as a script one rank of torchrun, which prints what it has."""

import atexit
import hashlib
import json
import sys

import numpy as np

try:
    import torch
except ImportError:  # the tests skip
    torch = None
else:
    from torch import nn, optim

    from numbafc.interop.torch import fit_module

OPTIMIZERS = {
    "sgd": lambda of: optim.SGD(of, 0.05),
    "momentum": lambda of: optim.SGD(of, 0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda of: optim.Adam(of, 0.01),
    "adamw": lambda of: optim.AdamW(of, 0.01, weight_decay=0.1),
    "rmsprop": lambda of: optim.RMSprop(of, 0.005, momentum=0.5),
    "adagrad": lambda of: optim.Adagrad(of, 0.05, initial_accumulator_value=0.1),
}


def module_of(case):
    """A module of parameters that are drawn by NumPy: PyTorch's generator is one for all threads."""
    rng, dropout = np.random.default_rng(case["seed"] or 0), [nn.Dropout(case["dropout"])] if case["dropout"] else []
    module = nn.Sequential(nn.Linear(7, 17), nn.Tanh(), *dropout, nn.Linear(17, 4)).to(getattr(torch, case["dtype"]))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape) / 4))
    return module


def data_of(case, count=1300):
    rng = np.random.default_rng(7)
    X = torch.from_numpy(rng.standard_normal((count, 7))).to(getattr(torch, case["dtype"]))
    return X, torch.from_numpy(rng.integers(0, 4, count))


def bits(module, optimizer=None):
    """The bits of the parameters, and of an optimizer's state."""
    hashed = hashlib.sha256(b"".join(parameter.detach().numpy().tobytes() for parameter in module.parameters()))
    for state in () if optimizer is None else optimizer.state.values():
        for name in sorted(state):
            value = state[name]
            hashed.update(value.numpy().tobytes() if isinstance(value, torch.Tensor) else repr(value).encode())
    return hashed.hexdigest()[:16]


def trained(case, comm=None, rows="shared"):
    """What a training leaves that goes on with PyTorch's optimizer, and is resumed."""
    module, (X, y) = module_of(case), data_of(case)
    optimizer = OPTIMIZERS[case["optimizer"]](module.parameters())
    for _ in range(case["before"]):
        optimizer.zero_grad()
        module.eval()
        nn.CrossEntropyLoss()(module(X), y).backward()
        module.train()
        optimizer.step()
    if rows == "own" and comm is not None:
        ends = [*(round(cut * len(X)) for cut in (0.0, 0.3, 0.31, 0.8)[: comm.size]), len(X)]
        own = slice(ends[comm.rank], ends[comm.rank + 1])
        X, y = X[own], y[own]
    pairs = torch.utils.data.TensorDataset(X, y)
    samples = {
        "tensors": (X, y),
        "dataset": (pairs,),
        "loader": (torch.utils.data.DataLoader(pairs, case["batch_size"], shuffle=True),),
    }[case["given"]]
    options = {"loss": nn.CrossEntropyLoss(), "optimizer": optimizer, "seed": case["seed"]}
    if case["given"] != "loader":
        options["batch_size"] = case["batch_size"]
    together = {} if comm is None else {"comm": comm, "rows": rows}
    fit_module(module, *samples, **options, **together, epochs=2)
    fit_module(module, *samples, **options, **together, epochs=3, resume=True)
    fit_module(module, *samples, **options, **together)
    return bits(module, optimizer)


def say(result):
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def main():
    from numbafc.interop.distributed import gloo

    # Called behind gloo's own: where the group is still there, threads of it may end the process in std::terminate.
    atexit.register(lambda: say("stayed" if torch.distributed.is_initialized() else "left"))
    comm, case = gloo(seconds=60), json.loads(sys.argv[1]) | {"seed": None}
    torch.manual_seed(comm.rank)  # rank 0's counts
    found = [trained(case, comm), trained(case | {"given": "loader"}, comm)]
    try:
        fit_module(nn.parallel.DistributedDataParallel(module_of(case)), *data_of(case), loss="mse", comm=comm)
    except TypeError as error:
        found.append(str(error))
    say(found)


if __name__ == "__main__":
    main()
