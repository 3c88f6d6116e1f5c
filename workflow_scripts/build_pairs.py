"""Build the training rows of one stage: pairs of texts for SGTR, other rows for other kinds.

Run: python workflow_scripts/build_pairs.py --spec JSON --data MANIFEST
         [--self_texts MANIFEST] --out DIR
"""

import importlib

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write dataset.parquet by the stage's kind; the seed draws which rows and in which order."""
    import numpy as np

    from selfsame.data.corpus import read_corpus
    from selfsame.tables import schemas

    spec = step.spec
    kind = importlib.import_module(f"selfsame.stages.{spec['kind']}")
    own = [path.parent for path in step.inputs["self_texts"]]
    corpus = read_corpus(
        step.folder("data"), "train", spec["rivals"], self_texts=own[0] if own else None
    )
    rows = kind.build(kind.Options(**spec["data"]), corpus, np.random.default_rng(spec["seed"]))
    schemas.write(step.out / "dataset.parquet", rows, schemas.DATASET)
    return f"{len(rows)} rows of {spec['kind']}"


if __name__ == "__main__":
    run(main, inputs=["data"], lists=["self_texts"])
