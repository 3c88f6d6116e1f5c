"""Put all states side by side: scores, levels with intervals, effects, recovery, relapse.

Run: python workflow_scripts/build_tables.py --spec JSON --observations MANIFEST ...
         --surface MANIFEST [--measures MANIFEST] [--relapse MANIFEST]
         [--judgements MANIFEST ...] [--benchmarks MANIFEST ...] --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write observations, scores, summary and effects as parquet; recovery and relapse if asked.

    Where judges were asked, also what their scores say of them.
    """
    from selfsame.published.own import own_tables
    from selfsame.statistics.effects import effects, summary
    from selfsame.statistics.gathering import gather
    from selfsame.statistics.judging import judge_tables
    from selfsame.statistics.repair import recovery_tables, relapse_tables
    from selfsame.statistics.settings import Arm, StatisticsSettings
    from selfsame.tables import parquet
    from selfsame.tables.results import EFFECTS, SUMMARY
    from selfsame.tables.scores import SCORES

    manifests = [*step.inputs["observations"], step.path("surface"), *step.inputs["benchmarks"]]
    files = [path.parent / "observations.parquet" for path in manifests]
    scores, tally = gather(files, step.out / "observations.parquet")
    settings = StatisticsSettings(**step.spec["statistics"])
    arms = {chain: Arm(**arm) for chain, arm in step.spec["arms"].items()}
    tables = {
        "scores": (scores, SCORES),
        "summary": (summary(tally, settings), SUMMARY),
        "effects": (effects(tally, arms, settings), EFFECTS),
    }
    for measures in step.inputs["measures"]:
        tables |= recovery_tables(tally, measures.parent, step.spec["induced"], settings)
    for relapse in step.inputs["relapse"]:
        tables |= relapse_tables(relapse.parent, step.spec["relapse"], settings)
    if "published" in step.spec:
        tables |= own_tables(tally, **step.spec["published"], settings=settings)
    if step.inputs["judgements"]:
        tables |= judge_tables(step.inputs["judgements"], step.spec["judges"])
    for name, (table, schema) in tables.items():
        parquet.write_frame(step.out / f"{name}.parquet", table, schema)
    return f"{len(scores)} scores, {len(tables['effects'][0])} effects"


if __name__ == "__main__":
    lists = ["observations", "measures", "relapse", "judgements", "benchmarks"]
    run(main, inputs=["surface"], lists=lists)
