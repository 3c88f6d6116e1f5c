"""What a relapsing state answered at each dose."""

import pyarrow as pa

from selfsame.tables.columns import DOSE
from selfsame.tables.samples import SAMPLES

RELAPSE_SAMPLES = pa.schema([*SAMPLES, DOSE])
