"""Measure encoders on labelled data.

tasks/           one file a kind of task: how it is read, and what makes a score of embeddings
sts.py           pairs of sentences, their cosines, Spearman correlation
files.py         labelled data from parquet files
sets.py          the sets of a folder
bootstrap.py     intervals of scores and of differences
results.py       finished cells, kept in a file
ladder.py        every stage of a model and its rivals on every set
summary.py       the ladder's numbers without their resamples
retrieval_files.py  retrieval sets as parquet files, or as BEIR has them
query_scores.py  retrieval query by query, two encoders side by side
tables.py        the ladder as markdown and comma-separated values
mteb_adapter.py  an encoder as mteb takes one
"""
