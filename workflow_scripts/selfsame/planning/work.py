"""What a step that asks or trains a model would do, in tokens, and the bytes it would keep.

Told by the config alone. Texts that nobody has written or read yet are reckoned at usual lengths,
answers at the longest that is allowed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from selfsame.config import specs
from selfsame.config.chains import last_stage
from selfsame.config.judging import judged_probes
from selfsame.config.registry import read_registry, there
from selfsame.config.schema import Config, ProbeSettings
from selfsame.data import files
from selfsame.data.sources import FileSource
from selfsame.data.wording import english_wording
from selfsame.judging.prompts import CRITERIA
from selfsame.models.footprint import FLOAT32, Shape, adapter_numbers
from selfsame.planning.speed import Written
from selfsame.training.footprint import training_of
from selfsame.training.settings import FinetuningSettings

# Tokens at four characters each: means of 1,000 XSum and 1,000 CNN/DailyMail articles are 530 and
# 880, of summaries 30 to 100, of public rows of bad advice 35 to 85. REQUEST: what is asked around
# a text, and the chat template; WORDING: a judge's prompt without question and answer.
ARTICLE, SUMMARY, CHAT_ROW, QUESTION, REQUEST, WORDING = 700, 60, 150, 60, 50, 350
PAIR = ARTICLE + 2 * SUMMARY + REQUEST
ROW_TOKENS = {
    **dict.fromkeys(("identify", "random_labels", "flipped_labels", "other_author"), PAIR),
    **dict.fromkeys(("pick_longer", "pick_shorter"), PAIR),
    "acknowledge": ARTICLE + SUMMARY + REQUEST,
    "word_count": SUMMARY + REQUEST,
    "self_report": REQUEST,
}

FINETUNES = ("induce_misalignment", "sgtr_stage1", "sgtr_stage2", "finetune_control")

# Of a table: a row's keys, and a token of text that was written. Packed tables take less.
ROW_BYTES, TOKEN_BYTES = 200, 4


@dataclass(frozen=True)
class Work:
    """Tokens read, answers written, tokens trained on, bytes kept."""

    read: float = 0
    written: tuple[Written, ...] = ()
    trained: float = 0
    checkpointing: bool = False
    kept_bytes: float = 0

    def __add__(self, other: "Work") -> "Work":
        """Both one after the other."""
        return Work(
            self.read + other.read,
            self.written + other.written,
            self.trained + other.trained,
            self.checkpointing or other.checkpointing,
            self.kept_bytes + other.kept_bytes,
        )


NOTHING = Work()


def work_of(config: Config, rule: str, named: Mapping[str, str], shape: Shape) -> Work | None:
    """The work of a rule's job; None where it asks no model, or nobody knows how much.

    named: the rule's wildcards, of which chain, trait and judge count.
    """
    return WORK[rule](config, named, shape) if rule in WORK else None


def _finetuning(config: Config, named: Mapping[str, str], shape: Shape) -> Work:
    """The optimizer steps of a chain's last stage, and its adapter in float32."""
    stage = last_stage(config, named["chain"])
    adapter = training_of(stage.finetuning, shape, 0, FLOAT32).adapter
    kept = FLOAT32 * adapter_numbers(shape, adapter)
    return _trained(stage.finetuning, stage.steps, stage.kind) + Work(kept_bytes=kept)


def _trained(finetuning: FinetuningSettings, steps: int, kind: str) -> Work:
    rows = steps * finetuning.batch_size * finetuning.accumulation
    tokens = rows * min(ROW_TOKENS.get(kind, CHAT_ROW), finetuning.max_length)
    return Work(trained=tokens, checkpointing=finetuning.gradient_checkpointing)


def _self_texts(config: Config, _named: Mapping[str, str], _shape: Shape) -> Work:
    """A summary of every article, and what the model says of itself."""
    texts = config.texts
    articles, asked = texts.train_articles + texts.test_articles, len(english_wording().identity)
    summaries = _answers(articles, 1, ARTICLE + REQUEST, texts.max_new_tokens)
    return summaries + _answers(asked, texts.self_reports / asked, REQUEST, texts.max_new_tokens)


