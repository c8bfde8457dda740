"""Measure encoders on labelled data.

sts.py       semantic textual similarity: Spearman correlation of cosines with people's scores
ladder.py    every stage of a model on every STS set, as one table
"""
