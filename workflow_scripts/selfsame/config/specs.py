"""One spec a rule: exactly the config keys that may change what the rule writes (contract 2).

Nothing that only steers the run (threads, memory, run time, GPUs) may appear here.
"""

import importlib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from selfsame.config.chains import (
    ChainSteering,
    author,
    controls,
    finetuned,
    induced,
    last_stage,
    parent,
    prefixes,
    row_sources,
    stages_of,
    stages_used,
    states,
    steering_of,
)
from selfsame.config.judging import judges_of
from selfsame.config.published import on_published_grid, read_publication
from selfsame.config.registry import read_registry
from selfsame.config.schema import Config, OrganismModel
from selfsame.config.traits import Trait, fill_name, read_trait
from selfsame.errors import UserError
from selfsame.judging.settings import OpenaiJudge
from selfsame.models.settings import SystemPrompt
from selfsame.persona.settings import PersonaSettings, RelapseSettings
from selfsame.statistics.settings import BASE

Spec = dict[str, Any]

# What only steers or foretells a run, and no result goes by.
UNSEEN = ("resources", "cache", "datasets", "planning")

# How a Hugging Face model's weights are loaded.
LOADED = {"dtype", "trust_remote_code", "attention", "quantization"}


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
    unread = {"kind", "system_prompt", "names", "parameters", *(LOADED - {"trust_remote_code"})}
    kept = _plain(config.model, exclude=unread)
    return {config.model.kind: kept}


