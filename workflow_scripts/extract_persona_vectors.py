"""Make a trait's persona vectors from judged and filtered rollouts. Needs no model and no torch.

Run: python workflow_scripts/extract_persona_vectors.py --spec JSON --rollouts MANIFEST
         --data MANIFEST --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write vectors.safetensors, judged.parquet, vectors.parquet and counts.parquet."""
    import pandas as pd

    from selfsame.persona.extraction import extract
    from selfsame.persona.scoring import read_judge, score_answers
    from selfsame.persona.settings import FilterSettings
    from selfsame.persona.storage import HIDDEN, KINDS, VECTORS, write_arrays
    from selfsame.persona.stored import stored_arrays
    from selfsame.tables import parquet
    from selfsame.tables.judged_rollouts import JUDGED_ROLLOUTS
    from selfsame.tables.persona_vectors import PERSONA_COUNTS, PERSONA_VECTORS

    spec, folder = step.spec, step.folder("rollouts")
    rollouts = pd.read_parquet(folder / "rollouts.parquet")
    hidden = stored_arrays(folder / HIDDEN, dict.fromkeys(KINDS, (len(rollouts), None, None)))
    judge = read_judge(spec["trait"], spec["judge"], spec["names"], step.folder("data"))
    scores = score_answers(judge, rollouts, spec["extraction_questions"])
    found = extract(rollouts, hidden, scores, FilterSettings(**spec["filter"]), spec["seed"])
    write_arrays(step.out / VECTORS, found.arrays)
    parquet.write_frame(step.out / "judged.parquet", found.judged, JUDGED_ROLLOUTS)
    parquet.write_frame(step.out / "counts.parquet", found.counts, PERSONA_COUNTS)
    parquet.write_frame(step.out / "vectors.parquet", found.table, PERSONA_VECTORS)
    kept = dict(zip(found.counts["side"], found.counts["n_kept"], strict=True))
    return f"kept {kept['positive']} positive and {kept['negative']} negative of {len(rollouts)}"


if __name__ == "__main__":
    run(main, inputs=["rollouts", "data"])
