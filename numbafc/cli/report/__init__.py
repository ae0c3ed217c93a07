"""A page about a model: one html file that needs no network, written by `--report`."""

from .page import write
from .subject import Subject, command_of, groups, places

__all__ = ["Subject", "command_of", "groups", "places", "write"]
