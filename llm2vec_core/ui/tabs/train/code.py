"""The Python that trains as the tab does, and the Python that loads what was downloaded."""

from __future__ import annotations

from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.tabs.train.settings import Settings, held_out_every, recipe_of
from llm2vec_core.ui.user_texts import BUNDLED_TEXTS, Texts

CLASSES = {"mntp": "MNTP", "simcse": "SimCSE", "supervised": "Supervised"}
# More texts than this are read from a file instead of standing in the code.
SPELLED_OUT = 40


def training_snippet(preset: ModelPreset, settings: Settings, texts: Texts | None, pairs_name: str = "") -> str:
    """Code that trains with these settings, saves the adapter and uses it.

    Args:
        preset: the model.
        settings: the fields as they are.
        texts: the visitor's own, if they are what is trained on.
        pairs_name: of the visitor's own file of pairs, likewise.
    """
    name, recipe = CLASSES[settings.objective], recipe_of(settings.objective, preset)
    imports, data = _data(settings, texts, pairs_name)
    options = ", ".join(f"{key}={value!r}" for key, value in recipe.options.items())
    lines = [
        *sorted(
            [
                *imports,
                "from llm2vec_core import LLM2Vec",
                "from llm2vec_core.training.config import TrainingConfig",
                "from llm2vec_core.training.loop import AdapterTraining",
                f"from llm2vec_core.training.objectives import {name}",
            ],
            key=lambda line: (not line.startswith("from pathlib"), line),
        ),
        "",
        *data,
        f'start = LLM2Vec.from_preset("{preset.key}:{settings.start}")',
        "config = TrainingConfig(",
        f"    steps={settings.steps}, batch_size={settings.batch_size}, max_length={settings.max_length}, "
        f"learning_rate={settings.learning_rate!r},",
        f"    lora_rank={settings.rank}, lora_alpha={2 * settings.rank}, "
        f"held_out_every={held_out_every(settings.steps, recipe.held_out_times)}, seed={settings.seed},",
        ")",
        f"training = AdapterTraining(start, {name}({options}), train, config, held_out)",
        "for event in training.run():",
        "    print(event.step, round(event.loss, 3), event.held_out_loss)",
        f'training.save("my-adapter", start="{settings.start}")',
        "",
        "encoder = training.encoder()",
        'a, b = encoder.encode(["The river rose after the rain.", "It rained. The stream swelled."], normalize=True)',
        'print("cosine:", float(a @ b))',
    ]
    return "\n".join(lines) + "\n"


def loading_snippet(preset: ModelPreset, start: str, folder: str, pooling_mode: str) -> str:
    """Code that loads a downloaded adapter and embeds with it.

    Args:
        preset: the model.
        start: key of the stage that it stands on.
        folder: of the unpacked download.
        pooling_mode: with which it was trained.
    """
    return f"""from llm2vec_core import LLM2Vec, PRESETS

preset = PRESETS["{preset.key}"]
beneath = preset.stage("{start}").adapters
settings = {{**preset.settings, "bidirectional": True, "pooling_mode": "{pooling_mode}"}}
encoder = LLM2Vec.from_pretrained(preset.base, [*beneath, "{folder}"], **settings)
embeddings = encoder.encode(["The river rose after the rain.", "It rained."])
"""


def peft_snippet(preset: ModelPreset, start: str, folder: str) -> str:
    """The same with transformers and PEFT, for an encoder that pools by the mean without a template.

    Args:
        preset: the model.
        start: key of the stage that the adapter stands on.
        folder: of the unpacked download.
    """
    adapters = preset.stage(start).adapters
    if preset.bundled:
        head = f"""from llm2vec_core import PRESETS

base = PRESETS["{preset.key}"].base  # the folder assets/models/llm2vec-mini
adapters = [*PRESETS["{preset.key}"].stage("{start}").adapters, "{folder}"]
"""
    else:
        head = f"base = {preset.base!r}\nadapters = {[*adapters, folder]!r}\n"
    return f"""import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModel, AutoTokenizer
{head}
config = AutoConfig.from_pretrained(base)
config.is_causal = False  # attention in both directions; an adapter alone does not say so
model = AutoModel.from_pretrained(base, config=config, dtype=torch.float32)
for adapter in adapters:  # each was trained on what lies beneath it
    model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
model.eval()
tokenizer = AutoTokenizer.from_pretrained(base, padding_side="right")
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
batch = tokenizer(["The river rose after the rain.", "It rained."], padding=True, return_tensors="pt")
with torch.inference_mode():
    states = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
mask = batch["attention_mask"][:, :, None]
embeddings = (states * mask).sum(1) / mask.sum(1)
"""


def _data(settings: Settings, texts: Texts | None, pairs_name: str) -> tuple[list[str], list[str]]:
    bundled = "from llm2vec_core.training.bundled import "
    if settings.objective == "supervised":
        if settings.source == BUNDLED_TEXTS:
            return [f"{bundled}bundled_pairs"], ["train, held_out = bundled_pairs()"]
        return (
            ["from pathlib import Path", "from llm2vec_core.training.pairs import clean_pairs, read_pairs"],
            [
                f"pairs = list(clean_pairs(read_pairs(Path({pairs_name!r}))))",
                "queries = list(dict.fromkeys(pair.query for pair in pairs))",
                "apart = set(queries[::8])",
                "train = [pair for pair in pairs if pair.query not in apart]",
                "held_out = [pair for pair in pairs if pair.query in apart]",
            ],
        )
    if settings.source == BUNDLED_TEXTS:
        return [f"{bundled}bundled_texts"], [f'train, held_out = bundled_texts("{settings.objective}")']
    different = list(dict.fromkeys(texts.texts)) if texts else []
    if len(different) <= SPELLED_OUT:
        spelled = ["texts = [", *(f"    {text!r}," for text in different), "]"]
    else:
        spelled = [
            'with open("texts.txt", encoding="utf-8") as file:  # one per line, each once',
            "    texts = file.read().splitlines()",
        ]
    return [f"{bundled}hold_out"], [*spelled, "train, held_out = hold_out(texts)"]
