"""For each chapter: what there is to write, on which inputs it is tried, and what goes wrong."""
