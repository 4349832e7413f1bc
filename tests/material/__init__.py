"""Layers as users write them, correct ones, each with the bugs that people write in it."""
