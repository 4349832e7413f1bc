"""Files: replaced whole or not at all, arrays and states in them."""
