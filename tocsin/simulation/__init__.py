"""Simulation: labelled multi-tenant MCP traffic from a seed."""

from tocsin.simulation.simulate import PRESETS, STANDARD, Parameters, Summary, simulate

__all__ = ["PRESETS", "STANDARD", "Parameters", "Summary", "simulate"]
