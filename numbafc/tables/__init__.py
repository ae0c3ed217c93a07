"""Tables: from rows as people have them to numbers that a network takes, and what was decided on the way."""

from .choices import Choices
from .table import Table
from .task import Task, decide

__all__ = ["Choices", "Table", "Task", "decide"]
