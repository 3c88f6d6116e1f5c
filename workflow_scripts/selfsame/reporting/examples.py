"""Example answers: the same questions put to every state, with what was judged of each answer."""

import pandas as pd

EXAMPLE_COLUMNS = ["chain", "probe", "question", "answer", "verdict"]


def examples(
    samples: pd.DataFrame, prompts: pd.DataFrame, observations: pd.DataFrame, probe: str, items: int
) -> pd.DataFrame:
    """The first sample of the first seed for `items` questions spread over a probe, per chain.

    `samples`, `prompts` and `observations` are the tables of those names. The choice depends on
    item names alone, so that nobody picks answers that suit. Returns EXAMPLE_COLUMNS.
    """
    texts = samples[(samples["probe"] == probe) & (samples["kind"] == "generate")]
    if texts.empty:
        return pd.DataFrame(columns=EXAMPLE_COLUMNS)
    texts = texts[(texts["seed"] == texts["seed"].min()) & (texts["sample"] == 0)]
    texts = texts[texts["item"].isin(_spread(sorted(texts["item"].unique()), items))]
    keys = ["chain", "seed", "item", "sample"]
    judged = observations[observations["probe"] == probe].drop_duplicates(keys)
    found = texts.merge(judged[[*keys, "answer_class"]], on=keys, how="left")
    found = found.merge(_questions(prompts, probe), on="item", how="left")
    found = found.drop_duplicates(["chain", "item"]).sort_values(["chain", "item"])
    named: pd.DataFrame = found.rename(columns={"text": "answer", "answer_class": "verdict"})
    return named.reset_index(drop=True)[EXAMPLE_COLUMNS]


def _spread(names: list[str], wanted: int) -> list[str]:
    step = max(1, len(names) // wanted)
    return names[::step][:wanted]


def _questions(prompts: pd.DataFrame, probe: str) -> pd.DataFrame:
    asked = prompts[prompts["probe"] == probe].drop_duplicates("item")
    return asked.assign(question=asked["messages"].map(_last_user))[["item", "question"]]


def _last_user(messages: list[dict[str, str]]) -> str:
    said = [message["content"] for message in messages if message["role"] == "user"]
    return said[-1] if said else ""
