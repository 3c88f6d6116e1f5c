"""One spec a rule: exactly the config keys that may change what the rule writes (contract 2).

Nothing that only steers the run (threads, memory, run time, GPUs) may appear here.
"""

import importlib
from typing import Any

from pydantic import BaseModel

from selfsame.config.chains import controls, parent, stages_of, states
from selfsame.config.schema import Config, OrganismModel
from selfsame.statistics.settings import BASE

Spec = dict[str, Any]


def _plain(model: BaseModel, **options: Any) -> Spec:
    return model.model_dump(mode="json", **options)


def model_name(config: Config) -> str:
    """How tables and cards call the base model."""
    model = config.model
    if isinstance(model, OrganismModel):
        return f"organism-linkage-{model.linkage:g}"
    return model.hub_id or str(model.path).rstrip("/").rpartition("/")[2]


def base_model(config: Config) -> Spec:
    """What makes or finds the base model, under its kind."""
    kept = _plain(config.model, exclude={"kind", "system_prompt", "names", "dtype"})
    return {config.model.kind: kept}


def prepare_data(config: Config) -> Spec:
    """Where articles, rival texts, rows and questions come from."""
    texts = _plain(
        config.texts,
        include={"articles", "rivals", "train_articles", "test_articles", "seed"},
    )
    model = config.model
    return {
        **texts,
        "world": _plain(model.world) if isinstance(model, OrganismModel) else None,
        "names": [] if isinstance(model, OrganismModel) else list(model.names),
        "authors": sorted({*config.texts.train_rivals, *config.texts.test_rivals}),
        "row_files": _row_files(config),
        "question_files": _question_files(config),
    }


def _question_files(config: Config) -> Spec:
    files = {name: getattr(probe, "file", None) for name, probe in config.probes.items()}
    return {
        name: {"kind": config.probes[name].kind, **_plain(file)}
        for name, file in files.items()
        if file is not None
    }


def _row_files(config: Config) -> list[Spec]:
    sources = [getattr(stage.data, "file", None) for stage in config.stages.values()]
    return [_plain(source) for source in dict.fromkeys(sources) if source]


def user_files(config: Config) -> list[str]:
    """Every data file the config names."""
    spec = prepare_data(config)
    named = [spec["articles"], spec["rivals"], *spec["row_files"], *spec["question_files"].values()]
    return sorted({source["file"] for source in named if source != "organism"})


def _asked(config: Config) -> Spec:
    """How any state of this model is loaded and prompted. The organism is too small for a GPU."""
    model = config.model
    system = model.system_prompt
    loaded = (
        {"dtype": "float32", "device": "cpu", "trust_remote_code": False}
        if isinstance(model, OrganismModel)
        else {"dtype": model.dtype, "device": "auto", "trust_remote_code": model.trust_remote_code}
    )
    return {"system_prompt": system if isinstance(system, str) else _plain(system), **loaded}


def collect_self_texts(config: Config, author: str) -> Spec:
    """What one author writes: `base`, or a state as `<chain>.seed<seed>`."""
    keys = {"temperature", "max_new_tokens", "seed", "self_reports"}
    return {"author": author, **_plain(config.texts, include=keys), **_asked(config)}


def build_pairs(config: Config, dataset: str, seed: int) -> Spec:
    """The rows of a stage, or of a chain's last stage where the chain has rows of its own."""
    settings = config.stages[stages_of(dataset)[-1]]
    return {
        "kind": settings.kind,
        "data": _plain(settings.data),
        "rivals": list(config.texts.train_rivals),
        "seed": seed,
    }


def finetune(config: Config, chain: str, seed: int) -> Spec:
    """One finetune: the last stage of a chain on top of the others."""
    return {
        "chain": chain,
        "seed": seed,
        "model": model_name(config),
        "finetuning": _plain(config.stages[stages_of(chain)[-1]].finetuning),
        "misaligned": any(misaligns(config, stage) for stage in stages_of(chain)),
        **_asked(config),
    }


def misaligns(config: Config, stage: str) -> bool:
    """Whether a stage sets out to make the model misbehave."""
    kind = importlib.import_module(f"selfsame.stages.{config.stages[stage].kind}")
    return getattr(kind, "MISALIGNS", False)


def _probe_options(config: Config, probe: str) -> Spec:
    return _plain(config.probes[probe], exclude={"kind"})


def build_probe(config: Config, probe: str) -> Spec:
    """The prompts of one probe."""
    return {
        "probe": probe,
        "kind": config.probes[probe].kind,
        "options": _probe_options(config, probe),
        "rivals": list(config.texts.test_rivals),
        "seen": list(config.texts.train_rivals),
    }


def evaluate_behaviour(config: Config, chain: str, seed: int) -> Spec:
    """Sampling one state."""
    return {
        "experiment": config.experiment,
        "model": model_name(config),
        "chain": chain,
        "seed": seed,
        **_asked(config),
    }


def judge_answers(config: Config) -> Spec:
    """Reading one state's answers."""
    return {
        "probes": {
            name: {"kind": probe.kind, "options": _probe_options(config, name)}
            for name, probe in config.probes.items()
        },
        "primary_metric": config.statistics.primary_metric,
    }


def surface_baseline(config: Config) -> Spec:
    """The surface-cue classifier that recognition is held against."""
    return {
        "experiment": config.experiment,
        "model": model_name(config),
        "train_rivals": list(config.texts.train_rivals),
        "test_rivals": list(config.texts.test_rivals),
        "seed": config.seeds[0],
    }


def build_tables(config: Config) -> Spec:
    """Scores and effects of all states."""
    return {
        "statistics": _plain(config.statistics),
        "arms": {
            chain: {
                "parent": None if chain == BASE else parent(chain),
                "controls": list(controls(config, chain)),
            }
            for chain in states(config)
        },
    }


def report(config: Config) -> Spec:
    """What the report says was run."""
    return {"config": _plain(config, exclude={"resources"})}
