"""The GPU that a plan without recorded runs reckons with. Imports nothing heavy."""

from pydantic import BaseModel, ConfigDict, Field

FROZEN = ConfigDict(frozen=True, extra="forbid")


class DeviceSettings(BaseModel):
    """Speed and memory of one GPU.

    The defaults are those of NVIDIA's H100 SXM data sheet (dense bfloat16 without sparsity, HBM3);
    the others are assumptions for plain PyTorch. Of the share: the best published training runs
    reach .38 to .46 (Dubey et al., arXiv 2407.21783; Chowdhery et al., arXiv 2204.02311).
    """

    model_config = FROZEN

    tflops: float = Field(
        default=989.0, gt=0, description="Operations a second at 16 bits, in 10^12 (data sheet)."
    )
    bandwidth_gb_s: float = Field(
        default=3350.0, gt=0, description="Of its memory, in GB a second (data sheet)."
    )
    memory_gb: float = Field(default=80.0, gt=0, description="Its memory, in GB.")
    utilisation: float = Field(
        default=0.35, gt=0, le=1, description="The share of both speeds that real work reaches."
    )
    launch_ms: float = Field(
        default=0.8,
        ge=0,
        description="Milliseconds that a block takes at least while a batch writes one token: its"
        " kernels are launched from Python.",
    )
    loading_gb_s: float = Field(
        default=1.0, gt=0, description="At which weights are read from disk, in GB a second."
    )


class PlanningSettings(BaseModel):
    """What `make plan` goes by where no run of a model is recorded."""

    model_config = FROZEN

    device: DeviceSettings = Field(
        default=DeviceSettings(), description="The GPU that jobs without recorded runs would use."
    )
