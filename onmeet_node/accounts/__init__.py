"""The optional account of a node: a seat at an operator's, and the tokens that it buys.

Loaded where a seat was entered, and there alone.
"""
