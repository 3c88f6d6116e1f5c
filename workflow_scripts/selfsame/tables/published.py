"""Arrow schemas of the tables on published answers, and of ours beside them (contract 5).

Shares are of answers that are not right. `account`: all (an unread answer counts as wrong) or valid
(unread answers are left out).
"""

import pyarrow as pa

from selfsame.tables.columns import STATE_KEYS


def _measured(name: str, kind: pa.DataType, unit: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit})


ACCOUNT = ("account", pa.string())
PUBLISHED_STATES = pa.schema(
    [
        *STATE_KEYS[:3],
        ("condition", pa.string()),
        ("system", pa.string()),
        _measured("n_runs", pa.int64(), "runs"),
    ]
)
PUBLISHED_RUNS = pa.schema(
    [
        *STATE_KEYS,
        ACCOUNT,
        _measured("value", pa.float64(), "share of answers, 0 to 1; null where none counts"),
        _measured("n", pa.int64(), "answers"),
        _measured("n_invalid", pa.int64(), "answers"),
    ]
)
PUBLISHED_LEVELS = pa.schema(
    [
        *STATE_KEYS[:3],
        ACCOUNT,
        _measured("value", pa.float64(), "share of answers, 0 to 1; null where too few are valid"),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        _measured("run_mean", pa.float64(), "mean over runs of their shares"),
        _measured("run_sd", pa.float64(), "standard deviation over runs, n - 1; null for one run"),
        _measured("n", pa.int64(), "answers"),
        _measured("n_invalid", pa.int64(), "answers"),
        _measured("n_seeds", pa.int64(), "runs"),
        _measured("n_items", pa.int64(), "questions"),
    ]
)
PUBLISHED_CONTRASTS = pa.schema(
    [
        *STATE_KEYS[:2],
        ("contrast", pa.string()),
        ("induction", pa.string()),
        ("chain", pa.string()),
        ("control", pa.string()),
        ACCOUNT,
        _measured("estimate", pa.float64(), "difference of shares, chain minus control"),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        ("p_value", pa.float64()),
        _measured("p_adjusted", pa.float64(), "over all contrasts of the account"),
        _measured("paired", pa.bool_(), "runs of equal seeds are paired"),
        _measured("n_seeds", pa.int64(), "runs"),
        _measured("n_seeds_control", pa.int64(), "runs"),
        _measured("n_items", pa.int64(), "questions"),
        _measured("invalid", pa.float64(), "share of all answers, 0 to 1"),
        _measured("invalid_control", pa.float64(), "share of all answers, 0 to 1"),
        _measured("published", pa.float64(), "difference of means over runs, account all"),
        _measured("published_p", pa.float64(), "Welch's t-test over runs; null where undefined"),
        ("published_call", pa.string()),
        ("call", pa.string()),
        ("outcome", pa.string()),
    ]
)
PRINTED_CELLS = pa.schema(
    [
        ("model", pa.string()),
        ("condition", pa.string()),
        ("figure", pa.string()),
        ("printed", pa.string()),
        ("computed", pa.string()),
        _measured("value", pa.float64(), "percent"),
        ("agrees", pa.bool_()),
    ]
)
