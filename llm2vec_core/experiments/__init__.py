"""Experiments of the published work, repeated on any model: each file one question."""
