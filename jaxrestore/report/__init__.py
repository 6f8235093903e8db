"""Figures and records of a run."""
