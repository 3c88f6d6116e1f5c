"""Adapters put on a loaded base and taken off: the merged state while on, the base after."""

import pytest
import torch

from selfsame.errors import UserError
from selfsame.models.chain import load_state
from selfsame.models.load import load_model
from selfsame.models.switching import with_adapters
from selfsame.sampling.hidden import hidden_means
from tiny_models import make_tiny_model
from trained_chains import train_chain

IDS = torch.tensor([[4, 20, 30, 40, 50]])


@pytest.fixture(scope="module", params=["qwen2", "gpt2"])
def chain(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    base = make_tiny_model(folder / "base", request.param)
    return base, train_chain(base, folder)


def logits(model):
    with torch.no_grad():
        return model(IDS).logits


def test_each_state_is_the_merged_one_and_the_base_comes_back(chain):
    base, adapters = chain
    model, _ = load_model(base)
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    for count in (2, 0, 1, 2):
        merged, _ = load_state(base, adapters[:count])
        with with_adapters(model, adapters[:count]) as state:
            assert state is model
            torch.testing.assert_close(logits(state), logits(merged), atol=1e-5, rtol=1e-5)
            found = hidden_means(state, [[4, 20]], [[30]]).response_mean
            wanted = hidden_means(merged, [[4, 20]], [[30]]).response_mean
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
        after = model.state_dict()
        assert after.keys() == weights.keys()
        assert all(torch.equal(after[name], weight) for name, weight in weights.items())


def test_the_base_comes_back_after_an_error(chain):
    base, adapters = chain
    model, _ = load_model(base)
    before = logits(model)
    with pytest.raises(ZeroDivisionError), with_adapters(model, adapters):
        raise ZeroDivisionError
    assert torch.equal(logits(model), before)


def test_a_folder_without_an_adapter_is_refused_before_anything_changes(chain, tmp_path):
    base, adapters = chain
    model, _ = load_model(base)
    with (
        pytest.raises(UserError, match=r"no adapter_config\.json"),
        with_adapters(model, [adapters[0], tmp_path]),
    ):
        pass
    assert not any("lora" in name for name, _ in model.named_modules())
