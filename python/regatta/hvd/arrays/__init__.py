"""Collectives on host memory seen as NumPy arrays: what a framework needs whose tensors are that.

The background thread then never calls the framework: `execute` works on arrays, and the thread that
synchronizes makes tensors of them.
"""
