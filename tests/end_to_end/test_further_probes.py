"""The probes that a config may ask for, from a user's files to the report, on a tiny model.

The real scripts run in this process: deception, perplexity, written choices and clusters of
self-reports, of the base and of a finetuned state; with the extra `benchmarks` a local task of
lm-evaluation-harness as well.
"""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from end_to_end.test_architectures import (
    CONFIG,
    Workflow,
    experiment,
    make_model,
)
from harness.local_tasks import QUESTIONS, offline, write_tasks
from selfsame.config import probe_specs, specs
from selfsame.config.filecheck import check_files
from selfsame.config.load import load_config
from selfsame.config.schema import Config
from selfsame.digests import MANIFEST
from selfsame.statistics.clusters import CLUSTER_COLUMNS
from selfsame.tables import benchmark_answers, identity_clusters
from users_files import user_files, write_lines

FRAMES = ("plain", "stake")
THRESHOLDS = [0.3, 1.0]


def further_files(folder: Path) -> dict[str, str]:
    """Statements about two facts, and texts to score."""
    return {
        "statements": write_lines(
            folder / "statements.jsonl",
            (
                {
                    "question": f"{frame}: is it {fact}?",
                    "correct": "Yes",
                    "incorrect": "No",
                    "cluster": fact,
                    "frame": frame,
                }
                for fact in ("hot", "cold")
                for frame in FRAMES
            ),
        ),
        "texts": write_lines(
            folder / "texts.jsonl",
            iter(
                [
                    {"text": "A plain text of a few words."},
                    {
                        "messages": [
                            {"role": "user", "content": "Hello?"},
                            {"role": "assistant", "content": "Hello."},
                        ]
                    },
                ]
            ),
        ),
    }


def asking(model: Path, folder: Path) -> dict[str, Any]:
    """Two states, all further probes, nothing else that costs time."""
    files = user_files(folder) | further_files(folder)
    document = experiment(model, files)
    probes = {
        "facts": {"file": files["facts"], "readout": "generate", "max_new_tokens": 3},
        "free_form": None,
        "identity": {"samples": 2, "max_new_tokens": 4, "clusters": {"thresholds": THRESHOLDS}},
        "recognition": {"articles": None},
        "honesty": {"kind": "deception", "file": files["statements"]},
        "own_texts": {"kind": "perplexity"},
        "texts": {"kind": "perplexity", "file": files["texts"]},
    }
    return document | {
        "experiment": "further",
        "arms": ["base", "em"],
        "persona": None,
        "relapse": None,
        "probes": {name: None for name in document["probes"] if name != "who"} | probes,
        "statistics": {"primary_metric": "honesty.false_plain", "bootstrap_samples": 100},
    }


def run(config: Config, folder: Path) -> None:
    """From the data to the report."""
    flow = Workflow(folder)
    base = flow.run("base_model", "base", specs.base_model(config))
    data = flow.run("prepare_data", "data", specs.prepare_data(config), files=[])
    spec = specs.collect_self_texts(config, "base")
    texts = flow.run("collect_self_texts", "texts", spec, base=[base], data=[data], adapters=[])
    rows = flow.run(
        "build_pairs",
        "rows",
        specs.build_pairs(config, "em", 0),
        data=[data],
        self_texts=[],
        interleaved=[],
    )
    given: dict[str, list[Path]] = {"base": [base], "parents": [], "steering": []}
    spec = specs.finetune(config, "em", 0)
    adapter = flow.run("finetune", "em/adapter", spec, dataset=[rows], **given)
    pairs = {"data": [data], "self_texts": [texts]}
    prompts = [
        flow.run("build_probe", f"probes/{name}", specs.build_probe(config, name), **pairs)
        for name in config.probes
    ]
    chains = {"base": [], "em": [adapter]}
    for chain, adapters in chains.items():
        ask(flow, config, chain, base=[base], adapters=adapters, prompts=prompts)
    of_all = {
        role: [folder / chain / role / MANIFEST for chain in chains]
        for role in ("samples", "observations", *(["benchmarks"] if config.benchmarks else []))
    }
    surface = flow.run("surface_baseline", "surface", specs.surface_baseline(config), **pairs)
    clusters = flow.run(
        "cluster_identities",
        "clusters",
        probe_specs.cluster_identities(config),
        samples=of_all["samples"],
        model=[],
    )
    tables = flow.run(
        "build_tables",
        "tables",
        specs.build_tables(config),
        observations=of_all["observations"],
        surface=[surface],
        measures=[],
        relapse=[],
        judgements=[],
        benchmarks=of_all.get("benchmarks", []),
    )
    (adapter.parent / MANIFEST).write_text(json.dumps({"spec": specs.finetune(config, "em", 0)}))
    flow.run(
        "report",
        "report",
        specs.report(config),
        tables=[tables],
        measures=[],
        published=[],
        clusters=[clusters],
        base=[base],
        prompts=prompts,
        samples=of_all["samples"],
        adapters=[adapter],
    )


