"""The chapters: texts for learners, with the solutions in them. Plain NumPy, without types."""
