"""A process that trains with one peer."""

from ..peers import serve
from . import Trainer

serve(Trainer())
