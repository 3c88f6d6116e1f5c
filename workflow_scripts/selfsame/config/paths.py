"""Where the files of an experiment lie, and which of them a state is made from.

Every path is a step's manifest: small, so that Snakemake compares it by content.
"""

from dataclasses import dataclass
from pathlib import Path

from selfsame.config.chains import (
    author,
    dataset,
    finetuned,
    interleaved,
    last_stage,
    parent,
    prefixes,
    repaired,
    states,
    steering_of,
    trained,
)
from selfsame.config.judging import judged_probes, judges_of
from selfsame.config.probe_specs import clustered
from selfsame.config.references import trait_name
from selfsame.config.registry import FETCHED
from selfsame.config.schema import Config
from selfsame.config.specs import datasets, primary_probe
from selfsame.digests import MANIFEST
from selfsame.embedding.settings import ModelEmbedding
from selfsame.judging.settings import LocalJudge
from selfsame.statistics.settings import BASE

MODEL_FILES = ("*.json", "*.jinja", "*.safetensors")
TASK_FILES = tuple(f"**/*.{end}" for end in ("yaml", "json", "jsonl", "csv", "parquet", "py"))


@dataclass(frozen=True)
class Paths:
    """The paths of one experiment; `seed` is a number or a wildcard's text."""

    config: Config

    @property
    def results(self) -> str:
        """The experiment's folder."""
        return f"results/{self.config.experiment}"

    def manifest(self, *folders: str) -> str:
        """The manifest in a folder of the experiment."""
        return "/".join((self.results, *folders, MANIFEST))

    def fetched(self, name: str) -> str:
        """The manifest of a dataset; it is no experiment's own."""
        return f"{FETCHED}/{name}/{MANIFEST}"

    def datasets(self) -> list[str]:
        """The datasets that the config names."""
        return [self.fetched(name) for name in datasets(self.config)]

    def of_state(self, chain: str, seed: int | str, what: str) -> str:
        """What belongs to one state: `adapter`, `samples`, `observations`, `persona`, ..."""
        return self.manifest("states", chain, f"seed{seed}", what)

    def adapters(self, chain: str, seed: int | str) -> list[str]:
        """All adapters of a chain, in the order they are merged; none for the base model."""
        return [self.of_state(prefix, seed, "adapter") for prefix in prefixes(chain)]

    def parents(self, chain: str, seed: int | str) -> list[str]:
        """The adapters that a chain's last stage is trained on top of."""
        return self.adapters(parent(chain), seed)

    def self_texts(self, author: str) -> str:
        """What an author (`base`, or a state as `<chain>.seed<seed>`) wrote."""
        return self.manifest("self_texts", author)

    def author_adapters(self, author: str) -> list[str]:
        """The chain of the state that writes."""
        chain, _, seed = author.partition(".seed")
        return self.adapters(chain, seed)

    def author(self, chain: str, seed: int | str) -> str | None:
        """Whose texts count as `self` in the last stage of a chain; None where it uses none.

        `base`, or a state of the same seed as `<chain>.seed<seed>`.
        """
        state = author(self.config, chain)
        return state if state in (None, BASE) else f"{state}.seed{seed}"

    def texts_for_dataset(self, chain: str, seed: int | str) -> list[str]:
        """The self texts that a dataset is built from, where it needs any."""
        author = self.author(chain, seed)
        return [self.self_texts(author)] if author else []

    def interleaved(self, chain: str, seed: int | str) -> list[str]:
        """The other stage's rows that a dataset is mixed with, where it is."""
        other = interleaved(self.config, chain)
        return [self.dataset(other, seed)] if other else []

    def dataset(self, chain: str, seed: int | str) -> str:
        """The rows of a chain's last stage: the stage's, or its own if its parent is the author."""
        return self.manifest("datasets", dataset(self.config, chain), f"seed{seed}")

    def judgements(self, chain: str, seed: int | str, judge: str, of: str = "samples") -> str:
        """What a judge says of a state's answers, or (`of="relapse"`) of those when it relapses."""
        folder = {"samples": "judgements", "relapse": "relapse_judgements"}[of]
        return self.manifest("states", chain, f"seed{seed}", folder, judge)

    def deciding_judgements(self, chain: str, seed: int | str) -> list[str]:
        """What the deciding judge of each probe says of a state's answers; none by rule."""
        first = (
            judge for probe in self.config.probes for judge in judges_of(self.config, probe)[:1]
        )
        return [self.judgements(chain, seed, judge) for judge in dict.fromkeys(first)]

    def all_judgements(self) -> list[str]:
        """What every judge says of every state's answers."""
        asked = [judge for judge in self.config.judges if judged_probes(self.config, judge)]
        return [
            self.judgements(chain, seed, judge)
            for chain in states(self.config)
            for seed in self.config.seeds
            for judge in asked
        ]

    def judged_prompts(self, judge: str) -> list[str]:
        """The prompts whose answers a judge grades."""
        return [self.manifest("probes", probe) for probe in judged_probes(self.config, judge)]

    def judge_model(self, judge: str) -> list[str]:
        """Where a local judge's model is; none of one behind a server."""
        local = isinstance(self.config.judges[judge], LocalJudge)
        return [self.manifest("judges", judge)] if local else []

    def judge_files(self, judge: str) -> list[str]:
        """Files of a local judge's model directory: when they change, it is another judge."""
        return _files(getattr(self.config.judges[judge], "path", None), MODEL_FILES)

    def of_trait(self, trait: str, what: str) -> str:
        """What belongs to one trait: `rollouts`, `vectors`, `sweep` or `layer`."""
        return self.manifest("traits", trait, what)

    @property
    def traits(self) -> list[str]:
        """The traits' names, the deciding one first."""
        return (
            [trait_name(file) for file in self.config.persona.traits] if self.config.persona else []
        )

    def of_all_traits(self, what: str) -> list[str]:
        """What belongs to every trait."""
        return [self.of_trait(trait, what) for trait in self.traits]

    def direction(self, trait: str) -> list[str]:
        """What a steering along a trait's vector is made from: vectors and the layer."""
        return [self.of_trait(trait, "vectors"), self.of_trait(trait, "layer")]

    def chain_direction(self, chain: str) -> list[str]:
        """The direction that a chain is steered along at inference; none where it is not."""
        steering = steering_of(chain)
        return self.direction(steering.trait) if steering else []

    def training_direction(self, chain: str) -> list[str]:
        """The direction that a chain's last stage is trained under; none where it is not."""
        steering = last_stage(self.config, chain).finetuning.steering
        return self.direction(steering.trait) if steering else []

    def measures(self) -> list[str]:
        """The persona measures of all states, where the config asks for them."""
        return [self.manifest("persona")] if self.config.persona else []

    def published(self) -> list[str]:
        """Published answers under our statistics, where the config names some."""
        return [self.manifest("published")] if self.config.published else []

    def relapse_observations(self) -> list[str]:
        """The judged answers of all relapsing states, where the config asks for them."""
        return [self.manifest("relapse")] if self.config.relapse else []

    def relapses(self) -> list[str]:
        """Every state that is induced afresh: the base, the induced state, the repaired arms."""
        return [self.of_state(c, seed, "relapse") for c, seed in self._relapsing()]

    def relapse_judgements(self) -> list[str]:
        """What the deciding judge says of relapsing states, in the same order; none by rule."""
        first = judges_of(self.config, primary_probe(self.config))[:1]
        return [self.judgements(*state, j, "relapse") for j in first for state in self._relapsing()]

    def _relapsing(self) -> list[tuple[str, int]]:
        if self.config.relapse is None:
            return []
        chains = (
            BASE,
            self.config.relapse.stage,
            *repaired(self.config, self.config.relapse.stage),
        )
        return [(chain, seed) for chain in chains for seed in self.config.seeds]

    def prompts(self) -> list[str]:
        """The prompts of every probe."""
        return [self.manifest("probes", probe) for probe in self.config.probes]

    def of_all_states(self, what: str) -> list[str]:
        """What belongs to every state and seed; adapters only where there are some.

        A steered state has answers alone: its weights are those of the state that is steered.
        """
        answers = what in ("samples", "observations")
        chains = states(self.config) if answers else finetuned(self.config)
        chains = tuple(c for c in chains if what != "adapter" or c != BASE)
        return [self.of_state(c, seed, what) for c in chains for seed in self.config.seeds]

    def model_files(self) -> list[str]:
        """Files of a local Hugging Face model: when they change, it is another base model."""
        return _files(getattr(self.config.model, "path", None), MODEL_FILES)

    def benchmarks(self) -> list[str]:
        """The benchmarks of every finetuned state, where the config asks for them."""
        return self.of_all_states("benchmarks") if self.config.benchmarks else []

    def task_files(self) -> list[str]:
        """Files of the user's own tasks: when they change, the benchmarks are others."""
        folder = self.config.benchmarks.include if self.config.benchmarks else None
        return _files(Path(folder) if folder else None, TASK_FILES)

    def identity_clusters(self) -> list[str]:
        """The clusters of all states' self-reports, where a probe asks for them."""
        return [self.manifest("identity_clusters")] if clustered(self.config) else []

    def embedding_models(self) -> list[str]:
        """The folders of models whose hidden states tell self-reports apart."""
        found = (how.embedding for how in clustered(self.config).values())
        return [one.path for one in found if isinstance(one, ModelEmbedding)]

    def embedding_files(self) -> list[str]:
        """Files of these models."""
        folders = map(Path, self.embedding_models())
        return [file for folder in folders for file in _files(folder, MODEL_FILES)]

    def chains_ending_in(self, kinds: set[str]) -> list[str]:
        """The chains whose last stage is of one of these kinds."""
        chains = [chain for chain in trained(self.config) if chain != BASE]
        return [chain for chain in chains if last_stage(self.config, chain).kind in kinds]


def _files(folder: Path | None, patterns: tuple[str, ...]) -> list[str]:
    """The files of a folder with these patterns; none without a folder."""
    if folder is None:
        return []
    return sorted(str(file) for pattern in patterns for file in folder.glob(pattern))
