"""Train the bundled model: ``python -m llm2vec_core.training.pretraining --corpus DIR --work DIR``.

Each step leaves its result in ``--work`` and is skipped when it is there, so that the command can be
stopped and started again; ``--export DIR`` writes the model in the Hub's layout (float16, shards).
"""

from __future__ import annotations

import argparse
import json
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from llm2vec_core.training.pretraining.cooccurrence import cooccurrence_embeddings
from llm2vec_core.training.pretraining.loop import OPTIMIZERS, PRECISIONS, PretrainConfig, model_config, pretrain
from llm2vec_core.training.pretraining.tokenizer import save_tokenizer, train_tokenizer
from llm2vec_core.training.pretraining.tokens import read_documents, tokenize_documents

SHARD_SIZE = "9MB"


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; the defaults are those of the bundled model's main phase."""
    parser = argparse.ArgumentParser(prog="python -m llm2vec_core.training.pretraining", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder with train-*.parquet and valid.parquet")
    parser.add_argument("--work", type=Path, required=True, help="folder for token files and checkpoints")
    parser.add_argument("--export", type=Path, help="folder for the finished model")
    parser.add_argument("--start-from", type=Path, help="folder of an exported model to go on from (a fresh optimizer)")
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--context-length", type=int, default=512)
    parser.add_argument("--tokenizer-documents", type=int, default=12000)
    parser.add_argument("--cooccurrence-tokens", type=int, default=40_000_000)
    parser.add_argument("--steps", type=int, default=PretrainConfig.steps)
    parser.add_argument("--decay-steps", type=int, default=PretrainConfig.decay_steps)
    parser.add_argument("--batch-size", type=int, default=PretrainConfig.batch_size)
    parser.add_argument("--sequence-length", type=int, default=PretrainConfig.sequence_length)
    parser.add_argument("--learning-rate", type=float, default=PretrainConfig.learning_rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=PRECISIONS, default=PretrainConfig.precision)
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default=PretrainConfig.optimizer)
    parser.add_argument("--warmup-steps", type=int, default=PretrainConfig.warmup_steps)
    parser.add_argument("--save-every", type=int, default=200, help="steps between checkpoints")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")
    parser.add_argument("--compile", action="store_true", help="torch.compile; needs a C++ compiler")
    return parser.parse_args(argv)


def prepare_tokens(arguments: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Tokenizer and token files, made once."""
    work: Path = arguments.work
    if arguments.start_from and not (work / "tokenizer").exists():
        (work / "tokenizer").mkdir()
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (work / "tokenizer" / name).write_bytes((arguments.start_from / name).read_bytes())
    train_files = sorted(arguments.corpus.glob("train-*.parquet"))
    valid_file = arguments.corpus / "valid.parquet"
    if not train_files or not valid_file.exists():
        raise SystemExit(f"{arguments.corpus} holds no train-*.parquet or no valid.parquet")
    if not (work / "tokenizer" / "tokenizer.json").exists():
        print("tokenizer: training", flush=True)
        texts = islice(read_documents(train_files), arguments.tokenizer_documents)
        save_tokenizer(train_tokenizer(texts, arguments.vocab_size), work / "tokenizer", arguments.context_length)
    tokenizer = Tokenizer.from_file(str(work / "tokenizer" / "tokenizer.json"))
    for name, files in (("train", train_files), ("valid", [valid_file])):
        if not (work / f"{name}.npy").exists():
            print(f"tokens: {name}", flush=True)
            np.save(work / f"{name}.npy", tokenize_documents(read_documents(files), tokenizer))
    return np.load(work / "train.npy", mmap_mode="r"), np.load(work / "valid.npy")


def initial_model(arguments: argparse.Namespace, train_ids: np.ndarray) -> LlamaForCausalLM:
    """A fresh model whose embeddings come from co-occurrence, or the one to go on from."""
    if arguments.start_from:
        return LlamaForCausalLM.from_pretrained(arguments.start_from, dtype=torch.float32)
    torch.manual_seed(arguments.seed)
    config = model_config(
        arguments.vocab_size,
        hidden_size=arguments.hidden_size,
        layers=arguments.layers,
        heads=arguments.heads,
        context_length=arguments.context_length,
    )
    model = LlamaForCausalLM(config)
    file = arguments.work / "embeddings.npy"
    if not file.exists():
        print("embeddings: counting co-occurrences", flush=True)
        ids = np.asarray(train_ids[: arguments.cooccurrence_tokens])
        np.save(file, cooccurrence_embeddings(ids, arguments.vocab_size, arguments.hidden_size, seed=arguments.seed))
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(torch.from_numpy(np.load(file)))
    return model


def main(argv: list[str] | None = None) -> None:
    """Run the whole road."""
    arguments = parse_arguments(argv)
    arguments.work.mkdir(parents=True, exist_ok=True)
    train_ids, valid_ids = prepare_tokens(arguments)
    model = initial_model(arguments, train_ids)
    print(f"model: {model.num_parameters():,} parameters; corpus: {len(train_ids):,} tokens", flush=True)
    config = PretrainConfig(
        steps=arguments.steps,
        decay_steps=arguments.decay_steps,
        batch_size=arguments.batch_size,
        sequence_length=arguments.sequence_length,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
        precision=arguments.precision,
        optimizer=arguments.optimizer,
        warmup_steps=arguments.warmup_steps,
    )
    model.to(arguments.device)
    report = pretrain(
        model,
        train_ids,
        valid_ids,
        config,
        arguments.work,
        compile_model=arguments.compile,
        save_every=arguments.save_every,
    )
    (arguments.work / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report), flush=True)
    if arguments.export:
        model.cpu().half().save_pretrained(arguments.export, max_shard_size=SHARD_SIZE)
        for file in (arguments.work / "tokenizer").iterdir():
            (arguments.export / file.name).write_bytes(file.read_bytes())


if __name__ == "__main__":
    main()