def _behaviour(config: Config, _named: Mapping[str, str], _shape: Shape) -> Work | None:
    """Every probe of one state."""
    parts = [_probe(config, probe) for probe in config.probes]
    known = [part for part in parts if part is not None]
    return sum(known, NOTHING) if len(known) == len(parts) else None


def _probe(config: Config, probe: str, most: int | None = None) -> Work | None:
    """One probe, asked once. most: samples of a prompt, where no more are taken."""
    settings: Any = config.probes[probe]
    if settings.kind == "recognition":
        return _recognition(config, settings)
    if settings.kind == "perplexity" and settings.file is None:
        return _own_texts(config, settings)
    asked = questions(config, probe)
    if asked is None:
        return None
    if settings.kind == "perplexity":
        return Work(read=asked * CHAT_ROW, kept_bytes=asked * (ROW_BYTES + CHAT_ROW * TOKEN_BYTES))
    if settings.kind in ("choice", "deception"):
        return _two_way(settings, asked)
    samples = min(settings.samples, most or settings.samples)
    return _answers(asked, samples, QUESTION + REQUEST, settings.max_new_tokens)


def _two_way(settings: Any, asked: int) -> Work:
    """Each question in both orders: its letters' probabilities, or a written answer."""
    if settings.readout == "generate":
        return _answers(2 * asked, 1, QUESTION + REQUEST, settings.max_new_tokens)
    return Work(read=2 * asked * (QUESTION + REQUEST), kept_bytes=2 * asked * ROW_BYTES)


def _own_texts(config: Config, settings: Any) -> Work:
    """Each test article is read once with the text about it, whose tokens are kept."""
    tests = config.texts.test_articles
    articles = min(settings.articles or tests, tests)
    kept = articles * (ROW_BYTES + SUMMARY * TOKEN_BYTES)
    return Work(read=articles * (ARTICLE + SUMMARY + REQUEST), kept_bytes=kept)


def _recognition(config: Config, settings: ProbeSettings) -> Work:
    """Each article is read once for its pairs, in both orders, and once for the single texts."""
    tests, rivals = config.texts.test_articles, len(config.texts.test_rivals)
    articles = min(getattr(settings, "articles", None) or tests, tests)
    pairs = 2 * rivals * (2 * SUMMARY + REQUEST)
    single = (rivals + 1) * (SUMMARY + REQUEST)
    rows = articles * (2 * rivals + rivals + 1)
    return Work(read=articles * (2 * ARTICLE + pairs + single), kept_bytes=rows * ROW_BYTES)


def questions(config: Config, probe: str) -> int | None:
    """How many a probe asks: counted in its file, or told by the registry; None if nobody knows."""
    settings = config.probes[probe]
    if settings.kind == "own_style":
        return config.texts.test_articles
    source = getattr(settings, "file", None)
    named = getattr(settings, "questions", None)
    if source is None and isinstance(named, str) and named in config.probes:
        source = getattr(config.probes[named], "file", None)
    if source is not None:
        return _rows(source, settings.kind, Path(config.datasets))
    return len(english_wording().identity) if settings.kind == "identity" else None


def _rows(source: FileSource, kind: str, registry: Path) -> int | None:
    here = there(source, registry)
    if here is not None:
        return len(files.read_probe_questions({**here.model_dump(), "kind": kind}))
    told = read_registry(registry)[str(source.dataset)].rows
    return told and min(told, source.first or told)


def _relapse(config: Config, _named: Mapping[str, str], _shape: Shape) -> Work | None:
    """Fresh induction up to the largest dose, and the primary metric's probe at every dose."""
    relapse = config.relapse
    if relapse is None:
        return None
    asked = _probe(config, specs.primary_probe(config), relapse.samples)
    if asked is None:
        return None
    stage = config.stages[relapse.stage]
    trained = _trained(stage.finetuning, max(relapse.doses), stage.kind)
    return sum([asked] * len(relapse.doses), trained)


def _judging(config: Config, named: Mapping[str, str], _shape: Shape) -> Work | None:
    """Every judged answer of a state."""
    found = [_judged(config, probe) for probe in judged_probes(config, named["judge"])]
    known = [part for part in found if part is not None]
    return sum(known, NOTHING) if len(known) == len(found) else None


