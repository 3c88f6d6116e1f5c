"""The rows that a stage is trained on."""

import pyarrow as pa

from selfsame.tables.columns import MESSAGES

# inoculated: the system message begins with an instruction put there for training; null: no.
DATASET = pa.schema([("row_id", pa.string()), ("messages", MESSAGES), ("inoculated", pa.bool_())])
