"""What all members of an ensemble have alike: asked of the ensemble, it is the first one's."""

from __future__ import annotations

from typing import Any


class Shared:
    """An attribute of the networks in `nets`, read on the object that has them. It is set on each network, not here."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, members: Any, owner: type) -> Any:
        return self if members is None else getattr(members.nets[0], self.name)

    def __set__(self, members: Any, value: Any) -> None:
        raise AttributeError(f"members share {self.name}, which is set on each: for net in members: net.{self.name} = …")
