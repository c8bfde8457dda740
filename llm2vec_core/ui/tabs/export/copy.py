"""Labels of this tab, and the code that it shows; its prose stands in its templates."""

from collections.abc import Collection

INSTRUCTION_INFO = "Prepended to each text, not pooled. Leave empty for none."
INSTRUCTION_HINT = "for example: Retrieve passages that answer the question:"

PRECISIONS = {
    "full": "float32: exact",
    "bfloat16": "bfloat16: nearly exact, faster on this machine",
    "int8": "int8: less exact, faster on this machine",
}


def precisions(faster: Collection[str]) -> list[tuple[str, str]]:
    """The choices; of those that are not exact only the ones that were measured faster."""
    return [(label, key) for key, label in PRECISIONS.items() if key == "full" or key in faster]


FORMATS = [
    ("parquet: with texts and labels", "parquet"),
    ("npy: the numbers only", "npy"),
    ("csv: for spreadsheets", "csv"),
]
STOPPING, STOPPED = "Stopping …", "Stopped. No file was created."
NOTHING_TO_STOP = "No file is being created."
QUEUE = "another visitor's file is being created", "Yours follows by itself; press Stop to leave the queue."
FOLDER_QUEUE = "another visitor's folder is being created", "Yours follows by itself."
MAKING_FOLDER = "Creating the folder and checking that sentence-transformers reads it alike …"
NO_FILE = "Nothing to download yet"
NO_COMMAND = "(no command for this encoder: use the Python above)"

EXPORT_COMMANDS = """pip install 'sentence-transformers>=6.2,<7'
python -m llm2vec_core convert mini --out my-encoder --format sentence-transformers"""
EXPORT_PYTHON = """from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{folder}")  # the unzipped folder
print(model.encode(["The bank was steep and muddy."]).shape)"""

API_PYTHON = """from gradio_client import Client  # pip install gradio_client

client = Client("ORIGIN")
hits = client.predict(
    query="Which animals hunt at night?", top=3, api_name="/search"
)
for hit in hits:
    print(hit["rank"], round(hit["cosine"], 3), hit["text"])"""
API_CURL = """EVENT=$(curl -s -X POST \\
  ORIGIN/gradio_api/call/v2/similarity \\
  -H "Content-Type: application/json" \\
  -d '{"first": ["The bank was steep."],
       "second": ["The bank was robbed."]}' | cut -d'"' -f4)
curl -sN ORIGIN/gradio_api/call/similarity/$EVENT"""
API_OPENAI = """curl -s ORIGIN/v1/embeddings \\
  -H "Content-Type: application/json" \\
  -d '{"model": "MODEL",
       "input": ["The bank was steep."]}'"""
