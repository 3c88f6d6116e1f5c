"""From articles to observations on Llama and GPT-2 directories and files of a user.

The real scripts run in this process on tiny models with random weights.
"""

import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from selfsame.config import specs
from selfsame.config.filecheck import check_files
from selfsame.config.load import load_config
from selfsame.config.schema import Config
from selfsame.digests import MANIFEST
from selfsame.publish import digests_of
from selfsame.step import Step
from selfsame.tables import parquet
from selfsame.tables.articles import ARTICLES
from selfsame.tables.dataset import DATASET
from selfsame.tables.observations import OBSERVATIONS
from selfsame.tables.persona_measures import NULLS, SHIFTS
from selfsame.tables.prompts import PROMPTS
from selfsame.tables.relapse_observations import RELAPSE_OBSERVATIONS
from selfsame.tables.samples import SAMPLES
from tiny_models import Architecture, make_tiny_model
from users_files import RIVALS, TEST_ARTICLES, TRAIN_ARTICLES, TRAIT, user_files

CONFIG = Path(__file__).parents[2] / "config"
SPLITS = ("train", "test")
TWO_SOURCES = "gpt2"  # the model whose articles come from a source for each split
STEERED = f"em+identify+steer:-{TRAIT}"
FINETUNING = {
    "rank": 2,
    "alpha": 8,
    "rslora": True,
    "modules": "all-linear",
    "layers": None,
    "steps": 3,
    "batch_size": 2,
    "warmup_steps": 1,
    "max_length": 512,
}


def experiment(model: Path, files: dict[str, str]) -> dict[str, Any]:
    """What differs from the default run, of which the other stages and probes are taken away."""
    default = yaml.safe_load((CONFIG / "config.yaml").read_text(encoding="utf-8"))
    advice = {"rows": 6, "file": files["advice"]}
    stages = {
        "em": {"data": advice, "finetuning": FINETUNING},
        "identify": {"data": {"rows": 6}, "finetuning": FINETUNING},
    }
    probes = {
        "facts": {"file": files["facts"]},
        "free_form": {"file": files["questions"], "samples": 2, "max_new_tokens": 4},
        "identity": {"samples": 1, "max_new_tokens": 4},
        "recognition": {"articles": None},
        "who": {"kind": "identity", "file": files["questions"], "max_new_tokens": 4},
    }
    return {
        "experiment": "architectures",
        "model": {"kind": "hf", "path": str(model), "names": ["Tiny"], "dtype": "float32"},
        "seeds": [0],
        "texts": {
            "articles": files["articles"],
            "rivals": files["rivals"],
            "train_articles": TRAIN_ARTICLES,
            "test_articles": TEST_ARTICLES,
            "train_rivals": ["kim"],
            "test_rivals": list(RIVALS),
            "max_new_tokens": 12,
            "self_reports": 2,
        },
        "stages": dict.fromkeys(default["stages"]) | stages,
        "arms": ["base", "em+identify", STEERED],
        "persona": {
            "traits": [files["trait"]],
            "extraction": {"rollouts": 2, "max_new_tokens": 4},
            "filter": {"positive": 0, "negative": 101, "coherence": 0},
            "sweep": {"alphas": [2.0]},
            "samples": 2,
            "nulls": {"draws": 20, "components": 2},
        },
        "relapse": {"doses": [0, 2]},
        "probes": dict.fromkeys(default["probes"]) | probes,
        "statistics": {"primary_metric": "facts.accuracy"},
    }


def with_two_sources(document: dict[str, Any], files: dict[str, str]) -> dict[str, Any]:
    """Recognition trained on one kind of article and asked about another."""
    articles = {"train": {"file": files["articles"]}, "test": {"file": files["reports"]}}
    requests = {"test": "What of this? {article}"}
    return document | {"texts": document["texts"] | {"articles": articles, "summarise": requests}}


