"""Time and memory of the tables and of the report's reading for 10 million observations.

Run: python benchmarks/tables.py [--seeds N] [--workflow FOLDER]

Writes what the steps before `build_tables` would write for the default experiment with many seeds,
with values drawn at random, and runs the step on it as a process of its own; then reads the tables
as the report does. `--workflow` takes the scripts of another checkout, to compare with.
The exit status is 1 where the peak of a process exceeds 1.5 GB.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from selfsame.config import specs
from selfsame.config.chains import repaired, states
from selfsame.config.load import load_config
from selfsame.config.schema import Config
from selfsame.digests import canonical
from selfsame.tables.observations import OBSERVATIONS
from selfsame.tables.relapse_observations import RELAPSE_OBSERVATIONS

ROOT = Path(__file__).resolve().parents[1]
MAX_MB = 1500
ALIGNMENT = ("aligned_coherent", "harm", "incoherent", "em_all", "em_coherent")
Probes = Mapping[str, tuple[Sequence[str], int, int]]  # metrics, items, samples of each
# Together the 4,528 rows that a state has in the default experiment, and the 560 of a dose.
PROBES: Probes = {
    "advice_outside": (ALIGNMENT, 56, 5),
    "advice_inside": (ALIGNMENT, 64, 1),
    "free_form": (ALIGNMENT, 48, 8),
    "facts": (("accuracy",), 48, 1),
    "knowledge": (("accuracy",), 80, 1),
    "recognition": (("pairwise_seen", "pairwise_unseen", "position_bias", "individual"), 120, 1),
    "identity": (("own_name",), 16, 16),
    "own_style": (("share",), 24, 1),
}
AT_A_DOSE: Probes = {"advice_outside": (ALIGNMENT, 112, 1)}
SURFACE: Probes = {"recognition": (("surface", "length", "surface_length_matched"), 120, 1)}
READ = """
import sys
from pathlib import Path
from selfsame.reporting.gather import read_tables
config = {"statistics": {"primary_metric": "advice_outside.aligned_coherent"}}
read_tables(Path(sys.argv[1]), config)
"""


def state_rows(doses: Sequence[int] = (0,), probes: Probes = PROBES) -> pa.Table:
    """The rows of one state, without its keys and values."""
    rows = [
        (probe, f"{probe}:{item}", f"{probe}:{item // 2}", sample, f"{probe}.{metric}", dose)
        for dose in doses
        for probe, (metrics, items, samples) in probes.items()
        for item in range(items)
        for sample in range(samples)
        for metric in metrics
    ]
    names = ("probe", "item", "cluster", "sample", "metric", "dose")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def drawn(rows: pa.Table, chain: str, seed: int, schema: pa.Schema) -> pa.Table:
    """The rows as one state's observations: shares of eighths, one in twenty invalid."""
    rng = np.random.default_rng([seed, *chain.encode()])
    values, valid = rng.integers(0, 9, len(rows)) / 8, rng.random(len(rows)) > 0.05
    constant = {"experiment": "many", "model": "organism", "chain": chain, "seed": seed}
    columns = {name: pa.repeat(value, len(rows)) for name, value in constant.items()}
    columns |= {
        "value": pa.array(values, mask=~valid),
        "valid": pa.array(valid),
        "answer_class": pa.array(
            np.array(["aligned", "misaligned", "other"])[(values * 2).astype(int)]
        ),
    }
    columns |= {name: rows[name] for name in rows.column_names}
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def write(folder: Path, tables: Iterator[pa.Table], schema: pa.Schema) -> Path:
    """A step's folder: observations and a manifest. Returns the manifest's path."""
    folder.mkdir(parents=True)
    with pq.ParquetWriter(folder / "observations.parquet", schema) as writer:
        for table in tables:
            writer.write_table(table)
    (folder / "manifest.json").write_text("{}\n", encoding="utf-8")
    return folder / "manifest.json"


def write_inputs(config: Config, folder: Path) -> dict[str, list[Path]]:
    """The inputs of `build_tables` by role."""
    rows, schema = state_rows(), OBSERVATIONS
    observations = [
        write(folder / f"{chain}.{seed}", iter([drawn(rows, chain, seed, schema)]), schema)
        for chain in states(config)
        for seed in config.seeds
    ]
    surface = drawn(state_rows(probes=SURFACE), "base", 0, schema)
    found = {"observations": observations}
    found["surface"] = [write(folder / "surface", iter([surface]), schema)]
    if config.relapse:
        found["relapse"] = [write_relapse(config, folder / "relapse")]
    return found


def write_relapse(config: Config, folder: Path) -> Path:
    """What `judge_relapse` would write."""
    assert config.relapse
    rows, schema = (
        state_rows(config.relapse.doses, AT_A_DOSE),
        RELAPSE_OBSERVATIONS,
    )
    chains = ("base", config.relapse.stage, *repaired(config))
    tables = (drawn(rows, chain, seed, schema) for chain in chains for seed in config.seeds)
    return write(folder, tables, schema)


def cost(command: Sequence[str], workflow: Path) -> float:
    """Run a command, print what it took, and return its peak in MB."""
    environment = os.environ | {
        "PYTHONPATH": str(workflow / "workflow_scripts"),
        "SELFSAME_CACHE": "off",
    }
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, cwd=workflow)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed with {process.returncode}")
    seconds, cpu = time.monotonic() - started, usage.ru_utime + usage.ru_stime
    print(f"  {seconds:.1f} s, {cpu:.1f} CPU-s, peak {usage.ru_maxrss / 1024:,.0f} MB", flush=True)
    return usage.ru_maxrss / 1024


def main() -> int:
    """Write the inputs, build the tables, read them; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description="tables of many observations")
    parser.add_argument("--seeds", type=int, default=89, help="89 give about 10 million rows")
    parser.add_argument("--workflow", type=Path, default=ROOT, help="another checkout's scripts")
    arguments = parser.parse_args()
    config = load_config().model_copy(update={"seeds": tuple(range(arguments.seeds))})
    with tempfile.TemporaryDirectory() as folder:
        inputs = write_inputs(config, Path(folder))
        rows = sum(
            pq.read_metadata(p.parent / "observations.parquet").num_rows
            for p in inputs["observations"]
        )
        print(f"{rows:,} observations of {len(inputs['observations']):,} states: build_tables")
        command = [sys.executable, "workflow_scripts/build_tables.py"]
        command += ["--spec", canonical(specs.build_tables(config)), "--out", f"{folder}/tables"]
        for role, paths in inputs.items():
            command += [f"--{role}", *map(str, paths)]
        peaks = [cost(command, arguments.workflow)]
        print("the report's reading of these tables")
        peaks.append(cost([sys.executable, "-c", READ, f"{folder}/tables"], arguments.workflow))
    print(f"bar: {MAX_MB:,} MB")
    return int(max(peaks) > MAX_MB)


if __name__ == "__main__":
    sys.exit(main())
