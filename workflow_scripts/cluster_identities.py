"""How many different identities does each state give? Its self-reports, clustered by meaning.

Run: python workflow_scripts/cluster_identities.py --spec JSON --samples MANIFEST ...
         [--model FILE ...] --out DIR
"""

import importlib

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write identity_clusters.parquet; `model` are named so that their digests are recorded."""
    import pandas as pd

    from selfsame.embedding.settings import ClusterSettings
    from selfsame.statistics.clusters import QUESTION, identity_clusters
    from selfsame.tables import parquet
    from selfsame.tables.identity_clusters import FILE, IDENTITY_CLUSTERS

    found, files = [], [path.parent / "samples.parquet" for path in step.inputs["samples"]]
    for probe, given in step.spec["probes"].items():
        settings = ClusterSettings(**given)
        of_probe = [("probe", "==", probe), ("kind", "==", "generate")]
        answers = pd.concat(
            pd.read_parquet(file, columns=[*QUESTION, "text"], filters=of_probe) for file in files
        )
        module = importlib.import_module(f"selfsame.embedding.{settings.kind}")
        embed = module.embedder(settings, step.threads, step.notes)
        found.append(identity_clusters(answers, embed, settings.thresholds))
    table = pd.concat(found, ignore_index=True)
    parquet.write_frame(step.out / FILE, table, IDENTITY_CLUSTERS)
    most = table.groupby("threshold")["clusters"].max()
    told = ", ".join(f"{count} at {threshold:g}" for threshold, count in most.items())
    return f"most identities of a state: {told}"


if __name__ == "__main__":
    run(main, lists=["samples", "model"])
