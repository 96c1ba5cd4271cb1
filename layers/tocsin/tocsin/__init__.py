"""Tocsin: alert delivery that never silently drops an alert."""
