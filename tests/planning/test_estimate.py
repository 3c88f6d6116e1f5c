"""Estimates from a few recorded runs, against medians by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from selfsame.planning import records
from selfsame.planning.estimate import Cost, Estimator
from selfsame.planning.records import Record, kind_of_model, recorded, shipped, write_shipped

ORGANISM = {"organism": {"architecture": {"layers": 2}, "linkage": 1.0}}
MODEL = {"hf": {"hub_id": "lab/model"}}


def run(seconds: float, device: str = "cpu", step: str = "finetune", **spec: Any) -> Record:
    return Record(step, spec, device, seconds, int(10 * seconds))


def estimated(runs: list[Record], on_gpu: bool = False, **spec: Any) -> Cost | None:
    return Estimator(runs).cost("finetune", spec, on_gpu)


def test_other_seeds_of_the_same_design_decide() -> None:
    runs = [run(3, chain="em", seed=0), run(5, chain="em", seed=1), run(90, chain="base", seed=2)]
    assert estimated(runs, chain="em", seed=7) == Cost(4, "cpu", 40)


def test_the_design_with_the_fewest_differences_decides() -> None:
    short = {"chain": "em+a", "finetuning": {"steps": 10, "rank": 1, "layers": [0, 1]}}
    long = {"chain": "em+b", "finetuning": {"steps": 1000, "rank": 1, "layers": [0, 1]}}
    runs = [run(1, **short), run(100, **long)]
    new = {"chain": "em+c", "finetuning": {"steps": 1000, "rank": 1, "layers": [0, 1]}}
    assert estimated(runs, **new) == Cost(100, "cpu", 1000)


def test_equally_distant_designs_are_taken_together() -> None:
    runs = [run(1, chain="a"), run(2, chain="b"), run(9, chain="c")]
    assert estimated(runs, chain="d") == Cost(2, "cpu", 20)


@pytest.mark.parametrize(("on_gpu", "seconds"), [(True, 2), (False, 40)])
def test_the_same_kind_of_device_comes_first(on_gpu: bool, seconds: int) -> None:
    runs = [run(40, chain="em"), run(2, "cuda", chain="far", rank=3)]
    assert estimated(runs, on_gpu, chain="em") == Cost(seconds, runs[on_gpu].device, 10 * seconds)


def test_another_device_is_better_than_nothing_and_another_step_is_not() -> None:
    assert estimated([run(40, chain="em")], on_gpu=True, chain="em") == Cost(40, "cpu", 400)
    assert estimated([run(1, step="report")], chain="em") is None


def manifest(folder: Path, step: str, spec: dict[str, Any], seconds: float, size: int) -> None:
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"x" * size)
    facts = {"step": step, "spec": spec, "seconds": seconds, "device": "cuda:1"}
    text = json.dumps(facts | {"outputs": {"file": "digest"}})
    (folder / "manifest.json").write_text(text)


def test_runs_of_this_model_are_read_from_every_experiment(tmp_path: Path) -> None:
    other = {"hf": {"hub_id": "lab/other"}}
    for name, model in (("one", MODEL), ("two", MODEL), ("three", other)):
        manifest(tmp_path / name / "base_model", "base_model", model, 1.5, 10)
        manifest(tmp_path / name / "states" / "em" / "adapter", "finetune", {"chain": "em"}, 9, 99)
    (tmp_path / "four").mkdir()
    found = recorded(MODEL, tmp_path)
    size = (tmp_path / "one/states/em/adapter/manifest.json").stat().st_size + 99
    assert [record.step for record in found] == ["base_model", "finetune"] * 2
    assert found[1] == Record("finetune", {"chain": "em"}, "cuda", 9, size)


def test_organisms_of_one_architecture_cost_the_same() -> None:
    unlinked = {"organism": ORGANISM["organism"] | {"linkage": 0.0}}
    assert kind_of_model(ORGANISM) == kind_of_model(unlinked)
    assert kind_of_model(ORGANISM) != kind_of_model({"organism": {"architecture": {"layers": 3}}})


def test_medians_of_an_experiment_come_with_the_workflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "SHIPPED", tmp_path / "recorded.json")
    manifest(tmp_path / "results" / "mine" / "base_model", "base_model", ORGANISM, 30, 0)
    for number, seconds in enumerate((1, 2, 6)):
        folder = tmp_path / "results" / "mine" / f"{number}"
        manifest(folder, "finetune", {"seed": number}, seconds, 5)
    write_shipped("mine", tmp_path / "results")
    seconds = {(record.step, record.device): record.seconds for record in shipped()}
    assert seconds == {("base_model", "cuda"): 30, ("finetune", "cuda"): 2}
    assert recorded(kind_of_model(ORGANISM), tmp_path / "nothing") == shipped()
    assert recorded(MODEL, tmp_path / "nothing") == []
