"""Runnable scripts, each of which says what it shows."""
