"""Factories: small inputs and finished rooms that tests start from."""
