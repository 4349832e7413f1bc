"""What every layer is and what models are made of: the contract, containers, parameters."""
