"""What a judge needs to know of a question: a JSON object in `reference`."""

import pyarrow as pa

REFERENCES = pa.schema([("question", pa.string()), ("reference", pa.string())])
