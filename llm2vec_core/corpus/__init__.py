"""Corpora of any size: texts in from files, embeddings out to files, both a piece at a time.

sources.py    texts from txt, csv, tsv, json, jsonl and parquet files or standard input, one after another
source.py     what every reader takes (TextSource) and reports to (Mended)
encodings.py  what the bytes are: UTF-8, UTF-16, cp1252, or no text at all
lines.py, delimited.py, json_records.py, parquet.py   a reader each
reading.py    how a file is understood before it is read: columns, delimiter, header, first rows
outputs.py    files of embeddings, written from parts, and read back
shards.py     one corpus in N shards, each encoded by itself, read as one
encoding.py   CorpusEncoding: a job that a kill sets back by one chunk, never by a row too many or too few
parts.py         what an engine encodes and writes;  ray_engine.py   the one with an encoder in each of Ray's actors
lance_files.py   the same as a Lance dataset, whose shards are joined without rewriting
lance_search.py  its index, whose recall is measured when it is built, and search with filters
"""
