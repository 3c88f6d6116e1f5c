"""The typed form of a config: what may be written, what it means, and what it defaults to.

`Config` is the class to annotate with; `config_class(kinds)` is the class to validate with, whose
stages and probes know the options of each kind. `selfsame.config.load` reads the YAML.
"""

import operator
from collections.abc import Iterable, Mapping
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from selfsame.cache.settings import CacheSettings
from selfsame.config.kinds import Kind, Kinds
from selfsame.config.mixing import Interleave, added_rows, stretched_steps
from selfsame.config.names import CHAIN, EXPERIMENT, NAME
from selfsame.config.planning import PlanningSettings
from selfsame.config.references import reference_mistakes
from selfsame.data.options import is_none
from selfsame.data.sources import ArticlesBySplit, ArticlesFile, RivalTextsFile
from selfsame.data.wording import SummaryRequest
from selfsame.harness.settings import BenchmarkSettings
from selfsame.judging.settings import JudgeSettings
from selfsame.models.settings import HfModelSettings, SystemPrompt
from selfsame.organism.settings import OrganismSettings
from selfsame.persona.settings import PersonaSettings, RelapseSettings
from selfsame.published.settings import PublishedSettings
from selfsame.statistics.settings import StatisticsSettings
from selfsame.training.settings import FinetuningSettings

CROSS_FIELD = "cross_field"
REGISTRY = "config/datasets.yaml"
FROZEN = ConfigDict(frozen=True, extra="forbid")

ExperimentName = Annotated[str, StringConstraints(pattern=EXPERIMENT)]
Name = Annotated[str, StringConstraints(pattern=NAME)]
Chain = Annotated[str, StringConstraints(pattern=CHAIN)]
Seed = Annotated[int, Field(ge=0)]


class OrganismModel(OrganismSettings):
    """The organism as base model: it is pretrained by the workflow."""

    kind: Literal["organism"] = Field(
        default="organism",
        description="organism (trained by the workflow) or hf (a Hugging Face chat model).",
    )
    system_prompt: SystemPrompt = "none"


ModelSettings = Annotated[OrganismModel | HfModelSettings, Field(discriminator="kind")]


def _form_of_articles(value: Any) -> str:
    """Which of the three forms is meant, so that a mistake is told of that one alone."""
    is_mapping = isinstance(value, Mapping)
    if isinstance(value, ArticlesBySplit) or (is_mapping and {"train", "test"} & value.keys()):
        return "by_split"
    return "organism" if value == "organism" else "one_file"


Articles = Annotated[
    Annotated[Literal["organism"], Tag("organism")]
    | Annotated[ArticlesFile, Tag("one_file")]
    | Annotated[ArticlesBySplit, Tag("by_split")],
    Discriminator(_form_of_articles),
]


class SummaryRequests(BaseModel):
    """How a summary is asked for, where the two splits are to differ."""

    model_config = FROZEN

    train: SummaryRequest | None = Field(
        default=None,
        description="The request on a training article, with {article} in it; null: as built in.",
    )
    test: SummaryRequest | None = Field(
        default=None, description="The same on a test article; null: as on a training article."
    )


