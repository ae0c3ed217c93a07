"""The command `numbafc`: train, evaluate, predict, export, info, compile."""

from .app import app

__all__ = ["app"]
