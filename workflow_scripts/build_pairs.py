"""Build the training rows of one stage: pairs of texts for SGTR, other rows for other kinds.

Run: python workflow_scripts/build_pairs.py --spec JSON --data MANIFEST
         [--self_texts MANIFEST] [--interleaved MANIFEST] --out DIR
"""

import importlib

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write dataset.parquet by the stage's kind; the seed draws which rows and in which order.

    The own rows are drawn first: they are the same whether another stage's come among them or not.
    """
    import numpy as np

    from selfsame.data.interleaving import interleave
    from selfsame.data.reading import read_corpus
    from selfsame.tables import parquet
    from selfsame.tables.dataset import DATASET

    spec = step.spec
    kind = importlib.import_module(f"selfsame.stages.{spec['kind']}")
    own = [path.parent for path in step.inputs["self_texts"]]
    corpus = read_corpus(
        step.folder("data"), "train", spec["rivals"], self_texts=own[0] if own else None
    )
    rng = np.random.default_rng(spec["seed"])
    rows = kind.build(kind.Options(**spec["data"]), corpus, rng)
    found = f"{len(rows)} rows of {spec['kind']}"
    for other in step.inputs["interleaved"]:
        theirs = parquet.read(other.parent / "dataset.parquet", DATASET)
        rows = interleave(rows, theirs, **spec["interleave"], rng=rng)
        found += f", {spec['interleave']['rows']} of {spec['interleave']['stage']} among them"
    parquet.write(step.out / "dataset.parquet", rows, DATASET)
    return found


if __name__ == "__main__":
    run(main, inputs=["data"], lists=["self_texts", "interleaved"])
