"""Evaluation of policies: while a run trains and afterwards."""