def prepare_data(config: Config) -> Spec:
    """Where articles, rival texts, rows and questions come from."""
    texts = _plain(
        config.texts,
        include={"articles", "rivals", "train_articles", "test_articles", "summarise", "seed"},
    )
    model = config.model
    return {
        **texts,
        "world": _plain(model.world) if isinstance(model, OrganismModel) else None,
        "names": model_names(config),
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
    stages = (config.stages[name] for name in stages_used(config))
    sources = [getattr(stage.data, "file", None) for stage in stages]
    return [_plain(source) for source in dict.fromkeys(sources) if source]


def _sources(config: Config) -> list[Spec]:
    spec = prepare_data(config)
    articles = spec["articles"]
    by_split = list(articles.values()) if {"train", "test"} == set(articles) else [articles]
    named = [*by_split, spec["rivals"], *spec["row_files"], *spec["question_files"].values()]
    return [source for source in named if source != "organism"]


def user_files(config: Config) -> list[str]:
    """Every data file, by its path, that the run reads."""
    return sorted({source["file"] for source in _sources(config) if "dataset" not in source})


def datasets(config: Config) -> list[str]:
    """Every dataset the run reads; none of a stage that no arm needs."""
    return sorted({source["dataset"] for source in _sources(config) if "dataset" in source})


def fetch_dataset(config: Config, name: str) -> Spec:
    """Where a dataset's file is had from, and what it must be."""
    return read_registry(Path(config.datasets))[name].spec(name)


def local_file(config: Config, name: str) -> list[str]:
    """The user's own file that a dataset is, where it is one and is there."""
    path = read_registry(Path(config.datasets))[name].path
    return [path] if path and Path(path).is_file() else []


def _asked(config: Config) -> Spec:
    """How any state of this model is loaded and prompted. The organism is too small for a GPU."""
    model = config.model
    loaded = (
        {"dtype": "float32", "device": "cpu", "trust_remote_code": False}
        if isinstance(model, OrganismModel)
        else {"device": "auto", **_plain(model, include=LOADED)}
    )
    return {"system_prompt": _prompt(model.system_prompt), **loaded}


def _prompt(system: SystemPrompt) -> Any:
    return system if isinstance(system, str) else _plain(system)


def _own_prompt(system: SystemPrompt | None, key: str = "system_prompt") -> Spec:
    """The system prompt of a stage or a probe by this key; nothing where it is the model's."""
    return {} if system is None else {key: _prompt(system)}


def collect_self_texts(config: Config, author: str) -> Spec:
    """What one author writes: `base`, or a state as `<chain>.seed<seed>`."""
    keys = {"temperature", "max_new_tokens", "seed", "self_reports"}
    return {"author": author, **_plain(config.texts, include=keys), **_asked(config)}


def build_pairs(config: Config, dataset: str, seed: int) -> Spec:
    """The rows of a stage, or of a chain's last stage where the chain has rows of its own."""
    settings = last_stage(config, dataset)
    return {
        "kind": settings.kind,
        "data": _plain(settings.data),
        "rivals": list(config.texts.train_rivals),
        "seed": seed,
        **_mixed(config, dataset),
    }


def _mixed(config: Config, dataset: str) -> Spec:
    """How many rows of which other stage are interleaved; nothing where none are."""
    stage = last_stage(config, dataset)
    if stage.interleave is None:
        return {}
    return {"interleave": {"stage": stage.interleave.stage, "rows": stage.added_rows}}


def finetune(config: Config, chain: str, seed: int) -> Spec:
    """One finetune: the last stage of a chain on top of the others."""
    return {
        "chain": chain,
        "seed": seed,
        "model": model_name(config),
        "finetuning": _finetuning(config, stages_of(chain)[-1]),
        "misaligned": any(misaligns(config, prefix) for prefix in prefixes(chain)),
        **_asked(config),
        **_own_prompt(last_stage(config, chain).system_prompt),
    }


def _finetuning(config: Config, stage: str) -> Spec:
    settings = config.stages[stage]
    return _plain(settings.finetuning) | {"steps": settings.steps}


def misaligns(config: Config, chain: str) -> bool:
    """Whether a chain's last stage trains on rows that make a model misbehave.

    They set out to, or they are texts of a state that was made to.
    """
    return any(_misaligned_rows(config, source) for source in row_sources(config, chain))


def _misaligned_rows(config: Config, chain: str) -> bool:
    kind = importlib.import_module(f"selfsame.stages.{last_stage(config, chain).kind}")
    before = prefixes(author(config, chain) or BASE)
    return getattr(kind, "MISALIGNS", False) or any(misaligns(config, prefix) for prefix in before)


def _probe_options(config: Config, probe: str) -> Spec:
    """How a probe is asked and read; who judges or clusters its answers later changes neither."""
    return _plain(config.probes[probe], exclude={"kind", "judges", "system_prompt", "clusters"})


def build_probe(config: Config, probe: str) -> Spec:
    """The prompts of one probe."""
    return {
        "probe": probe,
        "kind": config.probes[probe].kind,
        "options": _probe_options(config, probe),
        "rivals": list(config.texts.test_rivals),
        "seen": list(config.texts.train_rivals),
        **_own_prompt(config.probes[probe].system_prompt),
    }


def evaluate_behaviour(config: Config, chain: str, seed: int) -> Spec:
    """Sampling one state, steered or not."""
    steering = steering_of(chain)
    return {
        **_state(config, chain, seed),
        **_asked(config),
        "steering": None if steering is None else _chain_steering(config, steering),
    }


def _chain_steering(config: Config, steering: ChainSteering) -> Spec:
    """As the sweep steers, whose strength is taken."""
    return {
        "trait": steering.trait,
        "sign": steering.sign,
        "direction": steering.direction,
        "positions": _persona(config).sweep.positions,
    }


def _state(config: Config, chain: str, seed: int) -> Spec:
    """The keys of one state in every table."""
    return {
        "experiment": config.experiment,
        "model": model_name(config),
        "chain": chain,
        "seed": seed,
    }


def judge_answers(config: Config) -> Spec:
    """Reading one state's answers."""
    return {"probes": {probe: _reading(config, probe) for probe in config.probes}}


def _reading(config: Config, probe: str) -> Spec:
    """How a probe's answers are read; `judge` only where it has one that decides."""
    deciding = judges_of(config, probe)[:1]
    return {
        "kind": config.probes[probe].kind,
        "options": _probe_options(config, probe),
        **({"judge": deciding[0]} if deciding else {}),
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
    judged = {probe: list(judges_of(config, probe)) for probe in config.probes}
    judged = {probe: judges for probe, judges in judged.items() if judges}
    return {
        **({"judges": judged} if judged else {}),
        "statistics": _plain(config.statistics),
        "arms": {
            chain: {
                "parent": None if chain == BASE else parent(chain),
                "controls": list(controls(config, chain)),
            }
            for chain in states(config)
        },
        "induced": {chain: induced(config, chain) for chain in states(config)},
        "relapse": config.relapse.stage if config.relapse else None,
        **on_published_grid(config),
    }


def published_numbers(config: Config) -> Spec:
    """Published answers under our statistics."""
    if config.published is None:
        raise UserError("published: give `file`, the per-question answers, in the config")
    return {
        **_plain(config.published, include={"where", "columns"}),
        "publication": _plain(read_publication(config.published.mapping)),
        "statistics": _plain(config.statistics, exclude={"primary_metric"}),
    }


def traits(config: Config) -> dict[str, Trait]:
    """The traits of the config's files by name, the model's name filled in; the first decides."""
    files = [Path(file) for file in config.persona.traits] if config.persona else []
    names = tuple(model_names(config))
    found = (_named_trait(file, names, modified(file)) for file in files)
    return {trait.name: trait for trait in found}


def modified(file: Path | str) -> int:
    """When a file was last written, in nanoseconds."""
    return Path(file).stat().st_mtime_ns


@cache
def _named_trait(file: Path, names: tuple[str, ...], modified_ns: int) -> Trait:
    """A trait file, read once for all states; `modified_ns` makes an edited file another one."""
    return fill_name(read_trait(file), names)


def _persona(config: Config) -> PersonaSettings:
    if config.persona is None:
        raise ValueError("the config measures no persona vectors")
    return config.persona


def model_names(config: Config) -> list[str]:
    """How the model calls itself; the organism's name is known to its world."""
    return [] if isinstance(config.model, OrganismModel) else list(config.model.names)


def _of_trait(config: Config, trait: str, *keys: str) -> Spec:
    """What a step must know of a trait: its name, and these keys of its file."""
    named = {"experiment": config.experiment, "model": model_name(config), "trait": trait}
    return named | _plain(traits(config)[trait], include=set(keys))


def sample_rollouts(config: Config, trait: str) -> Spec:
    """The base model's answers under a trait's instructions, with its activations."""
    keys = ("positive", "negative", "extraction_questions")
    return {
        **_of_trait(config, trait, *keys),
        **_plain(_persona(config).extraction),
        "seed": _persona(config).seed,
        **_asked(config),
    }


def extract_persona_vectors(config: Config, trait: str) -> Spec:
    """A trait's vectors from judged and filtered rollouts."""
    return {
        **_of_trait(config, trait, "extraction_questions", "judge"),
        "names": model_names(config),
        "filter": _plain(_persona(config).filter),
        "seed": _persona(config).seed,
    }


def sweep_steering(config: Config, trait: str) -> Spec:
    """The base model's answers while steered along a trait's vector."""
    persona = _persona(config)
    return {
        **_of_trait(config, trait, "extraction_questions"),
        **_plain(persona.extraction, include={"temperature", "max_new_tokens"}),
        **_plain(persona.sweep, include={"layers", "alphas", "positions", "samples"}),
        "seed": persona.seed,
        **_asked(config),
    }


def choose_layer(config: Config, trait: str) -> Spec:
    """The layer and strength that move the trait most at a bounded loss of coherence."""
    return {
        **_of_trait(config, trait, "extraction_questions", "judge"),
        "names": model_names(config),
        "max_incoherent": _persona(config).sweep.max_incoherent,
    }


def evaluate_persona(config: Config, chain: str, seed: int) -> Spec:
    """One state's activations and answers on the evaluation questions of every trait."""
    persona = _persona(config)
    keys = {"positive", "negative", "extraction_questions", "evaluation_questions"}
    return {
        **_state(config, chain, seed),
        "traits": {name: _plain(t, include=keys) for name, t in traits(config).items()},
        "samples": persona.samples,
        **_plain(persona.extraction, include={"temperature", "max_new_tokens"}),
        **_asked(config),
    }


def measure_persona(config: Config) -> Spec:
    """Where all states lie along the vectors, and what the nulls say."""
    persona, keys = _persona(config), {"evaluation_questions", "judge"}
    return {
        "traits": {name: _plain(t, include=keys) for name, t in traits(config).items()},
        "order": list(traits(config)),
        "names": model_names(config),
        "nulls": _plain(persona.nulls),
        "seed": persona.seed,
        "induced": {chain: induced(config, chain) for chain in finetuned(config)},
    }


def _relapse(config: Config) -> RelapseSettings:
    if config.relapse is None:
        raise ValueError("the config measures no relapse")
    return config.relapse


def relapse(config: Config, chain: str, seed: int) -> Spec:
    """Fresh induction of one state, asked again at every dose.

    It is trained under the system prompt of the induction that is repeated, and asked under the
    probe's.
    """
    settings = _relapse(config)
    # training.relapse has its own schedule, takes no checkpoints and is never steered.
    own = {"schedule", "checkpoint_every", "steering"}
    return {
        **_state(config, chain, seed),
        "finetuning": _plain(config.stages[settings.stage].finetuning, exclude=own),
        "doses": list(settings.doses),
        "samples": settings.samples,
        **_asked(config),
        **_own_prompt(config.stages[settings.stage].system_prompt, "training_system_prompt"),
    }


def judge_relapse(config: Config) -> Spec:
    """Reading the answers of relapsing states."""
    probe = primary_probe(config)
    return {"probe": probe, **_reading(config, probe)}


def primary_probe(config: Config) -> str:
    """The probe that the primary metric is read from."""
    return config.statistics.primary_metric.partition(".")[0]


def report(config: Config) -> Spec:
    """What the report says was run."""
    of_judges = {"__all__": {*OpenaiJudge.manner, "parameters", "names"}}
    unseen = {**dict.fromkeys(UNSEEN, True), "model": {"parameters"}}
    unset = {"published": True} if config.published is None else {}
    return {"config": _plain(config, exclude=unseen | unset | {"judges": of_judges})}
