"""The base of all layers and models: the contract of a layer, containers, parameters."""
