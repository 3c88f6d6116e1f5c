"""Put all states side by side: scores, levels with intervals, effects, recovery, relapse.

Run: python workflow_scripts/build_tables.py --spec JSON --observations MANIFEST ...
         --surface MANIFEST [--measures MANIFEST] [--relapse MANIFEST] --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write observations, scores, summary and effects as parquet; recovery and relapse if asked."""
    import pandas as pd

    from selfsame.statistics.effects import effects, summary
    from selfsame.statistics.repair import recovery_tables, relapse_tables
    from selfsame.statistics.scores import scores
    from selfsame.statistics.settings import Arm, StatisticsSettings
    from selfsame.tables import schemas

    manifests = [*step.inputs["observations"], step.path("surface")]
    parts = [pd.read_parquet(path.parent / "observations.parquet") for path in manifests]
    observations = pd.concat(parts, ignore_index=True)
    settings = StatisticsSettings(**step.spec["statistics"])
    arms = {chain: Arm(**arm) for chain, arm in step.spec["arms"].items()}
    tables = {
        "observations": (observations, schemas.OBSERVATIONS),
        "scores": (scores(observations), schemas.SCORES),
        "summary": (summary(observations, settings), schemas.SUMMARY),
        "effects": (effects(observations, arms, settings), schemas.EFFECTS),
    }
    for measures in step.inputs["measures"]:
        tables |= recovery_tables(observations, measures.parent, step.spec["induced"], settings)
    for relapse in step.inputs["relapse"]:
        tables |= relapse_tables(relapse.parent, step.spec["relapse"], settings)
    for name, (table, schema) in tables.items():
        schemas.write_frame(step.out / f"{name}.parquet", table, schema)
    return f"{len(tables['scores'][0])} scores, {len(tables['effects'][0])} effects"


if __name__ == "__main__":
    run(main, inputs=["surface"], lists=["observations", "measures", "relapse"])
