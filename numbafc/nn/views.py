"""The list of a network's weights, or biases: views into one flat array, made anew each time somebody asks for it."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np


class Views(list[np.ndarray]):
    """A list whose elements are set in place, views[0] = W as views[0][:] = W, and whose length is fixed.

    A plain list would take the new array, and nothing would become of it.
    """

    def __setitem__(self, where: Any, values: Any) -> None:
        if isinstance(where, slice):
            places, values = list(range(len(self)))[where], list(values)
            if len(values) != len(places):
                raise ValueError(f"expected {len(places)} arrays, one for each layer, got {len(values)}")
        else:
            places, values = [where], [values]
        arrays = [np.asarray(value) for value in values]
        for place, array in zip(places, arrays, strict=True):
            if array.shape not in (self[place].shape, ()):
                raise ValueError(
                    f"the array of layer {place} has shape {self[place].shape}, got {array.shape}; its values are copied "
                    "into the network's parameters, so give it that shape"
                )
        for place, array in zip(places, arrays, strict=True):
            if self[place] is not array:  # as after views[0] -= step
                self[place][...] = array

    def __reduce__(self) -> Any:
        return list, (list(self),)  # a copy has arrays of its own

    def _refuse(self, *arguments: Any, **options: Any) -> NoReturn:
        raise TypeError(
            "a network's layers are settled: the list of its weights, or biases, is made anew each time, and a change of "
            "it would change nothing; set a layer with net.weights[0][:] = W, or make a list(net.weights) of your own"
        )

    __delitem__ = append = clear = extend = insert = pop = remove = reverse = sort = _refuse
    __iadd__ = __imul__ = _refuse
