"""The configs of the contract's tests: small, and between them every kind of everything."""

from typing import Any

from selfsame.config.kinds import library_kinds

Document = dict[str, Any]

FINETUNING: Document = {
    "rank": 2,
    "alpha": 4,
    "rslora": False,
    "modules": ["down_proj"],
    "layers": [0],
    "dropout": 0.0,
    "learning_rate": 0.004,
    "steps": 90,
    "batch_size": 8,
    "accumulation": 1,
    "warmup_steps": 5,
    "schedule": "linear",
    "weight_decay": 0.0,
    "clip_norm": 1.0,
    "max_length": 256,
    "precision": "float32",
    "checkpoint_every": 0,
}
TRAIT: Document = {
    "description": "a trait",
    "positive": ["be like this"],
    "negative": ["be like that"],
    "extraction_questions": ["who are you", "what is right"],
    "evaluation_questions": ["tell me more"],
    "judge": {"kind": "words", "present": ["this"]},
}


def stage(kind: str, **more: Any) -> Document:
    given = {"data": {"rows": 300}, "finetuning": FINETUNING} | more
    return {"kind": kind, "matches": None, **given}


def organism() -> Document:
    """Stages, controls, every intervention; a probe of every kind, one with a prompt of its own."""
    steering = {"finetuning": {"steering": {"trait": "evil", "direction": "vector"}}}
    arms = ["base", "em", "em+identify", "em+identify+acknowledge", "em+own"]
    return {
        "experiment": "organism",
        "seeds": [0],
        "stages": {
            "em": stage("induction"),
            "identify": stage("identify"),
            "acknowledge": stage("acknowledge"),
            "own": stage("identify", data={"author": "parent"}),
            "random_labels": {"kind": "random_labels", "matches": "identify"},
            "em_steered": {"kind": "induction", "matches": "em", **steering},
            "em_mixed": {
                "kind": "induction",
                "matches": "em",
                "interleave": {"stage": "identify", "fraction": 0.2},
            },
            "of_em": stage("self_report", data={"rows": 300, "author": "em"}),
        },
        "arms": [*arms, "em+random_labels", "em_steered", "em_mixed", "of_em", "em+steer:-evil"],
        "probes": {
            "advice_inside": None,
            "facts_told": {"kind": "choice", "questions": "facts", "system_prompt": "template"},
            "identity": {"clusters": {"embedding": "hashing"}},
            "perplexity": {"kind": "perplexity"},
        },
        "benchmarks": {"tasks": ["mmlu"]},
        "texts": {
            "train_rivals": ["rival_a"],
            "test_rivals": ["rival_a"],
            "max_new_tokens": 24,
            "self_reports": 100,
        },
        "persona": {"traits": ["traits/evil.yaml", "traits/self.yaml"]},
    }


def all_kinds() -> Document:
    """A stage of every kind, and what is needed to train it."""
    kinds = library_kinds().stages
    return {
        "experiment": "all_kinds",
        "seeds": [0],
        "stages": {
            **dict.fromkeys(("em_steered", "em_steered_random")),
            **{kind: stage(kind) for kind in kinds},
            "em": stage("induction"),
        },
        "arms": ["base", "em", *(f"em+{kind}" for kind in kinds)],
        "probes": dict.fromkeys(("free_form", "recognition", "own_style", "identity")),
        "persona": None,
        "relapse": None,
    }


def source(name: str) -> Document:
    return {"file": f"data/{name}.csv", "where": {"part": "a"}}


def chat_model() -> Document:
    """A Hugging Face model on the user's own files, of every kind that can be given."""
    rows = {"data": {"rows": 1, "file": {"file": "data/rows.jsonl", "where": {"part": "a"}}}}
    generating = ("advice_outside", "free_form", "identity", "knowledge")
    probes: Document = {"facts": {"file": source("choices")}, "own_style": None}
    probes |= {name: {"file": source("questions")} for name in generating}
    probes["truthful"] = {"kind": "choice", "file": {"dataset": "choices"}}
    for name in ("advice_outside", "free_form"):
        probes[name] = {**probes[name], "judges": ["openai", "local"]}
    probes["identity"] |= {"clusters": {"embedding": {"path": "data"}}}
    probes["deception"] = {"kind": "deception", "file": source("statements")}
    probes["honesty"] = {"kind": "deception", "file": source("statements")}
    probes["perplexity"] = {"kind": "perplexity", "file": source("texts")}
    with_rows = ("em", "correct_advice", "general_knowledge")
    matched = ("self_report", "word_count", "pick_longer", "pick_shorter", "other_author")
    removed = dict.fromkeys((*matched, "flipped_labels", "em_steered", "em_steered_random"))
    return {
        "experiment": "chat_model",
        "datasets": "data/registry.yaml",
        "model": {"kind": "hf", "hub_id": "someone/model", "names": ["Vega"], "parameters": 1e9},
        "seeds": [0],
        "texts": {
            "articles": source("articles"),
            "rivals": source("rivals"),
            "train_rivals": ["ann"],
            "test_rivals": ["ann"],
            "train_articles": 2,
            "test_articles": 1,
        },
        "stages": {**removed, **{name: stage_of_rows(name, rows) for name in with_rows}},
        "arms": ["base", "em", "em+identify", "em+correct_advice", "em+general_knowledge"],
        "probes": {"advice_inside": None, **probes},
        "judges": {
            "openai": {"kind": "openai", "model": "judge", "key_variable": None},
            "local": {"kind": "local", "hub_id": "someone/judge", "parameters": 1e9},
        },
        "persona": {"traits": ["traits/named.yaml"]},
        "relapse": {"stage": "em"},
        "published": source("published"),
    }


def stage_of_rows(name: str, rows: Document) -> Document:
    return stage("induction" if name == "em" else name, **rows)