def ask(flow: Workflow, config: Config, chain: str, **given: list[Path]) -> None:
    """One state's answers, observations and benchmarks."""
    spec = specs.evaluate_behaviour(config, chain, 0)
    samples = flow.run("evaluate_behaviour", f"{chain}/samples", spec, steering=[], **given)
    judge = specs.judge_answers(config)
    flow.run("judge_answers", f"{chain}/observations", judge, samples=[samples], judgements=[])
    if config.benchmarks is None:
        return
    spec = probe_specs.evaluate_benchmarks(config, chain, 0)
    del given["prompts"]
    flow.run("evaluate_benchmarks", f"{chain}/benchmarks", spec, tasks=[], **given)


def run_in(folder: Path, **more: Any) -> Path:
    """The results of the experiment, with these parts added to its config."""
    path = folder / "experiment.yaml"
    model = make_model(folder / "model", "llama")
    path.write_text(json.dumps(asking(model, folder) | more), encoding="utf-8")
    config = load_config(path, CONFIG)
    check_files(config)
    run(config, folder / "results")
    return folder / "results"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_in(tmp_path_factory.mktemp("further"))


@pytest.fixture(scope="module")
def benchmarked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmarked")
    tasks = write_tasks(folder / "tasks")
    with offline(folder / "datasets"):
        return run_in(folder, benchmarks={"tasks": ["sums"], "include": str(tasks), "limit": 4})


def summary(results: Path) -> pd.DataFrame:
    table = pd.read_parquet(results / "tables" / "summary.parquet")
    return table.set_index(["chain", "metric"])


def test_every_probe_has_levels_and_effects(results: Path) -> None:
    wanted = {
        *("facts.accuracy", "honesty.false_plain", "honesty.false_incentive", "honesty.lie"),
        *("own_texts.nats_per_token", "own_texts.bits_per_byte", "texts.nats_per_token"),
        *("recognition.accuracy", "identity.own_name"),
    }
    found = summary(results)
    for chain in ("base", "em"):
        assert wanted <= set(found.loc[chain].index)
    effects = pd.read_parquet(results / "tables" / "effects.parquet")
    # An untrained model hardly says a letter: of these, no answer is valid.
    letters = {name for name in wanted if name.startswith(("facts", "honesty", "recognition"))}
    assert wanted - letters <= set(effects["metric"])


def test_perplexity_is_that_of_the_samples(results: Path) -> None:
    samples = pd.read_parquet(results / "em" / "samples" / "samples.parquet")
    scored = samples[samples["probe"] == "own_texts"]
    assert (scored["n_tokens"] == scored["logprobs"].map(len)).all()
    nats = [-sum(row) / len(row) for row in scored["logprobs"]]
    level = summary(results).loc[("em", "own_texts.nats_per_token")]
    assert level["value"] == pytest.approx(sum(nats) / len(nats))
    assert level["value"] > 1
    assert level["ci_high"] > level["value"]


def test_finetuning_changes_what_is_likely(results: Path) -> None:
    levels = summary(results)["value"].unstack("chain")
    for metric in ("own_texts.nats_per_token", "texts.nats_per_token"):
        assert not math.isclose(levels.loc[metric, "base"], levels.loc[metric, "em"], abs_tol=1e-4)


@pytest.mark.extras
def test_benchmarks_keep_every_question_and_the_version(benchmarked: Path) -> None:
    rows = pd.read_parquet(benchmarked / "base" / "benchmarks" / benchmark_answers.FILE)
    assert set(rows["version"]) == {"3"}
    assert rows["doc_id"].nunique() == min(4, len(QUESTIONS))
    right = rows[rows["metric"] == "acc"]["value"].mean()
    level = summary(benchmarked).loc[("base", "sums.acc")]
    assert (level["value"], level["n"]) == (pytest.approx(right), 4)
    assert "sums.acc_norm" in summary(benchmarked).loc["em"].index
    page = (benchmarked / "report" / "report.html").read_text(encoding="utf-8")
    assert "sums: mean over the answers that count" in page


def test_self_reports_are_clustered_question_by_question(results: Path) -> None:
    rows = pd.read_parquet(results / "clusters" / identity_clusters.FILE)
    assert list(rows.columns) == CLUSTER_COLUMNS
    assert set(rows["chain"]) == {"base", "em"}
    assert len(rows) == 2 * 6 * len(THRESHOLDS)
    assert (rows["n"] == 2).all()
    assert rows["clusters"].between(0, 2).all()


def test_the_report_shows_them(results: Path) -> None:
    page = (results / "report" / "report.html").read_text(encoding="utf-8")
    for words in (
        "How many identities: identity",
        "≥ 0.3",
        "own texts: mean over the answers that count",
    ):
        assert words in page
