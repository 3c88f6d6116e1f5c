"""What was read out of each answer of a relapsing state."""

import pyarrow as pa

from selfsame.tables.columns import DOSE
from selfsame.tables.observations import OBSERVATIONS

RELAPSE_OBSERVATIONS = pa.schema([*OBSERVATIONS, DOSE])
