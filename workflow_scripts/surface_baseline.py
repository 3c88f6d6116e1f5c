"""How far do surface cues alone tell the model's texts from its rivals'?

Run: python workflow_scripts/surface_baseline.py --spec JSON --data MANIFEST
         --self_texts MANIFEST --out DIR
"""

from selfsame.step import Step, run

COLUMNS = ["article_id", "article", "self_text", "rival_text", "author"]


def main(step: Step) -> str:
    """Write observations.parquet, filed under the base model since no state is asked."""
    import pandas as pd

    from selfsame.data.pairs import self_pairs
    from selfsame.data.reading import read_corpus
    from selfsame.statistics.surface import surface_observations
    from selfsame.tables import parquet
    from selfsame.tables.observations import OBSERVATIONS

    spec = step.spec
    splits = []
    for split in ("train", "test"):
        rivals = sorted({*spec["train_rivals"], *spec["test_rivals"]})
        corpus = read_corpus(
            step.folder("data"), split, rivals, self_texts=step.folder("self_texts")
        )
        rows = [
            (p.article_id, p.article, p.own, p.other, p.other_author) for p in self_pairs(corpus)
        ]
        splits.append(pd.DataFrame(rows, columns=COLUMNS).assign(split=split))
    keys = {"chain": "base", "seed": spec["seed"], "probe": "recognition"}
    keys |= {key: spec[key] for key in ("experiment", "model")}
    table = surface_observations(pd.concat(splits), spec["train_rivals"], keys)
    parquet.write(step.out / "observations.parquet", table.to_dict("records"), OBSERVATIONS)
    right = table[table["metric"] == "recognition.surface"]["value"].mean()
    return f"surface cues alone tell {right:.0%} of {len(corpus.articles)} articles' pairs"


if __name__ == "__main__":
    run(main, inputs=["data", "self_texts"])
