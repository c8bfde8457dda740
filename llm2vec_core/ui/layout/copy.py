"""What the frame says."""

MODEL_INTRO = """
<div class="l2v l2v-side"><h2>Model</h2>
<p>Everything on this page is computed with one language model. LLM2Vec-mini is small and always available. SmolLM2 is a
language model that people use, with adapters trained for this page: it shows what opening the mask breaks and what training
mends. Others come from the Hugging Face Hub; of those, one is kept in memory at a time.</p></div>
"""

USE, IN_USE = "Use this model", "In use"

HUB_HINT = "owner/name of any decoder-only language model, or of a PEFT adapter on one. Only safetensors are read; no code of the repository is run."
HUB_ALLOWED = "owner/name. This server's operator allows: {allowed}."

ARCHITECTURES_LABEL = "Which models can be opened?"

SOURCES = """
<div class="l2v l2v-side"><p><b>This page</b> and its code: Apache-2.0.</p>
<p><b>The bundled model</b>, LLM2Vec-mini, was trained from scratch on openly licensed English text (most of it from
Wikipedia); its weights are CC-BY-SA-4.0. Each Hub model is under its makers' licence.</p>
<p><b>The method</b>: BehnamGhader et al., <a href="https://arxiv.org/abs/2404.05961">LLM2Vec: Large Language Models Are
Secretly Powerful Text Encoders</a> (2024). <b>The baseline</b> that needs no training: Springer et al.,
<a href="https://arxiv.org/abs/2402.15449">Repetition Improves Language Model Embeddings</a> (2024).</p>
<p><b>Your data.</b> What you type, paste or train is held in this server's memory for your visit alone, and forgotten within
minutes after you leave. A file that you upload, and one that is made for you to download, lies on this server's disk: uploads are
deleted when you close or reload the page, the rest within two hours. Nobody else is shown any of it. Lines that you choose to keep
stay in your browser. This page contacts no other host.</p></div>
"""
