"""What this tab says."""

INTRO = """
<div class="l2v"><h2>Embeddings of your texts</h2>
<p>An <em>embedding</em> is a list of numbers that stands for a text: texts that mean similar things get similar lists.
Choose texts and an encoder; you get one row a text. <em>Pooling</em> is how the vectors of a text's tokens become one.
<em>Normalised</em> means scaled to length 1, so that the product of two rows is their cosine.</p></div>
"""

INSTRUCTION_INFO = "Put in front of each text and left out of pooling. Empty: none."
INSTRUCTION_HINT = "such as: Retrieve passages that answer the question:"

PRECISIONS = [("float32: exact", "full"), ("int8: less exact, faster on this machine", "int8")]


def precisions(int8: bool) -> list[tuple[str, str]]:
    """The choices; int8 only where it was measured faster."""
    return PRECISIONS if int8 else PRECISIONS[:1]


FORMATS = [
    ("parquet: with texts and labels", "parquet"),
    ("npy: the numbers alone", "npy"),
    ("csv: for spreadsheets", "csv"),
]

COMMAND_INTRO = """
<div class="l2v"><p>A million texts do not belong into a web page. The same on your own machine, in bounded memory; a run that is killed goes on where it stopped:</p></div>
"""
STOPPED = '<div class="l2v" role="status"><p class="muted">Stopped. No file was made.</p></div>'
NO_COMMAND = "(no command for this encoder: use the Python above)"

MODEL_INTRO = """
<div class="l2v"><h2>The model itself</h2>
<p>As a folder for <em>sentence-transformers</em>, the library that most search and clustering tools read. It needs none of
this page's code. Before it is handed over it is loaded back and its embeddings are compared with ours.</p></div>
"""
NEEDS_EXPORT = """
<div class="l2v"><p>The package <code>sentence-transformers</code> is not installed on this server, so the folder cannot be made here. On your machine:</p></div>
"""
EXPORT_COMMANDS = """pip install 'sentence-transformers>=6.2,<7'
python -m llm2vec_core convert mini --out my-encoder --format sentence-transformers"""
EXPORT_PYTHON = """from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{folder}")  # the unzipped folder
print(model.encode(["The bank was steep and muddy."]).shape)"""

API_INTRO = """
<div class="l2v"><h2>From a program</h2>
<p>Four addresses answer programs (an <em>API</em>). They compute with the model that this page opens with, take at most {texts} texts a call, and tell in words what is wrong with a request. Up to {parallel} calls run at once; more wait in the queue.</p></div>
"""
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
OPENAI_INTRO = """
<div class="l2v"><p><b>For clients of OpenAI's embeddings API.</b> The base address is <code><span class="l2v-origin">ORIGIN</span>/v1</code>, the key can be anything, and the models are those of <code>GET /v1/models</code>.</p></div>
"""
API_OPENAI = """curl -s ORIGIN/v1/embeddings \\
  -H "Content-Type: application/json" \\
  -d '{"model": "MODEL",
       "input": ["The bank was steep."]}'"""

MCP_ON = """
<div class="l2v"><p><b>For assistants.</b> The four are also tools of a Model Context Protocol (MCP) server at <code><span class="l2v-origin">ORIGIN</span>/gradio_api/mcp/</code>.</p></div>
"""
MCP_OFF = """
<div class="l2v"><p><b>For assistants.</b> Started where <code>pip install 'gradio[mcp]'</code> was run, this page also offers the four as tools of a Model Context Protocol (MCP) server. Here that extra is not installed.</p></div>
"""

LINKS = """
<div class="l2v"><h2>This very view</h2>
<p><b>Copy link</b>, above, puts the open tab and its fields into an address. Whoever opens it sees what you see. Nothing of it is stored on the server; uploaded files and adapters are not in it.</p>
<p><b>Figures</b>: below each one are PNG, SVG and CSV. <b>Code</b>: each tab shows the Python that does the same.</p></div>
"""
