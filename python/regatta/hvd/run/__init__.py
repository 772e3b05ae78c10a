"""Starts the ranks of a job here: ``python -m regatta.hvd.run -np 2 python train.py``."""
