"""Measurements: how fast the layer is on this machine. Nothing here is imported by the package or timed by a test."""
