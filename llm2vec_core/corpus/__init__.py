"""Corpora of any size: texts in from files, embeddings out to files, both a piece at a time.

sources.py    texts from txt, csv, tsv, jsonl and parquet files or standard input, one after another
outputs.py    files of embeddings, written from parts, and read back
encoding.py   CorpusEncoding: a job that a kill sets back by one chunk, never by a row too many or too few
"""