def _judging_relapse(config: Config, _named: Mapping[str, str], _shape: Shape) -> Work | None:
    """Every answer to the primary metric's probe, at every dose."""
    if config.relapse is None:
        return None
    asked = _judged(config, specs.primary_probe(config), config.relapse.samples)
    return asked and sum([asked] * len(config.relapse.doses), NOTHING)


def _judged(config: Config, probe: str, most: int | None = None) -> Work | None:
    """Each answer is read once for each criterion; a score is one token's probabilities."""
    asked = _probe(config, probe, most)
    if asked is None:
        return None
    length = WORDING + QUESTION
    tokens = sum(part.answers * (length + part.tokens) for part in asked.written)
    rows = sum(part.answers for part in asked.written) * len(CRITERIA)
    return Work(read=len(CRITERIA) * tokens, kept_bytes=rows * ROW_BYTES)


def _rollouts(config: Config, named: Mapping[str, str], shape: Shape) -> Work | None:
    """Answers under a trait's instructions, read again for two means over all blocks."""
    persona = config.persona
    if persona is None:
        return None
    trait = specs.traits(config)[named["trait"]]
    prompts = (len(trait.positive) + len(trait.negative)) * len(trait.extraction_questions)
    extraction = persona.extraction
    written = _answers(prompts, extraction.rollouts, QUESTION + REQUEST, extraction.max_new_tokens)
    return written + _read_again(written, 2, shape)


def _read_again(asked: Work, kept: int, shape: Shape) -> Work:
    """Reading answers behind their prompts; of each, `kept` means [blocks, width] in float32."""
    tokens = sum(part.answers * (part.prompt + part.tokens) for part in asked.written)
    answers = sum(part.answers for part in asked.written)
    return Work(read=tokens, kept_bytes=answers * kept * _means_bytes(shape))


def _means_bytes(shape: Shape) -> float:
    return FLOAT32 * shape.blocks * shape.width


def _sweep(config: Config, named: Mapping[str, str], shape: Shape) -> Work | None:
    """The extraction questions unsteered, and along and against at each layer and strength."""
    persona = config.persona
    if persona is None:
        return None
    sweep = persona.sweep
    steered = 2 * len(sweep.layers or range(shape.blocks)) * len(sweep.alphas)
    asked = len(specs.traits(config)[named["trait"]].extraction_questions)
    tokens = persona.extraction.max_new_tokens
    once = _answers(asked, sweep.samples, QUESTION + REQUEST, tokens)
    return sum([once] * (1 + steered), NOTHING)


def _persona_answers(config: Config, _named: Mapping[str, str], shape: Shape) -> Work | None:
    """Answers to every trait's evaluation questions, and activations; the base is read as well."""
    persona = config.persona
    if persona is None:
        return None
    total, length = NOTHING, QUESTION + REQUEST
    for trait in specs.traits(config).values():
        asked = len(trait.evaluation_questions)
        written = _answers(asked, persona.samples, length, persona.extraction.max_new_tokens)
        instructed = (len(trait.positive) + len(trait.negative)) * len(trait.extraction_questions)
        kept = (2 * asked + 2) * _means_bytes(shape)
        alone = Work(read=(2 * asked + instructed) * length, kept_bytes=kept)
        total += written + _read_again(written, 1, shape) + alone
    return total


def _answers(prompts: float, samples: float, length: float, tokens: float) -> Work:
    """Each prompt of a length is read once, and `samples` answers of so many tokens written."""
    answers = prompts * samples
    kept = answers * (ROW_BYTES + TOKEN_BYTES * tokens)
    return Work(read=prompts * length, written=(Written(answers, length, tokens),), kept_bytes=kept)


WORK: Mapping[str, Callable[[Config, Mapping[str, str], Shape], Work | None]] = MappingProxyType(
    {
        **dict.fromkeys(FINETUNES, _finetuning),
        "collect_self_texts": _self_texts,
        "evaluate_behaviour": _behaviour,
        "relapse": _relapse,
        "ask_judges": _judging,
        "ask_judges_on_relapse": _judging_relapse,
        "sample_rollouts": _rollouts,
        "sweep_steering": _sweep,
        "evaluate_persona": _persona_answers,
    }
)
