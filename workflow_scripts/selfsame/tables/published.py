"""Arrow schemas of the tables on published answers, and of ours beside them (contract 5).

Shares are of answers that are not right. `account`: all (an unread answer counts as wrong) or valid
(unread answers are left out).
"""

import pyarrow as pa

from selfsame.tables.columns import STATE_KEYS, column

ACCOUNT = ("account", pa.string())
PUBLISHED_LEVELS = pa.schema(
    [
        *STATE_KEYS[:3],
        ACCOUNT,
        column("value", pa.float64(), "share of answers, 0 to 1; null where too few are valid"),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        column("run_mean", pa.float64(), "mean over runs of their shares"),
        column("run_sd", pa.float64(), "standard deviation over runs, n - 1; null for one run"),
        column("n", pa.int64(), "answers"),
        column("n_invalid", pa.int64(), "answers"),
        column("n_seeds", pa.int64(), "runs"),
        column("n_items", pa.int64(), "questions"),
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
        column("estimate", pa.float64(), "difference of shares, chain minus control"),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        ("p_value", pa.float64()),
        column("p_adjusted", pa.float64(), "over all contrasts of the account"),
        column("paired", pa.bool_(), "runs of equal seeds are paired"),
        column("n_seeds", pa.int64(), "runs"),
        column("n_seeds_control", pa.int64(), "runs"),
        column("n_items", pa.int64(), "questions"),
        column("invalid", pa.float64(), "share of all answers, 0 to 1"),
        column("invalid_control", pa.float64(), "share of all answers, 0 to 1"),
        column("published", pa.float64(), "difference of means over runs, account all"),
        column("published_p", pa.float64(), "Welch's t-test over runs; null where undefined"),
        ("published_call", pa.string()),
        ("call", pa.string()),
        ("outcome", pa.string()),
    ]
)
