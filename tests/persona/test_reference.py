"""What is read from files in parts, against slow direct formulas on whole arrays."""

import zlib
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from selfsame.persona import stored
from selfsame.persona.extraction import random_control
from selfsame.persona.nulls import Extraction, States, null_table
from selfsame.persona.projections import Readout, project
from selfsame.persona.settings import NullSettings
from selfsame.persona.stored import Stored, stored_arrays, writing_arrays
from selfsame.persona.vectors import kept_rows, persona_vectors, vector_table

KEYS = {"experiment": "x", "model": "m", "trait": "evil", "vector": "prompt_last"}
ROLLOUTS, BLOCKS, WIDTH, DRAWS, LAYER = 30, 3, 8, 25, 1
RNG = np.random.default_rng(5)
ROWS = (RNG.normal(size=(ROLLOUTS, BLOCKS, WIDTH)) * np.arange(1, WIDTH + 1)).astype(np.float32)
JUDGED = pd.DataFrame(
    {
        **KEYS,
        "side": np.where(np.arange(ROLLOUTS) % 3 == 0, "negative", "positive"),
        "item": [str(n // 3 % 4) for n in range(ROLLOUTS)],
        "kept": np.arange(ROLLOUTS) % 7 != 2,
    }
)
ROWS[~JUDGED["kept"].to_numpy()] = np.nan
KEPT = ROWS[JUDGED["kept"].to_numpy()].astype(np.float64)
POSITIVE = (JUDGED["side"] == "positive").to_numpy()[JUDGED["kept"].to_numpy()]
CHAINS = ["base", *["em"] * 3, *["em+identify"] * 2, *["em+facts"] * 3]
SEEDS = [0, 0, 1, 2, 1, 2, 0, 1, 2]
INDUCED = {"em+identify": "em", "em+facts": "em"}
SHIFTS = RNG.normal(size=(len(CHAINS), BLOCKS, WIDTH))
SCORES = RNG.uniform(0, 100, len(CHAINS))
OTHERS = RNG.normal(size=(2, BLOCKS, WIDTH))


@pytest.fixture(params=[1, 300, stored.PORTION])
def portion(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row or block at a time, some, all."""
    monkeypatch.setattr(stored, "PORTION", request.param)


def on_disk(path: Path, rows: np.ndarray) -> Stored:
    kind = {4: "F32", 8: "F64"}[rows.dtype.itemsize]
    with writing_arrays(path, {"rows": rows.shape}, kind) as write:
        write("rows", 0, rows)
    return stored_arrays(path, {"rows": rows.shape})["rows"]


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def vector() -> np.ndarray:
    return KEPT[POSITIVE].mean(axis=0) - KEPT[~POSITIVE].mean(axis=0)


def within() -> np.ndarray:
    means = [KEPT[side].mean(axis=0) for side in (~POSITIVE, POSITIVE)]
    return np.stack([row - means[int(side)] for row, side in zip(KEPT, POSITIVE, strict=True)])


def shaped(rows: np.ndarray, of_rows: np.ndarray, of_width: np.ndarray) -> np.ndarray:
    """Draws [draws, blocks, width] by scikit-learn's shrinkage."""
    found = []
    for block in range(BLOCKS):
        at = rows[:, block] - rows[:, block].mean(axis=0)
        s, mu = LedoitWolf().fit(rows[:, block]).shrinkage_, (at**2).mean()
        found.append(np.sqrt((1 - s) / len(at)) * of_rows @ at + np.sqrt(s * mu) * of_width)
    return np.stack(found, axis=1)


def directions() -> dict[str, np.ndarray]:
    """Every null's directions [draws, blocks, width], all in memory."""
    seed = [0, zlib.crc32(b"evil/prompt_last")]
    normal, shuffle = np.random.default_rng(seed).spawn(2)
    of_rows = normal.standard_normal((DRAWS, len(KEPT)))
    of_width = normal.standard_normal((DRAWS, WIDTH))
    shuffled = shuffle.permuted(np.tile(POSITIVE, (DRAWS, 1)), axis=1)
    parts = [PCA(2, random_state=0).fit(KEPT[:, block]).components_ for block in range(BLOCKS)]
    return {
        "covariance": shaped(within(), of_rows, of_width),
        "total_covariance": shaped(KEPT, of_rows, of_width),
        "permutation": np.stack([KEPT[s].mean(axis=0) - KEPT[~s].mean(axis=0) for s in shuffled]),
        "components": np.stack(parts, axis=1),
        "cross_trait": OTHERS,
    }


def movement(arm: str) -> np.ndarray:
    """What an arm went back from em, [blocks, width]: mean over the seeds that both have."""
    places = {key: n for n, key in enumerate(zip(CHAINS, SEEDS, strict=True))}
    seeds = [seed for chain, seed in places if chain == arm]
    return np.mean([SHIFTS[places["em", s]] - SHIFTS[places[arm, s]] for s in seeds], axis=0)


def statistic(direction: np.ndarray, arm: str | None) -> list[float]:
    """Of one direction [blocks, width] at each block: Pearson's r, or an arm's signed movement."""
    if arm is not None:
        return [float(d @ m) for d, m in zip(direction, movement(arm), strict=True)]
    along = [[float(d @ s) for s in SHIFTS[:, block]] for block, d in enumerate(direction)]
    return [stats.pearsonr(values, SCORES).statistic for values in along]


def reference() -> pd.DataFrame:
    """Observed value, quantiles and p-value of every statistic, arm, selection and null."""
    nulls = {kind: unit(drawn) for kind, drawn in directions().items()}
    rows = []
    for arm, (null, drawn) in product((None, *INDUCED), nulls.items()):
        own = np.array([statistic(unit(vector()), arm)])
        values = np.array([statistic(direction, arm) for direction in drawn])
        scale = np.ones(BLOCKS)
        if arm is not None:
            scale = np.std([statistic(d, arm) for d in nulls["covariance"]], axis=0)
            own, values = np.abs(own), np.abs(values)
        largest = [np.abs(each / scale).max(axis=1) for each in (own, values)]
        for selection, (one, null_values) in {
            "chosen": (own[:, LAYER], values[:, LAYER]), "max": largest,
        }.items():  # fmt: skip
            extreme = sum(abs(value) >= abs(one[0]) for value in null_values)
            rows.append(
                [arm, selection, null, one[0], *np.quantile(null_values, [0.025, 0.5, 0.975]),
                 (1 + extreme) / (1 + len(null_values))]
            )  # fmt: skip
    return pd.DataFrame(
        rows,
        columns=["chain", "selection", "null", "observed", "q025", "q500", "q975", "p_value"],
    )


@pytest.mark.usefixtures("portion")
def test_the_nulls_are_those_of_whole_arrays(tmp_path: Path) -> None:
    rows, shifts = on_disk(tmp_path / "rows", ROWS), on_disk(tmp_path / "shifts", SHIFTS)
    extraction = Extraction(vector(), kept_rows({"v": rows}, JUDGED, "v"), OTHERS)
    states = States(CHAINS, SEEDS, shifts, SCORES, INDUCED)
    settings = NullSettings(draws=DRAWS, components=2)
    found = null_table(KEYS, extraction, states, layer=LAYER, settings=settings, seed=0)
    keys, expected = ["chain", "selection", "null"], reference()
    one, other = (t.fillna({"chain": ""}).sort_values(keys) for t in (found, expected))
    pd.testing.assert_frame_equal(
        one[list(expected)].reset_index(drop=True), other.reset_index(drop=True), rtol=1e-9
    )


@pytest.mark.usefixtures("portion")
def test_vectors_control_and_reliability_are_those_of_whole_arrays(tmp_path: Path) -> None:
    hidden = {"v": on_disk(tmp_path / "rows", ROWS)}
    found = persona_vectors(hidden, JUDGED)["v"]
    np.testing.assert_allclose(found, vector(), rtol=1e-6)
    draws = np.random.default_rng([3, 1])
    of_rows, of_width = draws.standard_normal((1, len(KEPT))), draws.standard_normal((1, WIDTH))
    lengths = np.linalg.norm(found, axis=-1, keepdims=True)
    control = random_control(kept_rows(hidden, JUDGED, "v"), found, 3)
    expected = unit(shaped(within(), of_rows, of_width))[0] * lengths
    np.testing.assert_allclose(control, expected, rtol=1e-6)
    whole = vector_table(JUDGED, {"v": ROWS}, {"v": found})
    pd.testing.assert_frame_equal(vector_table(JUDGED, hidden, {"v": found}), whole)


@pytest.mark.usefixtures("portion")
def test_a_state_lies_where_loops_put_it(tmp_path: Path) -> None:
    base, last = (RNG.normal(size=(4, BLOCKS, WIDTH)) for _ in range(2))
    said = RNG.normal(size=(12, BLOCKS, WIDTH))
    names = {"base": base, "last": last, "said": said}
    files = {name: on_disk(tmp_path / name, rows) for name, rows in names.items()}
    answers = pd.DataFrame(
        {**KEYS, "chain": "em", "seed": 0, "item": [str(n // 3) for n in range(12)], "n_tokens": 3}
    )
    answers.loc[[1, 3, 4, 5], "n_tokens"] = 0
    own = unit(vector())
    found = project(
        answers,
        Readout(files["last"], files["said"]),
        Readout(files["base"], files["said"]),
        {"response_mean": vector()},
    )
    assert found.responses is not None
    for item, block in product(range(4), range(BLOCKS)):
        shift = own[block] @ (last[item, block] - base[item, block])
        assert found.shifts["response_mean"][item, block] == pytest.approx(shift)
        spoken = [n for n in range(3 * item, 3 * item + 3) if answers["n_tokens"][n]]
        values = [own[block] @ said[n, block] for n in spoken]
        expected = np.mean(values) if values else np.nan
        assert found.responses[item, block] == pytest.approx(expected, nan_ok=True)
    np.testing.assert_allclose(found.mean_shift, (last - base).mean(axis=0))
