"""Adapt a decoder with LoRA: MNTP, SimCSE and supervised for any model, pretraining for the bundled one.

recipe.py          a whole training read from a file
configs/           such files, with the published settings
config.py          TrainingConfig: what decides a run
events.py          what a run tells while it goes on
data.py            texts from files or data sets, cut or packed
folders.py         which files of a folder are meant for training
pairs.py           labelled pairs, read and cleaned
schedule.py        which examples each batch holds
lora.py            adapters beside shared weights, through PEFT
head.py            the language-model head that MNTP predicts with
noise.py           dropout for the two views of SimCSE
losses.py          the contrastive loss
gradient_cache.py  contrastive batches larger than memory
distributed.py     embeddings gathered over several processes
objectives/        one file an objective, registered by name
loop.py            AdapterTraining: one run, with an event a step
trainer.py         transformers.Trainer around it
memory.py          what a training takes of memory, estimated beforehand
bundled.py         the bundled texts and pairs as training data
foreign.py         an adapter from outside, checked
pretraining/       the bundled model from scratch
"""
