"""The price of leakage: the same pipeline under slice and patient splits, with true labels and with shuffled ones."""
