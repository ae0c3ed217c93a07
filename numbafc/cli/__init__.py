"""The command `numbafc`: train, evaluate, predict, info."""

from .app import app

__all__ = ["app"]
