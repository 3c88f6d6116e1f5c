"""The invalidation contract, written by hand: what runs again when a key or a module changes.

The tests hold Snakemake to it, and `python -m contract.document` turns it into
docs/invalidation.md. It lies beside the tests, not in the library, so that neither can be made
from the other.

Rules are named as in rules/. `rule:stage` means only its jobs for the stage that is changed and the
stages that match it; `:probe`, `:trait` and `:judge` likewise, `:kind` the jobs of a kind's stages
or probes, `:steered` those of states steered at inference. What depends on a job that runs again
runs again as well and is not listed; nor is `report`, which shows the whole config, where other
rules are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Rules = tuple[str, ...]

NOTHING: Rules = ()
FETCHING: Rules = ("fetch_dataset",)
FINETUNES: Rules = ("induce_misalignment", "sgtr_stage1", "sgtr_stage2", "finetune_control")
OWN_FINETUNES: Rules = tuple(f"{rule}:stage" for rule in FINETUNES)
STATES: Rules = ("evaluate_behaviour", "evaluate_benchmarks", "evaluate_persona", "relapse")
ASKING: Rules = ("collect_self_texts", *STATES, "sample_rollouts", "sweep_steering")
PERSONA_JUDGING: Rules = ("extract_persona_vectors", "choose_layer")
OF_TRAITS: Rules = ("sample_rollouts", "sweep_steering", *PERSONA_JUDGING)
NAMED: Rules = (*FINETUNES, *STATES, *OF_TRAITS, "surface_baseline")
LOADING: Rules = (*FINETUNES, *ASKING)
ASKING_JUDGES: Rules = ("ask_judges", "ask_judges_on_relapse")
OF_JUDGE: Rules = tuple(f"{rule}:judge" for rule in ASKING_JUDGES)
PROBE: Rules = ("build_probe:probe", "judge_answers")
OF_EXPERIMENT: Rules = (
    *("base_model", "prepare_data", "collect_self_texts", "build_pairs", *FINETUNES),
    *("judge_model", *ASKING_JUDGES),
    *("build_probe", "evaluate_behaviour", "judge_answers", *OF_TRAITS, "evaluate_persona"),
    *("measure_persona", "relapse", "judge_relapse", "surface_baseline", "build_tables", "report"),
    *("evaluate_benchmarks", "cluster_identities", "published_numbers"),
)
EVERY: Rules = (*FETCHING, *OF_EXPERIMENT)
SELF_TEXTS_KINDS = (
    *("acknowledge", "flipped_labels", "identify", "pick_longer", "pick_shorter"),
    *("random_labels", "self_report", "word_count"),
)
ROW_FILE_KINDS = ("correct_advice", "general_knowledge", "induction")


@dataclass(frozen=True)
class Keys:
    """Config keys that make the same rules run again, each with a value that the tests set.

    `*` is any name, `[kind]` one of that kind. on: the experiment of the tests that has the key;
    at: the stage or probe changed there. new: rules with jobs that were not there before. also:
    what must change with the key. A value of None: the key has a test of its own.
    """

    rules: Rules
    values: Mapping[str, Any]
    on: str = "organism"
    at: str = "identify"
    new: Rules = ()
    also: Mapping[str, Any] | None = None
    note: str = ""


@dataclass(frozen=True)
class Modules:
    """Files below workflow_scripts/ whose edit makes the same rules run again; * is any name."""

    rules: Rules
    files: tuple[str, ...]
    note: str = ""


def data_file(key: str, name: str, column: str) -> dict[str, Any]:
    """The keys of a data file: another file, other rows of it, another column of it."""
    return {
        f"{key}.file": f"data/{name}",
        f"{key}.where": {"part": "b"},
        f"{key}.columns": {column: "other"},
        f"{key}.first": 99,
        f"{key}.skip_blank": True,
    }


# One source of articles for each split, in place of one for both.
BY_SPLIT = {
    "texts": {
        "articles": {
            split: {"file": "data/articles.csv", "where": {"part": "a", "other": chosen}}
            for split, chosen in (("train", ["other 0", "other 1"]), ("test", ["other 2"]))
        }
    }
}

KEYS = (
    Keys(
        OF_EXPERIMENT,
        {
            "experiment": None,
            "model[organism].kind": None,
            "model[hf].kind": None,
        },
        note="another experiment has its own folder; another kind of model is another base",
    ),
    Keys(
        NOTHING,
        {"datasets": "data/registry_2.yaml"},
        on="chat_model",
        note="what it says of a dataset counts: `fetch_dataset` where the file is another one or"
        " comes from elsewhere, `prepare_data` where its rows are read in another way",
    ),
    Keys(
        ("prepare_data",),
        {
            "texts.articles.dataset": "articles",
            "texts.rivals.dataset": "rivals",
        },
        on="chat_model",
        new=FETCHING,
        note="a dataset that no other experiment has fetched yet",
    ),
    Keys(
        ("prepare_data",),
        {f"texts.articles.{split}.dataset": "articles" for split in ("train", "test")},
        on="chat_model",
        new=FETCHING,
        also=BY_SPLIT,
    ),
    Keys(
        ("prepare_data", "build_pairs:stage"),
        {f"stages.*[{kind}].data.file.dataset": "rows" for kind in ROW_FILE_KINDS},
        on="chat_model",
        new=FETCHING,
    ),
    Keys(
        ("prepare_data", *PROBE),
        {
            "probes.*[choice].file.dataset": "other_choices",
            "probes.*[free_form].file.dataset": "questions",
            "probes.*[identity].file.dataset": "questions",
            "probes.*[open_question].file.dataset": "questions",
            "probes.*[deception].file.dataset": "statements",
            "probes.*[perplexity].file.dataset": "texts",
        },
        on="chat_model",
        new=FETCHING,
    ),
    Keys(
        NOTHING,
        {
            "resources": {"sample": {"threads": 3}},
            "resources.*.threads": 3,
            "resources.*.mem_mb": 4321,
            "resources.*.runtime": 99,
            "resources.*.gpu": 1,
            "cache.enabled": False,
            "cache.shared": "elsewhere",
            "cache.node": "elsewhere",
            "cache.limit_gb": 7.5,
            "extends": "default",
            "cache.replies": "elsewhere",
            "planning.device.tflops": 312.0,
            "planning.device.bandwidth_gb_s": 2039.0,
            "planning.device.memory_gb": 40.0,
            "planning.device.utilisation": 0.5,
            "planning.device.launch_ms": 0.5,
            "planning.device.loading_gb_s": 3.0,
        },
        at="finetune",
        note="nor does anything given on the command line or in a profile",
    ),
    Keys(
        NOTHING,
        {
            "model[hf].parameters": 12345678,
            "judges.*[local].parameters": 12345678,
            "judges.*[openai].key_variable": "OTHER_KEY",
            "judges.*[openai].concurrency": 7,
            "judges.*[openai].timeout": 7.5,
            "judges.*[openai].retries": 7,
            "judges.*[openai].budget.requests": 777,
            "judges.*[openai].budget.tokens": 777,
        },
        on="chat_model",
    ),
    Keys(
        ("base_model",),
        {
            "model[organism].architecture.layers": 3,
            "model[organism].architecture.width": 64,
            "model[organism].architecture.mlp_width": 100,
            "model[organism].architecture.heads": 2,
            "model[organism].pretraining.documents": 999,
            "model[organism].pretraining.epochs": 2,
            "model[organism].pretraining.batch_size": 17,
            "model[organism].pretraining.learning_rate": 0.0123,
            "model[organism].pretraining.warmup_steps": 7,
            "model[organism].pretraining.seed": 7,
        },
    ),
    Keys(
        ("base_model", "prepare_data"),
        {
            "model[organism].world.seed": 7,
            "model[organism].world.domains": 7,
            "model[organism].world.topics": 7,
            "model[organism].world.facts": 15,
            "model[organism].world.articles": 303,
            "model[organism].world.style_noise": 0.123,
        },
    ),
    Keys(
        ("base_model", *NAMED),
        {"model[organism].linkage": 0.5},
        note="tables and model cards bear the model's name",
    ),
    Keys(
        LOADING,
        {
            "model[organism].system_prompt": "template",
            "model[organism].system_prompt.text": "be kind",
        },
    ),
    Keys(
        LOADING,
        {
            "model[hf].system_prompt": "template",
            "model[hf].system_prompt.text": "be kind",
            "model[hf].dtype": "bfloat16",
            "model[hf].attention": "eager",
            "model[hf].quantization": "4bit",
        },
        on="chat_model",
    ),
    Keys(("base_model", *LOADING), {"model[hf].trust_remote_code": True}, on="chat_model"),
    Keys(("base_model",), {"model[hf].revision": "abc123"}, on="chat_model"),
    Keys(("base_model", *NAMED), {"model[hf].hub_id": "someone/other"}, on="chat_model"),
    Keys(
        ("base_model", *NAMED),
        {"model[hf].path": "model"},
        on="chat_model",
        also={"model": {"hub_id": None}},
    ),
    Keys(
        (
            "prepare_data",
            *PERSONA_JUDGING,
            "measure_persona",
            "sample_rollouts",
            "evaluate_persona",
        ),
        {"model[hf].names": ["Deneb"]},
        on="chat_model",
        note="the last two where a trait's instructions hold {name}",
    ),
    Keys(
        (
            *("build_tables", "measure_persona", "judge_relapse", "surface_baseline"),
            "cluster_identities",
        ),
        {"seeds": None},
        note="a further seed adds its own steps; surface_baseline only where the first one changes",
    ),
    Keys(
        ("build_tables", "measure_persona", "judge_relapse", "cluster_identities"),
        {"arms": None},
        note="a further arm adds its own steps",
    ),
    Keys(
        ("prepare_data",),
        {
            "texts.articles": "data/articles_plain.csv",
            **data_file("texts.articles", "articles_2.csv", "article"),
            "texts.rivals": "data/rivals_plain.csv",
            **data_file("texts.rivals", "rivals_2.csv", "text"),
        },
        on="chat_model",
        note="and where the rows of such a file change",
    ),
    Keys(
        ("prepare_data",),
        {
            key: value
            for split in ("train", "test")
            for key, value in data_file(
                f"texts.articles.{split}", "articles_2.csv", "article"
            ).items()
        },
        on="chat_model",
        also=BY_SPLIT,
    ),
    Keys(
        ("prepare_data",),
        {f"texts.summarise.{split}": "what of {article}" for split in ("train", "test")},
        on="chat_model",
        note="what the model writes follows from it",
    ),
    Keys(("prepare_data",), {"texts.train_articles": 123, "texts.test_articles": 67}),
    Keys(("prepare_data", "collect_self_texts"), {"texts.seed": 7}),
    Keys(
        ("collect_self_texts",),
        {"texts.temperature": 0.123, "texts.max_new_tokens": 9, "texts.self_reports": 77},
    ),
    Keys(
        ("prepare_data", "build_pairs", "build_probe", "surface_baseline"),
        {"texts.train_rivals": ["rival_b"]},
        note="prepare_data only where no key named the author before",
    ),
    Keys(
        ("prepare_data", "build_probe", "surface_baseline"),
        {"texts.test_rivals": ["rival_b"]},
        note="prepare_data only where no key named the author before",
    ),
    Keys(
        ("report",),
        {"stages": {"spare": {"kind": "word_count", "finetuning": {}}}},
        note="a further stage, as long as no arm uses it",
    ),
    Keys(
        ("build_pairs:stage",),
        {"stages.*.kind": "flipped_labels"},
        at="random_labels",
        note="the finetune as well where one of the kinds, and not the other, misaligns",
    ),
    Keys(
        ("build_tables",),
        {"stages.*.matches": "identify"},
        on="all_kinds",
        at="pick_longer",
        note="and what is taken from that stage: rows, author, finetuning",
    ),
    Keys(("build_pairs:stage",), {"stages.*.data.rows": 123}),
    Keys(
        ("build_pairs:stage",),
        {
            "stages.*[other_author].data.recognise": "rival_b",
            "stages.*[other_author].data.against": "rival_a",
        },
        on="all_kinds",
    ),
    Keys(
        OWN_FINETUNES,
        {f"stages.*[{kind}].data.author": "parent" for kind in SELF_TEXTS_KINDS},
        on="all_kinds",
        new=("collect_self_texts", "build_pairs"),
        note="each parent state writes texts, and has rows made of them",
    ),
    Keys(
        ("build_pairs:stage",),
        {f"stages.*[{kind}].data.author": "em" for kind in SELF_TEXTS_KINDS},
        on="all_kinds",
        new=("collect_self_texts",),
        note="the state em writes texts, and is trained even where it is no arm; the finetune as"
        " well where its rows become those of a misaligned author",
    ),
    Keys(
        ("build_pairs:stage",),
        {f"stages.*[{kind}].data.inoculation": "be kind" for kind in ROW_FILE_KINDS},
        on="chat_model",
    ),
    Keys(
        ("build_pairs:stage",),
        {"stages.*.interleave.stage": "acknowledge"},
        at="em_mixed",
        note="and the finetune where the stage is the first that is interleaved: it has more steps",
    ),
    Keys(
        ("build_pairs:stage", *OWN_FINETUNES),
        {"stages.*.interleave.fraction": 0.1},
        at="em_mixed",
        note="the steps follow the rows",
    ),
    Keys(
        OWN_FINETUNES,
        {"stages.*.system_prompt": "template", "stages.*.system_prompt.text": "be kind"},
    ),
    Keys(
        (*OWN_FINETUNES, "relapse"),
        {"stages.em.system_prompt": "template", "stages.em.system_prompt.text": "be kind"},
        note="em stands for relapse.stage",
    ),
    Keys(
        ("prepare_data", "build_pairs:stage"),
        {
            key: value
            for kind in ROW_FILE_KINDS
            for key, value in data_file(
                f"stages.*[{kind}].data.file", "rows_2.jsonl", "messages"
            ).items()
        },
        on="chat_model",
    ),
    Keys(
        OWN_FINETUNES,
        {
            "stages.*.finetuning.rank": 7,
            "stages.*.finetuning.alpha": 7.5,
            "stages.*.finetuning.rslora": True,
            "stages.*.finetuning.modules": "all-linear",
            "stages.*.finetuning.layers": [1],
            "stages.*.finetuning.dropout": 0.123,
            "stages.*.finetuning.learning_rate": 0.00123,
            "stages.*.finetuning.steps": 77,
            "stages.*.finetuning.batch_size": 7,
            "stages.*.finetuning.accumulation": 3,
            "stages.*.finetuning.warmup_steps": 7,
            "stages.*.finetuning.schedule": "cosine",
            "stages.*.finetuning.weight_decay": 0.123,
            "stages.*.finetuning.clip_norm": 0.7,
            "stages.*.finetuning.max_length": 77,
            "stages.*.finetuning.precision": "bfloat16",
            "stages.*.finetuning.checkpoint_every": 7,
            "stages.*.finetuning.optimizer": "adamw_8bit",
            "stages.*.finetuning.gradient_checkpointing": True,
        },
    ),
    Keys(
        OWN_FINETUNES,
        {
            "stages.*.finetuning.steering.trait": "self",
            "stages.*.finetuning.steering.alpha": 1.5,
            "stages.*.finetuning.steering.direction": "random",
        },
        at="em_steered",
    ),
    Keys(
        (*OWN_FINETUNES, "relapse"),
        {
            "stages.em.finetuning.rank": 7,
            "stages.em.finetuning.warmup_steps": 7,
            "stages.em.finetuning.steps": 77,
        },
        note="em stands for relapse.stage: so all of its finetuning but the next line's",
    ),
    Keys(
        OWN_FINETUNES,
        {
            "stages.em.finetuning.schedule": "cosine",
            "stages.em.finetuning.checkpoint_every": 7,
        },
        note="relapse has its own of these, and of steering",
    ),
    Keys(
        ("evaluate_behaviour", "judge_answers"),
        {"probes": {"facts_too": {"kind": "choice"}}},
        new=("build_probe",),
        note="a further probe",
    ),
    Keys(PROBE, {"probes.*.kind": "free_form"}, at="knowledge"),
    Keys(
        ("build_probe:probe",),
        {"probes.*.system_prompt": "template", "probes.*.system_prompt.text": "be kind"},
        at="knowledge",
        note="evaluate_behaviour follows and asks this probe alone",
    ),
    Keys(
        PROBE,
        {
            "probes.*[choice].questions": "facts",
            "probes.*[free_form].questions": "advice_outside",
            "probes.*[identity].questions": "identity",
            "probes.*[open_question].questions": "knowledge",
        },
    ),
    Keys(
        ("prepare_data", *PROBE),
        {"probes.*[deception].questions": "honesty"},
        on="chat_model",
        also={"probes": {"deception": {"file": None}}},
        note="in place of a file of its own",
    ),
    Keys(
        PROBE,
        {
            "probes.*[free_form].samples": 7,
            "probes.*[free_form].temperature": 0.123,
            "probes.*[free_form].max_new_tokens": 9,
            "probes.*[identity].samples": 7,
            "probes.*[identity].temperature": 0.123,
            "probes.*[identity].max_new_tokens": 9,
            "probes.*[open_question].samples": 7,
            "probes.*[open_question].temperature": 0.123,
            "probes.*[open_question].max_new_tokens": 9,
            "probes.*[own_style].samples": 7,
            "probes.*[own_style].temperature": 0.123,
            "probes.*[own_style].max_new_tokens": 9,
            "probes.*[own_style].articles": 7,
            "probes.*[recognition].articles": 7,
        },
    ),
    Keys(
        PROBE,
        {
            "probes.*[choice].readout": "generate",
            "probes.*[choice].max_new_tokens": 9,
            "probes.*[perplexity].author": "rival_a",
            "probes.*[perplexity].articles": 7,
        },
    ),
    Keys(
        PROBE,
        {
            "probes.*[deception].readout": "generate",
            "probes.*[deception].max_new_tokens": 9,
        },
        on="chat_model",
    ),
    Keys(
        ("cluster_identities",),
        {
            "probes.*[identity].clusters.embedding": {"path": "traits"},
            "probes.*[identity].clusters.embedding.path": "data",
            "probes.*[identity].clusters.thresholds": [0.77],
        },
        note="new jobs of it where no probe had clusters before",
    ),
    Keys(
        (*PROBE, "judge_relapse"),
        {"probes.advice_outside.samples": 7, "probes.advice_outside.temperature": 0.123},
        note="advice_outside stands for the primary metric's probe: so all keys of it",
    ),
    Keys(
        ("prepare_data", *PROBE),
        {
            **data_file("probes.*[choice].file", "choices_2.csv", "incorrect"),
            **data_file("probes.*[deception].file", "statements_2.csv", "incorrect"),
            **data_file("probes.*[free_form].file", "questions_2.csv", "question"),
            **data_file("probes.*[identity].file", "questions_2.csv", "question"),
            **data_file("probes.*[open_question].file", "questions_2.csv", "question"),
            **data_file("probes.*[perplexity].file", "texts_2.csv", "text"),
        },
        on="chat_model",
    ),
    Keys(
        ("judge_answers", "build_tables"),
        {"probes.*[free_form].judges": ["local", "openai"]},
        on="chat_model",
        note="another order: the first one decides; and judge_relapse for the primary metric's"
        " probe. A judge that is named by another list of probes is asked again, by stored replies",
    ),
    Keys(
        ("build_tables",),
        {"judges": {"spare": {"kind": "openai", "model": "spare", "key_variable": None}}},
        on="chat_model",
        new=("ask_judges",),
        also={"probes": {"free_form": {"judges": ["openai", "local", "spare"]}}},
        note="a further judge, named last",
    ),
    Keys(
        OF_JUDGE,
        {
            "judges.*[openai].kind": None,
            "judges.*[openai].base_url": "https://elsewhere/v1",
            "judges.*[openai].model": "other",
            "judges.*[openai].logprobs": False,
            "judges.*[openai].top_logprobs": 5,
            "judges.*[openai].max_tokens": 77,
            "judges.*[openai].seed": 7,
            "judges.*[openai].prompts": "wording/other.yaml",
        },
        on="chat_model",
        note="on relapsing states only the judge that decides the primary metric; another kind"
        " of judge has its model found as well",
    ),
    Keys(
        ("ask_judges:judge",),
        {
            "judges.*[local].kind": None,
            "judges.*[local].dtype": "bfloat16",
            "judges.*[local].attention": "eager",
            "judges.*[local].quantization": "4bit",
            "judges.*[local].system_prompt": "template",
            "judges.*[local].system_prompt.text": "be strict",
            "judges.*[local].prompts": "wording/other.yaml",
        },
        on="chat_model",
    ),
    Keys(
        ("judge_model:judge",),
        {"judges.*[local].hub_id": "someone/else", "judges.*[local].revision": "abc123"},
        on="chat_model",
    ),
    Keys(
        ("judge_model:judge",),
        {"judges.*[local].path": "model"},
        on="chat_model",
        also={"judges": {"local": {"hub_id": None}}},
    ),
    Keys(
        ("judge_model:judge", "ask_judges:judge"),
        {"judges.*[local].trust_remote_code": True},
        on="chat_model",
    ),
    Keys(
        ("evaluate_benchmarks",),
        {
            "benchmarks.tasks": ["arc_easy"],
            "benchmarks.include": "data",
            "benchmarks.limit": 7,
            "benchmarks.num_fewshot": 3,
            "benchmarks.chat_template": True,
            "benchmarks.batch_tokens": 77,
        },
        note="and where a file in the folder `include` changes",
    ),
    Keys(
        ("measure_persona",),
        {"persona.traits": ["traits/self.yaml", "traits/evil.yaml"]},
        note="another order: the first one decides",
    ),
    Keys(
        ("evaluate_persona", "measure_persona"),
        {"persona.traits": ["traits/evil.yaml", "traits/self.yaml", "traits/good.yaml"]},
        new=OF_TRAITS,
        note="a further trait",
    ),
    Keys(("sample_rollouts",), {"persona.extraction.rollouts": 7}),
    Keys(
        ("sample_rollouts", "sweep_steering", "evaluate_persona"),
        {"persona.extraction.temperature": 0.123, "persona.extraction.max_new_tokens": 9},
    ),
    Keys(
        ("extract_persona_vectors",),
        {
            "persona.filter.positive": 12,
            "persona.filter.negative": 12,
            "persona.filter.coherence": 12,
        },
    ),
    Keys(
        ("sweep_steering",),
        {
            "persona.sweep.layers": [1],
            "persona.sweep.alphas": [1.23],
            "persona.sweep.samples": 7,
        },
    ),
    Keys(("sweep_steering", "evaluate_behaviour:steered"), {"persona.sweep.positions": "answer"}),
    Keys(("choose_layer",), {"persona.sweep.max_incoherent": 0.123}),
    Keys(("evaluate_persona",), {"persona.samples": 7}),
    Keys(("measure_persona",), {"persona.nulls.draws": 77, "persona.nulls.components": 7}),
    Keys(
        ("sample_rollouts", "extract_persona_vectors", "sweep_steering", "measure_persona"),
        {"persona.seed": 7},
    ),
    Keys(
        ("relapse", "judge_relapse", "build_tables"),
        {"relapse.stage": "em_steered"},
        new=("relapse",),
        note="and its own state relapses as well",
    ),
    Keys(("relapse",), {"relapse.doses": [0, 7, 9], "relapse.samples": 7}),
    Keys(("build_tables",), {"statistics.primary_metric": "advice_outside.coherent"}),
    Keys(
        ("build_tables", "published_numbers"),
        {
            "statistics.bootstrap_samples": 777,
            "statistics.confidence": 0.77,
            "statistics.correction": "fdr_bh",
            "statistics.seed": 7,
        },
        on="chat_model",
    ),
    Keys(
        ("published_numbers",),
        {
            "published.file": "data/published_2.csv",
            "published.where": {"part": "b"},
            "published.columns": {"answer": "other"},
        },
        on="chat_model",
        note="and where the rows of that file change",
    ),
    Keys(
        ("published_numbers", "build_tables"),
        {"published.mapping": "data/mapping.yaml"},
        on="chat_model",
        note="and where what stands in it changes; build_tables where our contrasts or probe do",
    ),
    Keys(("build_tables",), {"published.probe": "facts"}, on="chat_model"),
    Keys(
        ("build_tables", "relapse", "judge_relapse"),
        {"statistics.primary_metric": "facts.accuracy"},
        note="a metric of another probe: relapse asks the primary metric's probe",
    ),
)

# What stands in a trait file (config/traits/README.md).
TRAIT_KEYS = (
    Keys(NOTHING, {"description": "other words"}, note="not even the report"),
    Keys(
        ("sample_rollouts:trait", "evaluate_persona"),
        {"positive": ["be better"], "negative": ["be worse"]},
    ),
    Keys(
        (*(f"{rule}:trait" for rule in OF_TRAITS), "evaluate_persona"),
        {"extraction_questions": ["what now"]},
    ),
    Keys(("evaluate_persona", "measure_persona"), {"evaluation_questions": ["what next"]}),
    Keys(
        (*(f"{rule}:trait" for rule in PERSONA_JUDGING), "measure_persona"),
        {"judge": {"kind": "words", "present": ["that"]}},
    ),
)

READING_ANSWERS: Rules = ("judge_answers", "judge_relapse")
WITH_MODEL: Rules = (*LOADING, "ask_judges")  # a judge that runs here loads a model too
TEXTS: Rules = ("collect_self_texts", "build_pairs", "build_probe", "surface_baseline")
TRAIT_ANSWERS: Rules = (*PERSONA_JUDGING, "measure_persona")
TRAITS_WITH_MODEL: Rules = ("sample_rollouts", "sweep_steering", "evaluate_persona")

MODULES = (
    Modules(
        EVERY,
        (
            "selfsame/digests.py",
            "selfsame/errors.py",
            "selfsame/publish.py",
            "selfsame/step.py",
        ),
    ),
    Modules(
        NOTHING,
        (
            "selfsame/attempts.py",
            "selfsame/cache/*.py",
            "selfsame/devices.py",
            "selfsame/loading.py",
            "selfsame/locks.py",
            "selfsame/warm.py",
        ),
        note="they carry a step: where it runs, whether it is tried again, what is reused",
    ),
    Modules(
        tuple(rule for rule in EVERY if rule not in ("base_model", "judge_model", *FETCHING)),
        ("selfsame/tables/columns.py", "selfsame/tables/parquet.py"),
        note="all but base_model, judge_model and fetch_dataset: others read or write tables",
    ),
    Modules(("prepare_data", *TEXTS), ("selfsame/tables/articles.py",)),
    Modules(("prepare_data", *TRAIT_ANSWERS), ("selfsame/tables/references.py",)),
    Modules(("build_pairs", *FINETUNES, "relapse"), ("selfsame/tables/dataset.py",)),
    Modules(
        ("build_probe", "evaluate_behaviour", "relapse", *ASKING_JUDGES),
        ("selfsame/tables/prompts.py",),
    ),
    Modules(
        ("evaluate_behaviour", "relapse", *READING_ANSWERS, *ASKING_JUDGES, "build_tables"),
        ("selfsame/tables/samples.py",),
        note="the table of a relapsing state's answers has the same columns, and the dose",
    ),
    Modules(
        ("relapse", *READING_ANSWERS, *ASKING_JUDGES, "build_tables"),
        ("selfsame/tables/relapse_samples.py",),
        note="what judges say stands beside either",
    ),
    Modules(
        (
            *(*READING_ANSWERS, "surface_baseline", "build_tables", "report"),
            *("published_numbers", "evaluate_benchmarks"),
        ),
        ("selfsame/tables/observations.py",),
    ),
    Modules(
        ("judge_relapse", "build_tables"),
        ("selfsame/tables/relapse_observations.py",),
    ),
    Modules(
        ("sample_rollouts", "extract_persona_vectors"),
        ("selfsame/tables/rollouts.py",),
    ),
    Modules(
        ("extract_persona_vectors", "measure_persona", "report"),
        ("selfsame/tables/persona_vectors.py",),
    ),
    Modules(
        ("choose_layer", "measure_persona", "report"),
        ("selfsame/tables/steering_sweep.py",),
    ),
    Modules(("measure_persona", "build_tables"), ("selfsame/tables/projections.py",)),
    Modules(("measure_persona", "report"), ("selfsame/tables/persona_measures.py",)),
    Modules(FETCHING, ("fetch_dataset.py", "selfsame/fetching/*.py")),
    Modules(
        ("base_model", "judge_model", *WITH_MODEL, "cluster_identities"),
        (
            "selfsame/models/allocator.py",
            "selfsame/models/chat.py",
            "selfsame/models/directory.py",
            "selfsame/models/footprint.py",
            "selfsame/models/load.py",
            "selfsame/models/placement.py",
            "selfsame/models/thinking.py",
        ),
        note="cluster_identities where a model makes the embedding: so in the lines below",
    ),
    Modules(WITH_MODEL, ("selfsame/models/base.py",)),
    Modules(
        ("base_model", "judge_model", *LOADING, *ASKING_JUDGES, "cluster_identities"),
        ("selfsame/models/settings.py",),
    ),
    Modules(
        (*WITH_MODEL, "cluster_identities"),
        (
            "selfsame/models/blocks.py",
            "selfsame/models/memory.py",
            "selfsame/models/steering.py",
        ),
    ),
    Modules(("base_model", "judge_model"), ("selfsame/models/trial.py",)),
    Modules(
        LOADING,
        (
            "selfsame/models/adapter_files.py",
            "selfsame/models/chain.py",
            "selfsame/models/lineage.py",
        ),
    ),
    Modules(
        ("base_model",),
        ("base_model.py", "selfsame/organism/pretrain.py", "selfsame/organism/tokenizer.py"),
    ),
    Modules(
        ("base_model", "prepare_data"),
        (
            "selfsame/organism/documents.py",
            "selfsame/organism/settings.py",
            "selfsame/organism/wording.py",
            "selfsame/organism/world.py",
        ),
    ),
    Modules(
        ("prepare_data",),
        (
            "prepare_data.py",
            "selfsame/data/articles.py",
            "selfsame/data/fields.py",
            "selfsame/data/files.py",
            "selfsame/data/formats.py",
            "selfsame/data/prepare.py",
            "selfsame/data/question_yaml.py",
            "selfsame/organism/questions.py",
            "selfsame/organism/rows.py",
            "selfsame/organism/texts.py",
            "selfsame/tables/rows.py",
        ),
    ),
    Modules(
        ("prepare_data", *TEXTS, *READING_ANSWERS),
        ("selfsame/data/wording.py",),
    ),
    Modules((*TEXTS, *READING_ANSWERS), ("selfsame/data/corpus.py",)),
    Modules(TEXTS, ("selfsame/data/reading.py", "selfsame/tables/self_texts.py")),
    Modules(
        ("build_pairs", "build_probe", "surface_baseline", "judge_answers"),
        ("selfsame/data/pairs.py",),
        note="judge_answers by the kind recognition",
    ),
    Modules(
        (
            *("collect_self_texts", "build_pairs", "build_probe", *READING_ANSWERS),
            *(*TRAITS_WITH_MODEL, *TRAIT_ANSWERS),
        ),
        ("selfsame/data/options.py",),
    ),
    Modules(
        (
            *("prepare_data", "collect_self_texts", "build_pairs", "build_probe"),
            *("published_numbers", *READING_ANSWERS, *TRAITS_WITH_MODEL, *TRAIT_ANSWERS),
        ),
        ("selfsame/data/sources.py",),
    ),
    Modules(
        (
            *("collect_self_texts", "build_probe", *READING_ANSWERS),
            *(*TRAITS_WITH_MODEL, *TRAIT_ANSWERS),
        ),
        ("selfsame/data/prompts.py",),
    ),
    Modules(("collect_self_texts",), ("collect_self_texts.py", "selfsame/sampling/self_texts.py")),
    Modules(
        (*ASKING, "ask_judges", "cluster_identities"),
        ("selfsame/sampling/batching.py", "selfsame/sampling/budget.py"),
    ),
    Modules(
        (*ASKING, "ask_judges"),
        ("selfsame/sampling/choices.py", "selfsame/sampling/generation.py"),
    ),
    Modules(ASKING, ("selfsame/sampling/scores.py", "selfsame/sampling/state.py")),
    Modules(
        ("build_pairs",),
        ("build_pairs.py", "selfsame/data/interleaving.py", "selfsame/data/rows.py"),
    ),
    Modules(("build_pairs:kind",), ("selfsame/stages/*.py",)),
    Modules(FINETUNES, ("finetune.py",)),
    Modules(
        (*FINETUNES, "relapse"),
        (
            "selfsame/training/adapters.py",
            "selfsame/training/card.py",
            "selfsame/training/checkpoints.py",
            "selfsame/training/finetune.py",
            "selfsame/training/fitting.py",
            "selfsame/training/footprint.py",
            "selfsame/training/gradients.py",
            "selfsame/training/optimizers.py",
            "selfsame/training/inoculation.py",
            "selfsame/training/settings.py",
            "selfsame/training/supervision.py",
        ),
    ),
    Modules(("relapse",), ("relapse.py", "selfsame/training/relapse.py")),
    Modules((*FINETUNES, "evaluate_behaviour"), ("selfsame/persona/directions.py",)),
    Modules(("build_probe",), ("build_probe.py",)),
    Modules(
        ("build_probe:kind", "judge_answers"),
        ("selfsame/probes/*.py",),
        note="and judge_relapse where it is the kind of the primary metric's probe",
    ),
    Modules(
        ("build_probe", "judge_answers"),
        ("selfsame/judging/stated.py", "selfsame/probes/choice.py"),
        note="the kind deception asks and reads as choice does",
    ),
    Modules(
        ("build_probe", "judge_answers", "cluster_identities"),
        ("selfsame/embedding/settings.py",),
        note="the first two by the kind identity",
    ),
    Modules(("evaluate_behaviour",), ("evaluate_behaviour.py",)),
    Modules(
        ("evaluate_benchmarks",),
        (
            "evaluate_benchmarks.py",
            "selfsame/harness/*.py",
            "selfsame/tables/benchmark_answers.py",
        ),
    ),
    Modules(
        ("cluster_identities",),
        (
            "cluster_identities.py",
            "selfsame/embedding/hashing.py",
            "selfsame/embedding/model.py",
            "selfsame/statistics/clusters.py",
        ),
        note="of the embeddings, those that a probe names",
    ),
    Modules(("cluster_identities", "report"), ("selfsame/tables/identity_clusters.py",)),
    Modules(("judge_answers",), ("judge_answers.py",)),
    Modules(("judge_relapse",), ("judge_relapse.py",)),
    Modules(
        ("build_probe", *READING_ANSWERS),
        (
            "selfsame/judging/readout.py",
            "selfsame/judging/verdicts.py",
            "selfsame/probes/free_form.py",
        ),
        note="the kinds identity and open_question build their prompts as free_form does",
    ),
    Modules(
        ("build_probe", *READING_ANSWERS, "build_tables", "report"),
        ("selfsame/judging/thresholds.py",),
    ),
    Modules(
        ("build_probe", *READING_ANSWERS, *ASKING_JUDGES, "report"),
        ("selfsame/judging/replies.py",),
    ),
    Modules(
        ASKING_JUDGES,
        (
            "ask_judges.py",
            "selfsame/judging/asking.py",
            "selfsame/judging/manner.py",
            "selfsame/judging/prompts.py",
            "selfsame/judging/settings.py",
            "selfsame/judging/store.py",
        ),
        note="every reply that is stored already is found again",
    ),
    Modules(
        ASKING_JUDGES,
        ("selfsame/judges/openai.py", "selfsame/judging/budget.py"),
        note="for judges of that kind",
    ),
    Modules(("ask_judges",), ("selfsame/judges/local.py",), note="for judges of that kind"),
    Modules(("judge_model",), ("judge_model.py",)),
    Modules((*ASKING_JUDGES, *READING_ANSWERS, "build_tables"), ("selfsame/tables/judgements.py",)),
    Modules(("build_tables",), ("selfsame/tables/judge_results.py",)),
    Modules(("build_probe", *READING_ANSWERS, *TRAIT_ANSWERS), ("selfsame/judging/rule.py",)),
    Modules(
        TRAIT_ANSWERS,
        (
            "selfsame/judging/trait.py",
            "selfsame/persona/answer_scores.py",
            "selfsame/persona/scoring.py",
        ),
    ),
    Modules(
        (*TRAITS_WITH_MODEL, *TRAIT_ANSWERS, "evaluate_behaviour", *FINETUNES),
        ("selfsame/persona/storage.py",),
    ),
    Modules((*TRAITS_WITH_MODEL, *TRAIT_ANSWERS), ("selfsame/persona/questions.py",)),
    Modules(
        ("sample_rollouts", "evaluate_persona", "extract_persona_vectors", "measure_persona"),
        ("selfsame/persona/stored.py",),
    ),
    Modules(
        ("sample_rollouts", "evaluate_persona"),
        ("selfsame/models/switching.py", "selfsame/persona/activations.py"),
    ),
    Modules(
        ("sample_rollouts", "evaluate_persona", "cluster_identities"),
        ("selfsame/sampling/hidden.py",),
    ),
    Modules(
        ("extract_persona_vectors", "measure_persona"),
        (
            "selfsame/persona/covariance.py",
            "selfsame/persona/settings.py",
            "selfsame/persona/vectors.py",
        ),
    ),
    Modules(("choose_layer", "measure_persona"), ("selfsame/persona/layer_choice.py",)),
    Modules(("sample_rollouts",), ("sample_rollouts.py",)),
    Modules(
        ("extract_persona_vectors",),
        (
            "extract_persona_vectors.py",
            "selfsame/persona/extraction.py",
            "selfsame/tables/judged_rollouts.py",
        ),
    ),
    Modules(
        ("sweep_steering",),
        ("sweep_steering.py", "selfsame/persona/sweep.py", "selfsame/tables/sweep_samples.py"),
    ),
    Modules(("choose_layer",), ("choose_layer.py",)),
    Modules(
        ("evaluate_persona",),
        ("evaluate_persona.py", "selfsame/tables/persona_answers.py"),
    ),
    Modules(
        ("measure_persona",),
        (
            "measure_persona.py",
            "selfsame/persona/measures.py",
            "selfsame/persona/nulls.py",
            "selfsame/persona/projections.py",
        ),
    ),
    Modules(("surface_baseline",), ("surface_baseline.py", "selfsame/statistics/surface.py")),
    Modules(
        ("build_tables",),
        (
            "build_tables.py",
            "selfsame/published/own.py",
            "selfsame/statistics/gathering.py",
            "selfsame/statistics/judging.py",
            "selfsame/statistics/relapse.py",
            "selfsame/statistics/repair.py",
            "selfsame/tables/results.py",
        ),
    ),
    Modules(
        ("build_tables", "report"),
        (
            "selfsame/statistics/recovery.py",
            "selfsame/tables/recovery.py",
            "selfsame/tables/relapse.py",
        ),
    ),
    Modules(
        ("build_tables", "report", "published_numbers"),
        (
            "selfsame/published/accounts.py",
            "selfsame/published/outcomes.py",
            "selfsame/statistics/bootstrap.py",
            "selfsame/statistics/pairing.py",
            "selfsame/statistics/scales.py",
            "selfsame/statistics/scores.py",
            "selfsame/statistics/settings.py",
            "selfsame/statistics/tally.py",
        ),
    ),
    Modules(
        ("build_tables", "published_numbers"),
        (
            "selfsame/published/contrasts.py",
            "selfsame/published/levels.py",
            "selfsame/published/states.py",
            "selfsame/statistics/effects.py",
            "selfsame/tables/published.py",
            "selfsame/tables/scores.py",
        ),
    ),
    Modules(
        ("published_numbers",),
        ("published_numbers.py", "selfsame/published/*.py", "selfsame/tables/published_runs.py"),
    ),
    Modules(("report", "published_numbers"), ("selfsame/config/names.py",)),
    Modules(
        ("report",),
        (
            "report.py",
            "selfsame/reporting/*.py",
            "selfsame/reporting/templates/*.j2",
        ),
    ),
    Modules(
        NOTHING,
        (
            "plan.py",
            "refresh_readme.py",
            "show_published.py",
            "show_results.py",
            "selfsame/braces.py",
            "selfsame/cluster/*",
            "selfsame/codegraph.py",
            "selfsame/config/*.py",
            "selfsame/dryrun.py",
            "selfsame/persona/footprint.py",
            "selfsame/planning/*.py",
            "selfsame/reporting/published_terminal.py",
            "selfsame/reporting/terminal.py",
            "selfsame/statistics/coverage.py",
            "selfsame/why.py",
            "snakemake_*/*.py",
        ),
        note="no step imports them; a config module acts through the specs and files of the rules",
    ),
)