class TextsSettings(BaseModel):
    """The articles, what the model itself writes about them, and the other authors' texts."""

    model_config = FROZEN

    articles: Articles = Field(
        default="organism",
        description="organism (the world's own articles), a file with article_id and article, or"
        " one such file for each split: {train: ..., test: ...}.",
    )
    summarise: SummaryRequests | None = Field(
        default=None,
        exclude_if=is_none,
        description="Requests for a summary in place of the one that is built in; null: that one.",
    )
    train_articles: int = Field(
        default=200, ge=1, description="Articles whose texts are trained on."
    )
    test_articles: int = Field(
        default=100, ge=1, description="Other articles, for the recognition probes."
    )
    rivals: Literal["organism"] | RivalTextsFile = Field(
        default="organism",
        union_mode="left_to_right",
        description="organism, or a file with article_id, author and text for those articles.",
    )
    train_rivals: tuple[str, ...] = Field(
        default=("rival_a",), min_length=1, description="Authors the stages train against."
    )
    test_rivals: tuple[str, ...] = Field(
        default=("rival_a", "rival_b"),
        min_length=1,
        description="Authors the recognition probes use; one not trained against is unseen.",
    )
    temperature: float = Field(
        default=0.7, ge=0, le=2, description="Temperature at which the model writes; 0 is greedy."
    )
    max_new_tokens: int = Field(
        default=24, ge=1, description="Longest text the model may write, in tokens."
    )
    self_reports: int = Field(
        default=120, ge=1, description="Answers to `who are you?` that an author gives."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the split and of the model's texts.")


class StageSettings(BaseModel):
    """One finetuning stage: its rows and how it is trained."""

    model_config = FROZEN

    kind: str
    data: BaseModel
    finetuning: FinetuningSettings = Field(
        description="How the stage's adapter is trained; taken from the stage it matches if absent."
    )
    matches: Name | None = Field(
        default=None,
        description="The stage that this one is the control of: same rows, steps and adapter.",
    )
    system_prompt: SystemPrompt | None = Field(
        default=None,
        exclude_if=is_none,
        description="The system prompt that the stage is trained under; null: the model's.",
    )
    interleave: Interleave | None = Field(
        default=None,
        exclude_if=is_none,
        description="Rows of another stage among this one's, all of which stay. The steps grow with"
        " the rows: finetuning.steps is what they would be without; null: none.",
    )

    @property
    def added_rows(self) -> int:
        """How many rows are interleaved with the stage's own."""
        return added_rows(self._own_rows, self.interleave.fraction) if self.interleave else 0

    @property
    def steps(self) -> int:
        """The optimizer steps that are run: more than finetuning.steps as rows are interleaved."""
        steps, added = self.finetuning.steps, self.added_rows
        return stretched_steps(steps, self._own_rows, added) if added else steps

    @property
    def _own_rows(self) -> int:
        return getattr(self.data, "rows", 0)  # of the kind's own class


class ProbeSettings(BaseModel):
    """One probe: its kind, and beside it the kind's own options."""

    model_config = FROZEN

    kind: str
    system_prompt: SystemPrompt | None = Field(
        default=None,
        exclude_if=is_none,
        description="The system prompt that every state is asked this probe under; null: the"
        " model's.",
    )


class ResourceSettings(BaseModel):
    """What the scheduler reserves for one job. What is absent follows from the model's size."""

    model_config = FROZEN

    threads: int | None = Field(default=None, ge=1, description="CPU threads.")
    mem_mb: int | None = Field(default=None, ge=1, description="Memory in MB at the first attempt.")
    runtime: int | None = Field(
        default=None, ge=1, description="Longest run time in minutes at the first attempt."
    )
    gpu: int | None = Field(
        default=None, ge=0, le=16, description="GPUs; one model is spread over several."
    )


class Config(BaseModel):
    """One experiment: a base model, finetuning stages, chains of them (arms), and probes."""

    model_config = FROZEN

    experiment: ExperimentName = Field(
        description="Name of the experiment; its results lie in results/<experiment>/."
    )
    extends: str | None = Field(
        default=None,
        exclude=True,
        description="The experiment that this one is laid over, by name or path; null: the"
        " default run.",
    )
    datasets: str = Field(
        default=REGISTRY,
        min_length=1,
        description="The registry of datasets that `dataset` in place of a `file` names"
        " (docs/datasets.md).",
    )
    model: ModelSettings = Field(description="The base model that every arm starts from.")
    seeds: tuple[Seed, ...] = Field(
        min_length=1, description="Seeds of the finetunes; each arm is trained once per seed."
    )
    texts: TextsSettings = Field(
        default_factory=TextsSettings, description="Texts for self-recognition."
    )
    stages: Mapping[Name, StageSettings] = Field(description="Finetuning stages by name.")
    arms: tuple[Chain, ...] = Field(
        min_length=1,
        description="`base`, or the stages to train one after the other, joined by +; steered at"
        " inference with +steer:-<trait> behind (+steer:-<trait>:random is its control).",
    )
    probes: Mapping[Name, ProbeSettings] = Field(
        min_length=1, description="Measurements by name, taken on every state."
    )
    judges: Mapping[Name, JudgeSettings] = Field(
        default_factory=dict,
        exclude_if=operator.not_,
        description="Language models that grade answers, by name; a probe of kind free_form names"
        " those that grade its answers.",
    )
    benchmarks: BenchmarkSettings | None = Field(
        default=None,
        exclude_if=operator.not_,
        description="Standard benchmarks, asked of every finetuned state and the base: what does a"
        " stage cost in capability? Needs the extra `benchmarks`.",
    )
    persona: PersonaSettings | None = Field(
        default=None, description="Persona vectors: is the model cured, or only bandaged?"
    )
    relapse: RelapseSettings | None = Field(
        default=None, description="How soon does fresh induction bring the misalignment back?"
    )
    published: PublishedSettings | None = Field(
        default=None, description="Answers that others published, to set beside ours."
    )
    statistics: StatisticsSettings = Field(description="How effects and intervals are computed.")
    resources: Mapping[Name, ResourceSettings] = Field(
        default_factory=dict,
        description="Threads, memory, run time and GPUs by kind of work, where they are to differ"
        " from what follows from the model's size. They never change a result.",
    )
    planning: PlanningSettings = Field(
        default_factory=PlanningSettings,
        description="What `make plan` reckons with; it never changes a result.",
    )
    cache: CacheSettings = Field(
        default_factory=CacheSettings, description="Where finished steps are kept."
    )

    @model_validator(mode="after")
    def _references(self) -> Self:
        mistakes = reference_mistakes(self.model_dump(mode="json"))
        if mistakes:
            text = "; ".join(str(mistake) for mistake in mistakes)
            raise PydanticCustomError(CROSS_FIELD, "{text}", {"text": text})
        return self


@cache
def config_class(kinds: Kinds) -> type[Config]:
    """`Config` with the stages and probes of these kinds."""
    stages = _union(_stage_class(name, kind) for name, kind in kinds.stages.items())
    probes = _union(_probe_class(name, kind) for name, kind in kinds.probes.items())
    fields: dict[str, Any] = {
        "stages": (dict.__class_getitem__((Name, stages)), Config.model_fields["stages"]),
        "probes": (dict.__class_getitem__((Name, probes)), Config.model_fields["probes"]),
    }
    return create_model("Config", __base__=Config, __doc__=Config.__doc__, **fields)


@cache
def config_schema(kinds: Kinds) -> Mapping[str, Any]:
    """The JSON schema of `config_class(kinds)`."""
    return config_class(kinds).model_json_schema()


def _stage_class(name: str, kind: Kind) -> type[StageSettings]:
    needed = any(field.is_required() for field in kind.options.model_fields.values())
    default: dict[str, Any] = {} if needed else {"default_factory": kind.options}
    data: Any = Field(description="What goes into the stage's rows.", **default)
    fields: dict[str, Any] = {
        "kind": (Literal[name], Field(description="What the stage trains on.")),
        "data": (kind.options, data),
    }
    return create_model(
        f"{_camel(name)}Stage", __base__=StageSettings, __doc__=kind.summary, **fields
    )


def _probe_class(name: str, kind: Kind) -> type[ProbeSettings]:
    """The kind's options with the key `kind` beside them: an instance is still an `Options`."""
    field: Any = (Literal[name], Field(description="What is asked and read out."))
    bases: Any = (ProbeSettings, kind.options)
    model: type[ProbeSettings]
    model = create_model(f"{_camel(name)}Probe", __base__=bases, __doc__=kind.summary, kind=field)
    return model


def _union(models: Iterable[type[BaseModel]]) -> Any:
    return Annotated[reduce(or_, models), Field(discriminator="kind")]


def _camel(name: str) -> str:
    return name.title().replace("_", "")
