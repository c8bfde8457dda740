"""Make the bundled decoder from scratch: tokenizer, token file, embedding start, language-model loop.

Only the bundled model needs this package; every other model comes pretrained.

    tokenizer.py       lower-casing byte-level BPE
    tokens.py          parquet documents -> one flat uint16 token file
    cooccurrence.py    token embeddings from co-occurrence counts (the starting point)
    loop.py            next-token training with checkpoints, resumable
    __main__.py        the one command that runs the four in order
"""