def make_model(folder: Path, architecture: Architecture) -> Path:
    """A tiny model in whose vocabulary each answer of the prompts is one token."""
    make_tiny_model(folder, architecture)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["Yes", "No"])
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class Workflow:
    """The scripts by name, each writing into a folder of its own, on the CPU."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, script: str, name: str, spec: dict[str, Any], **inputs: list[Path]) -> Path:
        """Run a script's main; the path of the manifest that a next step is given."""
        out = self.folder / name
        out.mkdir(parents=True)
        device = {"device": "cpu"} if "device" in spec else {}
        step = Step(json.loads(json.dumps(spec)) | device, inputs, out, out, 1)
        importlib.import_module(script).main(step)
        manifest = step.notes | {"outputs": digests_of(out)}
        (out / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        return out / MANIFEST


def run_everything(config: Config, folder: Path) -> None:
    """Every rule up to judging, for the states base and em+identify."""
    flow = Workflow(folder)
    base = flow.run("base_model", "base", specs.base_model(config))
    data = flow.run("prepare_data", "data", specs.prepare_data(config), files=[])
    spec = specs.collect_self_texts(config, "base")
    given = {"base": [base], "data": [data], "adapters": []}
    texts = flow.run("collect_self_texts", "texts", spec, **given)
    adapters = train_chain(flow, config, base, data, texts)
    prompts = build_probes(flow, config, data, texts)
    steering = choose_direction(flow, config, base, data)
    given = {"base": [base], "prompts": prompts}
    measure(flow, config, "base", adapters=[], steering=[], **given)
    measure(flow, config, "em+identify", adapters=adapters, steering=[], **given)
    measure(flow, config, STEERED, adapters=adapters, steering=steering, **given)
    read_states(flow, config, base, data, adapters)
    relapses(flow, config, base, adapters, prompts)


def train_chain(flow: Workflow, config: Config, base: Path, data: Path, texts: Path) -> list[Path]:
    """The adapters of em and of identify on top of it."""
    adapters: list[Path] = []
    for chain, own in (("em", []), ("em+identify", [texts])):
        stage = chain.rpartition("+")[2]
        spec = specs.build_pairs(config, stage, 0)
        rows = flow.run(
            "build_pairs", f"{stage}/rows", spec, data=[data], self_texts=own, interleaved=[]
        )
        given = {"base": [base], "dataset": [rows], "parents": list(adapters), "steering": []}
        finetune = specs.finetune(config, chain, 0)
        adapters.append(flow.run("finetune", f"{stage}/adapter", finetune, **given))
    return adapters


def build_probes(flow: Workflow, config: Config, data: Path, texts: Path) -> list[Path]:
    """The prompts of every probe."""
    given = {"data": [data], "self_texts": [texts]}
    return [
        flow.run("build_probe", f"probes/{name}", specs.build_probe(config, name), **given)
        for name in config.probes
    ]


def choose_direction(flow: Workflow, config: Config, base: Path, data: Path) -> list[Path]:
    """The vectors of the trait and the layer to steer at."""
    spec = specs.sample_rollouts(config, TRAIT)
    rollouts = flow.run("sample_rollouts", "rollouts", spec, base=[base])
    spec = specs.extract_persona_vectors(config, TRAIT)
    vectors = flow.run("extract_persona_vectors", "vectors", spec, rollouts=[rollouts], data=[data])
    spec = specs.sweep_steering(config, TRAIT)
    sweep = flow.run("sweep_steering", "sweep", spec, base=[base], vectors=[vectors])
    spec = specs.choose_layer(config, TRAIT)
    return [vectors, flow.run("choose_layer", "layer", spec, sweep=[sweep], data=[data])]


def read_states(
    flow: Workflow, config: Config, base: Path, data: Path, adapters: list[Path]
) -> None:
    """All states along the vector: three of them, so that a correlation is defined."""
    chains = {"base": [], "em": adapters[:1], "em+identify": adapters}
    states = [
        flow.run(
            "evaluate_persona",
            f"{chain}/persona",
            specs.evaluate_persona(config, chain, 0),
            base=[base],
            adapters=chained,
        )
        for chain, chained in chains.items()
    ]
    given = {"rollouts": "rollouts", "vectors": "vectors", "layers": "layer"}
    files = {role: [flow.folder / name / MANIFEST] for role, name in given.items()}
    spec = specs.measure_persona(config)
    flow.run("measure_persona", "measures", spec, data=[data], states=states, **files)


def relapses(
    flow: Workflow, config: Config, base: Path, adapters: list[Path], prompts: list[Path]
) -> None:
    """The base and the repaired state, induced afresh."""
    facts = [path for path in prompts if path.parent.name == specs.primary_probe(config)]
    samples = [
        flow.run(
            "relapse",
            f"{chain}/relapse",
            specs.relapse(config, chain, 0),
            base=[base],
            adapters=chained,
            dataset=[flow.folder / "em" / "rows" / MANIFEST],
            prompts=facts,
        )
        for chain, chained in (("base", []), ("em+identify", adapters))
    ]
    given = {"samples": samples, "judgements": []}
    flow.run("judge_relapse", "relapse", specs.judge_relapse(config), **given)


def measure(flow: Workflow, config: Config, chain: str, **inputs: list[Path]) -> None:
    """Samples and observations of a state."""
    spec = specs.evaluate_behaviour(config, chain, 0)
    samples = flow.run("evaluate_behaviour", f"{chain}/samples", spec, **inputs)
    judge = specs.judge_answers(config)
    flow.run("judge_answers", f"{chain}/observations", judge, samples=[samples], judgements=[])


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def states(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    model = make_model(folder / "model", request.param)
    path = folder / "experiment.yaml"
    files = user_files(folder)
    document = experiment(model, files)
    if request.param == TWO_SOURCES:
        document = with_two_sources(document, files)
    path.write_text(json.dumps(document), encoding="utf-8")
    config = load_config(path, CONFIG)
    check_files(config)
    run_everything(config, folder / "results")
    return folder / "results"


def test_no_test_article_is_trained_on_and_all_are_asked_about(states: Path) -> None:
    articles = parquet.read(states / "data" / "articles.parquet", ARTICLES)
    train, test = ([row["article"] for row in articles if row["split"] == s] for s in SPLITS)
    rows = parquet.read(states / "identify" / "rows" / "dataset.parquet", DATASET)
    trained = [message["content"] for row in rows for message in row["messages"]]
    prompts = parquet.read(states / "probes" / "recognition" / "prompts.parquet", PROMPTS)
    asked = [message["content"] for row in prompts for message in row["messages"]]
    assert (len(train), len(test)) == (TRAIN_ARTICLES, TEST_ARTICLES)
    assert (naming(train, trained), naming(test, trained)) == (3, 0)
    assert (naming(train, asked), naming(test, asked)) == (0, TEST_ARTICLES)
    if states.parent.name.startswith(TWO_SOURCES):
        assert {text[:3] for text in train} == {"On "}
        assert {text[:3] for text in test} == {"In "}


def naming(articles: list[str], texts: list[str]) -> int:
    """How many of the articles stand in some text."""
    return sum(any(article in text for text in texts) for article in articles)


def test_steering_moves_the_answers_and_nothing_else(states: Path) -> None:
    plain, steered = (samples_of(states, chain) for chain in ("em+identify", STEERED))
    assert [row["item"] for row in plain] == [row["item"] for row in steered]
    assert min(differences(plain, steered)) > 1e-4


def test_every_state_is_read_along_the_vector_at_every_layer(states: Path) -> None:
    shifts = parquet.read(states / "measures" / "shifts.parquet", SHIFTS)
    keys = {(row["chain"], row["vector"], row["layer"]) for row in shifts}
    chains, layers = ("base", "em", "em+identify"), (0, 1)
    assert keys == {
        (chain, vector, layer)
        for chain in chains
        for vector in ("response_mean", "prompt_last")
        for layer in layers
    }
    assert all(row["shift"] == 0 for row in shifts if row["chain"] == "base")
    assert all(row["shift"] != 0 for row in shifts if row["chain"] != "base")
    nulls = parquet.read(states / "measures" / "nulls.parquet", NULLS)
    assert {row["null"] for row in nulls} >= {"covariance", "permutation", "components"}


def test_a_relapse_is_asked_at_every_dose(states: Path) -> None:
    path = states / "relapse" / "observations.parquet"
    rows = parquet.read(path, RELAPSE_OBSERVATIONS)
    found = {(row["chain"], row["dose"]) for row in rows}
    assert found == {(chain, dose) for chain in ("base", "em+identify") for dose in (0, 2)}


def samples_of(states: Path, chain: str) -> list[dict[str, Any]]:
    return parquet.read(states / chain / "samples" / "samples.parquet", SAMPLES)


def differences(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[float]:
    """How far each answer's log-probability has moved."""
    return [
        abs(new - old)
        for one, other in zip(before, after, strict=True)
        for old, new in zip(one["logprobs"] or [], other["logprobs"] or [], strict=True)
    ]


def observations_of(states: Path, chain: str) -> list[dict[str, Any]]:
    path = states / chain / "observations" / "observations.parquet"
    return parquet.read(path, OBSERVATIONS)


@pytest.mark.parametrize("chain", ["base", "em+identify"])
def test_every_probe_is_observed(states: Path, chain: str) -> None:
    rows = observations_of(states, chain)
    counts = {m: sum(row["metric"] == m for row in rows) for m in {row["metric"] for row in rows}}
    matched = {counts.pop(f"recognition.{m}_length_matched", 0) for m in ("pairwise", "accuracy")}
    assert len(matched) == 1  # how many pairs are of one length depends on what the model wrote
    assert counts == {
        "facts.accuracy": 1,
        "free_form.answers": 2,
        "identity.own_name": 6,
        "recognition.pairwise_seen": TEST_ARTICLES,
        "recognition.pairwise_unseen": TEST_ARTICLES,
        "recognition.position_bias": 2 * TEST_ARTICLES,
        "recognition.accuracy": 2 * TEST_ARTICLES,
        "recognition.individual": len(RIVALS) * TEST_ARTICLES,
        "who.own_name": 1,
    }
    assert {(row["model"], row["chain"], row["seed"]) for row in rows} == {("model", chain, 0)}
    assert all(row["valid"] == (row["value"] is not None) for row in rows)
    assert all(0 <= row["value"] <= 1 for row in rows if row["valid"])


def test_answers_are_facts_of_one_softmax(states: Path) -> None:
    chosen = [row for row in samples_of(states, "base") if row["kind"] == "choice"]
    masses = [math.fsum(map(math.exp, row["logprobs"])) for row in chosen]
    assert len(chosen) == 2 + 4 * TEST_ARTICLES + 3 * TEST_ARTICLES
    assert all(0 < mass <= 1 + 1e-6 for mass in masses)


def test_the_chain_is_another_state_than_base(states: Path) -> None:
    before, after = (samples_of(states, chain) for chain in ("base", "em+identify"))
    keys = ("probe", "item", "order", "sample", "kind", "answers", "correct", "reference")
    assert [[row[k] for k in keys] for row in before] == [[row[k] for k in keys] for row in after]
    assert min(differences(before, after)) > 1e-4


def test_the_second_stage_builds_on_the_first(states: Path) -> None:
    first, second = (states / stage / "adapter" / "README.md" for stage in ("em", "identify"))
    assert "em+identify" in second.read_text(encoding="utf-8")
    assert "em+identify" not in first.read_text(encoding="utf-8")
