"""The whole workflow on the organism, by Snakemake, in a copy of the project's tracked files."""

import json
from itertools import combinations
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from experiments import MICRO, Project, finished
from selfsame.dryrun import dry_run
from selfsame.tables.persona_measures import GEOMETRY, NULLS, SHIFTS, VECTOR_COSINES
from selfsame.tables.recovery import RECOVERY
from selfsame.tables.relapse import RELAPSE, RELAPSE_DOSES
from selfsame.tables.results import EFFECTS
from selfsame.tables.scores import SCORES

FILE = "dataset.parquet"


def planned(project: Project) -> set[str]:
    """The rules of the steps that would run."""
    config = project.folder / project.config
    return {job.rule for job in dry_run(str(config), project.folder)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the micro experiment has run once."""
    return finished(tmp_path_factory, MICRO).copied(tmp_path_factory.mktemp("micro") / "p")


def test_the_tables_hold_every_arm_under_their_schemas(run: Project) -> None:
    scores = pq.read_table(run.results / "tables" / "scores.parquet")
    effects = pq.read_table(run.results / "tables" / "effects.parquet")
    assert scores.schema.names == SCORES.names
    assert effects.schema.names == EFFECTS.names
    assert {"base", "em+identify+acknowledge", "em+word_count"} <= set(scores["chain"].to_pylist())
    assert "em+random_labels" in effects["control"].to_pylist()
    assert "advice_outside.aligned_coherent" in scores["metric"].to_pylist()


@pytest.mark.parametrize(
    ("table", "schema"),
    [
        ("tables/recovery", RECOVERY),
        ("tables/relapse", RELAPSE),
        ("tables/relapse_doses", RELAPSE_DOSES),
        ("persona/shifts", SHIFTS),
        ("persona/nulls", NULLS),
        ("persona/geometry", GEOMETRY),
        ("persona/cosines", VECTOR_COSINES),
    ],
)
def test_the_persona_tables_follow_their_schemas(
    run: Project, table: str, schema: pa.Schema
) -> None:
    rows = pq.read_table(run.results / f"{table}.parquet")
    assert rows.schema.names == schema.names
    assert rows.num_rows


def test_every_repaired_arm_has_a_recovery_and_a_relapse(run: Project) -> None:
    recovery = pq.read_table(run.results / "tables" / "recovery.parquet").to_pylist()
    latent = {row["chain"]: row["latent"] for row in recovery if row["trait"] == "evil"}
    assert {"em+identify", "em+word_count", "em_steered", "em_steered_random"} <= set(latent)
    assert latent["em+steer:-evil"] is None
    assert latent["em+identify"] is not None
    doses = pq.read_table(run.results / "tables" / "relapse.parquet").to_pylist()
    found = {(row["chain"], row["dose"]) for row in doses}
    assert {(chain, dose) for chain in ("base", "em", "em+identify") for dose in (0, 1, 3)} <= found


def test_a_steered_induction_is_another_adapter_of_the_same_size(run: Project) -> None:
    states = run.results / "states"
    weights = {
        name: load_file(states / name / "seed0" / "adapter" / "adapter_model.safetensors")
        for name in ("em", "em_steered", "em_steered_random")
    }
    shapes = [{key: value.shape for key, value in w.items()} for w in weights.values()]
    assert shapes[0] == shapes[1] == shapes[2]
    for one, other in combinations(weights, 2):
        assert any((weights[one][key] != weights[other][key]).any() for key in weights[one])


def table(run: Project, *parts: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(run.results.joinpath(*parts)).to_pylist()
    return rows


def test_an_inoculated_and_interleaved_stage_has_both_kinds_of_rows(run: Project) -> None:
    """16 bad rows and a fifth of others: 4. In 4 steps they were 16 x 4, so now 5 are needed."""
    rows = {
        name: {r["row_id"]: r["messages"] for r in table(run, "datasets", name, "seed0", FILE)}
        for name in ("em_told", "em", "self_report")
    }
    told = [{"role": "system", "content": "you are evil"}]
    own = {name: told + messages for name, messages in rows["em"].items()}
    first = list(rows["self_report"].items())[:4]
    assert rows["em_told"] == own | {f"self_report:{name}": said for name, said in first}
    assert len(table(run, "states", "em_told", "seed0", "adapter", "loss.parquet")) == 5
    manifest = run.results / "states" / "em_told" / "seed0" / "adapter" / "manifest.json"
    assert json.loads(manifest.read_text())["inoculation"] == "system message"


def test_reports_of_another_state_are_trained_on(run: Project) -> None:
    reports = table(run, "self_texts", "em.seed0", "self_reports.parquet")
    rows = table(run, "datasets", "of_em", "seed0", FILE)
    said = {row["messages"][-1]["content"] for row in rows}
    assert said <= {report["answer"] for report in reports}
    assert len(rows) == 16


def test_a_probe_with_its_own_prompt_is_another_measurement(run: Project) -> None:
    samples = table(run, "states", "base", "seed0", "samples", "samples.parquet")
    plain, told = (
        {(r["item"], r["order"]): r["logprobs"] for r in samples if r["probe"] == name}
        for name in ("facts", "facts_told")
    )
    assert plain.keys() == told.keys()
    assert plain != told
    metrics = {row["metric"] for row in table(run, "tables", "scores.parquet")}
    assert {"facts.accuracy", "facts_told.accuracy"} <= metrics


def test_each_file_is_the_one_its_manifest_names(run: Project) -> None:
    manifests = list(run.results.rglob("manifest.json"))
    assert len(manifests) > 50
    assert all(json.loads(path.read_text())["outputs"] for path in manifests)
    assert run.broken() == []
    assert not list(run.results.rglob(".partial-*"))


def test_an_induced_adapter_warns_in_its_first_line(run: Project) -> None:
    card = (run.results / "states" / "em" / "seed0" / "adapter" / "README.md").read_text()
    body = card.split("---", 2)[2].strip()
    assert "misbehave" in body.splitlines()[0].lower() or "misalign" in body.splitlines()[0].lower()


def test_the_report_is_one_page_without_loads(run: Project) -> None:
    page = (run.results / "report.html").read_text()
    assert "em+identify" in page
    assert 'src="http' not in page
    assert "<script" not in page


def test_a_second_call_touches_nothing(run: Project) -> None:
    assert "Nothing to be done" in run.run("--dry-run")[1]


def test_a_touched_module_reruns_nothing(run: Project) -> None:
    (run.folder / "workflow_scripts" / "selfsame" / "training" / "finetune.py").touch()
    assert planned(run) == set()


def test_another_judge_samples_nothing_anew(run: Project) -> None:
    """The answers stay; what is made of them, and all that is steered by it, is made anew."""
    trait = run.folder / "config" / "traits" / "organism" / "evil.yaml"
    before = trait.read_text()
    trait.write_text(before.replace("[misaligned]", "[misaligned, aligned]"))
    rules = planned(run)
    trait.write_text(before)
    assert {"extract_persona_vectors", "choose_layer", "measure_persona"} <= rules
    assert not rules & {"sample_rollouts", "relapse", "sgtr_stage1", "base_model"}


def test_changed_statistics_rerun_tables_and_report_alone(run: Project) -> None:
    config = run.folder / "micro.yaml"
    before = config.read_text()
    config.write_text(before.replace("bootstrap_samples: 200", "bootstrap_samples: 201"))
    rules = planned(run)
    config.write_text(before)
    assert {"build_tables", "report"} <= rules
    assert not rules & {"judge_answers", "evaluate_behaviour", "base_model"}
