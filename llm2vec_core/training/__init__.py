"""Adapt a decoder with LoRA: MNTP and SimCSE for any model, pretraining for the bundled one.

config.py       TrainingConfig: what decides a run
events.py       what a run tells while it goes on
data.py         texts from files, cut into sentences or paragraphs
lora.py         adapters beside shared weights, through PEFT
head.py         the language-model head that MNTP predicts with
noise.py        dropout for the two views of SimCSE
losses.py       the contrastive loss
loop.py         AdapterTraining: the loop that yields events
objectives/     one file an objective, registered by name
pretraining/    the bundled model from nothing
"""
