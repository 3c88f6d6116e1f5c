"""What a state answered to the traits' evaluation questions."""

import pyarrow as pa

from selfsame.tables.columns import ANSWER, STATE_KEYS

PERSONA_ANSWERS = pa.schema([*STATE_KEYS, ("trait", pa.string()), *ANSWER])
