"""Runnable examples, each described in its docstring."""
